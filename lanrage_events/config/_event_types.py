"""Selections of event types in a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .._events import Event, type_names
from .._hints import did_you_mean
from ..events import EventRegistry
from ._types import Names


class EventTypes(tuple[str, ...]):
    """The type of a field that selects events by their types.

    It contains event types, base types that stand for all their subclasses, and patterns such as
    ``peer_*``. In YAML it is a list of texts, or one text. All names are known only when all plugins are loaded,
    so a plugin calls :meth:`problems` in its hook ``validate`` or at its start.

    :param names: what is selected
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._nearest: dict[type[Event], str | None] = {}

    def nearest(self, event_class: type[Event]) -> str | None:
        """Return the most specific name that selects an event class, None if there is none.

        Its own type comes first, then patterns, then its base types. A pattern stands for types
        only: ``party_*`` does not select ``peer_joined``, whose base type is ``party_event``.

        :param event_class: the class of an event
        """
        try:
            return self._nearest[event_class]
        except KeyError:
            own, *bases = type_names(event_class)
            patterns = (name for name in self if fnmatchcase(own, name))
            found = own if own in self else next(patterns, None)
            if found is None:
                found = next((base for base in bases if base in self), None)

            self._nearest[event_class] = found
            return found

    def select(self, event_class: type[Event]) -> bool:
        """Return whether events of a class are selected.

        :param event_class: the class of an event
        """
        return self.nearest(event_class) is not None

    def problems(self, events: EventRegistry) -> Iterator[str]:
        """Yield a message for each name that selects no event type.

        :param events: the known event types
        """
        return (message for _, message in self.unknown(events))

    def unknown(self, events: EventRegistry) -> Iterator[tuple[int, str]]:
        """Yield the index of each name that selects no event type, with a message.

        :param events: the known event types
        """
        known = events.names()
        types = [cls.type for cls in events.types()]
        for index, name in enumerate(self):
            if name not in known and not any(fnmatchcase(type, name) for type in types):
                hint = did_you_mean(name, known) or _hint(events.absent_plugins)
                yield index, f"no event type is named '{name}'{hint}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, handler(Names))


def _hint(absent: Sequence[str]) -> str:
    names = " or ".join(f"'{name}'" for name in absent)
    return f", unless the plugin {names} has it, which is not loaded" if names else ""
