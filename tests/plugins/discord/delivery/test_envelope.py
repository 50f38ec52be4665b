"""Threads, names, silence and mentions, by what the stand-in for Discord receives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Notification, PeerJoined, PluginStartError
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


@asynccontextmanager
async def running(
    discord: StandInDiscord, **config: Any
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
        bus = EventBus()
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


async def test_webhook_has_its_name_and_picture() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    webhook = {"url": url, "username": "LAN bot", "avatar_url": "https://example.org/a.png"}
    async with running(discord, webhooks={"main": webhook}) as (bus, _):
        await bus.publish(joined())

    (record,) = discord.journal
    assert record.body["username"] == "LAN bot"
    assert record.body["avatar_url"] == "https://example.org/a.png"


async def test_thread_id_goes_into_the_query() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    thread = webhook.create_thread("LAN")
    async with running(discord, webhooks={"a": {"url": webhook.url, "thread_id": thread}}) as (
        bus,
        _,
    ):
        await bus.publish(joined())

    (record,) = discord.journal.accepted
    assert record.query["thread_id"] == thread
    assert "thread_name" not in record.body


async def test_deleted_thread_is_created_again() -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    webhook = {"url": forum.url, "thread_name": "Friday LAN"}
    async with running(discord, webhooks={"main": webhook}) as (bus, plugin):
        await bus.publish(joined())
        await anyio.sleep(5)
        discord.faults.fail(404, code=10003)
        await bus.publish(joined("Bob"))
        await anyio.sleep(5)
        assert plugin.pending == 0

    assert len(forum.threads) == 2


async def test_silent_route_suppresses_the_notification_unless_something_loud_is_posted_with_it() -> (
    None
):
    discord = StandInDiscord()
    url = discord.create_webhook().url
    routes = [{"events": "peer_joined", "silent": True, "stop": True}, {}]
    async with running(discord, webhook_url=url, routes=routes) as (bus, _):
        await bus.publish(joined())
        await anyio.sleep(5)
        await bus.publish(Notification(title="a", message="b"))
        await anyio.sleep(5)
        await bus.publish(joined("first"))
        await anyio.sleep(0.1)
        await bus.publish(joined())
        await bus.publish(Notification(title="a", message="b"))

    flags = [record.body.get("flags", 0) for record in discord.journal]
    assert flags == [4096, 0, 4096, 0]


async def test_mention_pings_exactly_those_and_not_again_within_the_cooldown() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    mention = {"roles": ["111"], "users": ["222"], "cooldown": 60}
    routes = [{"events": "notification", "mention": mention}]
    async with running(discord, webhook_url=url, routes=routes) as (bus, _):
        for pause in (30, 40, 0):
            await bus.publish(Notification(title="Server is up", message="<@333>"))
            await anyio.sleep(pause)

    first, second, third = (record.body for record in discord.journal)
    assert first["content"] == "<@&111> <@222>"
    assert first["allowed_mentions"] == {"parse": [], "roles": ["111"], "users": ["222"]}
    assert "content" not in second
    assert second["allowed_mentions"] == {"parse": []}
    assert third["content"] == "<@&111> <@222>"


async def test_a_message_mentions_as_many_as_it_holds_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    roles = [str(10**17 + number) for number in range(90)]
    routes = [{"mention": {"roles": roles, "users": ["222"], "cooldown": 0}}]
    async with running(discord, webhook_url=url, routes=routes) as (bus, plugin):
        for name in ("Ann", "Bob"):
            await bus.publish(joined(name))
            await anyio.sleep(5)

        (left_out,) = [m for m in plugin.metrics() if m.name == "lane_mentions_left_out"]
        assert [sample.value for sample in left_out.samples] == [8]

    for record in discord.journal.accepted:
        assert record.body["allowed_mentions"]["roles"] == roles[:87]
        assert len(record.body["content"]) == 2000

    assert caplog.text.count("no room for 4 of the roles and users") == 1
    assert "room for 87 of these 91 mentions" in str(plugin.validate(bus))


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", [{"username": "here"}, {"avatar_url": "http://lanserver/a.png"}, {"username": " "}]
)
@pytest.mark.either_backend
async def test_a_setting_that_discord_rejects_stops_no_message(
    setting: dict[str, str],
) -> None:
    discord = StandInDiscord()
    webhook = {"url": discord.create_webhook().url, **setting}
    async with running(discord, webhooks={"main": webhook}) as (bus, plugin):
        await bus.publish(joined())

    (record,) = discord.journal
    assert record.accepted
    assert not {"username", "avatar_url"} & record.body.keys()
    warned = f"webhooks.main.{next(iter(setting))}: Discord does not" in "\n".join(
        map(str, plugin.validate(bus))
    )
    assert warned == bool(next(iter(setting.values())).strip())


async def test_mention_that_was_not_delivered_begins_no_cooldown() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    routes = [{"mention": {"roles": ["111"]}}]
    async with running(discord, webhook_url=url, routes=routes) as (bus, _):
        discord.faults.fail(503)
        await bus.publish(joined())

    first, second = (record.body for record in discord.journal)
    assert first["content"] == second["content"] == "<@&111>"


async def test_old_news_mentions_no_one() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    routes = [{"mention": {"roles": ["111"]}}]
    async with running(discord, webhook_url=url, routes=routes) as (bus, _):
        discord.faults.refuse_connections(60)
        await bus.publish(joined("Ann"))
        await bus.publish(joined("Bob"))
        await anyio.sleep(120)

    (record,) = discord.journal.accepted
    assert "content" not in record.body


async def test_immediate_route_does_not_wait_for_the_window() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    routes = [{"events": "notification", "immediate": True}, {}]
    batch = {"window": 10.0, "immediate": False}
    async with running(discord, webhook_url=url, routes=routes, batch=batch) as (bus, _):
        started = anyio.current_time()
        await bus.publish(joined())
        await anyio.sleep(1)
        assert not discord.journal
        await bus.publish(Notification(title="Now", message="!"))
        await anyio.sleep(1)
        (record,) = discord.journal
        assert record.time - started < 1.1
        assert record.body["embeds"][0]["title"] == "📋 2 events"


async def test_slow_or_dead_webhook_delays_no_other() -> None:
    discord = StandInDiscord()
    slow, dead, sound = (discord.create_webhook() for _ in range(3))
    webhooks = {
        name: {"url": w.url} for name, w in (("slow", slow), ("dead", dead), ("sound", sound))
    }
    dead.delete()
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        discord.faults.hang(accepted=False, webhook=slow, lasting=60)
        started = anyio.current_time()
        await bus.publish(joined())
        await anyio.sleep(5)
        assert [len(w.messages) for w in (slow, dead, sound)] == [0, 0, 1]
        assert sum(lane.sent for lane in plugin.lanes.values()) == 1
        assert bus.health()["discord"].detail.startswith("webhook 'dead': ")
        await anyio.sleep(100)
        assert len(slow.messages) == 1
        record = next(record for record in discord.journal if record.webhook_id == sound.id)
        assert record.time - started < 0.1


@pytest.mark.slow
async def test_webhooks_of_one_channel_share_the_spacing_that_was_learnt() -> None:
    discord = StandInDiscord(channel_limit=30)
    first, second = (discord.create_webhook("lobby") for _ in range(2))
    webhooks = {"first": {"url": first.url}, "second": {"url": second.url}}
    routes = [
        {"events": "peer_joined", "webhook": "first"},
        {"events": "notification", "webhook": "second"},
    ]
    async with running(discord, webhooks=webhooks, routes=routes) as (bus, plugin):
        for number in range(200):
            await bus.publish(joined(str(number)))
            await bus.publish(Notification(title=str(number), message="b"))
            await anyio.sleep(0.5)

        await anyio.sleep(130)
        assert plugin.pending == 0

    assert discord.journal.statuses[429] <= 6


@pytest.mark.slow
async def test_two_hundred_webhooks_keep_the_fifty_a_second_of_the_address() -> None:
    discord = StandInDiscord()
    webhooks = [discord.create_webhook() for _ in range(200)]
    config = {str(number): {"url": webhook.url} for number, webhook in enumerate(webhooks)}
    async with running(discord, webhooks=config) as (bus, plugin):
        for number in range(20):
            await bus.publish(joined(str(number)))

        while plugin.pending:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.1)

    assert discord.journal.statuses[429] == 0
    assert len(discord.journal) <= 400
    times = [record.time for record in discord.journal]
    assert times[-1] - times[0] <= 1.2 * len(times) / 50


async def test_what_is_too_old_is_not_posted_but_counted_and_posted_as_a_number() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    async with running(discord, webhook_url=url, max_age={"peer_joined": 0.5}) as (
        bus,
        plugin,
    ):
        events = [joined(), joined(), Notification(title="a", message="b")]
        await anyio.sleep(1)
        for event in events:
            await bus.publish(event)

        await anyio.sleep(5)
        assert plugin.lanes["default"].expired == 2
        assert plugin.pending == 0

    text = str([record.body for record in discord.journal])
    assert "Ann" not in text
    assert "expired before they could be posted" in text


@pytest.mark.slow
async def test_route_for_an_unknown_event_type_stops_the_start() -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    with pytest.raises(PluginStartError, match="did you mean 'peer_joined'"):
        async with running(discord, webhook_url=url, routes=[{"events": "peer_joind"}]):
            raise AssertionError("it must not start")


async def test_check_finds_bad_templates_and_routes(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "peer_joined.yaml").write_text("title: {{ name }} joined\n", encoding="utf-8")
    config = DiscordConfig.model_validate({"routes": [{"events": "peer_joind"}]})
    bus = EventBus(templates=[tmp_path])
    bus.register(DiscordPlugin(config), "discord")
    (_, template), (_, route) = bus.plugins.validate()
    assert "peer_joined.yaml:1" in template
    assert "put the whole value in quotes" in template
    assert "did you mean 'peer_joined'" in route
