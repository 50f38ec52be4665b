"""The file that keeps the parties and the cards."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio

from lanrage_events.cli import error_text
from lanrage_events.state import Database

from .card import Card
from .followed import Followed

logger = logging.getLogger("lanrage_events.discord")

SCHEMA = (
    "CREATE TABLE parties (id TEXT PRIMARY KEY, ended REAL, content TEXT)",
    "CREATE TABLE cards (id TEXT PRIMARY KEY, webhook TEXT, party TEXT, is_due INTEGER, content TEXT)",
    # What `lanrage-events outbox list` shows.
    """CREATE VIEW outbox_list AS
    SELECT card, webhook, party,
        CASE WHEN reason <> '' THEN 'stopped' WHEN is_due OR is_requested OR message IS NULL
            THEN 'waiting'
            ELSE 'shown' END AS state,
        CASE WHEN is_over THEN 'yes' ELSE 'no' END AS over,
        CASE WHEN message IS NOT NULL THEN strftime('%Y-%m-%d %H:%M:%SZ', posted_at, 'unixepoch')
            END AS posted, message, reason
    FROM (SELECT cards.rowid AS number, cards.id AS card, webhook, is_due,
            CASE WHEN json_valid(parties.content) THEN coalesce(
                nullif(json_extract(parties.content, '$.name'), ''),
                json_extract(parties.content, '$.id')
            ) END AS party,
            json_extract(cards.content, '$.is_over') AS is_over,
            json_extract(cards.content, '$.is_done') OR json_extract(cards.content, '$.is_removed')
                AS is_gone,
            json_extract(cards.content, '$.is_requested') AS is_requested,
            json_extract(cards.content, '$.posted_at') AS posted_at,
            json_extract(cards.content, '$.message_id') AS message,
            json_extract(cards.content, '$.stopped') AS reason
        FROM cards LEFT JOIN parties ON parties.id = cards.party WHERE json_valid(cards.content))
    WHERE is_gone IS NOT 1
    ORDER BY state <> 'stopped', number""",
)
_PUT_CARD = """
    INSERT INTO cards VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        webhook = excluded.webhook, is_due = excluded.is_due, content = excluded.content
"""
# What is read at a time: it need not be in memory as a whole.
_AT_ONCE = 200

Row: TypeAlias = tuple[str, float | None, str]
"""of a party: its id, when its end was followed, and the rest as JSON"""


class CardFile:
    """Writes what has changed, in one transaction.

    :param database: what it writes to
    :param row: makes the row of a party
    :param everything: returns what there is, for a new file after the other one was lost
    """

    def __init__(
        self,
        database: Database,
        row: Callable[[Followed], Row],
        everything: Callable[[], Iterable[Followed | Card]],
    ) -> None:
        self.problem: str | None = None
        """why it could not be written; None if it could"""
        self._database = database
        self._row = row
        self._everything = everything
        self._losses = database.losses
        self._unsaved = _Unsaved()
        self._lock = anyio.Lock()

    def put(self, changed: Followed | Card) -> None:
        """Write a party, or a card, the next time."""
        unsaved = self._unsaved
        if isinstance(changed, Card):
            unsaved.cards[changed] = None
        else:
            unsaved.parties[changed] = None

    def remove(self, gone: Followed | Card) -> None:
        """Remove a party, or a card, the next time."""
        unsaved = self._unsaved
        if isinstance(gone, Card):
            unsaved.cards.pop(gone, None)
        else:
            unsaved.parties.pop(gone, None)

        unsaved.gone[gone.id] = None

    async def save(self) -> None:
        """Wait until everything is written as of the call.

        :raises OSError: if it cannot be; the next call tries again
        """
        try:
            await self._write()
        except OSError:
            if self._losses == self._database.losses:
                raise

            self._losses, self._unsaved = self._database.losses, _Unsaved()
            for one in self._everything():
                self.put(one)

            await self._write()

    async def _write(self) -> None:
        async with self._lock:
            unsaved, self._unsaved = self._unsaved, _Unsaved()
            parties = [self._row(followed) for followed in unsaved.parties]
            cards = [card.row() for card in unsaved.cards]
            gone = [(id,) for id in unsaved.gone]
            if not (parties or cards or gone):
                return

            def write(connection: sqlite3.Connection) -> None:
                for statement, rows in (
                    ("INSERT OR REPLACE INTO parties VALUES (?, ?, ?)", parties),
                    (_PUT_CARD, cards),
                    ("DELETE FROM parties WHERE id = ?", gone),
                    ("DELETE FROM cards WHERE id = ?", gone),
                ):
                    connection.executemany(statement, rows)

            try:
                await self._database.run(write)
            except BaseException as error:
                self._unsaved = unsaved.merged(self._unsaved)
                if isinstance(error, OSError):
                    self.problem = error.strerror or str(error)

                raise

            self.problem = None

    async def compact(self) -> None:
        """Overwrite what was removed.

        :raises OSError: if it could not be done
        """
        await self._database.compact()

    async def read(self, table: str) -> AsyncIterator[tuple[Any, ...]]:
        """Iterate over the rows of a table, as they were first written.

        :raises OSError: if it cannot be read
        """
        last = 0
        query = f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_AT_ONCE}"  # noqa: S608

        def read(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(query, (last,)).fetchall()

        while rows := await self._database.run(read):
            for row in rows:
                yield row[1:]

            last = rows[-1][0]

    def leave_out(self, id: str, what: str, error: Exception) -> None:
        """Remove what cannot be read, the next time."""
        self._unsaved.gone[id] = None
        path, why = self._database.path, error_text(error)
        logger.error("%s: a %s cannot be read, and is left out: %s", path, what, why)


@dataclass(slots=True)
class _Unsaved:
    """What is not in the file yet."""

    parties: dict[Followed, None] = field(default_factory=dict)
    cards: dict[Card, None] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    """ids of parties and cards that are not known any more"""

    def merged(self, later: _Unsaved) -> _Unsaved:
        gone = self.gone | later.gone
        parties, cards = self.parties | later.parties, self.cards | later.cards
        return _Unsaved(
            {one: None for one in parties if one.id not in gone},
            {one: None for one in cards if one.id not in gone},
            gone,
        )
