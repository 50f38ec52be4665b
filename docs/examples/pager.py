"""Posts notifications to a pager as JSON, and keeps what it does not take yet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import httpx

from lanrage_events import Health, Metric, Notification, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.config import ConfigModel
from lanrage_events.delivery import Delivery, Entry, Outcome
from lanrage_events.outbox import Storage


class PagerConfig(ConfigModel):
    url: str


class PagerPlugin:
    Config = PagerConfig
    durable = True

    def __init__(self, config: PagerConfig) -> None:
        self.url = config.url
        self.delivery = Delivery(self.send, batch_size=20, window=0.5)

    async def send(self, entries: Sequence[Entry]) -> Outcome:
        async with httpx.AsyncClient() as client:
            answer = await client.post(self.url, json=[entry.data for entry in entries])

        return Outcome.from_status(answer.status_code, answer.headers)

    @hookimpl
    async def notification(self, event: Notification) -> None:
        await self.delivery.put(event)

    @hookimpl
    def lifespan(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        return self.delivery.running(bus, self)

    @hookimpl
    def health(self) -> Health:
        return self.delivery.health()

    @hookimpl
    def metrics(self) -> list[Metric]:
        return self.delivery.metrics()

    @hookimpl
    def outbox(self) -> Storage | None:
        return self.delivery.outbox
