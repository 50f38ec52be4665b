from __future__ import annotations

from collections import Counter

from lanrage_events import Event, hookimpl

counted: Counter[str] = Counter()


@hookimpl
def event(event: Event) -> None:
    counted[event.type] += 1
