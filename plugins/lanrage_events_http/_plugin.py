"""The plugin: it serves the HTTP API, the web page and the live feed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import anyio

from lanrage_events import Event, Health, Metric, Sample, hookimpl
from lanrage_events.abc import Bus, Person
from lanrage_events.state import StateFile

from ._api import DEFAULT_SIZE, Deduplicator, TakenIds
from ._app import make_app
from ._config import HTTPConfig
from ._feed import Feed
from ._server import (
    Authentication,
    Connections,
    Guard,
    Server,
    Sessions,
    Timeouts,
    Tokens,
    TrustedProxies,
    address_of,
    addresses_of,
    listen,
    port_of,
)

logger = logging.getLogger(__name__)

# Their records contain input from peers.
_REDACTED_LOGGERS = ("lanrage_events_http",)


class HTTPPlugin:
    """Serves the HTTP API and the setup page.

    :param config: see :class:`HTTPConfig`
    """

    Config = HTTPConfig
    # Its hook never waits, so it delays no publisher, and it counts every event.
    when_full = "block"
    # Tests shorten them.
    timeouts: Timeouts = Timeouts()

    def __init__(self, config: HTTPConfig) -> None:
        self.config = config
        self.url: str | None = None
        """the URL of the page, None while it is not served"""
        self._feed: Feed | None = None
        self._guard: Guard | None = None
        self._taken_ids: TakenIds | None = None
        self._deduplicator: Deduplicator | None = None
        self._connections = self._make_connections()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Serve."""
        for token in self.config.all_tokens():
            bus.redactor.add(token.secret)

        with bus.redactor.redacting(_REDACTED_LOGGERS), ExitStack() as ending:
            self._taken_ids = self._open_ids(bus)
            if self._taken_ids is not None:
                ending.callback(self._taken_ids.close)

            self._deduplicator = Deduplicator(self.config.repeat_window, file=self._taken_ids)
            await self._deduplicator.load()
            async with self._serving(bus, self._deduplicator):
                yield

    def _open_ids(self, bus: Bus) -> TakenIds | None:
        window = self.config.repeat_window
        path = self._state_path(bus, "ids") if window else None
        return None if path is None else TakenIds(path, window, DEFAULT_SIZE)

    @asynccontextmanager
    async def _serving(self, bus: Bus, deduplicator: Deduplicator) -> AsyncIterator[None]:
        config = self.config
        listeners = await listen(config.host, config.port)
        stopping = anyio.Event()
        tokens = Tokens(config.all_tokens())
        sessions = Sessions(tokens, StateFile(self._state_path(bus, "sessions.json")))
        sessions.load()
        self._feed = Feed(bus.redactor, config.max_streams)
        self._guard = make_app(
            bus,
            config,
            self._feed,
            stopping=stopping,
            port=port_of(listeners),
            addresses=addresses_of(listeners),
            authentication=Authentication(tokens, sessions),
            deduplicator=deduplicator,
            timeouts=self.timeouts,
            source=bus.plugins.name(self),
        )
        self._connections = self._make_connections()
        server = Server(self._guard, listeners, self._connections, stopping)
        try:
            # The task group raises an error of the server, and the bus restarts the plugin.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.run)
                self.url = address_of(listeners, config.host)
                logger.info(
                    "plugin '%s': the page is at %s",
                    bus.plugins.name(self),
                    self.url,
                    extra={"address": self.url},
                )
                yield
                await server.stop()
                await sessions.save()
        finally:
            self.url = None

    def _make_connections(self) -> Connections:
        proxies = TrustedProxies(self.config.proxies())
        return Connections(self.config.max_connections, self.timeouts, proxies)

    def _state_path(self, bus: Bus, suffix: str) -> Path | None:
        return bus.state_folder and bus.state_folder / f"{bus.plugins.name(self)}.{suffix}"

    @hookimpl
    def event(self, event: Event) -> None:
        """Count an event and send it to the clients of the feed."""
        if self._feed is not None:
            self._feed.add(event)

    @hookimpl
    def forget(self, person: Person, bus: Bus) -> dict[str, int]:
        """Remove a person from the feed, and the ids that name the person."""
        ids = self._open_ids(bus) if self._deduplicator is None else self._deduplicator
        return {
            "events in the feed": 0 if self._feed is None else self._feed.forget(person),
            "ids of events": 0 if ids is None else ids.forget(person),
        }

    @hookimpl
    def health(self) -> Health:
        """Report the URL of the page, or whose connections are closed because of the limit."""
        if self.url is None:
            return Health("degraded", "nothing is served")

        if (problem := self._connections.problem) is not None:
            return Health("degraded", problem)

        if self._taken_ids is not None and self._taken_ids.problem is not None:
            return Health(
                "degraded",
                "the ids of events cannot be kept, so those that are sent again after a restart "
                f"are published again: {self._taken_ids.problem}",
            )

        return Health("ok", f"the page is at {self.url}")

    @hookimpl
    def metrics(self) -> list[Metric]:
        """Return figures about answers and connections."""
        connections = self._connections
        answers = self._guard.answers if self._guard is not None else {}
        by_status = [Sample(count, {"status": status}) for status, count in sorted(answers.items())]
        return [
            Metric(
                name="http_answers",
                help="answers to HTTP requests, by the class of their status",
                kind="counter",
                samples=by_status,
            ),
            Metric(
                name="http_connections",
                help="open connections",
                samples=[Sample(len(connections))],
            ),
            _counter("accepted", "accepted", connections.accepted),
            _counter("refused", "closed because of max_connections", connections.rejected),
            _counter("cut_off", "closed because the peer was too slow", connections.cut_off),
        ]


def _counter(name: str, what: str, count: int) -> Metric:
    name = f"http_connections_{name}"
    return Metric(
        name=name, help=f"connections that were {what}", kind="counter", samples=[Sample(count)]
    )
