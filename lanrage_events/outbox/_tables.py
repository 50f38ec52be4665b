"""The changes to the tables of an outbox, and its limits."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .._exceptions import OutboxFull
from ._damage import DamagedRow
from ._queries import MAX_ID, lane_names, stored_time
from ._records import ExpiredEntries, OutboxItem, to_microseconds

_RESERVED_IDS = 1000

# As bytes, since a damaged text is moved like any other one.
_MOVED = (
    "id, CAST(lane AS BLOB), CAST(label AS BLOB), size, put_time, CAST(body AS BLOB), expires,"
    " attempts, CAST(last_error AS BLOB)"
)

Which = Literal["all", "pending", "dead"]
Table = Literal["entries", "dead_letters"]

CHUNK = 10_000
"""how many entries one transaction removes at most, so that others can run in between"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an outbox may hold."""

    max_entries: int
    max_bytes: int
    max_entries_per_lane: int | None
    max_dead: int


NO_LIMITS = Limits(sys.maxsize, sys.maxsize, None, sys.maxsize)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why and when an entry was given up."""

    reason: str
    detail: str
    time: int


@dataclass(slots=True)
class Changes:
    """The counts of one transaction, for the statistics."""

    put: int = 0
    acknowledged: int = 0
    expired: int = 0
    dead_lettered: int = 0
    retried: int = 0
    dropped: int = 0
    forgotten: int = 0
    rejected: int = 0

    def add(self, other: Changes) -> None:
        """Add the counts of another transaction."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class _Tally:
    """Entries to add or remove, with their number and size in each lane."""

    ids: list[tuple[int]] = field(default_factory=list)
    lanes: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 0

    def count(self, id: int, lane: str, size: int) -> None:
        if type(size) is not int:
            raise DamagedRow(f"entry {id} has a wrong size")

        self.ids.append((id,))
        entries, total = self.lanes.get(lane, (0, 0))
        self.lanes[lane] = (entries + 1, total + size)
        self.size += size


