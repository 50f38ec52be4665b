from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
import pytest

from lanrage_events import EventBus
from lanrage_events_http import HTTPConfig, HTTPPlugin
from lanrage_events_http._server import Timeouts


@dataclass(frozen=True)
class Served:
    """A running bus with an HTTP plugin on a free port."""

    bus: EventBus
    plugin: HTTPPlugin
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Served]]
Client: TypeAlias = Callable[..., httpx.AsyncClient]


@pytest.fixture
def serve() -> Serve:
    """Run a bus with the HTTP plugin, named ``http``, and with other plugins, by their names."""

    @asynccontextmanager
    async def run(
        plugins: dict[str, object] | None = None,
        bus: EventBus | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        **config: Any,
    ) -> AsyncIterator[Served]:
        plugin = HTTPPlugin(HTTPConfig(**{"port": 0, **config}))
        plugin.timeouts = timeouts
        bus = bus or EventBus()
        for name, other in (plugins or {}).items():
            bus.register(other, name)

        bus.register(plugin, "http")
        async with bus:
            assert plugin.url is not None
            yield Served(bus, plugin, httpx.URL(plugin.url).port or 80)

    return run


@pytest.fixture
def client() -> Client:
    """Make a client of an ASGI application, without sockets."""

    def make(app: Any, **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app)
        return httpx.AsyncClient(
            transport=transport, **{"base_url": "http://127.0.0.1:8666", **options}
        )

    return make
