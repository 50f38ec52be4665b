from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

# "LRob" in the header of the file tells an outbox from other SQLite databases.
# https://www.sqlite.org/pragma.html#pragma_application_id
APPLICATION_ID = 0x4C526F62

Migration = Callable[[sqlite3.Connection], object]


def _create(connection: sqlite3.Connection) -> None:
    """Version 1.

    Every entry is in exactly one of two indexes: those that can be read now in their order, and
    the postponed ones by their time. So a backlog of either kind costs the other nothing.
    """
    # Ids below next_id may have been given out; it runs ahead, in order to be written seldom.
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
    # The body comes last: SQLite reads a row from its beginning and stops where it may.
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
"""What brings a file from version n to version n + 1, at place n; a new file has version 0.

Only ever append: files of every version that was released must find their way.
"""


def read_version(connection: sqlite3.Connection) -> int:
    """Return the schema version of an open file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def read_application_id(connection: sqlite3.Connection) -> int:
    """Return the number in the header of an open file that says which program it belongs to."""
    application_id: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return application_id


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Bring an open file to the newest version, in one transaction for each version."""
    for version in range(read_version(connection), len(migrations)):
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
