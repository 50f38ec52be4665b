"""What a damaged outbox still holds, copied into a new file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._events import utc_now
from ._damage import connect_read_only
from ._records import UNTIL_RESUMED, to_microseconds
from ._schema import MIGRATIONS, migrate

# Of the ids that may be in a page that cannot be read. Each takes some 5 µs.
_MAX_TRIED_IDS = 100_000

# What is higher is damage: at a million a second, it would be reached in 146,000 years.
_MAX_ID = 2**62

_FOREVER = to_microseconds(UNTIL_RESUMED)
_ENTRY = (
    "id, lane, label, size, put_time, expires, postponed_until, attempts, last_error",
    "body",
)
_DEAD_LETTER = (
    "id, lane, label, size, put_time, expires, attempts, last_error, died, reason, detail",
    "body",
)
_UNREADABLE = "it cannot be read: the file of the outbox is damaged"


@dataclass(slots=True)
class Salvaged:
    """How much was copied."""

    entries: int = 0
    dead_letters: int = 0
    unreadable: int = 0
    """entries that are dead letters now, because they cannot be read as a whole"""


@dataclass(slots=True)
class _Rows:
    """The rows of one table, by their ids; of some, only a part can be read."""

    whole: dict[int, dict[str, Any]] = field(default_factory=dict)
    partial: dict[int, dict[str, Any]] = field(default_factory=dict)


def salvage(path: Path, target: Path, *, next_id: int = 1) -> Salvaged:
    """Copy what can be read of a damaged file into a new one, whose entries keep their ids.

    An entry that cannot be read as a whole becomes a dead letter.

    :param path: the damaged file, which is not changed
    :param target: the new file, which is empty
    :param next_id: an id that was not used yet, as far as the caller knows
    :raises sqlite3.Error: if the new file cannot be written, or nothing of the old one can be read
    """
    with closing(connect_read_only(path)) as source:
        source.row_factory = sqlite3.Row
        # Texts may be none any more.
        source.text_factory = bytes
        tables = {name for (name,) in source.execute("SELECT name FROM sqlite_master")}
        if b"entries" not in tables or source.execute("PRAGMA encoding").fetchone()[0] != b"UTF-8":
            raise sqlite3.DatabaseError("it has no entries")

        lanes = _lanes(source)
        entries = _read(source, "entries", *_ENTRY)
        dead_letters = _read(source, "dead_letters", *_DEAD_LETTER)
        with suppress(sqlite3.Error):
            found = source.execute("SELECT next_id FROM ids").fetchone()
            next_id = max(next_id, _number(found and found[0], 1, minimum=1))

    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS)
        connection.execute("BEGIN")
        salvaged = _write(connection, entries, dead_letters, lanes, next_id)
        connection.execute("COMMIT")

    return salvaged


def _read(source: sqlite3.Connection, table: str, columns: str, body: str) -> _Rows:
    """Read a table from its beginning and, where that fails, each of its ids for itself."""
    rows = _Rows()
    select = f"SELECT {columns}, {body} FROM {table}"  # noqa: S608 - names from here
    last = 0
    try:
        for row in source.execute(f"{select} NOT INDEXED ORDER BY id"):
            last = max(last, _add(rows.whole, row))
    except sqlite3.Error:
        for id, lane in _candidates(source, table, last):
            if id not in rows.whole:
                _read_one(source, rows, table, columns, body, id, lane)

    return rows


def _read_one(
    source: sqlite3.Connection,
    rows: _Rows,
    table: str,
    columns: str,
    body: str,
    id: int,
    lane: bytes | None,
) -> None:
    select = f"FROM {table} NOT INDEXED WHERE id = ?"
    try:
        row = source.execute(f"SELECT {columns}, {body} {select}", (id,)).fetchone()
        if row is not None:
            _add(rows.whole, row)

    except sqlite3.Error:
        try:
            row = source.execute(f"SELECT {columns} {select}", (id,)).fetchone()
            if row is not None:
                _add(rows.partial, row)

        except sqlite3.Error:
            if lane is not None:
                rows.partial[id] = {"id": id, "lane": lane}


def _add(rows: dict[int, dict[str, Any]], row: sqlite3.Row) -> int:
    id = int(row["id"])
    if 0 < id < _MAX_ID:
        rows.setdefault(id, dict(row))

    return id


def _candidates(
    source: sqlite3.Connection, table: str, last: int
) -> Iterator[tuple[int, bytes | None]]:
    """Return ids that may exist, and their lanes if an index knows them."""
    known: dict[int, bytes | None] = {}
    indexes = {
        "entries": {
            "entries_ready": "postponed_until IS NULL",
            "entries_postponed": "postponed_until IS NOT NULL",
        },
        "dead_letters": {"dead_letters_by_lane": "1"},
    }
    for index, condition in indexes[table].items():
        with suppress(sqlite3.Error):
            select = f"SELECT id, lane FROM {table} INDEXED BY {index} WHERE {condition}"  # noqa: S608
            for id, lane in source.execute(select):
                known[id] = lane if isinstance(lane, bytes) else None

    end = last + _MAX_TRIED_IDS
    with suppress(sqlite3.Error):
        end = min(end, _number(source.execute("SELECT next_id FROM ids").fetchone()[0], end))

    yield from sorted(known.items())
    yield from ((id, None) for id in range(last + 1, end) if id not in known)


def _lanes(source: sqlite3.Connection) -> dict[str, tuple[int | None, int, str]]:
    """Return what is known of each lane beside its counts."""
    lanes: dict[str, tuple[int | None, int, str]] = {}
    with suppress(sqlite3.Error):
        for row in source.execute(
            "SELECT name, postponed_until, attempts, last_error FROM lanes"
            " WHERE postponed_until IS NOT NULL OR attempts"
        ):
            name, error = _text(row["name"]), _text(row["last_error"])
            if name and error is not None:
                until = _number(row["postponed_until"], 0, maximum=_FOREVER) or None
                lanes[name] = until, _number(row["attempts"], 0), error

    return lanes


def _write(
    connection: sqlite3.Connection,
    entries: _Rows,
    dead_letters: _Rows,
    lanes: dict[str, tuple[int | None, int, str]],
    next_id: int,
) -> Salvaged:
    now = to_microseconds(utc_now())
    pending, sizes, dead = Counter[str](), Counter[str](), Counter[str]()
    new_entries, new_dead = [], []
    salvaged = Salvaged()
    for id, row in sorted({**entries.partial, **entries.whole}.items()):
        new = _row(row, now)
        if id in entries.whole and _is_intact(row):
            pending[new["lane"]] += 1
            sizes[new["lane"]] += new["size"]
            new_entries.append(new)
        else:
            dead[new["lane"]] += 1
            new_dead.append({**new, "died": now, "reason": _UNREADABLE, "detail": ""})
            salvaged.unreadable += 1

    taken = {*entries.whole, *entries.partial}
    for id, row in sorted({**dead_letters.partial, **dead_letters.whole}.items()):
        if id not in taken:
            new = _row(row, now)
            dead[new["lane"]] += 1
            new_dead.append(new)

    salvaged.entries = len(new_entries)
    salvaged.dead_letters = len(new_dead) - salvaged.unreadable
    _insert(connection, "entries", ", ".join(_ENTRY), new_entries)
    _insert(connection, "dead_letters", ", ".join(_DEAD_LETTER), new_dead)
    connection.executemany(
        "INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (lane, pending[lane], sizes[lane], dead[lane], *lanes.get(lane, (None, 0, "")))
            for lane in {*pending, *dead, *(name for name in lanes if lanes[name][0] is not None)}
        ],
    )
    ids = [new["id"] for new in (*new_entries, *new_dead)]
    connection.execute("UPDATE ids SET next_id = ?", (max(next_id, *ids, 0) + 1,))
    return salvaged


def _insert(
    connection: sqlite3.Connection, table: str, columns: str, rows: list[dict[str, Any]]
) -> None:
    values = ", ".join(f":{name}" for name in columns.split(", "))
    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({values})", rows)  # noqa: S608


def _is_intact(row: dict[str, Any]) -> bool:
    """Return whether an entry can be delivered, with whatever label and times."""
    return bool(_text(row["lane"])) and _text(row["body"]) is not None


def _row(row: dict[str, Any], now: int) -> dict[str, Any]:
    """Return a row in which everything is what it has to be."""
    body = _readable(row.get("body"))
    return {
        "id": row["id"],
        "lane": _readable(row["lane"]) or "unknown",
        "label": _readable(row.get("label")),
        "body": body,
        "size": len(body.encode()),
        "put_time": _number(row.get("put_time"), now, maximum=_FOREVER),
        "expires": _number(row.get("expires"), 0, maximum=_FOREVER) or None,
        "postponed_until": _number(row.get("postponed_until"), 0, maximum=_FOREVER) or None,
        "attempts": _number(row.get("attempts"), 0),
        "last_error": _readable(row.get("last_error")),
        "died": _number(row.get("died"), now, maximum=_FOREVER),
        "reason": _readable(row.get("reason")),
        "detail": _readable(row.get("detail")),
    }


def _text(value: object) -> str | None:
    """Return a text, None if it is none."""
    try:
        return value.decode() if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None


def _readable(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _number(value: object, default: int, *, minimum: int = 0, maximum: int = 2**62) -> int:
    is_usable = isinstance(value, int) and minimum <= value <= maximum
    return int(value) if is_usable else default  # type: ignore[call-overload]
