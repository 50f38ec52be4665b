"""The process that does the same with the standard library alone: the floor of an outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from time import perf_counter

from ._process import hear, say

BATCH = 100
_INSERT = "INSERT INTO entries (lane, body) VALUES (?, ?)"
_DELETE = "DELETE FROM entries WHERE id = ?"


class Service:
    """Puts rows into a table and takes them out, each time in a transaction.

    :param file: the database, with SQLite's log and its durability as an outbox has it
    :param body: what each row holds
    """

    def __init__(self, file: str, body: str) -> None:
        self.body = body
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, lane, body)")
        self.operations: dict[str, Callable[[int], None]] = {
            "put": self.put,
            "put, batches": self.put_batches,
            "acknowledge": self.acknowledge,
            "acknowledge, batches": self.acknowledge_batches,
            "read": self.read,
        }
        self._ids: list[tuple[int]] = []

    def measure(self, do: str, count: int) -> float:
        """Do something so many times, and return the seconds of one."""
        if do.startswith("acknowledge"):
            self._ids = self._read("SELECT id FROM entries ORDER BY id LIMIT ?", count)

        started = perf_counter()
        self.operations[do](count)
        return (perf_counter() - started) / count

    def _read(self, select: str, count: int) -> list[tuple[int]]:
        return self.connection.execute(select, (count,)).fetchall()

    def _write(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(statement, rows)
        self.connection.execute("COMMIT")

    def put(self, count: int) -> None:
        """Put one by one."""
        for _ in range(count):
            self._write(_INSERT, [("lane 0", self.body)])

    def put_batches(self, count: int) -> None:
        """Put a hundred at once."""
        for _ in range(count // BATCH):
            self._write(_INSERT, [("lane 0", self.body)] * BATCH)

    def acknowledge(self, count: int) -> None:
        """Delete one by one."""
        for row in self._ids:
            self._write(_DELETE, [row])

    def acknowledge_batches(self, count: int) -> None:
        """Delete a hundred at once."""
        for start in range(0, count, BATCH):
            self._write(_DELETE, [*self._ids[start : start + BATCH]])

    def read(self, count: int) -> None:
        """Read the first hundred rows."""
        for _ in range(count // BATCH):
            self._read("SELECT * FROM entries ORDER BY id LIMIT ?", BATCH)


def main() -> None:
    """Serve until the parent ends it."""
    job = hear()
    service = Service(job["file"], job["body"])
    say(ready=True)
    while (line := hear())["do"] != "end":
        say(seconds=service.measure(**line))


if __name__ == "__main__":
    main()
