from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lanrage_events import Event, EventDecodeError
from lanrage_events.events import EventRegistry

from .._config import FileConfig
from .._presets import with_preset
from .event_builder import EventBuilder
from .parser import LineParser
from .roster import Roster

_SLOW = (
    "a line took long to match, which holds everything up: make the patterns simpler, with no "
    "repetition inside of another"
)


@dataclass(frozen=True, slots=True)
class Translation:
    """What a line gave."""

    events: tuple[Event, ...] = ()
    is_known: bool = False
    """whether a pattern matched, with or without an event"""
    problems: tuple[str, ...] = ()


class Translator:
    """Turns lines into events.

    :param config: the file that they are in, without what its preset says
    :param events: the event types that there are
    :param slow_seconds: a line that takes longer to match is a problem
    """

    def __init__(
        self, config: FileConfig, events: EventRegistry, *, slow_seconds: float = 0.25
    ) -> None:
        settings = with_preset(config)
        self.encoding = settings.encoding
        self.start = settings.start
        self._slow_seconds = slow_seconds
        self._parser = LineParser(settings)
        self._builder = EventBuilder(settings, events, _name_of(config.path))

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the patterns and fields, each with its place."""
        return self._builder.problems()

    def translate(self, line: str, roster: Roster, event_id: str) -> Translation:
        """Return what a line gives.

        :param roster: is brought up to date
        :param event_id: of its first event; further ones get a number behind it
        """
        started = time.perf_counter()
        matches = self._parser.parse(line)
        problems = [_SLOW] if time.perf_counter() - started > self._slow_seconds else []
        events = []
        for number, match in enumerate(matches):
            own_id = f"{event_id}.{number}" if number else event_id
            try:
                event = self._builder.build(match, roster, own_id)
            except EventDecodeError as error:
                reason = "; ".join(map(str, error.problems))
                problems.append(
                    f"a line that matches patterns.{match.rule} gives no event: {reason}"
                )
            else:
                if event is not None:
                    events.append(event)

        return Translation(tuple(events), bool(matches), tuple(problems))


def _name_of(path: Path) -> str:
    return path.stem.strip("*?-_.") or path.parent.name
