"""Which events to write, by type and level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from lanrage_events import Event
from lanrage_events.config import EventTypes
from lanrage_events.events import EventRegistry

from ._config import Level, LogConfig

_LEVELS: tuple[Level, ...] = get_args(Level)


class Selection:
    """Decide whether to write an event, once per event class."""

    def __init__(self, config: LogConfig) -> None:
        self._config = config
        self._levels = EventTypes(config.levels)
        self._decided: dict[type[Event], bool] = {}

    def __contains__(self, event_class: type[Event]) -> bool:
        decision = self._decided.get(event_class)
        if decision is None:
            decision = self._decided[event_class] = self._decide(event_class)

        return decision

    def _decide(self, event_class: type[Event]) -> bool:
        config = self._config
        if config.include and not config.include.select(event_class):
            return False

        if config.exclude.select(event_class):
            return False

        name = self._levels.nearest(event_class)
        level = "info" if name is None else config.levels[name]
        return _LEVELS.index(level) >= _LEVELS.index(config.level)

    def problems(self, events: EventRegistry) -> Iterator[str]:
        """Yield a sentence for each configured name that matches no event type."""
        names = {
            "include": self._config.include,
            "exclude": self._config.exclude,
            "levels": self._levels,
        }
        for key, types in names.items():
            yield from (f"{key}: {problem}" for problem in types.problems(events))
