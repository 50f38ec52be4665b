"""Which events to write, by type and level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from lanrage_events import ConfigProblem, Event
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

    def problems(self, events: EventRegistry) -> Iterator[ConfigProblem]:
        """Yield a warning for each configured name that matches no event type, or if none is left."""
        config, is_known = self._config, True
        for key, types in (("include", config.include), ("exclude", config.exclude)):
            for index, message in types.unknown(events):
                is_known = False
                yield ConfigProblem(message, (key, index), warning=True)

        names = tuple(config.levels)
        for index, message in self._levels.unknown(events):
            yield ConfigProblem(message, ("levels", names[index]), warning=True, about_key=True)

        if is_known and not any(cls in self for cls in events.types()):
            path = ("include",) if config.include else ()
            yield ConfigProblem("no event type is left to write", path, warning=True)
