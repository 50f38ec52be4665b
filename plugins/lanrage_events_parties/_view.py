"""The parties as a command shows them, from the file that the plugin keeps."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import anyio

from lanrage_events import Party
from lanrage_events.backoff import in_words
from lanrage_events.cli import (
    ExitCode,
    counted,
    safe_text,
    table,
    write_errors,
    write_json,
    write_lines,
)
from lanrage_events.config import is_running
from lanrage_events.events import utc_now

from ._api import PartyList, entry_of, select
from ._state import read_parties

LOOK_SECONDS = 1.0
"""between two looks at the file"""
DRAW_SECONDS = 10.0
"""after which a terminal shows how long everyone is on by now"""
NAMED_MAX = 50
"""members of a party who are named in a table"""
_NAME_MAX_CHARACTERS = 60
_STOPPED = "no daemon runs with this state folder: this is how it was when the last one ended"

_Stamp = tuple[tuple[int, int, int] | None, ...]


class PartiesView:
    """Shows the parties of a file once, or each time that they change.

    :param path: the file; a daemon may write to it meanwhile
    :param wanted: the id or the name of the party to show; None for all
    :param as_json: whether to print JSON
    """

    def __init__(self, path: Path, wanted: str | None = None, *, as_json: bool = False) -> None:
        self.path = path
        self._wanted = wanted
        self._as_json = as_json

    def show(self) -> int:
        """Print them once, and return the exit code.

        :raises OSError: if the file cannot be read
        """
        if not self.path.exists():
            write_errors(
                [f"there is no {self.path}: no daemon ever kept parties there, so start one"]
            )
            return ExitCode.FAILED

        found = self._read()
        if not is_running(self.path.parent):
            write_errors([_STOPPED])

        if self._as_json:
            write_json(_list(found).model_dump(mode="json"))
        else:
            write_lines(self._lines(found))

        if not found and self._wanted is not None:
            write_errors([f"there is no party '{self._wanted}': it may be over"])
            return ExitCode.FAILED

        return ExitCode.DONE

    async def watch(self) -> int:
        """Print them again and again until Ctrl-C.

        :raises OSError: if the file cannot be read
        """
        if self._as_json or not sys.stdout.isatty():
            return await self._follow()

        return await self._draw()

    async def _follow(self) -> int:
        """Print them when they have changed: a line of JSON, or the table and an empty line."""
        seen: _Stamp | None = None
        shown: str | None = None
        while True:
            stamp = self._stamp()
            if stamp != seen:
                seen, found = stamp, self._read()
                data = PartyList.model_dump_json(_list(found))
                if data != shown:
                    shown = data
                    write_lines([data] if self._as_json else [*self._lines(found), ""])
                    sys.stdout.flush()

            await anyio.sleep(LOOK_SECONDS)

    async def _draw(self) -> int:
        from rich.console import Console  # slow to import
        from rich.live import Live
        from rich.text import Text

        console = Console(highlight=False, markup=False, emoji=False)
        seen: _Stamp | None = None
        drawn = -DRAW_SECONDS
        found: Sequence[Party] = ()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                stamp, now = self._stamp(), anyio.current_time()
                if stamp != seen:
                    seen, found, drawn = stamp, self._read(), -DRAW_SECONDS

                if now - drawn >= DRAW_SECONDS:
                    drawn = now
                    lines = [*self._lines(found), "", *self._foot()]
                    live.update(Text("\n".join(map(safe_text, lines))), refresh=True)

                await anyio.sleep(LOOK_SECONDS)

    def _foot(self) -> list[str]:
        note = [] if is_running(self.path.parent) else [_STOPPED]
        return [*note, f"{datetime.now():%H:%M:%S}  Ctrl-C ends"]

    def _read(self) -> list[Party]:
        return select(read_parties(self.path), self._wanted) if self.path.exists() else []

    def _stamp(self) -> _Stamp:
        """Return what changes when the file does."""
        return tuple(map(_status, (self.path, self.path.with_name(f"{self.path.name}-wal"))))

    @staticmethod
    def _lines(found: Sequence[Party]) -> list[str]:
        if not found:
            return ["nobody is in a party"]

        lines: list[str] = []
        now = utc_now()
        for party in found:
            if lines:
                lines.append("")

            lines += _lines_of(party, now)

        return lines


def _list(found: Sequence[Party]) -> PartyList:
    return PartyList(parties=[entry_of(party) for party in found], total=len(found))


def _lines_of(party: Party, now: datetime) -> list[str]:
    name = _short(party.name or party.id or "a party without a name")
    facts = [f"{name}: {counted(party.size, 'player')}" if party.size else f"{name}: empty"]
    if party.game is not None:
        facts.append(_short(party.game))

    lines = [", ".join((*facts, f"since {_clock(party.since, now)}"))]
    members = party.members[:NAMED_MAX]
    if members:
        rows = [(f"  {_short(m.name)}", _clock(m.since, now), _ago(m.since, now)) for m in members]
        lines += table(rows)

    if party.size > len(members):
        lines.append(f"  and {party.size - len(members):,} more")

    return lines


def _clock(time: datetime, now: datetime) -> str:
    local = time.astimezone()
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{local:%a %H:%M}"


def _ago(time: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - time).total_seconds())
    if seconds < 120:  # which in_words gives in seconds
        return "under a minute" if seconds < 60 else "1 min"

    return in_words(seconds // 60 * 60)


def _short(name: str) -> str:
    text = safe_text(name).strip() or "?"
    cut = f"{text[: _NAME_MAX_CHARACTERS - 1]}…"
    return text if len(text) <= _NAME_MAX_CHARACTERS else cut


def _status(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None

    return status.st_ino, status.st_size, status.st_mtime_ns
