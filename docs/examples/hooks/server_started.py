from __future__ import annotations

from lanrage_events import ServerStarted, hookimpl


@hookimpl
def server_started(event: ServerStarted) -> None:
    print(f"{event.server_name} is up: {event.game_name}")
