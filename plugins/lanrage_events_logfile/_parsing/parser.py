"""Matching log lines with regular expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lanrage_events.events import in_utc

from .._config import FileSettings, has_date

# Control sequences of terminals, such as colours: ECMA-48, 5.4.
_TERMINAL_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
TIME_GROUP = "time"


@dataclass(frozen=True, slots=True)
class Match:
    """The match of a pattern in a line."""

    rule: str
    """the event type, or :data:`PLAYER_CONNECTS` or :data:`SERVER_BEGINS`"""
    groups: Mapping[str, str]
    """the named groups that matched"""
    time: datetime | None
    """the time of the line in UTC, None if it has none"""


# With a space, which no event type has.
PLAYER_CONNECTS = "player connects"
SERVER_BEGINS = "server begins"


class LineParser:
    """Match lines with regular expressions; each line is independent of the others.

    :param settings: the settings, including those of the preset
    """

    def __init__(self, settings: FileSettings) -> None:
        self._remove = re.compile(settings.remove) if settings.remove else None
        self._prefix = re.compile(settings.prefix or "")
        self._time_format = None
        if settings.time == "line" and settings.time_format and has_date(settings.time_format):
            self._time_format = settings.time_format

        self._rules = [
            (rule, [re.compile(pattern) for pattern in patterns])
            for rule, patterns in (
                (SERVER_BEGINS, settings.server_begins),
                (PLAYER_CONNECTS, settings.player_connects),
                *settings.patterns.items(),
            )
            if patterns
        ]

    def parse(self, line: str) -> list[Match]:
        """Return the matches in a line, at most one per rule."""
        if "\x1b" in line:
            line = _TERMINAL_CODES.sub("", line)

        if self._remove is not None:
            line = self._remove.sub("", line)

        prefix = self._prefix.match(line)
        if prefix is None:
            return []

        matches = []
        for rule, patterns in self._rules:
            for pattern in patterns:
                # Not a search: a player could write the rest of such a line in chat.
                found = pattern.fullmatch(line, prefix.end())
                if found is not None:
                    groups = {**prefix.groupdict(), **found.groupdict()}
                    matches.append(self._match(rule, groups))
                    break

        return matches

    def _match(self, rule: str, groups: Mapping[str, str | None]) -> Match:
        found = {name: value for name, value in groups.items() if value is not None}
        return Match(rule, found, self._time(found.pop(TIME_GROUP, None)))

    def _time(self, text: str | None) -> datetime | None:
        if text is None or self._time_format is None:
            return None

        try:
            # Without a time zone, assume this machine's, where the game server likely runs.
            return in_utc(datetime.strptime(text, self._time_format).astimezone(UTC))
        except (ValueError, OverflowError, OSError):
            return None
