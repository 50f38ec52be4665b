from __future__ import annotations

from lanrage_events import PeerLeft, hookimpl


@hookimpl
def peer_left(event: PeerLeft) -> None:
    print(f"Bye, {event.peer_name}!")
