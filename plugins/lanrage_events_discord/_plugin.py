"""The plugin: events in, messages to Discord out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx

from lanrage_events import Event, EventBus, Health, Outbox, Redactor, hookimpl

from ._client import WebhookClient
from ._config import DiscordConfig
from ._lane import Lane, LaneState, LaneStatistics
from ._limits import RateLimits
from ._render import Renderer

logger = logging.getLogger("lanrage_events.discord")

DEFAULT_LANE = "default"
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
        self._outbox: Outbox | None = None
        self._lanes: dict[str, Lane] = {}

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
        if self._renderer is None or not self._lanes:
            return

        entry = self._renderer.render(event)
        for lane in self._lanes.values():
            await lane.put(entry)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        """Keep the outbox open and the lanes running."""
        webhook = self.config.webhook()
        if webhook is None:
            logger.warning("plugin '%s' has no webhook_url, so it sends nothing", bus.name(self))
            yield
            return

        for secret in webhook.secrets():
            bus.redactor.add(secret)

        self._renderer = Renderer(bus.template_folders(), invite_url=lambda: self.config.invite_url)
        self._renderer.check(bus.events.types())
        with _redacted_http_logs(bus.redactor):
            async with (
                WebhookClient(self._http) as client,
                Outbox(self._outbox_path(bus)) as self._outbox,
                anyio.create_task_group() as background,
            ):
                background.start_soon(self._outbox.listen, self._reread)
                try:
                    async with anyio.create_task_group() as lanes:
                        self._lanes[DEFAULT_LANE] = Lane(
                            DEFAULT_LANE,
                            webhook,
                            self.config.batch,
                            outbox=self._outbox,
                            client=client,
                            limits=RateLimits(),
                            task_group=lanes,
                        )
                        for lane in self._lanes.values():
                            lane.wake()

                        yield
                        give_up_at = anyio.current_time() + bus.drain_timeout
                        for lane in self._lanes.values():
                            lane.finish(give_up_at)
                finally:
                    self._end_lanes()

                background.cancel_scope.cancel()

    def _outbox_path(self, bus: EventBus) -> Path | None:
        return bus.state_folder and bus.state_folder / f"{bus.name(self)}.outbox"

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
    def health(self) -> Health:
        """Say whether everything arrives."""
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
