"""The settings that choose events, such as those of a route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .._events import Event
from .._reports import ConfigProblem
from ..events import EventRegistry
from ._event_types import EventTypes
from ._types import ConfigModel
from ._where import Where


class EventFilter(ConfigModel):
    """Base class for settings that choose events, such as a route; its keys come first."""

    events: EventTypes = EventTypes(["event"])
    """event types, base types for all below them, or patterns such as ``peer_*``"""
    where: Where = Where()
    """values that the event's fields must have; of a list, one of its values. ``*`` in a text stands
    for any characters, and ``{not: …}`` excludes values"""

    def matches(self, event: Event) -> bool:
        """Return whether an event is chosen."""
        return self.events.select(type(event)) and self.where.matches(event)

    def problems(self, events: EventRegistry) -> Iterator[ConfigProblem]:
        """Yield errors about names that select no event type, and else warnings about values.

        Their paths begin below the filter.

        :param events: the known event types
        """
        unknown = list(self.events.unknown(events))
        yield from (ConfigProblem(message, ("events", index)) for index, message in unknown)
        if not unknown:
            types = [cls for cls in events.types() if self.events.select(cls)]
            for found in self.where.problems(types):
                yield replace(found, path=("where", *found.path))
