"""A plugin from a plugins folder with an outbox of its own, in which everything occurs.

Discord's plugin postpones nothing in its outbox: what holds up a webhook, it keeps in memory only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio

from lanrage_events import Event, EventBus, hookimpl
from lanrage_events.outbox import UNTIL_RESUMED, Outbox, OutboxItem

FAR = datetime(2999, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


class Plugin:
    """Fills its outbox when it is asked to, and delivers nothing."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self._outbox: Outbox | None = None

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        """Keep the outbox open."""
        assert bus.state_folder is not None
        async with Outbox(bus.state_folder / "pager.outbox") as self._outbox:
            yield

    @hookimpl
    def outbox(self) -> Outbox | None:
        """Return the outbox."""
        return self._outbox

    @hookimpl
    async def event(self, event: Event) -> None:
        """Put entries of every kind."""
        if event.type == "notification" and event.to_dict()["title"] == "Page":
            assert self._outbox is not None
            await fill(self._outbox)


async def fill(outbox: Outbox) -> None:
    """Put entries, and do to some of them what can be done."""
    _, later, _, dead, dead_too, _, _, _, due, _ = await outbox.put_many(
        [
            OutboxItem("steady", "waits ✓", "page"),
            OutboxItem("steady", "waits until 2999", "page"),
            OutboxItem("steady", "expires in 2999", "page", FAR),
            OutboxItem("steady", "is dead", "page", FAR),
            OutboxItem("steady", "is dead, without a label"),
            OutboxItem("steady", "has expired", "page", LONG_AGO),
            OutboxItem("paused", "waits with its lane until 2999", "page"),
            OutboxItem("stopped", "waits until its lane is resumed", "page"),
            OutboxItem("due", "was postponed", "page"),
            OutboxItem("due", "comes behind it", "page"),
        ]
    )
    soon = datetime.now(UTC) + timedelta(seconds=1)
    # At the same time, which makes one transaction of them and keeps the log of SQLite small.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outbox.postpone, [later], FAR, "the receiver is busy: ✗")
        tasks.start_soon(outbox.postpone, [dead, due], soon, "the receiver was busy")
        tasks.start_soon(outbox.postpone_lane, "due", soon, "429")
        tasks.start_soon(outbox.postpone_lane, "paused", FAR, "503")
        tasks.start_soon(outbox.postpone_lane, "stopped", UNTIL_RESUMED, "the receiver is gone")

    await outbox.dead_letter([dead, dead_too], "the receiver rejects it", "line 1: ✗\nline 2")
