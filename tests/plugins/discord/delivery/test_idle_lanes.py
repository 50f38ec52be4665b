"""Lanes that have nothing to do hold nothing, and look for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx

from lanrage_events import EventBus, PeerJoined
from lanrage_events.outbox import Outbox
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._delivery import LaneQueue
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._rendering import Digest, Entry
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook

MANY = 50


def joined(party: str) -> PeerJoined:
    return PeerJoined(peer_name="Ann", party_name="LAN", party_id=party)


def entry(event: PeerJoined) -> Entry:
    title = Embed(title=event.peer_name)
    return Entry(event.id, event.type, event.time, title, Digest("peer_joined", "**1**", "Ann"))


@asynccontextmanager
async def running(
    discord: StandInDiscord, webhooks: list[StandInWebhook]
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    """Run the plugin with a route of its own for each webhook."""
    names = [f"party{number}" for number in range(len(webhooks))]
    config = DiscordConfig.model_validate(
        {
            "webhooks": {n: {"url": w.url} for n, w in zip(names, webhooks, strict=True)},
            "routes": [{"where": {"party_id": name}, "webhook": name} for name in names],
            "allow_hosts": [discord.host],
        }
    )
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(config, http=http)
        bus = EventBus()
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


def lane_tasks() -> list[str]:
    """Return the names of the tasks that lanes have."""
    names = [task.name or "" for task in anyio.get_running_tasks()]
    return [name for name in names if name.startswith("lane ")]


async def test_lanes_for_which_nothing_waits_do_not_even_look() -> None:
    discord = StandInDiscord()
    webhooks = [discord.create_webhook() for _ in range(MANY)]
    async with running(discord, webhooks) as (_, plugin):
        assert len(plugin.lanes) == MANY
        assert lane_tasks() == []


async def test_an_event_wakes_its_lane_alone_and_the_lane_rests_again() -> None:
    discord = StandInDiscord()
    webhooks = [discord.create_webhook() for _ in range(MANY)]
    async with running(discord, webhooks) as (bus, plugin):
        for round_number in range(1, 4):
            await bus.publish(joined("party7"))
            await bus.drain()
            assert lane_tasks() == ["lane party7"]
            await anyio.sleep(10)
            assert lane_tasks() == []
            assert plugin.lanes["party7"].sent == round_number

        assert len(discord.journal.accepted) == 3


async def test_a_queue_that_was_emptied_goes_on() -> None:
    async with Outbox() as outbox:
        queue = LaneQueue(outbox, "a")
        await queue.fill()
        for _ in range(3):
            event = joined("a")
            number = await outbox.put("a", entry(event).to_json())
            queue.append(number, entry(event), None)
            assert not queue.is_empty
            await queue.fill()
            (taken,) = queue.remove(1)
            assert taken.id == number
            await outbox.acknowledge([number])
            assert queue.is_empty

        queue.close()


async def test_what_comes_into_a_closed_queue_stays_in_the_outbox() -> None:
    async with Outbox() as outbox:
        queue = LaneQueue(outbox, "a")
        await queue.fill()
        queue.close()
        event = joined("a")
        number = await outbox.put("a", entry(event).to_json())
        queue.append(number, entry(event), None)
        assert queue.batch == []
        assert [found.id for found in await outbox.read("a")] == [number]
