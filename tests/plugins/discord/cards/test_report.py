"""What the metrics say of the cards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin

pytestmark = pytest.mark.slow

Running = Callable[..., AbstractAsyncContextManager[Any]]


def figures(plugin: Any) -> dict[str, float]:
    return {
        ".".join((metric.name, *sample.labels.values())): sample.value
        for metric in plugin.metrics()
        for sample in metric.samples
        if metric.name.startswith("card") and sample.value
    }


async def test_metrics_count_cards_by_state_and_what_was_done_for_them(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    urls = {name: {"url": discord.create_webhook().url} for name in ("lobby", "games")}
    lobby, games = discord.webhooks
    cards = [{"webhook": ["lobby", "games"], "messages": []}]
    plugins = {"parties": PartiesPlugin(PartiesConfig())}
    discord.faults.fail(400, code=50035, times=2, webhook=games)
    discord.faults.reset(accepted=True, webhook=lobby)
    async with running(discord, webhooks=urls, cards=cards, plugins=plugins) as s:
        await s.publish("Ann")
        assert figures(s.plugin) == {"cards.lobby.waiting": 1, "cards.games.waiting": 1}
        await anyio.sleep(10)
        await s.publish("Bob")
        await anyio.sleep(10)
        assert figures(s.plugin) == {
            "cards.lobby.shown": 1,
            "cards.games.stopped": 1,
            "card_posts.lobby": 1,
            "card_edits.lobby": 1,
            "card_lost_answers.lobby": 1,
        }
        assert len(lobby.messages) == 2  # one is an orphan
        lobby.delete_message(lobby.messages[-1]["id"])
        await s.publish("Cid")
        await anyio.sleep(10)
        found = figures(s.plugin)
        assert (found["card_posts.lobby"], found["card_reposts.lobby"]) == (2, 1)


async def test_there_are_no_metrics_without_cards(running: Running) -> None:
    discord = StandInDiscord()
    async with running(discord, webhook_url=discord.create_webhook().url) as s:
        await s.publish("Ann")
        assert not [one for one in s.plugin.metrics() if one.name.startswith("card")]
