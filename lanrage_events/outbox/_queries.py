"""The queries on the tables of an outbox, within a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import fields
from datetime import datetime
from itertools import islice

from ._damage import DamagedRow
from ._records import (
    UNTIL_RESUMED,
    DeadLetter,
    OutboxEntry,
    OutboxLane,
    from_microseconds,
    to_microseconds,
)

MAX_ID = 2**63 - 1
"""the highest number that SQLite knows"""

_DEAD_LETTERS = "SELECT *, NULL AS postponed_until FROM dead_letters"
_FOREVER = to_microseconds(UNTIL_RESUMED)


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else stored_time(microseconds)


def stored_time(microseconds: int) -> datetime:
    """Return a time that a row holds.

    :raises DamagedRow: if it is none
    """
    try:
        return from_microseconds(microseconds)
    except (TypeError, OverflowError) as error:
        raise DamagedRow(f"a row holds a wrong time: {error}") from error


def _entry(row: sqlite3.Row) -> OutboxEntry:
    body = row["body"]
    if type(body) is not str:
        raise DamagedRow(f"entry {row['id']} has no text")

    return OutboxEntry(
        id=row["id"],
        lane=row["lane"],
        body=body,
        label=row["label"],
        put_time=stored_time(row["put_time"]),
        expires=_time(row["expires"]),
        postponed_until=_time(row["postponed_until"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
        size=row["size"],
    )


# Named in the order of the parameters: to look up each by its name would take as long again.
_READ = (
    "SELECT id, lane, body, label, put_time, expires, postponed_until, attempts, last_error, size"
    " FROM entries"
)


_DUE = "SELECT id FROM entries WHERE lane = ? AND postponed_until <= ? AND id > ?"


def _read_entry(row: sqlite3.Row) -> OutboxEntry:
    """Return what :data:`_READ` selected."""
    (id, lane, body, label, put_time, expires, postponed_until, attempts, last_error, size) = row
    if type(body) is not str:
        raise DamagedRow(f"entry {id} has no text")

    return OutboxEntry(
        id=id,
        lane=lane,
        body=body,
        label=label,
        put_time=from_microseconds(put_time),
        expires=None if expires is None else from_microseconds(expires),
        postponed_until=None if postponed_until is None else from_microseconds(postponed_until),
        attempts=attempts,
        last_error=last_error,
        size=size,
    )


def _read_entries(rows: Iterable[sqlite3.Row]) -> list[OutboxEntry]:
    try:
        return [_read_entry(row) for row in rows]
    except (TypeError, OverflowError) as error:
        raise DamagedRow(f"a row holds a wrong time: {error}") from error


def _dead_letter(row: sqlite3.Row) -> DeadLetter:
    entry = _entry(row)
    return DeadLetter(
        **{field.name: getattr(entry, field.name) for field in fields(entry)},
        failed_time=stored_time(row["died"]),
        reason=row["reason"],
        detail=row["detail"],
    )


def _merge(ready: list[OutboxEntry], postponed: list[OutboxEntry], limit: int) -> list[OutboxEntry]:
    if not postponed:
        return ready

    return sorted(ready + postponed, key=lambda entry: entry.id)[:limit]


def read(
    connection: sqlite3.Connection,
    lane: str,
    after: int,
    limit: int,
    now: int,
    completed: Collection[int],
) -> list[OutboxEntry]:
    """Return the entries of a lane that may be delivered now, in order."""
    if _lane_postponement(connection, lane) > now:
        return []

    rows = connection.execute(
        f"{_READ} WHERE lane = ? AND postponed_until IS NULL AND id > ?"
        " AND (expires IS NULL OR expires > ?) ORDER BY id",
        (lane, after, now),
    )
    ready = _read_entries(_fetch(rows, completed, limit))
    # Sorted by id from the index alone, before the first body is read.
    rows = connection.execute(
        f"{_READ} WHERE id IN ({_DUE}) AND (expires IS NULL OR expires > ?) ORDER BY id",
        (lane, now, after, now),
    )
    return _merge(ready, _read_entries(_fetch(rows, completed, limit)), limit)


def _fetch(rows: sqlite3.Cursor, completed: Collection[int], limit: int = 1) -> list[sqlite3.Row]:
    """Return the first rows of entries that are not done."""
    with closing(rows):
        if not completed:
            return rows.fetchmany(limit)

        return list(islice((row for row in rows if row["id"] not in completed), limit))


def _lane_postponement(connection: sqlite3.Connection, lane: str) -> int:
    row = connection.execute("SELECT postponed_until FROM lanes WHERE name = ?", (lane,)).fetchone()
    until = (row and row["postponed_until"]) or 0
    if type(until) is not int:
        raise DamagedRow(f"lane '{lane}' holds a wrong time")

    return until


def next_due(
    connection: sqlite3.Connection, lane: str, now: int, completed: Collection[int]
) -> int | None:
    """Return when the first entry of a lane may be delivered; ``now`` or earlier means at once."""
    lane_postponement = _lane_postponement(connection, lane)
    if lane_postponement == _FOREVER:
        return None

    rows = connection.execute(
        "SELECT id FROM entries WHERE lane = ? AND postponed_until IS NULL"
        " AND (expires IS NULL OR expires > ?) ORDER BY id",
        (lane, now),
    )
    if _fetch(rows, completed):
        return max(now, lane_postponement)

    rows = connection.execute(
        "SELECT id, postponed_until FROM entries WHERE lane = ? AND postponed_until IS NOT NULL"
        " AND (expires IS NULL OR expires > ?) ORDER BY postponed_until",
        (lane, now),
    )
    for row in _fetch(rows, completed):
        until = row["postponed_until"]
        if type(until) is not int:
            raise DamagedRow(f"entry {row['id']} holds a wrong time")

        return max(until, lane_postponement)

    return None


def lane_names(connection: sqlite3.Connection) -> list[str]:
    """Return the name of every lane that holds something or is postponed."""
    return [row["name"] for row in connection.execute("SELECT name FROM lanes")]


def is_overdue(
    connection: sqlite3.Connection, lane: str | None, now: int, completed: Collection[int]
) -> bool:
    """Return whether any entry has expired."""
    select = "SELECT id FROM entries WHERE lane = ? AND expires <= ?"
    return any(
        _fetch(connection.execute(select, (name, now)), completed)
        for name in (lane_names(connection) if lane is None else [lane])
    )


def next_expiry(connection: sqlite3.Connection, lane: str) -> int | None:
    """Return when the first entry of a lane expires, None if none does."""
    row = connection.execute(
        "SELECT min(expires) AS first FROM entries WHERE lane = ? AND expires IS NOT NULL", (lane,)
    ).fetchone()
    first: int | None = row["first"]
    return first


def lanes(connection: sqlite3.Connection) -> list[OutboxLane]:
    """Return every lane that holds something or is postponed, by name."""
    rows = connection.execute(
        "SELECT *, ("
        "SELECT min(put_time) FROM entries WHERE id IN ("
        "(SELECT min(id) FROM entries WHERE lane = name AND postponed_until IS NULL),"
        "(SELECT min(id) FROM entries WHERE lane = name AND postponed_until IS NOT NULL))"
        ") AS oldest FROM lanes ORDER BY name"
    )
    return [
        OutboxLane(
            name=row["name"],
            pending=row["pending"],
            bytes=row["bytes"],
            oldest=_time(row["oldest"]),
            dead=row["dead"],
            postponed_until=_time(row["postponed_until"]),
            attempts=row["attempts"],
            last_error=row["last_error"],
        )
        for row in rows
    ]


def oldest(connection: sqlite3.Connection) -> datetime | None:
    """Return when the first of all entries was put."""
    row = connection.execute("SELECT put_time FROM entries ORDER BY id LIMIT 1").fetchone()
    return None if row is None else stored_time(row["put_time"])


def pending(
    connection: sqlite3.Connection, lane: str | None, after: int, limit: int
) -> list[OutboxEntry]:
    """Return all entries of one lane or of every lane, in order."""
    if lane is None:
        rows = connection.execute(
            "SELECT * FROM entries WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [_entry(row) for row in rows]

    ready = connection.execute(
        "SELECT * FROM entries WHERE lane = ? AND postponed_until IS NULL AND id > ?"
        " ORDER BY id LIMIT ?",
        (lane, after, limit),
    )
    postponed = connection.execute(
        "SELECT * FROM entries WHERE id IN ("
        "SELECT id FROM entries WHERE lane = ? AND postponed_until IS NOT NULL AND id > ?"
        " ORDER BY id LIMIT ?) ORDER BY id",
        (lane, after, limit),
    )
    return _merge([_entry(row) for row in ready], [_entry(row) for row in postponed], limit)


def dead_letters(
    connection: sqlite3.Connection, lane: str | None, after: int, limit: int
) -> list[DeadLetter]:
    """Return the dead letters of one lane or of every lane, in the order of their ids."""
    condition, lanes = ("", ()) if lane is None else ("lane = ? AND ", (lane,))
    rows = connection.execute(
        f"{_DEAD_LETTERS} WHERE {condition}id > ? ORDER BY id LIMIT ?", (*lanes, after, limit)
    )
    return [_dead_letter(row) for row in rows]


def show(connection: sqlite3.Connection, id: int) -> OutboxEntry | None:
    """Return the entry or dead letter of this id."""
    if id > MAX_ID:
        return None

    row = connection.execute("SELECT * FROM entries WHERE id = ?", (id,)).fetchone()
    if row is not None:
        return _entry(row)

    row = connection.execute(f"{_DEAD_LETTERS} WHERE id = ?", (id,)).fetchone()
    return None if row is None else _dead_letter(row)
