from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from lanrage_events import Event, hookimpl

archive = sqlite3.connect(":memory:")
archive.execute("CREATE TABLE events (id TEXT PRIMARY KEY, json TEXT)")


@hookimpl
def event_batch(events: Sequence[Event]) -> None:
    with archive:  # one transaction for all of them
        archive.executemany(
            "INSERT OR IGNORE INTO events VALUES (?, ?)",
            [(event.id, event.to_json()) for event in events],
        )
