"""What cards show in Discord, whatever players are called and however many they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import GameStarted, PeerJoined, PeerLeft
from lanrage_events.config import load_bus
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin
from tests.plugins.discord.rendering.test_hostile_names import HOSTILE_NAMES

Running = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

INVITE = "https://discord.gg/abc123"
PRANKSTER = "**@everyone** <@&1> [free](https://evil.example) \u202e```\u200b"


@pytest.mark.parametrize("size", [1, 40, 500])
async def test_a_card_of_many_keeps_the_limits_and_has_a_button(
    running: Running, broken_limits: Callable[[list[Any]], list[str]], size: int
) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    config = {"webhook_url": webhook.url, "invite_url": INVITE, "cards": True}
    plugins = {"parties": PartiesPlugin(PartiesConfig(end_after=60))}
    names = [PRANKSTER, "n" * 5_000, *(f"Player {number}" for number in range(size - 2))][:size]
    async with running(discord, plugins=plugins, **config) as setup:
        for name in names:
            await setup.bus.publish(PeerJoined(peer_name=name, party_name="L" * 5_000))

        await anyio.sleep(10)
        [card] = webhook.messages
        assert broken_limits(card["embeds"]) == []
        assert card["embeds"][0]["fields"][0]["name"] == f"👥 {size} here"
        [row] = card["components"]
        assert [(one["label"], one["url"]) for one in row["components"]] == [
            ("Join voice chat", INVITE)
        ]
        assert card["mentions"] == card["mention_roles"] == []
        for name in names:
            await setup.bus.publish(PeerLeft(peer_name=name, party_name="L" * 5_000))

        await anyio.sleep(120)
        [recap] = webhook.messages
        assert recap["id"] == card["id"]
        assert recap["components"] == []
        assert recap["embeds"][0]["title"].startswith("🌙 Party Over: LLL")
        assert broken_limits(recap["embeds"]) == []

    assert discord.journal.rejected == ()


async def test_parties_have_posts_in_a_forum_whatever_they_are_called(
    running: Running, broken_limits: Callable[[list[Any]], list[str]]
) -> None:
    discord = StandInDiscord(latency=0.04, limit=None)
    webhook = discord.create_webhook(forum=True)
    names = [*HOSTILE_NAMES, "x" * 5_000, "\ud800", "\x00", " ", "\u200b", "\u202e\u2066"]
    config = {"webhook_url": webhook.url, "cards": [{"thread": True, "messages": []}]}
    plugins = {"parties": PartiesPlugin(PartiesConfig(end_after=60))}
    async with running(discord, plugins=plugins, **config) as setup:
        for number, name in enumerate(names):
            party: Any = {"party_id": f"{number}", "party_name": name}
            await setup.bus.publish(PeerJoined(peer_name=name.strip() or "Ann", **party))
            game = GameStarted(game_name=name, players=(name,), party_id=f"{number}")
            await setup.bus.publish(game)

        await anyio.sleep(60)
        posts = webhook.messages
        assert len(posts) == len(webhook.threads) == len(names)
        assert all(1 <= len(title) <= 100 for title in webhook.threads.values())
        assert [found for one in posts if (found := broken_limits(one["embeds"]))] == []
        # None of them is plain, which would show no players.
        assert all("here" in one["embeds"][0]["fields"][0]["name"] for one in posts)
        for number, name in enumerate(names):
            party = {"party_id": f"{number}", "party_name": name}
            await setup.bus.publish(PeerLeft(peer_name=name.strip() or "Ann", **party))

        await anyio.sleep(200)
        assert all("Party Over" in one["embeds"][0]["title"] for one in webhook.messages)

    assert discord.journal.rejected == ()
    bodies = [record.body for record in discord.journal]
    assert all(one["allowed_mentions"] == {"parse": []} for one in bodies)


async def test_who_is_hidden_by_rules_stays_hidden_on_the_card_and_in_the_recap(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    config = {"webhook_url": discord.create_webhook().url, "cards": True}
    plugins = {"parties": PartiesPlugin(PartiesConfig(end_after=60))}
    rules = tmp_path / "lanrage.yaml"
    rules.write_text("rules: [{hide: [Ann], as: a player}]\nplugins:\n  log:\n")
    async with running(discord, plugins=plugins, **config) as setup:
        setup.bus.rules = load_bus(rules).rules
        for name in ("Ann", "Bob"):
            await setup.bus.publish(PeerJoined(peer_name=name, party_name="LAN"))

        await setup.bus.publish(GameStarted(game_name="Quake", players=("Ann", "Bob")))
        await anyio.sleep(10)
        for name in ("Ann", "Bob"):
            await setup.bus.publish(PeerLeft(peer_name=name, party_name="LAN"))

        await anyio.sleep(120)

    shown = [str(record.body) for record in discord.journal]
    assert "Party Over" in shown[-1] or "Party Over" in shown[-2]
    assert any("a player" in text and "Bob" in text for text in shown)
    assert not any("Ann" in text for text in shown)
