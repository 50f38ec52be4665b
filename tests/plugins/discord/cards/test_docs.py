"""What the page about cards shows works, with a service that answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from lanrage_events import Event, EventBus, GameEnded, GameStarted, PartyEnded, PeerJoined
from lanrage_events.events import utc_now
from lanrage_events_discord import DiscordConfig
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_parties import PartiesConfig, PartiesPlugin

PAGE = (Path(__file__).parents[4] / "docs" / "cards.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow
Running = Callable[..., AbstractAsyncContextManager[Any]]


def block(part: str) -> dict[str, Any]:
    """Return the configuration of the one example that has a text."""
    (text,) = [one for one in BLOCKS if part in one]
    plugins: dict[str, Any] = yaml.safe_load(text)["plugins"]
    return plugins


class Example:
    """An example of the page, with webhooks of a stand-in."""

    def __init__(self, running: Running, part: str, forum: str = "") -> None:
        plugins = block(part)
        self.discord = StandInDiscord(latency=0.04)
        self.webhooks: dict[str, StandInWebhook] = {}
        config = json.loads(json.dumps(plugins["discord"]))
        names = [*config.get("webhooks", {}), *(["default"] if "webhook_url" in config else [])]
        for name in names:
            webhook = self.discord.create_webhook(forum=name == forum)
            self.webhooks[name] = webhook
            if name == "default":
                config["webhook_url"] = webhook.url
            else:
                config["webhooks"][name]["url"] = webhook.url

        self._config = config
        self._running = running
        self._parties = PartiesPlugin(PartiesConfig(**(plugins["parties"] or {})))

    def run(self) -> AbstractAsyncContextManager[Any]:
        others = {"parties": self._parties}
        return self._running(self.discord, plugins=others, **self._config)

    def titles(self, name: str) -> list[str]:
        found = (embed for one in self.webhooks[name].messages for embed in one["embeds"])
        return [embed["title"] for embed in found]


def joined(party: str, *names: str) -> list[Event]:
    return [PeerJoined(peer_name=name, party_name=party) for name in names]


async def publish(setup: Any, *events: Event, seconds: float = 5) -> None:
    for event in events:
        await setup.bus.publish_and_wait(event)

    await anyio.sleep(seconds)


def published_on_the_page() -> list[Event]:
    commands = re.findall(r"^\$ lanrage-events publish (.*)$", PAGE, re.MULTILINE)
    events: list[Event] = []
    for event_type, *fields in map(shlex.split, commands):
        values = dict(field.split("=", 1) for field in fields)
        read = {key: json.loads(v) if v[0] == "[" else v for key, v in values.items()}
        events.append(EventBus().events.from_dict({"type": event_type, **read}))

    return events


async def test_three_minutes_give_a_card_and_one_message(running: Running) -> None:
    example = Example(running, "cards: true")
    async with example.run() as setup:
        for event in published_on_the_page():
            await publish(setup, event)

        assert example.titles("default") == ["🟢 Friday LAN", "🎮 Game Started: Factorio"]
        card = json.dumps(example.webhooks["default"].messages[0], ensure_ascii=False)
        for part in ("👥 2 here", "**Ann**", "**Bob**", "🎮 **Factorio** · started <t:"):
            assert part in card

        assert [one.action for one in example.discord.journal][:2] == ["execute", "edit"]


def test_the_defaults_are_those_of_cards_true() -> None:
    shown = block("messages: [game_started, game_ended]")["discord"]
    (written,) = DiscordConfig.model_validate(
        {**shown, "webhook_url": StandInDiscord().create_webhook().url}
    ).cards
    (default,) = DiscordConfig.model_validate({"cards": True}).cards
    assert written == default


async def test_a_role_is_called_once_for_a_party(running: Running) -> None:
    example = Example(running, "silent: false")
    async with example.run() as setup:
        await publish(setup, *joined("LAN", "Ann"))
        await publish(setup, *joined("LAN", "Bob", "Cid"))
        await publish(setup, *joined("Another LAN", "Dan"))
        requests = [one for one in example.discord.journal if one.action in ("execute", "edit")]
        posts = [one for one in requests if one.action == "execute"]
        assert len(posts) == 2
        called = [one for one in requests if one.body["allowed_mentions"].get("roles")]
        assert called == posts[:1]  # the second party comes within the cooldown
        assert "flags" not in requests[0].body


async def test_each_party_has_a_post_in_the_forum(running: Running) -> None:
    example = Example(running, "thread: true}", forum="parties")
    async with example.run() as setup:
        await publish(setup, *joined("LAN", "Ann"), *joined("Quake night", "Bob"))
        forum = example.webhooks["parties"]
        assert {*forum.threads.values()} == {"LAN", "Quake night"}


async def test_a_recap_and_a_poll_follow_the_party(running: Running) -> None:
    example = Example(running, "poll: {")
    async with example.run() as setup:
        await publish(setup, *joined("LAN", "Ann"))
        for game in ("Factorio", "Quake"):
            await publish(setup, GameStarted(game_name=game, players=("Ann",)))
            await publish(setup, GameEnded(game_name=game, duration=60.0))

        end = PartyEnded(
            party_name="LAN",
            since=utc_now(),
            duration=60.0,
            peak=1,
            visitors=1,
            players=("Ann",),
            games=("Factorio", "Quake"),
        )
        await publish(setup, end)
        messages = example.webhooks["default"].messages
        assert messages[0]["embeds"][0]["title"] == "🌙 Party Over: LAN"
        (poll,) = [one["poll"] for one in messages if one.get("poll")]
        assert poll["question"]["text"] == "Best game tonight?"
        answers = {one["poll_media"]["text"] for one in poll["answers"]}
        assert answers == {"Factorio", "Quake"}


async def test_some_parties_have_a_card_in_two_channels(running: Running) -> None:
    example = Example(running, "webhook: [lobby, games]")
    async with example.run() as setup:
        await publish(setup, *joined("Friday LAN", "Ann"), *joined("Quake night", "Bob"))
        assert example.titles("games") == ["🟢 Friday LAN", "🟢 Quake night"]
        # The other party has no card there, so it is posted by the routes.
        assert sorted(example.titles("lobby")) == ["👋 Bob joined", "🟢 Friday LAN"]
