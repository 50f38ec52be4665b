"""The state: the parties that the handled events have made, and the file that keeps them."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import (
    Event,
    EventDecodeError,
    Parties,
    Party,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.abc import Person
from lanrage_events.cli import error_text
from lanrage_events.config import ConfigError
from lanrage_events.state import Database

from ._recap import recap
from ._visitors import Visit, Visitors

logger = logging.getLogger("lanrage_events.parties")

MOST_DETAILS = 1_000
"""joins and leaves of which a restart knows what was filled in, so that it is the same if they are
published again"""

SCHEMA = (
    "CREATE TABLE parties (key TEXT PRIMARY KEY, content TEXT NOT NULL)",
    "CREATE TABLE visitors (number INTEGER PRIMARY KEY, party, person, name, UNIQUE (party, person))",
    "CREATE TABLE details (number INTEGER PRIMARY KEY, content TEXT NOT NULL)",
    "CREATE TABLE ended (id TEXT PRIMARY KEY, event TEXT NOT NULL)",
)

Detail = tuple[float | bool | None, int | None]
"""the duration, or whether it is the first time, and the count"""


class State:
    """The parties as of the events that were handled, and what is remembered about them.

    Change it in the event loop, then await :meth:`save`.

    :param database: keeps it
    """

    def __init__(self, database: Database) -> None:
        self.parties = Parties(ended=self._publish_later)
        self.visitors = Visitors()
        self.details: dict[str, Detail] = {}
        """by event id: what was filled in before the start"""
        self.ended: dict[str, PartyEnded] = {}
        """by event id: what is yet to be published"""
        self.problem: str | None = None
        """why the file could not be written; None if it could"""
        self._database = database
        self._losses = database.losses
        self._lock = anyio.Lock()
        self._unsaved = _Unsaved()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, path: Path | None, read_event: Callable[[str], Event]
    ) -> AsyncIterator[tuple[State, Parties]]:
        """Open a file; see :meth:`load`.

        :raises ConfigError: if it cannot be used
        """
        async with AsyncExitStack() as stack:
            try:
                state = cls(await stack.enter_async_context(Database(path, SCHEMA)))
                copy = await state.load(read_event)
            except OSError as error:
                raise ConfigError([f"{error.filename}: {error.strerror}"]) from error

            yield state, copy

    async def load(self, read_event: Callable[[str], Event]) -> Parties:
        """Read the file, and return the same parties once more, for who wants to change them.

        What cannot be read is left out, which is logged.

        :param read_event: makes an event of its JSON form
        :raises OSError: if it cannot be read
        """
        parties, visits, details, ended = await self._database.run(_read)
        copy = Parties()
        for (content,) in parties:
            with _leaving_out(self._database.path, "a party"):
                self.parties.load(content)
                copy.load(content)

            await checkpoint()

        self.visitors.load(visits)
        for self._unsaved.number, content in details:
            with _leaving_out(self._database.path, "a detail"):
                self.details |= {id: (value, count) for id, value, count in json.loads(content)}

        for (content,) in ended:
            with _leaving_out(self._database.path, "a recap"):
                event = read_event(content)
                if isinstance(event, PartyEnded):
                    self.ended[event.id] = event

        return copy

    def follow(self, event: PartyEvent) -> Sequence[str]:
        """Update the parties by an event, and return the keys of those that it is about."""
        unsaved = self._unsaved
        visit = self.visitors.follow(event)
        if visit is not None:
            unsaved.visits[visit[0]] = visit
            unsaved.forgotten = self.visitors.forget_oldest() or unsaved.forgotten

        detail = detail_of(event)
        if detail is not None:
            unsaved.number += 1
            unsaved.details[event.id] = detail

        keys = follow(self.parties, event)
        unsaved.keys |= dict.fromkeys(keys)
        return keys

    def end(self, party: Party, time: datetime) -> None:
        """End a party with its last event, and remember that this is to be published.

        :param time: when that was known
        """
        self._unsaved.keys[party.key] = None
        self._publish_later(self.parties.end(party.key, party.last_change), time)

    def _publish_later(self, party: Party, time: datetime | None = None) -> None:
        """Remember that the end of a party is to be published, unless nobody was in it."""
        if party.peak:
            event = recap(party, time or party.ended or party.last_change)
            self.ended[event.id] = event
            self._unsaved.ended[event.id] = event.to_json()

    def published(self, id: str) -> None:
        """Forget what was published."""
        del self.ended[id]
        self._unsaved.ended[id] = None

    async def forget(self, person: Person) -> dict[str, int]:
        """Remove a person from all that is kept, and return what was removed.

        :raises OSError: if it cannot be written
        """

        def without(event: PartyEnded) -> PartyEnded:
            names = tuple(name for name in event.players if not person.is_called(name))
            return event if names == event.players else event.replace(players=names)

        keys = self.parties.forget(person.is_called, person.is_in)
        changed = {id: without(event) for id, event in self.ended.items()}
        recaps = [id for id, event in changed.items() if event is not self.ended[id]]
        self.ended = changed
        unsaved = self._unsaved
        unsaved.keys |= dict.fromkeys(keys)
        unsaved.ended |= {id: changed[id].to_json() for id in recaps}
        await self.save()
        visits = await self._database.run(partial(_forget, person=person))
        self.visitors.forget(visits)
        await self._database.compact()
        return {"parties": len(keys), "visits": len(visits), "recaps": len(recaps)}

    async def save(self) -> None:
        """Wait until the file has everything as of the call.

        :raises OSError: if it cannot be written; the next call tries again
        """
        async with self._lock:
            try:
                await self._save()
            except OSError:
                if self._losses == self._database.losses:
                    raise

                # A new file was begun.
                self._losses = self._database.losses
                self._unsaved.everything = True
                self._unsaved.keys |= dict.fromkeys(party.key for party in self.parties)
                self._unsaved.ended |= {id: one.to_json() for id, one in self.ended.items()}
                await self._save()

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, _Unsaved(self._unsaved.number)
        parties = self.parties
        here = [(key, parties.dump(key)) for key in unsaved.keys if key in parties]
        gone = [(key,) for key in unsaved.keys if key not in parties]
        try:
            await self._database.run(lambda connection: unsaved.write(connection, here, gone))
        except BaseException as error:
            self._unsaved = unsaved.merged(self._unsaved)
            if isinstance(error, OSError):
                self.problem = error.strerror or str(error)

            raise

        self.problem = None


@dataclass(slots=True)
class _Unsaved:
    """What is not in the file yet."""

    number: int = 0
    """how many joins and leaves there were"""
    keys: dict[str, None] = field(default_factory=dict)
    """of the parties that changed"""
    visits: dict[int, Visit] = field(default_factory=dict)
    forgotten: int = 0
    """up to which number visits are forgotten"""
    details: dict[str, Detail] = field(default_factory=dict)
    ended: dict[str, str | None] = field(default_factory=dict)
    """by event id: the event as JSON, None if it was published"""
    everything: bool = False
    """whether it is all there is"""

    def merged(self, later: _Unsaved) -> _Unsaved:
        return _Unsaved(
            later.number,
            self.keys | later.keys,
            self.visits | later.visits,
            max(self.forgotten, later.forgotten),
            self.details | later.details,
            self.ended | later.ended,
            self.everything,
        )

    def write(
        self,
        connection: sqlite3.Connection,
        parties: Sequence[tuple[str, str]],
        gone: Sequence[tuple[str]],
    ) -> None:
        if self.everything:
            connection.execute("DELETE FROM parties")

        details = [[id, *detail] for id, detail in self.details.items()]
        ended = [(id, event) for id, event in self.ended.items() if event is not None]
        published = [(id,) for id, event in self.ended.items() if event is None]
        for statement, rows in (
            ("INSERT OR REPLACE INTO parties VALUES (?, ?)", parties),
            ("DELETE FROM parties WHERE key = ?", gone),
            ("INSERT OR REPLACE INTO visitors VALUES (?, ?, ?, ?)", self.visits.values()),
            ("DELETE FROM visitors WHERE number <= ?", [(self.forgotten,)] * (self.forgotten > 0)),
            ("INSERT OR REPLACE INTO ended VALUES (?, ?)", ended),
            ("DELETE FROM ended WHERE id = ?", published),
        ):
            if rows:
                _execute(connection, statement, list(rows))

        if details:
            row = self.number, json.dumps(details)
            connection.execute("INSERT OR REPLACE INTO details VALUES (?, ?)", row)
            last = self.number - MOST_DETAILS
            connection.execute("DELETE FROM details WHERE number <= ?", (last,))


def _execute(
    connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]
) -> None:
    try:
        connection.executemany(statement, rows)
    except UnicodeEncodeError:
        # Names may have halves of characters, as in events of this process, which SQLite does not take.
        connection.executemany(statement, [[_encodable(one) for one in row] for row in rows])


def _encodable(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _read(connection: sqlite3.Connection) -> list[list[Any]]:
    return [
        connection.execute(query).fetchall()
        for query in (
            "SELECT content FROM parties",
            "SELECT number, party, person FROM visitors ORDER BY number",
            "SELECT number, content FROM details ORDER BY number",
            "SELECT event FROM ended",
        )
    ]


def follow(parties: Parties, event: PartyEvent) -> Sequence[str]:
    """Update parties by an event, and return the keys of those that it is about, its own first."""
    keys = parties.follow(event)
    if keys:
        return keys

    key = parties.find(event)
    return () if key is None else (key,)


def _forget(connection: sqlite3.Connection, person: Person) -> list[int]:
    """Delete who is meant from the visitors, and the ids that name the person; return the visits."""
    visits = [
        number
        for number, *names in connection.execute("SELECT number, person, name FROM visitors")
        if any(map(person.is_called, names))
    ]
    connection.executemany("DELETE FROM visitors WHERE number = ?", [(one,) for one in visits])
    for number, content in connection.execute("SELECT number, content FROM details").fetchall():
        kept = [detail for detail in json.loads(content) if not person.is_in(detail[0])]
        connection.execute(
            "UPDATE details SET content = ? WHERE number = ?", (json.dumps(kept), number)
        )

    return visits


def read_parties(path: Path) -> Parties:
    """Return the parties of a file, which a plugin may keep meanwhile.

    :raises OSError: if it does not exist, or cannot be read
    """
    parties = Parties()
    with Database.reading(path) as connection:
        for (content,) in connection.execute("SELECT content FROM parties").fetchall():
            with _leaving_out(path, "a party"):
                parties.load(content)

    return parties


@contextmanager
def _leaving_out(path: Path | None, what: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, EventDecodeError, LookupError, TypeError, ValueError) as error:
        logger.error("%s: %s cannot be read, and is left out: %s", path, what, error_text(error))


def detail_of(event: PartyEvent) -> Detail | None:
    """Return what an event says of its player beside the name, None if it is about none."""
    if isinstance(event, PeerJoined):
        return event.first_time, event.count

    return (event.duration, event.count) if isinstance(event, PeerLeft) else None


def filled(event: PartyEvent, detail: Detail) -> PartyEvent:
    """Return an event with what it does not say yet about its player, if it is about one."""
    said = detail_of(event)
    if said is None or said == detail:
        return event

    value, count = (known if own is None else own for own, known in zip(said, detail, strict=True))
    name = "first_time" if isinstance(event, PeerJoined) else "duration"
    return event.replace(**{name: value, "count": count})
