from __future__ import annotations

from lanrage_events import PeerJoined, PeerLeft, hookimpl

HIDDEN = {"Ann", "Bob"}
transform_required = True  # rather no event than one with a hidden name


@hookimpl
def transform(event: PeerJoined | PeerLeft) -> PeerJoined | PeerLeft | None:
    if event.peer_name.startswith("[BOT]"):
        return None

    return event.replace(peer_name="a player") if event.peer_name in HIDDEN else event
