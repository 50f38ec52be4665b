from __future__ import annotations

import anyio

from lanrage_events import Health, hookimpl
from lanrage_events.abc import Bus

SERVER = ("127.0.0.1", 27960)


@hookimpl
async def check_online(bus: Bus) -> dict[str, Health]:
    try:
        with anyio.fail_after(5):
            async with await anyio.connect_tcp(*SERVER):
                return {"the game server": Health()}

    except (OSError, TimeoutError):
        return {"the game server": Health("degraded", "it cannot be reached")}
