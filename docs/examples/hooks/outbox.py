from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lanrage_events import Event, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox

durable = True
_outbox: Outbox | None = None


@hookimpl
@asynccontextmanager
async def lifespan(bus: Bus) -> AsyncIterator[None]:
    global _outbox
    async with Outbox(bus.state_folder and bus.state_folder / "mail.outbox") as _outbox:
        yield

    _outbox = None


@hookimpl
async def event(event: Event) -> None:
    if _outbox is not None:
        await _outbox.put("mail", event.to_json(), label=event.type)


@hookimpl
def outbox() -> Outbox | None:
    return _outbox
