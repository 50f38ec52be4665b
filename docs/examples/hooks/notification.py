from __future__ import annotations

from lanrage_events import Notification, hookimpl


@hookimpl
def notification(event: Notification) -> None:
    print(f"{event.title}: {event.message}")
