from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from lanrage_events import Notification, hookimpl
from lanrage_events.abc import Bus


@hookimpl
@asynccontextmanager
async def lifespan(bus: Bus) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tg:
        tg.start_soon(remind, bus)
        yield
        tg.cancel_scope.cancel()


async def remind(bus: Bus) -> None:
    while True:
        await anyio.sleep(3600)
        await bus.publish(Notification(title="Stretch", message="Another hour has passed."))
