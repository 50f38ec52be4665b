"""Transforms, which change, split or drop an event before any plugin receives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .._events import Event

TransformResult = Event | Sequence[Event] | None
"""what a transform returns: the event itself, another one, several, or None to drop it"""


@dataclass(frozen=True, slots=True)
class Transform:
    """One transform of the events of a class."""

    name: str
    """for statistics, metrics and messages, such as ``rule 2``"""
    function: Callable[[Any], TransformResult]
    """called with each event, without waiting; an event that it changes keeps its id"""
    required: bool = False
    """whether an event on which it fails is not published, rather than passing without it"""


class Rules(Protocol):
    """The transforms of a configuration, which come before those of all plugins.

    Each method is called once for an event class, and again only after the rules or the plugins have
    changed. Their transforms return events of the same class, or None.
    """

    def transforms(self, event_class: type[Event]) -> Sequence[Transform]:
        """Return what transforms the events of a class, in order; nothing costs nothing."""
        ...

    def protects(self, event_class: type[Event]) -> Sequence[Transform]:
        """Return what events pass that the transform of a plugin has changed or made, in order."""
        ...
