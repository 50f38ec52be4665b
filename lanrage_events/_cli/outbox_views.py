"""What the databases beside an outbox list of their content."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..cli import table
from ..outbox._copy import SIDE_SUFFIXES, is_database
from ..state import Database

READ_SECONDS = 5.0
"""how long a database may take to list its content"""
_STEPS = 10_000  # of SQLite, between two looks at the clock

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class View:
    """What a database lists of its content."""

    name: str
    """the suffix of its file, such as ``cards`` of ``discord.cards``"""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Value]] = ()
    total: int = 0
    """rows that there are"""
    problem: str = ""
    """why it cannot be read"""

    def lines(self) -> list[str]:
        """Return it as a table, empty without rows."""
        if not self.rows:
            return []

        header = tuple(column.replace("_", " ").upper() for column in self.columns)
        rows = [tuple("-" if cell in (None, "") else str(cell) for cell in r) for r in self.rows]
        left = self.total - len(rows)
        more = [f"{left:,} more {self.name}: give a higher --limit"] if left > 0 else []
        return ["", *table([header, *rows]), *more]

    def data(self) -> list[dict[str, Value]]:
        """Return it as values for JSON."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def views_beside(outbox: Path, limit: int) -> Iterator[View]:
    """Yield what the databases of an outbox's plugin list, by the names of their files.

    A running daemon may write to them meanwhile.

    :param limit: how many rows of each
    """
    for path in sorted(outbox.parent.glob(f"{glob.escape(outbox.stem)}.*")):
        name = path.name.removeprefix(f"{outbox.stem}.")
        if path == outbox or "." in name or name.endswith(SIDE_SUFFIXES) or not path.is_file():
            continue

        try:
            view = _read(path, name, limit) if is_database(path) else None
        except OSError as error:
            view = View(name, problem=f"{path} cannot be read: {error.strerror or error}")

        if view is not None:
            yield view


def _read(path: Path, name: str, limit: int) -> View | None:
    with Database.reading(path) as connection:
        # See lanrage_events.state.Database.
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = 'outbox_list'"
        if connection.execute(sql).fetchone() is None:
            return None

        connection.text_factory = _text
        give_up_at = time.monotonic() + READ_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > give_up_at, _STEPS)
        (total,) = connection.execute("SELECT count(*) FROM outbox_list").fetchone()
        found = connection.execute("SELECT * FROM outbox_list LIMIT ?", (limit,))
        rows = [tuple(map(_value, row)) for row in found]
        return View(name, [column for column, *_ in found.description], rows, total)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _value(value: object) -> Value:
    # JSON has neither bytes nor infinity.
    if isinstance(value, str | int | None) or (isinstance(value, float) and isfinite(value)):
        return value

    return repr(value)
