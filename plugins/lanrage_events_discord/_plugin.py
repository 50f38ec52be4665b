"""The plugin: events in, messages to Discord out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import anyio
import httpx
from anyio.abc import TaskGroup

from lanrage_events import Event, EventBus, Health, Outbox, OutboxError, hookimpl

from ._client import WebhookClient
from ._config import DiscordConfig, WebhookConfig
from ._entry import Entry
from ._lane import Lane
from ._lane_state import LaneState, LaneStatistics
from ._limits import RateLimits
from ._presenter import Mentions, Presenter, Threads
from ._render import Renderer
from ._routes import Destination, Router

logger = logging.getLogger("lanrage_events.discord")

PUTS_TOGETHER = 50

# Webhook URLs, which hold the token, are in what the HTTP libraries log; and anything may be in a
# traceback of ours.
REDACTED_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "lanrage_events",
)
MAX_PENDING = 100_000


class DiscordPlugin:
    """Tells events in a Discord channel.

    Its hook returns when the event is in the outbox, which is a file below the bus's state folder,
    or in memory if there is none.

    :param config: see :class:`DiscordConfig`
    :param http: the client to send with, which stays open; a client of its own by default
    """

    Config = DiscordConfig
    durable = True
    when_full = "block"

    def __init__(self, config: DiscordConfig, *, http: httpx.AsyncClient | None = None) -> None:
        self.config = config
        self._http = http
        self._renderer: Renderer | None = None
        self._router: Router | None = None
        self._outbox: Outbox | None = None
        self._lanes: dict[str, Lane] = {}
        self._unsent = 0
        """events that came while there was no webhook, or that earlier lives did not deliver"""

    @property
    def pending(self) -> int:
        """Events that wait to be accepted by Discord."""
        return self._outbox.statistics().pending if self._outbox is not None else 0

    @property
    def lanes(self) -> dict[str, LaneStatistics]:
        """What each lane has done, by the webhook's name."""
        return {name: lane.statistics for name, lane in self._lanes.items()}

    @hookimpl
    async def event(self, event: Event) -> None:
        """Put an event into the outbox of each webhook that is to tell it."""
        if self._renderer is None or self._router is None:
            self._unsent += 1
            return

        destinations = self._router.route(event)
        if destinations:
            entry = self._renderer.render(event)
            expires = self._router.expires(event)
            if len(destinations) == 1:
                await self._put(entry, destinations[0], expires)
                return

            # One that is full does not keep the event from the others.
            refusals: list[OutboxError] = []
            # Many at the same time, so that the outbox commits them together, and not all: a
            # thousand would keep the lanes from sending for so long.
            for begin in range(0, len(destinations), PUTS_TOGETHER):
                async with anyio.create_task_group() as tasks:
                    for destination in destinations[begin : begin + PUTS_TOGETHER]:
                        tasks.start_soon(self._try_put, entry, destination, expires, refusals)

            if refusals:
                raise refusals[0]

    async def _try_put(
        self,
        entry: Entry,
        destination: Destination,
        expires: datetime | None,
        refusals: list[OutboxError],
    ) -> None:
        try:
            await self._put(entry, destination, expires)
        except OutboxError as error:
            refusals.append(error)

    async def _put(self, entry: Entry, destination: Destination, expires: datetime | None) -> None:
        told = replace(entry, presentation=destination.presentation)
        await self._lanes[destination.webhook].put(told, expires)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        """Keep the outbox open and the lanes running."""
        webhooks = self.config.all_webhooks()
        if not webhooks:
            logger.warning("plugin '%s' has no webhook_url, so it sends nothing", bus.name(self))
            yield
            return

        self._forget_earlier_life()
        types = bus.events.types()
        router = Router(self.config.routes, webhooks, self.config.max_age)
        router.check(types)
        renderer = Renderer(bus.template_folders(), invite_url=lambda: self.config.invite_url)
        renderer.check(types)
        with bus.redactor.redacting(REDACTED_LOGGERS):
            async with (
                WebhookClient(self._http) as client,
                self._make_outbox(bus, len(webhooks)) as self._outbox,
                anyio.create_task_group() as background,
            ):
                background.start_soon(self._outbox.listen, self._reread)
                try:
                    async with anyio.create_task_group() as lanes:
                        self._make_lanes(bus, self._outbox, webhooks, client, lanes)
                        await self._report_orphans(self._outbox)
                        self._renderer, self._router = renderer, router
                        yield
                        give_up_at = anyio.current_time() + bus.drain_timeout
                        for lane in self._lanes.values():
                            lane.finish(give_up_at)
                finally:
                    self._end_lanes()

                background.cancel_scope.cancel()

    def _forget_earlier_life(self) -> None:
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            statistics = outbox.statistics()
            in_memory = outbox.path is None
            self._unsent += statistics.died + (statistics.pending if in_memory else 0)

    def _make_outbox(self, bus: EventBus, lanes: int) -> Outbox:
        return Outbox(
            self._state_file(bus, "outbox"),
            max_entries=MAX_PENDING,
            # A lane whose webhook is dead must leave room for the others.
            max_entries_per_lane=MAX_PENDING if lanes == 1 else MAX_PENDING // 2,
        )

    def _make_lanes(
        self,
        bus: EventBus,
        outbox: Outbox,
        webhooks: Mapping[str, WebhookConfig],
        client: WebhookClient,
        task_group: TaskGroup,
    ) -> None:
        limits, mentions = RateLimits(), Mentions()
        threads = Threads(self._state_file(bus, "threads.json"))
        self._lanes = {}
        for name, webhook in webhooks.items():
            address = self.config.address(webhook)
            for secret in address.secrets():
                bus.redactor.add(secret)

            self._lanes[name] = lane = Lane(
                name,
                address,
                webhook.batch or self.config.batch,
                outbox=outbox,
                client=client,
                limits=limits,
                task_group=task_group,
                presenter=Presenter(webhook, mentions, threads),
            )
            lane.wake()

    async def _report_orphans(self, outbox: Outbox) -> None:
        for lane in await outbox.lanes():
            if lane.name not in self._lanes and lane.pending:
                logger.warning(
                    "the outbox keeps %d events for webhook '%s', which is not configured",
                    lane.pending,
                    lane.name,
                )

    def _state_file(self, bus: EventBus, suffix: str) -> Path | None:
        return bus.state_folder and bus.state_folder / f"{bus.name(self)}.{suffix}"

    def _reread(self) -> None:
        for lane in self._lanes.values():
            lane.reread()

    def _end_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.close()

        if not self.pending or self._outbox is None:
            return

        if self._outbox.path is None:
            logger.error("%s lost: they were kept in memory only", _events(self.pending))
        else:
            logger.warning("%s kept in the outbox for the next start", _events(self.pending))

    @hookimpl
    def check(self, bus: EventBus) -> list[str]:
        """Look for faults in the templates, and for event types that do not exist."""
        types = bus.events.types()
        problems: list[str] = []
        Renderer(
            bus.template_folders(),
            invite_url=lambda: self.config.invite_url,
            report=lambda error: problems.append(str(error)),
        ).check(types)
        router = Router(self.config.routes, self.config.all_webhooks(), self.config.max_age)
        try:
            router.check(types)
        except ValueError as error:
            problems.append(str(error))

        return problems

    @hookimpl
    def health(self) -> Health:
        """Say whether everything arrives, and how much has not."""
        undelivered = self._unsent
        if self._outbox is not None:
            statistics = self._outbox.statistics()
            undelivered += statistics.pending + statistics.died

        return replace(self._health(), undelivered=undelivered)

    def _health(self) -> Health:
        dead = [lane for lane in self._lanes.values() if lane.state is LaneState.DEAD]
        if dead:
            reasons = "; ".join(f"webhook '{lane.name}': {lane.reason}" for lane in dead)
            return Health("failed", reasons)

        if self._outbox is None:
            return Health("degraded", "no webhook_url is set, so nothing is sent")

        if self._outbox.problem is not None:
            return Health("degraded", str(self._outbox.problem))

        retrying = [lane for lane in self._lanes.values() if lane.state is LaneState.RETRYING]
        if retrying:
            reasons = "; ".join(f"webhook '{lane.name}': {lane.reason}" for lane in retrying)
            return Health("degraded", f"{_events(self.pending)} waiting: {reasons}")

        statistics = self._outbox.statistics()
        if statistics.died or statistics.dead:
            return Health("degraded", f"{_events(statistics.dead)} refused by Discord")

        return Health()


def _events(count: int) -> str:
    return f"{count} event is" if count == 1 else f"{count} events are"
