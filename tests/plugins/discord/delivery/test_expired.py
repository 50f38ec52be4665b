"""What expired is reported by the next message, even if that is one of the next process."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import GameEnded, PeerJoined
from lanrage_events_discord._delivery import ExpiredCounts
from lanrage_events_discord._memory import Memory
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]


def counts_in(path: Path) -> ExpiredCounts:
    return ExpiredCounts(Memory(path, "the counts of what expired"))


@pytest.mark.slow
async def test_what_expired_in_an_outage_is_reported_by_the_next_life(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    config: dict[str, Any] = {"webhook_url": webhook.url, "max_age": {"game_ended": "1h"}}
    discord.faults.fail(503, lasting=1000)
    for _ in range(2):
        async with running(discord, tmp_path, **config) as s:
            long_ago = datetime.now(UTC) - timedelta(hours=2)
            event = GameEnded(game_name="G", duration=1.0, avg_latency=None, time=long_ago)
            await s.bus.publish_and_wait(event)
            await anyio.sleep(10)

    assert not webhook.messages
    assert json.loads((tmp_path / "discord.expired.json").read_text()) == {
        "default": {"game_ended": 2}
    }
    discord.faults.clear()
    async with running(discord, tmp_path, **config) as s:
        await anyio.sleep(10)
        await s.bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))
        await anyio.sleep(10)

    text = str([message["embeds"] for message in webhook.messages])
    assert text.count("2 events expired before they could be posted") == 1
    assert text.count("Ann") == 1
    assert json.loads((tmp_path / "discord.expired.json").read_text()) == {}


async def test_counts_are_kept_by_lane_until_they_are_cleared(tmp_path: Path) -> None:
    file = tmp_path / "expired.json"
    counts = counts_in(file)
    for lane, label, count in (("a", "x", 1), ("b", "x", 2), ("a", "x", 3), ("a", "y", 4)):
        counts.add(lane, label, count)

    counts = counts_in(file)
    assert counts.of("a") == {"x": 4, "y": 4}
    counts.clear("a")
    counts.clear("c")
    assert counts_in(file).of("a") == {}
    assert counts_in(file).of("b") == {"x": 2}


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": {"x": "1"}}'])
async def test_damaged_counts_are_forgotten(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "expired.json"
    file.write_text(text)
    assert counts_in(file).of("a") == {}
    assert "the counts of what expired are forgotten: it is damaged" in caplog.text


@pytest.mark.slow
@pytest.mark.either_backend
async def test_a_note_that_always_gets_an_error_is_given_up_and_holds_no_event_up(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    config: dict[str, Any] = {"webhook_url": webhook.url, "max_age": {"game_ended": "1h"}}
    discord.faults.fail(500, containing="expired")
    async with running(discord, tmp_path, **config) as s:
        long_ago = datetime.now(UTC) - timedelta(hours=2)
        await s.bus.publish(GameEnded(game_name="G", duration=1.0, avg_latency=None, time=long_ago))
        await anyio.sleep(60)
        for name in ("Ann", "Bob"):
            await s.bus.publish(PeerJoined(peer_name=name, party_name="LAN"))
            await anyio.sleep(30)
            assert name in str(webhook.messages[-1])

        await anyio.sleep(240)
        assert "the note of what expired, which is left out" in caplog.text
        requests = len(discord.journal)
        await anyio.sleep(600)
        assert len(discord.journal) == requests
        assert not await s.plugin.outbox().dead_letters()
