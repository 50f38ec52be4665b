"""A plugin that is replaced: what it waits for, what it leaves, and what the next one knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

LATENCY = 0.04


class Plugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)

    @staticmethod
    def _wall_clock() -> float:
        return anyio.current_time()


class Community:
    """A bus with the plugin, which can be replaced."""

    def __init__(self, bus: EventBus, discord: StandInDiscord, config: dict[str, Any]) -> None:
        self.bus = bus
        self.discord = discord
        self._config = config
        self._clients: list[httpx.AsyncClient] = []

    def make(self) -> Plugin:
        """Return a plugin with a client of its own, so that no limit is shared in memory."""
        self._clients.append(httpx.AsyncClient(transport=self.discord.transport()))
        return Plugin(DiscordConfig.model_validate(self._config), http=self._clients[-1])

    async def reload(self) -> float:
        """Replace the plugin, and return how long that took."""
        began = anyio.current_time()
        await self.bus.plugins.replace("discord", self.make())
        return anyio.current_time() - began

    async def publish(self, *names: str) -> None:
        """Publish that someone joined, safe in the outbox once this returns."""
        for name in names:
            event = PeerJoined(peer_name=name, party_name="LAN")
            await self.bus.publish_and_wait(event, plugins="durable")

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def community(
    discord: StandInDiscord, state_folder: Path | None, drain_timeout: float = 10, **config: Any
) -> AsyncIterator[Community]:
    if "webhooks" not in config:
        config["webhook_url"] = discord.create_webhook().url

    bus = EventBus(state_folder=state_folder, drain_timeout=drain_timeout)
    one = Community(bus, discord, config)
    bus.register(one.make(), "discord")
    try:
        async with bus:
            yield one
    finally:
        await one.aclose()


def names_in(discord: StandInDiscord) -> list[str]:
    text = str([record.body for record in discord.journal.accepted])
    return [name for name in ("Ann", "Bob", "Cy", "Dan", "Eve") for _ in range(text.count(name))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ban", "user", "shared", "global"])
@pytest.mark.either_backend
async def test_reloads_within_a_wait_send_nothing(tmp_path: Path, kind: Any) -> None:
    discord = StandInDiscord(latency=LATENCY)
    async with community(discord, tmp_path) as c:
        if kind == "ban":
            discord.faults.ban(600)
        else:
            discord.faults.fail(429, scope=kind, retry_after=600, times=1)

        await c.publish("Ann")
        await anyio.sleep(1)
        assert len(discord.journal) == 1
        for name in ("Bob", "Cy", "Dan", "Eve"):
            assert await c.reload() == pytest.approx(0, abs=0.01)
            await c.publish(name)
            await anyio.sleep(60)

        await c.reload()
        assert len(discord.journal) == 1
        await anyio.sleep(600)

    assert discord.journal[1].time - discord.journal[0].time >= 600
    assert discord.journal.rejected == (discord.journal[0],)
    assert names_in(discord) == ["Ann", "Bob", "Cy", "Dan", "Eve"]


async def test_file_with_the_waits_holds_no_secret(tmp_path: Path) -> None:
    discord = StandInDiscord()
    async with community(discord, tmp_path) as c:
        discord.faults.ban(600)
        await c.publish("Ann")
        await anyio.sleep(1)
        text = (tmp_path / "discord.limits.json").read_text()

    (webhook,) = discord.webhooks
    assert "Cloudflare" in text
    assert webhook.token not in text
    assert (tmp_path / "discord.limits.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.either_backend
async def test_reload_does_not_wait_for_limits_but_for_the_request_under_way(
    tmp_path: Path,
) -> None:
    discord = StandInDiscord(latency=3, limit=1, per=60)
    async with community(discord, tmp_path) as c:
        await c.publish("Ann")
        await anyio.sleep(1)
        await c.publish("Bob")
        assert await c.reload() == pytest.approx(2, abs=0.01)
        assert await c.reload() == pytest.approx(0, abs=0.01)
        await c.publish("Cy")
        assert names_in(discord) == ["Ann"]
        await anyio.sleep(200)

    assert discord.journal.statuses == {200: 2}
    assert names_in(discord) == ["Ann", "Bob", "Cy"]


async def test_reload_waits_for_a_request_that_hangs_only_as_long_as_the_client(
    tmp_path: Path,
) -> None:
    discord = StandInDiscord()
    async with community(discord, tmp_path, drain_timeout=30) as c:
        discord.faults.hang(accepted=False, times=1)
        await c.publish("Ann")
        await anyio.sleep(1)
        await c.publish("Bob")
        assert await c.reload() == pytest.approx(7, abs=0.1)
        await anyio.sleep(30)

    assert names_in(discord) == ["Ann", "Bob"]


async def test_reload_does_not_wait_for_an_outage(tmp_path: Path) -> None:
    discord = StandInDiscord()
    async with community(discord, tmp_path) as c:
        discord.faults.refuse_connections(100)
        await c.publish("Ann")
        await anyio.sleep(50)
        assert await c.reload() < 0.2
        await anyio.sleep(100)

    assert names_in(discord) == ["Ann"]


@pytest.mark.slow
async def test_reload_sends_what_is_gathered_as_if_nothing_had_happened(tmp_path: Path) -> None:
    discord = StandInDiscord(latency=LATENCY)
    routes = [{"mention": {"roles": ["140000000000000002"]}}]
    batch = {"window": "30s", "immediate": False}
    async with community(discord, tmp_path, routes=routes, batch=batch) as c:
        await c.publish("Ann", "Bob")
        assert await c.reload() == pytest.approx(LATENCY, abs=0.01)

    (message,) = discord.journal.messages()
    assert message["mention_roles"] == ["140000000000000002"]
    assert "Catching up" not in str(message)


@pytest.mark.slow
async def test_lanes_that_wait_for_their_turn_hand_over_at_once(tmp_path: Path) -> None:
    discord = StandInDiscord(latency=LATENCY)
    webhooks = {f"w{number}": {"url": discord.create_webhook().url} for number in range(200)}
    async with community(discord, tmp_path, webhooks=webhooks) as c:
        await c.publish("Ann")
        await anyio.sleep(0.5)
        sent = len(discord.journal)
        assert 10 < sent < 50
        # What it sent to the others would take four seconds.
        assert await c.reload() < 0.2
        await anyio.sleep(30)

    assert discord.journal.statuses == {200: 200}
    assert all(len(webhook.messages) == 1 for webhook in discord.webhooks)


@pytest.mark.slow
async def test_unregistered_plugin_leaves_what_waits_to_the_next_one(tmp_path: Path) -> None:
    discord = StandInDiscord()
    async with community(discord, tmp_path) as c:
        discord.faults.fail(429, retry_after=5, times=1)
        await c.publish("Ann")
        await anyio.sleep(1)
        began = anyio.current_time()
        await c.bus.unregister("discord")
        assert anyio.current_time() == began
        await c.bus.plugins.register_and_wait(c.make(), "discord")
        await anyio.sleep(10)

    assert names_in(discord) == ["Ann"]


@pytest.mark.slow
async def test_what_is_kept_in_memory_only_is_sent_before_the_plugin_is_replaced() -> None:
    discord = StandInDiscord()
    async with community(discord, None) as c:
        discord.faults.fail(429, retry_after=5, times=1)
        await c.publish("Ann")
        await anyio.sleep(1)
        assert await c.reload() == pytest.approx(4, abs=0.1)
        assert names_in(discord) == ["Ann"]


async def test_bus_that_is_left_sends_what_it_can_within_the_drain_timeout(tmp_path: Path) -> None:
    discord = StandInDiscord()
    async with community(discord, tmp_path) as c:
        discord.faults.fail(429, retry_after=5, times=1)
        await c.publish("Ann")
        await anyio.sleep(1)

    assert names_in(discord) == ["Ann"]


async def test_plugins_with_one_client_share_what_concerns_the_address(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhooks = [discord.create_webhook() for _ in range(2)]
    bus = EventBus(state_folder=tmp_path)
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        for number, webhook in enumerate(webhooks):
            config = {
                "webhook_url": webhook.url,
                "routes": [{"where": {"peer_name": f"P{number}"}}],
            }
            bus.register(Plugin(DiscordConfig.model_validate(config), http=http), f"d{number}")

        async with bus:
            discord.faults.ban(600)
            for number in range(2):
                await bus.publish(PeerJoined(peer_name=f"P{number}", party_name="LAN"))
                await anyio.sleep(60)

            assert len(discord.journal) == 1
            await anyio.sleep(600)

    assert all(len(webhook.messages) == 1 for webhook in webhooks)


async def test_request_that_the_end_would_cut_off_is_left_to_the_next_start(tmp_path: Path) -> None:
    discord = StandInDiscord(latency=0.3)
    config: dict[str, Any] = {"webhook_url": discord.create_webhook().url}
    async with community(discord, tmp_path, drain_timeout=5, **config) as c:
        discord.faults.fail(429, retry_after=5.5, times=1)
        await c.publish("Ann")
        await anyio.sleep(1)

    async with community(discord, tmp_path, **config):
        await anyio.sleep(10)

    assert names_in(discord) == ["Ann"]
