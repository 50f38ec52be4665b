"""The schema of an outbox's file, and the migrations that lead to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

# "LRob" in the header of the file, which distinguishes an outbox from other SQLite databases.
# https://www.sqlite.org/pragma.html#pragma_application_id
APPLICATION_ID = 0x4C526F62

Migration = Callable[[sqlite3.Connection], object]


def _create(connection: sqlite3.Connection) -> None:
    """Version 1.

    Every entry is in exactly one of two indexes: those that can be read now in their order, and
    the deferred ones by their time. So a backlog of either kind does not slow the other down.
    """
    # Ids below next_id may have been used; it runs ahead, so that it is rarely written.
    connection.execute(
        "CREATE TABLE ids (id INTEGER PRIMARY KEY CHECK (id = 1), next_id INTEGER NOT NULL)"
    )
    connection.execute("INSERT INTO ids VALUES (1, 1)")
    connection.execute(
        "CREATE TABLE lanes ("
        "name TEXT PRIMARY KEY,"
        "pending INTEGER NOT NULL DEFAULT 0,"
        "bytes INTEGER NOT NULL DEFAULT 0,"
        "dead INTEGER NOT NULL DEFAULT 0,"
        "postponed_until INTEGER,"
        "attempts INTEGER NOT NULL DEFAULT 0,"
        "last_error TEXT NOT NULL DEFAULT '') WITHOUT ROWID"
    )
    # The body comes last: SQLite reads a row from its beginning and stops as soon as it can.
    connection.execute(
        "CREATE TABLE entries ("
        "id INTEGER PRIMARY KEY,"
        "lane TEXT NOT NULL,"
        "label TEXT NOT NULL,"
        "size INTEGER NOT NULL,"
        "put_time INTEGER NOT NULL,"
        "expires INTEGER,"
        "postponed_until INTEGER,"
        "attempts INTEGER NOT NULL DEFAULT 0,"
        "last_error TEXT NOT NULL DEFAULT '',"
        "body TEXT NOT NULL)"
    )
    connection.execute("CREATE INDEX entries_ready ON entries (lane) WHERE postponed_until IS NULL")
    connection.execute(
        "CREATE INDEX entries_postponed ON entries (lane, postponed_until)"
        " WHERE postponed_until IS NOT NULL"
    )
    connection.execute(
        "CREATE INDEX entries_expiring ON entries (lane, expires) WHERE expires IS NOT NULL"
    )
    connection.execute(
        "CREATE TABLE dead_letters ("
        "id INTEGER PRIMARY KEY,"
        "lane TEXT NOT NULL,"
        "label TEXT NOT NULL,"
        "size INTEGER NOT NULL,"
        "put_time INTEGER NOT NULL,"
        "expires INTEGER,"
        "attempts INTEGER NOT NULL,"
        "last_error TEXT NOT NULL,"
        "died INTEGER NOT NULL,"
        "reason TEXT NOT NULL,"
        "detail TEXT NOT NULL,"
        "body TEXT NOT NULL)"
    )
    connection.execute("CREATE INDEX dead_letters_by_lane ON dead_letters (lane)")
    connection.execute("CREATE INDEX dead_letters_by_time ON dead_letters (died)")


MIGRATIONS: Sequence[Migration] = (_create,)
"""The migration from version n to version n + 1, at index n; a new file has version 0.

Only append: files of every released version must be migrated.
"""


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return a number that SQLite keeps about an open file, such as ``user_version``."""
    number: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return number


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Migrate an open file to the newest version, in one transaction for each version."""
    for version in range(pragma(connection, "user_version"), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations[version](connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

            raise
