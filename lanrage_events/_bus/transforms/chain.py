"""The chain of transforms that the events of a class pass, and what one of them makes of an event."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from ..._events import Event, derived_id
from ...abc import TransformResult
from ..threads import TRANSFORM as HOOK

Events = tuple[Event, ...]
"""what one published event was turned into, and what enters the mailboxes together"""

MOST_EVENTS = 100
"""that one event may be turned into"""


@dataclass(frozen=True, slots=True)
class DeclaredTransform:
    """A transform that a plugin declares."""

    function: Callable[[Event], TransformResult]
    classes: tuple[type[Event], ...]
    """the event classes that it gets, with their subclasses"""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One transform of the events of a class."""

    function: Callable[[Event], TransformResult]
    name: str
    """the name of the plugin, or of the rule"""
    position: int
    """among the transforms of all classes"""
    required: bool
    is_rule: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """What the events of a class pass, in order."""

    event_class: type[Event]
    steps: tuple[Step, ...]
    protects: tuple[Step, ...]
    """what they pass again when the transform of a plugin has changed or made them"""


class Diverted(Exception):
    """Raised when an event was turned into others, which its route does not append."""

    def __init__(self, events: Events) -> None:
        self.events = events


class WrongResult(TypeError):
    """Raised when a transform returns anything but events; it shows nothing of what it returned."""


def made_of(step: Step, event: Event, result: object, taken: int = 0) -> tuple[Event, ...]:
    """Return the events that a transform has made of another one, with their ids.

    :param taken: how many numbers earlier transforms have taken for what they made of the event
    :raises WrongResult: if it returned anything else, or too many
    """
    if result is None:
        return ()

    results = cast(Sequence[Any], result if isinstance(result, (list, tuple)) else (result,))
    for one in results:
        if not isinstance(one, Event):
            if isinstance(one, Coroutine):
                one.close()

            what = f"an event, a list of events, or None, not {type(one).__name__}"
            raise WrongResult(f"hook '{HOOK}' must return {what}")

        if step.is_rule and one.__class__ is not event.__class__:
            raise WrongResult(f"a rule must keep the class of an event, not make a {one.type}")

    if len(results) > MOST_EVENTS:
        raise too_many(len(results))

    own = next((number for number, one in enumerate(results, 1) if one.id == event.id), None)
    return tuple(
        one
        if number == own
        else replace(one, id=derived_id(event.id, taken + number), parent_id=event.id)
        for number, one in enumerate(results, 1)
    )


def too_many(events: int) -> WrongResult:
    """Return that a transform has made too many events of one."""
    return WrongResult(f"it made {events:,} events of one, and {MOST_EVENTS} are the most")
