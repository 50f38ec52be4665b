"""The setup over real sockets, threads and files."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events.http import RouteRequest
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._setup import Settings
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook

pytestmark = pytest.mark.real_clock


async def post(plugin: DiscordPlugin, path: str, body: object) -> Any:
    (route,) = [r for r in plugin.http_routes() if (r.method, r.path) == ("POST", path)]
    request = route.request and route.request.model_validate(body)
    return await route.handler(RouteRequest(body=request, query=route.query and route.query()))


async def tell(bus: EventBus, plugin: DiscordPlugin, webhook: StandInWebhook, count: int) -> None:
    """Publish an event, and wait until so many messages are there."""
    await bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"), plugins="durable")
    with anyio.fail_after(30):
        while plugin.pending or len(webhook.messages) < count:  # noqa: ASYNC110 - sockets take part
            await anyio.sleep(0.02)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.slow
async def test_webhook_of_a_stand_in_on_a_port_is_set_tried_used_and_kept(tmp_path: Path) -> None:
    discord = StandInDiscord()
    async with discord.serve():
        webhook = discord.create_webhook(name="Hook")
        config = DiscordConfig(allow_hosts=(discord.host,))
        plugin = DiscordPlugin(config)
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "lan")
        async with bus:
            status = await post(plugin, "/webhook", {"webhook_url": webhook.url})
            assert (status.webhook.source, status.webhook.name) == ("saved", "Hook")
            result = await post(plugin, "/test", {})
            assert result.message_id == webhook.messages[0]["id"]
            await tell(bus, plugin, webhook, 2)

        if sys.platform != "win32":
            assert mode(tmp_path / "lan.settings.json") == 0o600

        plugin = DiscordPlugin(config)
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "lan")
        async with bus:
            await tell(bus, plugin, webhook, 3)


@pytest.mark.slow
async def test_webhook_that_waits_while_its_url_is_cleared_gets_all_after_a_restart(
    tmp_path: Path,
) -> None:
    discord = StandInDiscord()
    async with discord.serve():
        gone, webhook = discord.create_webhook(), discord.create_webhook()
        gone.delete()
        config = DiscordConfig(allow_hosts=(discord.host,), webhook_url=gone.url)  # type: ignore[arg-type]  # pydantic makes a secret of it
        plugin = DiscordPlugin(config)
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "discord")
        async with bus:
            await bus.publish_and_wait(PeerJoined(peer_name="Bob", party_name="LAN"))

        plugin = DiscordPlugin(DiscordConfig(allow_hosts=(discord.host,)))
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "discord")
        async with bus:
            assert plugin.pending == 1
            await post(plugin, "/webhook", {"webhook_url": webhook.url})
            await tell(bus, plugin, webhook, 1)

    assert "Bob" in str(webhook.messages)


@pytest.mark.slow
async def test_many_who_set_it_at_once_leave_file_and_lane_alike(tmp_path: Path) -> None:
    plugin = DiscordPlugin(DiscordConfig())
    bus = EventBus(state_folder=tmp_path)
    bus.register(plugin, "discord")
    (route,) = [r for r in plugin.http_routes() if (r.method, r.path) == ("POST", "/webhook")]
    assert route.query is not None
    offline = route.query(offline=True)

    async def set_webhook(number: int) -> None:
        url = f"https://discord.com/api/webhooks/{number}/made-up-token"
        assert route.request is not None
        body = route.request.model_validate({"webhook_url": url})
        await route.handler(RouteRequest(body=body, query=offline))

    async with bus:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(set_webhook, number)

        webhook = plugin._lanes["default"].webhook
        assert webhook is not None
        assert Settings(tmp_path / "discord.settings.json").webhook_url == webhook.reveal()
