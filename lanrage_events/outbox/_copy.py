"""A copy of the file of an outbox, or of another SQLite database, while a daemon uses it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from .._exceptions import OutboxError
from ..state import open_regular, reject_link
from ._reserve import side_file

SIDE_SUFFIXES = ("-wal", "-shm", "-journal", ".lock", ".reserve")
"""what stands beside a database and belongs to the process that uses it"""

_BUSY_TIMEOUT_SECONDS = 10.0
# https://www.sqlite.org/fileformat2.html#magic_header_string
_HEADER = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Return whether a file is an SQLite database.

    :raises OSError: if it cannot be read, or is a symbolic link
    """
    with open(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, with what its write-ahead log holds.

    Others may read and write it meanwhile.

    :param source: the database
    :param target: the new file, which only its owner can read
    :raises OSError: if one of the files cannot be opened, or is a symbolic link
    :raises OutboxError: if the database cannot be read, or the copy cannot be written
    """
    for suffix in ("", *SIDE_SUFFIXES):
        reject_link(side_file(source, suffix))

    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with (
            closing(sqlite3.connect(source, timeout=_BUSY_TIMEOUT_SECONDS)) as database,
            closing(sqlite3.connect(target)) as copy,
        ):
            database.backup(copy)
    except sqlite3.Error as error:
        raise OutboxError(f"{source} cannot be copied: {error}") from error
