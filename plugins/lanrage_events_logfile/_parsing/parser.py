"""Matching log lines with regular expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .._config import FileSettings
from .times import TIME_GROUP, LineTimes, Written

# Control sequences of terminals, such as colours: ECMA-48, 5.4.
_TERMINAL_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


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
        self._times = LineTimes(settings.time_format) if settings.time == "line" else None
        self._rules = [
            (rule, [re.compile(pattern) for pattern in patterns])
            for rule, patterns in (
                (SERVER_BEGINS, settings.server_begins),
                (PLAYER_CONNECTS, settings.player_connects),
                *settings.patterns.items(),
            )
            if patterns
        ]

    def look_at(self, written: Written) -> None:
        """Take the dates of a file for the lines that come next."""
        if self._times is not None:
            prefixes = (self._split(line)[1] for line in written.last_lines)
            self._times.look_at(written, [prefix for prefix in prefixes if prefix is not None])

    def parse(self, line: str) -> list[Match]:
        """Return the matches in a line, at most one per rule."""
        line, prefix = self._split(line)
        if prefix is None:
            return []

        matches = []
        for rule, patterns in self._rules:
            for pattern in patterns:
                # Not a search: a player could write the rest of such a line in chat.
                found = pattern.fullmatch(line, prefix.end())
                if found is not None:
                    matches.append(self._match(rule, prefix, found))
                    break

        return matches

    def _split(self, line: str) -> tuple[str, re.Match[str] | None]:
        """Return a line without what is removed, and its prefix."""
        if "\x1b" in line:
            line = _TERMINAL_CODES.sub("", line)

        if self._remove is not None:
            line = self._remove.sub("", line)

        return line, self._prefix.match(line)

    def _match(self, rule: str, prefix: re.Match[str], found: re.Match[str]) -> Match:
        groups = {
            name: value
            for name, value in {**prefix.groupdict(), **found.groupdict()}.items()
            if value is not None and name != TIME_GROUP
        }
        return Match(rule, groups, None if self._times is None else self._times.of(prefix))
