"""The translator: from a log line to its events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from lanrage_events import ConfigProblem, Event, EventDecodeError
from lanrage_events.events import EventRegistry

from .._config import FileConfig
from .._presets import with_preset
from .event_builder import EventBuilder
from .parser import LineParser
from .roster import Roster
from .times import Written

_SLOW = (
    "a line took long to match, which blocks everything: simplify the patterns and avoid nested "
    "repetition"
)


@dataclass(frozen=True, slots=True)
class Translation:
    """The result of one line."""

    events: tuple[Event, ...] = ()
    is_known: bool = False
    """whether a pattern matched, with or without an event"""
    problems: tuple[str, ...] = ()
    before: Roster | None = None
    """the state of the server before the line, if a pattern matched"""


class Translator:
    """Turn lines into events.

    :param config: the file, without the settings of its preset
    :param events: the known event types
    :param slow_seconds: report lines that take longer to match
    """

    def __init__(
        self, config: FileConfig, events: EventRegistry, *, slow_seconds: float = 0.25
    ) -> None:
        settings = with_preset(config)
        self.encoding = settings.encoding
        self.start = settings.start
        self._slow_seconds = slow_seconds
        self._parser = LineParser(settings)
        self._builder = EventBuilder(settings, events)

    def problems(self) -> Iterator[ConfigProblem]:
        """Yield the problems of the patterns and fields, each with the path of its setting."""
        return self._builder.problems()

    def look_at(self, written: Written) -> None:
        """Take the dates of a file for the lines that come next."""
        self._parser.look_at(written)

    def translate(self, line: str, roster: Roster, event_id: str) -> Translation:
        """Return the events of a line.

        :param roster: the state of the server, which is updated
        :param event_id: the id of the first event; a number is appended for further events
        """
        started = time.perf_counter()
        matches = self._parser.parse(line)
        problems = [_SLOW] if time.perf_counter() - started > self._slow_seconds else []
        before = roster.copy() if matches else None
        events: list[Event] = []
        ids = (f"{event_id}.{number}" if number else event_id for number in count())
        for match in matches:
            try:
                events += self._builder.build(match, roster, ids)
            except EventDecodeError as error:
                reason = "; ".join(map(str, error.problems))
                problems.append(
                    f"a line matches patterns.{match.rule} but is not a valid event: {reason}"
                )

        return Translation(tuple(events), bool(matches), tuple(problems), before)
