"""What shows that a file is not an intact outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from .._exceptions import OutboxUnreadable
from ._reserve import identity as identity_of
from ._reserve import open_files, side_file
from ._schema import APPLICATION_ID, Migration, migrate, pragma

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# We never use an id twice, so a row or the counter is wrong.
_DUPLICATE = {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
_UNDECODABLE = "Could not decode to UTF-8"
_HEADER_BYTES = 100
_DAMAGED_HEADER = "its header is damaged"


class DamagedRow(sqlite3.DatabaseError):
    """Raised when a row holds what nobody has put into it."""


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary result code of an error, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Return whether an error means that the file is not an intact outbox."""
    return (
        primary_code(error) in _DAMAGED
        or getattr(error, "sqlite_errorcode", 0) in _DUPLICATE
        or isinstance(error, DamagedRow)
        # Python raises it, not SQLite, so it has no code.
        or (isinstance(error, sqlite3.OperationalError) and _UNDECODABLE in str(error))
    )


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a file without changing it or creating files beside it."""
    # Without a log the file is complete, and SQLite need not prepare for other writers.
    immutable = "" if side_file(path, "-wal").exists() else "&immutable=1"
    uri = f"{path.absolute().as_uri()}?mode=ro{immutable}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def identify(path: Path, migrations: Sequence[Migration]) -> str | None:
    """Return why a file is not an outbox, without changing it.

    :raises OutboxUnreadable: if it belongs to a newer version
    """
    connection = connect_read_only(path)
    try:
        version = pragma(connection, "user_version")
        application_id = pragma(connection, "application_id")
        schema = _schema(connection)
        encoding = connection.execute("PRAGMA encoding").fetchone()[0]
    except sqlite3.Error as error:
        if is_damage(error) or primary_code(error) == sqlite3.SQLITE_ERROR:
            return str(error)

        raise
    finally:
        connection.close()

    if not (schema or version or application_id):
        # Killed right after it was created, an outbox is an empty database.
        return None

    if application_id != APPLICATION_ID:
        return _DAMAGED_HEADER if _is_known(schema, migrations) else "it belongs to another program"

    if version > len(migrations) and not _is_known(schema, migrations):
        raise OutboxUnreadable(
            f"outbox {path} has schema version {version}, and this version of lanrage-events knows"
            f" up to {len(migrations)}: update lanrage-events, or give another path"
        )

    is_wrong = version > len(migrations) or version < 1 or encoding != "UTF-8"
    return _DAMAGED_HEADER if is_wrong or not _has_true_size(path) else None


def _has_true_size(path: Path) -> bool:
    """Return whether a header says how many pages a file has.

    If not, SQLite would take the room that we allocate behind them for pages.
    https://www.sqlite.org/fileformat2.html#in_header_database_size
    """
    if side_file(path, "-wal").exists() or open_files.is_used(identity_of(path)):
        # The header may be in the log, or reading it here would release another one's locks.
        return True

    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)

    counter, valid_for = header[24:28], header[92:96]
    return counter == valid_for and header[28:32] != bytes(4)


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(
        connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE name NOT LIKE 'sqlite_%' AND name <> 'reserve'"
        )
    )


def _is_known(schema: set[tuple[str, str]], migrations: Sequence[Migration]) -> bool:
    """Return whether a schema is that of a version that we know, whatever the header says."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for count in range(len(migrations)):
            migrate(connection, migrations[: count + 1])
            if _schema(connection) == schema:
                return True

        return False
    finally:
        connection.close()


def find_damage(path: Path, *, thoroughly: bool) -> str | None:
    """Look into an outbox, or read all of it, and return what is wrong with it."""
    connection = connect_read_only(path)
    try:
        if thoroughly:
            # Unlike quick_check, it finds entries that an index hides.
            result: str = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if result != "ok":
                # The first line only names the database.
                return result.splitlines()[-1]

        return _find_contradiction(connection, thoroughly=thoroughly)
    except sqlite3.Error as error:
        if is_damage(error) or primary_code(error) == sqlite3.SQLITE_ERROR:
            return str(error)

        raise
    finally:
        connection.close()


def _find_contradiction(connection: sqlite3.Connection, *, thoroughly: bool) -> str | None:
    if not pragma(connection, "user_version"):
        return None

    lanes = connection.execute("SELECT * FROM lanes").fetchall()
    connection.execute("SELECT * FROM entries ORDER BY id LIMIT 1").fetchone()
    ids = connection.execute("SELECT next_id FROM ids").fetchone()
    if ids is None:
        return "its counter of ids is missing"

    for table in ("entries", "dead_letters"):
        highest = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]  # noqa: S608
        if not isinstance(ids[0], int) or (highest is not None and highest >= ids[0]):
            return "its counter of ids is wrong"

    columns = [[*column] for column in zip(*(lane[1:4] for lane in lanes), strict=True)]
    if not all(isinstance(number, int) and number >= 0 for column in columns for number in column):
        return "its counts of entries are wrong"

    if thoroughly:
        counted = (
            *connection.execute("SELECT count(*), total(size) FROM entries").fetchone(),
            *connection.execute("SELECT count(*) FROM dead_letters").fetchone(),
        )
        if counted != tuple(map(sum, columns or [[]] * 3)):
            return "its counts of entries are wrong"

    return None
