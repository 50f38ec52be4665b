"""Webhooks that Discord does not know any more are not requested again, over restarts too."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events_discord import validate_webhook_url
from lanrage_events_discord._delivery import GoneWebhooks
from lanrage_events_discord._memory import Memory
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
URL = validate_webhook_url("https://discord.com/api/webhooks/42/made-up-token")
OTHER_TOKEN = validate_webhook_url("https://discord.com/api/webhooks/42/another-token")
DAY = 86_400.0


def gone_in(path: Path, offset: float = 1_700_000_000.0) -> GoneWebhooks:
    def wall_clock() -> float:
        return offset + anyio.current_time()

    return GoneWebhooks(Memory(path, "the webhooks that do not exist", wall_clock=wall_clock))


@pytest.mark.slow
async def test_deleted_webhook_is_requested_once_in_all_lives(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    webhook.delete()
    for name in ("Ann", "Bob", "Cy"):
        async with running(discord, tmp_path, webhook_url=webhook.url) as s:
            await s.publish(name)
            await anyio.sleep(1)
            health = s.bus.health()["discord"]
            assert health.status == "failed"
            assert "the webhook was deleted in Discord" in health.detail

    assert len(discord.journal) == 1
    assert webhook.token not in (tmp_path / "discord.gone.json").read_text()
    assert caplog.text.count("is not used any more") == 3
    new = discord.create_webhook()
    async with running(discord, tmp_path, webhook_url=new.url) as s:
        await anyio.sleep(10)

    assert all(str(new.messages).count(name) == 1 for name in ("Ann", "Bob", "Cy"))


@pytest.mark.slow
async def test_webhook_that_was_gone_is_tried_again_after_a_day(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(404, code=10015, times=1)
    for name, pause in (("Ann", DAY / 2), ("Bob", DAY / 2 + 1), ("Cy", 10)):
        async with running(discord, tmp_path, webhook_url=webhook.url) as s:
            await s.publish(name)
            await anyio.sleep(pause / 2)

        await anyio.sleep(pause / 2)

    first, second, *_ = discord.journal
    assert (first.status, second.status) == (404, 200)
    assert second.time - first.time >= DAY
    assert all(str(webhook.messages).count(name) == 1 for name in ("Ann", "Bob", "Cy"))


@pytest.mark.slow
async def test_test_message_that_arrives_restores_the_webhook_for_the_next_life_too(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(401, code=50027, times=1)
    async with running(discord, tmp_path, webhook_url=webhook.url) as s:
        await s.publish("Ann")
        await anyio.sleep(1)

    async with running(discord, tmp_path, webhook_url=webhook.url) as s:
        await anyio.sleep(1)
        assert not webhook.messages
        assert (await s.post("/test", {}))["delivered"]
        await s.settle()
        assert str(webhook.messages).count("Ann") == 1

    async with running(discord, tmp_path, webhook_url=webhook.url) as s:
        await s.publish("Bob")
        await s.settle()

    assert str(webhook.messages).count("Bob") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code"), [(404, 0), (403, 50013), (404, 10003)])
@pytest.mark.either_backend
async def test_what_may_be_put_right_in_discord_is_tried_by_the_next_life(
    running: Running, tmp_path: Path, status: int, code: int
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.fail(status, code=code, times=1)
    for name in ("Ann", "Bob"):
        async with running(discord, tmp_path, webhook_url=webhook.url) as s:
            await s.publish(name)
            await anyio.sleep(1)

    assert discord.journal.statuses[status] == 1
    assert all(str(webhook.messages).count(name) == 1 for name in ("Ann", "Bob"))


async def test_another_token_of_the_webhook_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "gone.json"
    gone_in(file).add(URL, "the token is wrong")
    assert gone_in(file).find(URL) == "the token is wrong"
    assert gone_in(file).find(OTHER_TOKEN) is None
    gone_in(file).discard(OTHER_TOKEN)
    assert gone_in(file).find(URL)
    gone_in(file).discard(URL)
    assert gone_in(file).find(URL) is None
    assert "token" not in file.read_text()


@pytest.mark.parametrize("change", [-10 * DAY, 0, DAY / 2, 2 * DAY])
async def test_clock_that_is_set_lengthens_it_to_a_day_at_most(
    tmp_path: Path, change: float
) -> None:
    file = tmp_path / "gone.json"
    gone_in(file).add(URL, "it is gone")
    offset = 1_700_000_000.0 + change
    assert gone_in(file, offset).find(URL) == (None if change > DAY else "it is gone")
    later = gone_in(file, offset)
    await anyio.sleep(DAY / 2)
    await anyio.sleep(DAY / 2 + 1)
    assert later.find(URL) is None


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"42/x": 1}', '{"42/x": {"time": 1, "reason": "\\n"}}']
)
async def test_damaged_file_is_reported(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "gone.json"
    file.write_text(text)
    gone = gone_in(file)
    assert "the webhooks that do not exist are forgotten: it is damaged" in caplog.text
    gone.add(URL, "it is gone")
    assert gone_in(file).find(URL) == "it is gone"


async def test_file_keeps_the_latest(tmp_path: Path) -> None:
    file = tmp_path / "gone.json"
    table = {f"{number}/x": {"time": 1_700_000_000, "reason": "gone"} for number in range(1000)}
    file.write_text(json.dumps(table))
    gone_in(file).add(URL, "it is gone")
    known = list(json.loads(file.read_text()))
    assert len(known) == 1000
    assert known[0] == "1/x"
