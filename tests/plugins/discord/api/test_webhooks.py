"""The list of webhooks, and what Discord says about them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]


async def listed(s: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await s.call("GET", "/webhooks"))["webhooks"]}


def named(discord: StandInDiscord, *names: str) -> dict[str, Any]:
    return {"webhooks": {name: {"url": discord.create_webhook(name=name).url} for name in names}}


async def test_each_webhook_has_its_name_channel_state_and_place(running: Running) -> None:
    discord = StandInDiscord(latency=2)
    config = named(discord, "games", "staff.only")
    config["webhook_url"] = discord.create_webhook(name="Captain Hook").url
    places = {"webhooks.games": "a.yaml:3:5", "webhook_url": "a.yaml:1:3"}
    async with running(discord, places=places, **config) as s:
        before = await listed(s)
        assert list(before) == ["default", "games", "staff.only"]
        assert before["games"] == {
            "name": "games",
            "source": "yaml",
            "place": "a.yaml:3:5",
            "state": "idle",
            "reason": "",
            "quiet": None,
            "pending": 0,
            "events": None,
            "events_problem": "",
            "style": "digest",
            "discord": "pending",
            "discord_reason": "",
            "posts_as": None,
            "channel_id": None,
            "channel_url": None,
        }
        await anyio.sleep(10)
        after = await listed(s)
        assert {one["discord"] for one in after.values()} == {"found"}
        channel = discord.webhooks[0].channel_id
        assert (after["games"]["posts_as"], after["games"]["channel_id"]) == ("games", channel)
        assert after["games"]["channel_url"].startswith("https://discord.com/channels/")
        assert after["games"]["channel_url"].endswith(f"/{channel}")
        assert after["staff.only"]["place"] is None
        assert after["default"]["place"] == "a.yaml:1:3"
        status = await s.call("GET", "/status")
        assert status["webhook"]["name"] == "Captain Hook"
        assert status["webhook"]["channel_url"] == after["default"]["channel_url"]
        for webhook in discord.webhooks:
            assert all(webhook.token not in answer for answer in s.answers)
            assert not webhook.messages


async def test_discord_is_asked_once_in_ten_minutes_and_only_if_one_looks(running: Running) -> None:
    discord = StandInDiscord()
    async with running(discord, **named(discord, "games")) as s:
        await anyio.sleep(3600)
        assert len(discord.journal) == 0
        for _ in range(590):
            await listed(s)
            await anyio.sleep(1)

        assert len(discord.journal) == 1
        discord.webhooks[0].name = "Renamed"
        await anyio.sleep(10)
        assert (await listed(s))["games"]["posts_as"] == "games"
        await anyio.sleep(1)
        assert (await listed(s))["games"]["posts_as"] == "Renamed"


async def test_an_outage_costs_one_request_in_half_a_minute(running: Running) -> None:
    discord = StandInDiscord()
    async with running(discord, **named(discord, "a", "b", "c")) as s:
        discord.faults.fail(503, times=2)
        for seconds in (1, 28, 2):
            await listed(s)
            await anyio.sleep(seconds)
            found = await listed(s)
            assert {one["discord"] for one in found.values()} == {"unreachable"}
            assert all("503" in one["discord_reason"] for one in found.values())

        await anyio.sleep(1)
        assert len(discord.journal) == 2
        await anyio.sleep(30)
        await listed(s)
        await anyio.sleep(1)
        assert {one["discord"] for one in (await listed(s)).values()} == {"found"}


async def test_what_is_known_stays_during_an_outage(running: Running) -> None:
    discord = StandInDiscord()
    async with running(discord, **named(discord, "a")) as s:
        await listed(s)
        await anyio.sleep(601)
        discord.faults.refuse_connections(3600)
        await listed(s)
        await anyio.sleep(1)
        assert (await listed(s))["a"]["posts_as"] == "a"


async def test_a_webhook_that_discord_rejects_keeps_no_other_from_being_asked(
    running: Running,
) -> None:
    discord = StandInDiscord()
    config = named(discord, "gone", "there")
    discord.webhooks[0].delete()
    async with running(discord, **config) as s:
        await listed(s)
        await anyio.sleep(1)
        found = await listed(s)
        assert found["gone"]["discord"] == "rejected"
        assert "deleted in Discord" in found["gone"]["discord_reason"]
        assert found["there"]["discord"] == "found"


async def test_a_webhook_that_is_replaced_is_asked_for_again(running: Running) -> None:
    discord = StandInDiscord()
    one, other = discord.create_webhook(name="one"), discord.create_webhook(name="other")
    async with running(discord) as s:
        assert await listed(s) == {}
        for webhook in (one, other):
            await s.post("/webhook", {"webhook_url": webhook.url}, offline=True)
            assert (await listed(s))["default"]["discord"] == "pending"
            await anyio.sleep(1)
            found = (await listed(s))["default"]
            assert (found["posts_as"], found["source"]) == (webhook.name, "saved")

        await s.post("/webhook", {"webhook_url": ""})
        assert await listed(s) == {}


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 1, 4])
async def test_a_look_up_holds_no_stop_up(running: Running, delay: float) -> None:
    discord = StandInDiscord()
    async with running(discord, **named(discord, "a", "b")) as s:
        discord.faults.hang()
        await listed(s)
        await anyio.sleep(delay)
        begun = anyio.current_time()

    assert anyio.current_time() - begun < 0.1