class Tables:
    """Changes the tables of an outbox, within a transaction that its caller begins and ends.

    :param connection: an open file of the newest schema version
    :param limits: how much it may hold
    """

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self.connection = connection
        self.limits = limits
        self.changes = Changes()
        row = connection.execute("SELECT next_id FROM ids").fetchone()
        self.next_id: int = row["next_id"]
        """an id that was not used yet"""
        self._reserved = self.next_id
        self.pending = self.bytes = self.dead = 0
        self.begin()
        self.load()

    def load(self) -> None:
        """Read the totals, at the beginning of a transaction after another process's changes."""
        row = self.connection.execute(
            "SELECT coalesce(sum(pending), 0), coalesce(sum(bytes), 0), coalesce(sum(dead), 0)"
            " FROM lanes"
        ).fetchone()
        self.pending, self.bytes, self.dead = row
        self.front_changed = True

    def begin(self) -> None:
        """Begin to count the changes of a transaction."""
        self.changes = Changes()
        self.front_changed = False
        """whether another entry may be the oldest now"""
        self._before = (self.next_id, self._reserved, self.pending, self.bytes, self.dead)

    def restore(self) -> None:
        """Restore the totals after a transaction that failed."""
        self.next_id, self._reserved, self.pending, self.bytes, self.dead = self._before

    def release_ids(self) -> None:
        """Release the ids that are reserved, but not used."""
        if self._reserved != self.next_id:
            self._reserve(0)

    def _reserve(self, count: int) -> None:
        self._reserved = self.next_id + count
        self.connection.execute("UPDATE ids SET next_id = ?", (self._reserved,))

    def put(self, items: Sequence[OutboxItem], now: int) -> range:
        """Add entries, all of them or none, and return their ids.

        :raises OutboxFull: if not all of them fit; nothing was changed then
        """
        first = self.next_id
        rows = []
        tally = _Tally()
        for id, item in enumerate(items, first):
            for text in (item.lane, item.body, item.label):
                if not isinstance(text, str):
                    raise TypeError(f"expected text, not {type(text).__name__}")

            if not item.lane:
                raise ValueError("expected the name of a lane, not an empty text")

            size = len(item.body.encode())
            expires = None if item.expires is None else to_microseconds(item.expires)
            rows.append((id, item.lane, item.label, size, now, expires, item.body))
            tally.count(id, item.lane, size)

        self._check_room(len(rows), tally)
        self.connection.executemany(
            "INSERT INTO entries (id, lane, label, size, put_time, expires, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._move(tally, pending=1)
        self.next_id += len(rows)
        if self.next_id > self._reserved:
            self._reserve(_RESERVED_IDS)

        self.changes.put += len(rows)
        return range(first, self.next_id)

    def _check_room(self, count: int, tally: _Tally) -> None:
        limits = self.limits
        reason = None
        if self.pending + count > limits.max_entries:
            reason = f"{self.pending} of at most {limits.max_entries} entries wait"
        elif self.bytes + tally.size > limits.max_bytes:
            reason = f"{self.bytes} of at most {limits.max_bytes} bytes wait"
        elif limits.max_entries_per_lane is not None:
            for lane, (entries, _) in tally.lanes.items():
                row = self.connection.execute(
                    "SELECT pending FROM lanes WHERE name = ?", (lane,)
                ).fetchone()
                waiting = 0 if row is None else row["pending"]
                if waiting + entries > limits.max_entries_per_lane:
                    reason = (
                        f"{waiting} of at most {limits.max_entries_per_lane} entries wait"
                        f" in lane '{lane}'"
                    )
                    break

        if reason is not None:
            self.changes.rejected += count
            raise OutboxFull(reason, rejected=count)

    def _move(self, tally: _Tally, *, pending: int = 0, dead: int = 0) -> None:
        """Add (1) or subtract (-1) what was tallied."""
        self.connection.executemany(
            "INSERT INTO lanes (name, pending, bytes, dead) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET pending = pending + excluded.pending,"
            " bytes = bytes + excluded.bytes, dead = dead + excluded.dead",
            [
                (lane, pending * entries, pending * size, dead * entries)
                for lane, (entries, size) in tally.lanes.items()
            ],
        )
        count = len(tally.ids)
        self.front_changed |= pending < 0 or dead < 0 or not self.pending
        self.pending += pending * count
        self.bytes += pending * tally.size
        self.dead += dead * count
        if pending + dead < 0:
            self._delete_empty(tally.lanes)

    def _delete_empty(self, lanes: Iterable[str]) -> None:
        self.connection.executemany(
            "DELETE FROM lanes WHERE name = ? AND pending = 0 AND dead = 0"
            " AND postponed_until IS NULL",
            [(lane,) for lane in lanes],
        )

    def _find(self, table: Table, ids: Iterable[int]) -> _Tally:
        select = f"SELECT lane, size FROM {table} WHERE id = ?"  # noqa: S608 - one of two names
        tally = _Tally()
        for id in sorted(set(ids)):
            if id <= MAX_ID:
                row = self.connection.execute(select, (id,)).fetchone()
                if row is not None:
                    tally.count(id, row["lane"], row["size"])

        return tally

    def _take_out(self, table: Table, tally: _Tally) -> list[sqlite3.Row]:
        """Remove rows and return them, so that the other table needs no more room than they leave."""
        select = f"SELECT {_MOVED} FROM {table} WHERE id = ?"  # noqa: S608 - one of two names
        rows = [self.connection.execute(select, id).fetchone() for id in tally.ids]
        self._remove(table, tally)
        return rows

    def _remove(self, table: Table, tally: _Tally) -> None:
        self.connection.executemany(f"DELETE FROM {table} WHERE id = ?", tally.ids)  # noqa: S608
        self._move(tally, **{"pending" if table == "entries" else "dead": -1})

    def complete(self, ids: Iterable[int], failure: Failure | None) -> None:
        """Remove entries that were delivered, or keep those that failed as dead letters.

        The oldest dead letters are removed if there are too many.
        """
        tally = self._find("entries", ids)
        lanes = [(lane,) for lane in tally.lanes]
        # The lane was answered, so an error that was noted is over.
        self.connection.executemany(
            "UPDATE lanes SET last_error = '' WHERE name = ? AND last_error <> '' AND attempts = 0",
            lanes,
        )
        if failure is None:
            self.connection.executemany(
                "UPDATE lanes SET attempts = 0, last_error = '' WHERE name = ? AND attempts > 0",
                lanes,
            )
            self._remove("entries", tally)
            self.changes.acknowledged += len(tally.ids)
            return

        rows = self._take_out("entries", tally)
        self.connection.executemany(
            "INSERT INTO dead_letters (id, lane, label, size, put_time, body, expires, attempts,"
            " last_error, died, reason, detail) VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?,"
            " CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), ?, ?, ?)",
            [(*row, failure.time, failure.reason, failure.detail) for row in rows],
        )
        self._move(tally, dead=1)
        self.changes.dead_lettered += len(tally.ids)
        if self.dead > self.limits.max_dead:
            oldest = self.connection.execute(
                "SELECT id FROM dead_letters ORDER BY died, id LIMIT ?",
                (self.dead - self.limits.max_dead,),
            )
            forgotten = self._find("dead_letters", [row["id"] for row in oldest])
            self._remove("dead_letters", forgotten)
            self.changes.forgotten += len(forgotten.ids)

    def postpone(self, ids: Iterable[int], until: int, error: str, now: int) -> None:
        """Defer entries until a time."""
        postponed_until = until if until > now else None
        self.connection.executemany(
            "UPDATE entries SET postponed_until = ?, attempts = attempts + 1, last_error = ?"
            " WHERE id = ?",
            [(postponed_until, error, id) for id in set(ids)],
        )

    def postpone_lane(self, lane: str, until: int, error: str) -> None:
        """Defer a whole lane until a time."""
        self.connection.execute(
            "INSERT INTO lanes (name, postponed_until, attempts, last_error) VALUES (?, ?, 1, ?)"
            " ON CONFLICT (name) DO UPDATE SET postponed_until = excluded.postponed_until,"
            " attempts = attempts + 1, last_error = excluded.last_error",
            (lane, until, error),
        )

    def note_error(self, lane: str, error: str) -> None:
        """Keep why a lane that holds something is not delivered."""
        self.connection.execute(
            "UPDATE lanes SET last_error = ?1 WHERE name = ?2 AND last_error <> ?1"
            " AND postponed_until IS NULL",
            (error, lane),
        )

    def resume_lanes(self, lanes: Iterable[str]) -> None:
        """Make lanes that were deferred readable again."""
        self.connection.executemany(
            "UPDATE lanes SET postponed_until = NULL, attempts = 0, last_error = '' WHERE name = ?",
            [(lane,) for lane in lanes],
        )
        self._delete_empty(lanes)

    def expire(self, lane: str | None, now: int, limit: int) -> list[ExpiredEntries]:
        """Remove a number of expired entries at most, and return what they were."""
        found: list[ExpiredEntries] = []
        tally = _Tally()
        for name in lane_names(self.connection) if lane is None else [lane]:
            rows = self.connection.execute(
                "SELECT id, label, size, put_time FROM entries WHERE lane = ? AND expires <= ?"
                " LIMIT ?",
                (name, now, limit - len(tally.ids)),
            )
            for row in rows:
                tally.count(row["id"], name, row["size"])
                time = stored_time(row["put_time"])
                found.append(
                    ExpiredEntries(lane=name, label=row["label"], count=1, oldest=time, newest=time)
                )

        self._remove("entries", tally)
        self.changes.expired += len(tally.ids)
        return found

    def rename_lane(self, lane: str, to: str) -> int:
        """Give the content of a lane to another one, where it comes in the order of its ids."""
        if not to:
            raise ValueError("expected the name of a lane, not an empty text")

        found = self.connection.execute("SELECT * FROM lanes WHERE name = ?", (lane,)).fetchone()
        if found is None or lane == to:
            return 0

        for table in ("entries", "dead_letters"):
            self.connection.execute(
                f"UPDATE {table} SET lane = ? WHERE lane = ?",  # noqa: S608 - one of two names
                (to, lane),
            )

        self.connection.execute("DELETE FROM lanes WHERE name = ?", (lane,))
        self.connection.execute(
            "INSERT INTO lanes (name, pending, bytes, dead, postponed_until, attempts, last_error)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET pending = pending + excluded.pending,"
            " bytes = bytes + excluded.bytes, dead = dead + excluded.dead",
            (to, *tuple(found)[1:]),
        )
        return int(found["pending"] + found["dead"])

    def retry(self, ids: Iterable[int]) -> int:
        """Turn dead letters into entries again, at their old place, and end deferrals."""
        ids = set(ids)
        waiting = self._find("entries", ids)
        self.connection.executemany(
            "UPDATE entries SET postponed_until = NULL, attempts = 0, last_error = ''"
            " WHERE id = ? AND attempts > 0",
            waiting.ids,
        )
        dead = self._find("dead_letters", ids)
        rows = self._take_out("dead_letters", dead)
        self.connection.executemany(
            "INSERT INTO entries (id, lane, label, size, put_time, body)"
            " VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, CAST(? AS TEXT))",
            [tuple(row)[:6] for row in rows],
        )
        self._move(dead, pending=1)
        self.resume_lanes(waiting.lanes | dead.lanes)
        self.changes.retried += len(dead.ids)
        return len(waiting.ids) + len(dead.ids)

    def retry_lane(self, lane: str, limit: int) -> int:
        """Retry dead letters and deferred entries of a lane."""
        self.resume_lanes([lane])
        return self.retry(
            self._select_ids(
                lane,
                limit,
                "SELECT id FROM dead_letters WHERE lane = ? ORDER BY id LIMIT ?",
                "SELECT id FROM entries WHERE lane = ? AND postponed_until IS NOT NULL LIMIT ?",
            )
        )

    def drop(self, ids: Iterable[int]) -> int:
        """Remove entries and dead letters."""
        ids = set(ids)
        found: dict[Table, _Tally] = {
            "entries": self._find("entries", ids),
            "dead_letters": self._find("dead_letters", ids),
        }
        for table, tally in found.items():
            self._remove(table, tally)

        count = sum(len(tally.ids) for tally in found.values())
        self.changes.dropped += count
        return count

    def drop_lane(self, lane: str, which: Which, limit: int) -> int:
        """Remove entries, dead letters or both from a lane, the oldest first."""
        selects = {
            "dead": "SELECT id FROM dead_letters WHERE lane = ? ORDER BY id LIMIT ?",
            "pending": (
                "SELECT id FROM entries WHERE lane = ? AND postponed_until IS NULL"
                " ORDER BY id LIMIT ?"
            ),
            "postponed": (
                "SELECT id FROM entries WHERE lane = ? AND postponed_until IS NOT NULL"
                " ORDER BY postponed_until LIMIT ?"
            ),
        }
        names = {"dead": ["dead"], "pending": ["pending", "postponed"], "all": list(selects)}
        return self.drop(self._select_ids(lane, limit, *(selects[name] for name in names[which])))

    def _select_ids(self, lane: str, limit: int, *selects: str) -> list[int]:
        ids: list[int] = []
        for select in selects:
            rows = self.connection.execute(select, (lane, limit - len(ids)))
            ids += [row["id"] for row in rows]

        return ids
