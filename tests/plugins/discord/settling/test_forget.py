"""A person who is forgotten is in no report of reconnects."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from lanrage_events import PeerJoined, PeerLeft
from lanrage_events.forgetting import Forgotten, forget
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("times", [1, 3])
async def test_reconnects_of_a_forgotten_person_are_not_reported(
    running: Running, times: int
) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    batch = {"flapping": {"times": 3, "within": "10m", "quiet": "30m"}}
    async with running(discord, webhook_url=webhook.url, batch=batch) as setup:
        await setup.publish("Ann_K", "Bob")
        await anyio.sleep(60)
        discord.faults.fail(503, times=2)
        for _ in range(times):
            await setup.bus.publish_and_wait(PeerLeft(peer_name="Ann_K", party_name="LAN"))
            await anyio.sleep(2)
            await setup.bus.publish_and_wait(PeerJoined(peer_name="Ann_K", party_name="LAN"))

        before = len(webhook.messages)
        report = await forget(setup.bus, "ann_k")
        assert Forgotten("plugin 'discord'", {"reports of reconnects": 1}) in report.found
        await setup.publish("Cem")
        await anyio.sleep(60)
        new = json.dumps(webhook.messages[before:])
        assert "Cem" in new
        assert "Ann" not in new
        [lane] = (await setup.call("GET", "/status"))["lanes"]
        assert (lane["sent"], lane["cancelled"], lane["pending"]) == (3, 2 * times, 0)
        assert lane["reconnects"] == times
