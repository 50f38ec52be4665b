from __future__ import annotations

import anyio

from lanrage_events import PeerJoined, hookimpl


@hookimpl
async def peer_joined(event: PeerJoined) -> None:
    await anyio.sleep(0.1)  # an async hook may wait; only this plugin's next event waits with it
    print(f"Welcome, {event.peer_name}!")
