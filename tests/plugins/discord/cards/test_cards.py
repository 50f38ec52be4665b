"""Cards in the whole plugin, in virtual time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyEnded,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.events import utc_now
from lanrage_events.forgetting import find_traces, forget
from lanrage_events_discord import DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin

Running = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def joined(*names: str, party: str = "LAN") -> list[Event]:
    return [PeerJoined(peer_name=name, party_name=party) for name in names]


def left(*names: str, party: str = "LAN") -> list[Event]:
    return [PeerLeft(peer_name=name, party_name=party) for name in names]


def parties(end_after: float = 600) -> dict[str, Any]:
    return {"parties": PartiesPlugin(PartiesConfig(end_after=end_after))}


class Channel:
    """A channel with a webhook, and a plugin that posts there."""

    def __init__(self) -> None:
        self.discord = StandInDiscord(latency=0.04)
        self.webhook = self.discord.create_webhook()

    def config(self, **more: Any) -> dict[str, Any]:
        return {"discord": self.discord, "webhook_url": self.webhook.url, "cards": True, **more}

    @property
    def texts(self) -> list[str]:
        return [json.dumps(one, ensure_ascii=False) for one in self.webhook.messages]

    @property
    def requests(self) -> int:
        return len(self.discord.journal)


async def publish(setup: Any, *events: Event, seconds: float = 5) -> None:
    for event in events:
        await setup.bus.publish_and_wait(event)

    await anyio.sleep(seconds)


def ended(party: str = "LAN", **more: Any) -> PartyEnded:
    values: dict[str, Any] = {
        "since": utc_now(),
        "duration": 0.0,
        "peak": 1,
        "visitors": 1,
        "players": (),
        "games": (),
    }
    return PartyEnded(party_name=party, **values | more)


class Parties:
    """Stands in for the plugin that says when a party is over, which these tests do themselves."""


Parties.__module__ = "lanrage_events_parties"
BY_HAND = {"parties": Parties()}


async def test_a_party_is_one_message_and_becomes_a_recap(running: Running) -> None:
    channel = Channel()
    async with running(**channel.config(plugins=parties(end_after=60))) as setup:
        await publish(setup, *joined("Ann", "Bob"), *left("Ann"))
        (card,) = channel.texts
        assert "1 here" in card
        assert "Bob" in card
        await publish(setup, *left("Bob"), seconds=120)
        (card,) = channel.texts
        assert "1 here" not in card
        assert setup.plugin._runtime.cards.open() == []


async def test_only_what_the_card_does_not_show_is_a_message(running: Running) -> None:
    channel = Channel()
    other = channel.discord.create_webhook()
    webhooks = {"other": {"url": other.url}}
    config = channel.config(webhooks=webhooks, plugins=BY_HAND, cards=[{"bump": "never"}])
    async with running(**config) as setup:
        await publish(setup, Notification(title="Soon", message="…"), *joined("Ann"), seconds=30)
        await publish(setup, GameStarted(game_name="Quake", players=("Ann",)), seconds=30)
        await publish(setup, GameEnded(game_name="Quake", duration=9.0), *left("Ann"), seconds=60)
        soon, card, started, over = channel.texts
        assert ("Soon" in soon, "Quake" in started, "Quake" in over) == (True, True, True)
        assert "0 here" in card or "Nobody" in card
        titles = [embed["title"] for one in other.messages for embed in one["embeds"]]
        assert titles[-3:] == ["🎮 Game Started: Quake", "🏁 Game Ended: Quake", "👋 Ann left"]


async def test_messages_beside_a_card_keep_their_net_effect(running: Running) -> None:
    channel = Channel()
    cards = [{"messages": ["peer_joined", "peer_left"], "bump": "never"}]
    async with running(**channel.config(cards=cards, plugins=BY_HAND)) as setup:
        await publish(setup, *joined("Ann", "Bob"))
        before = len(channel.texts)
        await publish(setup, *left("Ann"), seconds=10)
        (card,) = (text for text in channel.texts if " here" in text)
        assert "1 here" in card
        await publish(setup, *joined("Ann"), seconds=60)
        assert len(channel.texts) == before  # who is back in time has not left
        (card,) = (text for text in channel.texts if " here" in text)
        assert "2 here" in card
        await publish(setup, *left("Ann"), seconds=60)
        assert len(channel.texts) == before + 1


async def test_messages_are_in_the_post_of_their_party(running: Running, tmp_path: Path) -> None:
    channel = Channel()
    forum = channel.discord.create_webhook(forum=True)
    cards, routes = [{"thread": True}], [{"events": ["game_ended"], "thread_name": "Ends"}, {}]
    config = channel.config(webhook_url=forum.url, cards=cards, routes=routes, plugins=BY_HAND)
    game = GameStarted(game_name="Quake", players=("Ann",))

    def posts() -> dict[str, str]:
        """Return the texts of all messages, by the name of their post."""
        texts: dict[str, str] = {}
        for one in forum.messages:
            name = forum.threads[one["channel_id"]]
            texts[name] = texts.get(name, "") + json.dumps(one)

        return texts

    async with running(**config, state_folder=tmp_path) as setup:
        await publish(setup, *joined("Ann"), Notification(title="Soon", message="…"), seconds=60)

    async with running(**config, state_folder=tmp_path) as setup:
        await publish(setup, game, *joined("Bob"), GameEnded(game_name="Quake", duration=5.0))
        await anyio.sleep(60)
        assert setup.plugin.health().status == "ok"
        assert sorted(posts()) == ["Ends", "LAN", "LANrage"]
        assert all(part in posts()["LAN"] for part in ("2 here", "Game Started: Quake"))
        assert "Soon" in posts()["LANrage"]
        assert "Game Ended: Quake" in posts()["Ends"]  # a route that names a thread is right
        # A post that is deleted is not one for messages any more, and the next one is.
        forum.delete_thread(next(id for id, name in forum.threads.items() if name == "LAN"))
        await publish(setup, replace(game, id="2"), seconds=60)
        assert "Game Started: Quake" in posts()["LANrage"]
        await publish(setup, *joined("Cid"), seconds=120)
        await publish(setup, replace(game, id="3", game_name="Doom"), seconds=60)
        assert "Game Started: Doom" in posts()["LAN"]
        assert setup.plugin.health().status == "ok"


async def test_what_no_route_takes_is_not_missed_if_it_is_on_a_card(running: Running) -> None:
    channel = Channel()
    routes = [{"events": ["notification"]}]
    async with running(**channel.config(routes=routes, plugins=BY_HAND)) as setup:
        await publish(setup, *joined("Ann"))
        assert "Ann" in " ".join(channel.texts)
        assert setup.plugin.health().detail == ""
        await publish(setup, *left("Bob", party="Other"))
        assert "no route" in setup.plugin.health().detail


async def test_a_restart_goes_on_with_the_same_message(running: Running, tmp_path: Path) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    async with running(**config) as setup:
        await publish(setup, *joined("Ann"))

    sent = channel.requests
    async with running(**config) as setup:
        await anyio.sleep(60)
        assert channel.requests == sent  # nothing has changed
        await publish(setup, *joined("Bob"))
        (card,) = channel.texts
        assert all(name in card for name in ("Ann", "Bob", "2 here"))

    async with running(**config) as setup:
        await publish(setup, ended(), seconds=0)

    async with running(**config):
        await anyio.sleep(5)
        (recap,) = channel.texts
        assert "2 here" not in recap


async def test_what_was_acknowledged_is_shown_by_the_next_start(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    channel.discord.faults.refuse_connections(20)
    async with running(**config) as setup:
        await publish(setup, *joined("Ann", "Bob"), seconds=0)

    channel.discord.faults.clear()
    async with running(**config):
        await anyio.sleep(60)
        (card,) = channel.texts
        assert "2 here" in card


async def test_a_webhook_that_is_replaced_gets_cards_of_its_own(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    del config["webhook_url"]
    other = channel.discord.create_webhook()
    async with running(**config) as setup:
        await setup.post("/webhook", {"webhook_url": channel.webhook.url})
        await publish(setup, *joined("Ann", party="Over"), ended("Over"), *joined("Ann"))
        before = channel.texts
        channel.webhook.delete()
        await publish(setup, *joined("Bob"), seconds=30)
        assert setup.plugin.health().status == "failed"
        await setup.post("/webhook", {"webhook_url": other.url})
        await anyio.sleep(30)
        (card,) = [json.dumps(one) for one in other.messages]
        assert "2 here" in card
        assert channel.texts == before
        await publish(setup, *joined("Cid"), seconds=10)
        assert "3 here" in json.dumps(other.messages)


async def test_another_url_in_the_configuration_gets_cards_of_its_own(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel()
    other = channel.discord.create_webhook()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    async with running(**config) as setup:
        await publish(setup, *joined("Ann"))

    async with running(**config | {"webhook_url": other.url}) as setup:
        await anyio.sleep(5)
        assert len(channel.texts) == len(other.messages) == 1
        await publish(setup, *joined("Bob"))
        assert "2 here" in json.dumps(other.messages)
        assert "1 here" in channel.texts[0]


async def test_a_reload_in_the_middle_loses_nothing(running: Running, tmp_path: Path) -> None:
    channel = Channel()
    async with running(**channel.config(plugins=BY_HAND, state_folder=tmp_path)) as setup:
        await publish(setup, *joined("Ann"))
        async with anyio.create_task_group() as tasks:
            for name in ("Bob", "Cid", "Dan"):
                tasks.start_soon(publish, setup, *joined(name))

            plugin = type(setup.plugin)(setup.plugin.config, http=setup.plugin._http)
            await setup.bus.plugins.replace("discord", plugin)

        await publish(setup, *joined("Eve"), seconds=10)
        (card,) = channel.texts
        assert all(name in card for name in ("Ann", "Bob", "Cid", "Dan", "Eve", "5 here"))


async def test_without_cards_what_was_known_of_them_is_forgotten(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    config["batch"] = {"settle": {"leave": "0s"}}
    async with running(**config) as setup:
        await publish(setup, *joined("Ann"))

    async with running(**config | {"cards": False}) as setup:
        await publish(setup, *joined("Bob"))
        assert len(channel.texts) == 2

    # The party goes on, and the card begins with who comes now.
    async with running(**config) as setup:
        await publish(setup, *left("Ann"), *joined("Cid"))
        *_, message, card = channel.texts
        assert "Ann left" in message
        assert "1 here" in card
        await publish(setup, ended())
        assert "1 here" not in channel.texts[-1]


async def test_a_state_folder_of_the_version_before_goes_on(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    channel.discord.faults.refuse_connections(20)
    async with running(**config | {"cards": False}) as setup:
        await publish(setup, *joined("Ann"), seconds=0)

    assert not (tmp_path / "discord.cards").exists()
    channel.discord.faults.clear()
    async with running(**config) as setup:
        await publish(setup, *joined("Bob"), seconds=60)
        message, card = sorted(channel.texts, key=lambda text: "here" in text)
        assert "Ann" in message
        assert "1 here" in card


async def test_without_a_state_folder_cards_are_in_memory(running: Running) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND)
    async with running(**config) as setup:
        await publish(setup, *joined("Ann"))
        await publish(setup, *joined("Bob"))
        assert "2 here" in channel.texts[0]

    async with running(**config) as setup:
        await publish(setup, *joined("Cid"))
        assert ["2 here" in text for text in channel.texts] == [True, False]


@pytest.mark.parametrize("is_running", [True, False])
async def test_who_is_forgotten_vanishes_from_the_store_and_the_card(
    running: Running, tmp_path: Path, is_running: bool
) -> None:
    channel = Channel()
    config = channel.config(plugins=BY_HAND, state_folder=tmp_path)
    async with running(**config) as setup:
        await publish(setup, *joined("Annika", "Bob", party="Over"), ended("Over"))
        game = GameStarted(game_name="Quake", players=("Annika", "Bob"))
        await publish(setup, *joined("Annika", "Bob"), game)
        assert sum("Annika" in text for text in channel.texts) >= 2
        if is_running:
            report = await forget(setup.bus, "Annika")
            (found,) = report.found
            assert found.removed == {"parties of cards": 2}

    if not is_running:
        bus = EventBus(state_folder=tmp_path)
        bus.register(DiscordPlugin(setup.plugin.config), "discord")
        report = await forget(bus, "Annika")

    assert find_traces("Annika", tmp_path) == []
    async with running(**config):
        await anyio.sleep(20)
        cards = [text for text in channel.texts if "Game Started" not in text]
        assert len(cards) == 2
        assert not any("Annika" in text for text in cards)
        assert all("Bob" in text for text in cards)


async def test_a_full_disk_is_said_to_the_publisher_and_heals(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel()
    async with running(**channel.config(plugins=BY_HAND, state_folder=tmp_path)) as setup:
        await publish(setup, *joined("Ann"))
        with sqlite3.connect(tmp_path / "discord.cards", isolation_level=None) as other:
            other.execute("PRAGMA busy_timeout = 0")
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON parties BEGIN SELECT RAISE(FAIL, 'disk full'); END"
            )
            (event,) = joined("Bob")
            with pytest.raises(ExceptionGroup) as caught:
                await setup.bus.publish_and_wait(event, "durable")

            assert "disk full" in str(caught.value.exceptions[0])
            assert setup.plugin._runtime.cards.problem == "disk full"
            other.execute("DROP TRIGGER full")

        other.close()
        await publish(setup, event, event, Notification(title="Soon", message="…"))
        assert sum("2 here" in text for text in channel.texts) == 1
