from __future__ import annotations

from lanrage_events import ServerStopped, hookimpl


@hookimpl
def server_stopped(event: ServerStopped) -> None:
    if event.reason != "restarted":  # it is back in a moment
        print(f"{event.server_name} is down: {event.reason}")
