"""The plugin: events in, messages to Discord out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
from anyio.abc import TaskGroup

from lanrage_events import Event, EventBus, Health, Outbox, Redactor, hookimpl

from ._client import WebhookClient
from ._config import DiscordConfig, WebhookConfig
from ._lane import Lane, LaneState, LaneStatistics
from ._limits import RateLimits
from ._presenter import Mentions, Presenter, Threads
from ._render import Renderer
from ._routes import Router

logger = logging.getLogger("lanrage_events.discord")

# Each logs on its own account, and a filter sees only what its own logger is given.
HTTP_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


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
        """events that came while there was no webhook"""

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
            return

        destinations = self._router.route(event)
        if destinations:
            entry = self._renderer.render(event)
            expires = self._router.expires(event)
            for destination in destinations:
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

        types = bus.events.types()
        router = Router(self.config.routes, webhooks, self.config.max_age)
        router.check(types)
        renderer = Renderer(bus.template_folders(), invite_url=lambda: self.config.invite_url)
        renderer.check(types)
        with _redacted_http_logs(bus.redactor):
            async with (
                WebhookClient(self._http) as client,
                Outbox(self._state_file(bus, "outbox")) as self._outbox,
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
            return Health("failed", str(self._outbox.problem))

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


@contextmanager
def _redacted_http_logs(redactor: Redactor) -> Iterator[None]:
    """Keep webhook URLs, which hold the token, out of what the HTTP libraries log."""
    loggers = [logging.getLogger(name) for name in HTTP_LOGGERS]
    for http_logger in loggers:
        http_logger.addFilter(redactor.filter)

    try:
        yield
    finally:
        for http_logger in loggers:
            http_logger.removeFilter(redactor.filter)
