from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import get_args

from lanrage_events import Event

from ._config import Level, LogConfig

_LEVELS: tuple[Level, ...] = get_args(Level)


class Selection:
    """Decides by its type whether an event is written, once for each event class."""

    def __init__(self, config: LogConfig) -> None:
        self._config = config
        self._decided: dict[type[Event], bool] = {}

    def __contains__(self, event_class: type[Event]) -> bool:
        decision = self._decided.get(event_class)
        if decision is None:
            decision = self._decided[event_class] = self._decide(event_class)

        return decision

    def _decide(self, event_class: type[Event]) -> bool:
        config = self._config
        names = _type_and_bases(event_class)
        if config.include and not any(_matches(pattern, names) for pattern in config.include):
            return False

        if any(_matches(pattern, names) for pattern in config.exclude):
            return False

        level = next((config.levels[name] for name in names if name in config.levels), "info")
        return _LEVELS.index(level) >= _LEVELS.index(config.level)

    def unknown_names(self, event_classes: Iterable[type[Event]]) -> list[str]:
        """Return one sentence for each configured name that no event class answers to."""
        classes = [_type_and_bases(event_class) for event_class in event_classes]
        known = sorted({name for names in classes for name in names})
        sentences = []
        for key in ("include", "exclude", "levels"):
            for pattern in getattr(self._config, key):
                if any(_matches(pattern, names) for names in classes):
                    continue

                nearest = difflib.get_close_matches(pattern, known, n=1)
                hint = f", did you mean '{nearest[0]}'?" if nearest else ""
                sentences.append(f"{key}: no event type is called '{pattern}'{hint}")

        return sentences


def _type_and_bases(event_class: type[Event]) -> list[str]:
    """Return the event type and those of its bases, most specific first."""
    return [cls.type for cls in event_class.__mro__ if issubclass(cls, Event)]


def _matches(pattern: str, names: list[str]) -> bool:
    # A pattern is held against the type alone: 'party_*' would match the base of 'peer_joined'.
    return pattern in names or fnmatchcase(names[0], pattern)
