from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import Event, EventBus, Health, Notification, Redactor, hookimpl
from lanrage_events_http._api import status_operations
from lanrage_events_http._app import application

SECRET = "geheimnis-0123456789"

Client = Callable[..., httpx.AsyncClient]


class Sick:
    """A plugin whose health a test sets."""

    mailbox_size = 7
    when_full = "block"

    def __init__(self) -> None:
        self.answer = Health()

    @hookimpl
    def health(self) -> Health:
        return self.answer

    @hookimpl
    def notification(self, event: Event) -> None:
        if event.to_dict()["title"] == "bad":
            raise ValueError(f"cannot reach {SECRET}")


class Dying:
    """A plugin whose lifespan ends."""

    def __init__(self) -> None:
        self.dies = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._die)
            yield
            tasks.cancel_scope.cancel()

    async def _die(self) -> None:
        await self.dies.wait()
        raise OSError("gone")


@asynccontextmanager
async def serving(client: Client, **plugins: Any) -> AsyncIterator[tuple[EventBus, Any]]:
    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        for name, plugin in plugins.items():
            await bus.plugins.register_and_wait(plugin, name)

        async with client(application(status_operations(bus), bus.redactor)) as http:
            yield bus, http


async def test_the_plugins_come_with_their_statistics(client: Client) -> None:
    plugin = Sick()
    async with serving(client, sick=plugin) as (bus, http):
        for title in "good", "bad", "good":
            await bus.publish(Notification(title=title, message="-"))

        await bus.drain()
        plugin.answer = Health("degraded", f"{SECRET} is slow", 3)
        response = await http.get("/api/plugins")

    assert response.json() == {
        "plugins": [
            {
                "name": "sick",
                "state": "running",
                "status": "degraded",
                "detail": "********** is slow",
                "undelivered": 3,
                "pending": 0,
                "size": 7,
                "when_full": "block",
                "handled": 2,
                "failed": 1,
                "dropped": 0,
                "restarts": 0,
            }
        ]
    }


async def test_subscriptions_and_streams_are_no_plugins(client: Client) -> None:
    async with serving(client) as (bus, http), bus.stream(Event):
        bus.subscribe(Event, print)
        assert (await http.get("/api/plugins")).json() == {"plugins": []}
        assert (await http.get("/readyz")).json() == {"status": "ready", "plugins": {}}


async def test_the_bus_lives_however_its_plugins_are(client: Client) -> None:
    plugin = Sick()
    plugin.answer = Health("failed", "everything")
    async with serving(client, sick=plugin) as (_, http):
        response = await http.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("health", "status"),
    [(Health(), 200), (Health("degraded", "x"), 200), (Health("failed", "x"), 503)],
)
async def test_it_is_ready_unless_a_plugin_failed_and_shows_no_details(
    client: Client, health: Health, status: int
) -> None:
    plugin = Sick()
    plugin.answer = health
    async with serving(client, sick=plugin) as (_, http):
        response = await http.get("/readyz")

    assert response.status_code == status
    assert response.json() == {
        "status": "ready" if status == 200 else "not ready",
        "plugins": {"sick": health.status},
    }


async def test_it_stays_ready_but_shows_for_a_minute_that_a_plugin_dropped_events(
    client: Client,
) -> None:
    class Slow:
        mailbox_size = 1

        @hookimpl
        async def notification(self, event: Notification) -> None:
            await anyio.sleep(5)

    async with serving(client, slow=Slow()) as (bus, http):
        for _ in range(3):
            await bus.publish(Notification(title="-", message="-"))

        await anyio.sleep(20)
        response = await http.get("/readyz")
        [plugin] = (await http.get("/api/plugins")).json()["plugins"]
        await anyio.sleep(50)
        assert (await http.get("/readyz")).json()["plugins"] == {"slow": "ok"}

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "plugins": {"slow": "degraded"}}
    assert plugin["detail"].startswith("it dropped 1 event, the last less than a minute ago")


async def test_it_is_not_ready_while_a_plugin_is_down(client: Client) -> None:
    plugin = Dying()
    async with serving(client, dying=plugin) as (_, http):
        assert (await http.get("/readyz")).status_code == 200
        plugin.dies.set()
        await anyio.sleep(0.5)
        response = await http.get("/readyz")
        plugins = (await http.get("/api/plugins")).json()["plugins"]
        plugin.dies = anyio.Event()
        await anyio.sleep(10)
        assert (await http.get("/readyz")).status_code == 200

    assert response.status_code == 503
    assert response.json()["plugins"] == {"dying": "failed"}
    assert plugins[0]["state"] == "down"


async def test_what_a_plugin_says_of_a_failure_shows_no_secret(client: Client) -> None:
    async with serving(client, sick=Sick()) as (bus, http):
        await bus.publish(Notification(title="bad", message="-"))
        await bus.drain()
        response = await http.get("/api/plugins")

    assert SECRET not in response.text
