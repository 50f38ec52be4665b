"""Posts notifications to a pager as JSON, and keeps what it does not take yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lanrage_events import Health, Metric, Notification, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.config import ConfigModel
from lanrage_events.delivery import Delivery, Entry, Outcome, open_http_client, send_request
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
        events = [entry.data for entry in entries]
        answer = await send_request(self.client, "POST", self.url, json=events)
        return answer.outcome(self.redactor)

    @hookimpl
    async def notification(self, event: Notification) -> None:
        await self.delivery.put(event)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self.redactor = bus.redactor
        async with open_http_client() as self.client, self.delivery.running(bus, self):
            yield

    @hookimpl
    def health(self) -> Health:
        return self.delivery.health()

    @hookimpl
    def metrics(self) -> list[Metric]:
        return self.delivery.metrics()

    @hookimpl
    def outbox(self) -> Storage | None:
        return self.delivery.outbox
