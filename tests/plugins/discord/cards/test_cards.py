"""Cards in the whole plugin, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyEnded,
    PeerJoined,
    PeerLeft,
)
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin

START = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
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
        "since": START,
        "duration": 60.0,
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
        (listed,) = setup.plugin._runtime.cards.list()
        assert listed.card.is_over


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


async def test_what_no_route_takes_is_not_missed_if_it_is_on_a_card(running: Running) -> None:
    channel = Channel()
    routes = [{"events": ["notification"]}]
    async with running(**channel.config(routes=routes, plugins=BY_HAND)) as setup:
        await publish(setup, *joined("Ann"))
        assert "Ann" in " ".join(channel.texts)
        assert setup.plugin.health().detail == ""
        await publish(setup, *left("Bob", party="Other"))
        assert "no route" in setup.plugin.health().detail
