"""Server errors that are about one event, and those that are an outage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lanrage_events import Notification
from lanrage_events.testing import virtual_time
from lanrage_events_discord.testing import StandInDiscord

Running: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]

BAD = "always an error"
NAME = re.compile(r"n\d{4}")
FIVE_MINUTES = 300.0
HOUR = 3600.0


def notice(number: int, bad: Iterable[int] = ()) -> Notification:
    return Notification(title=f"n{number:04}", message=BAD if number in bad else "fine")


def posted(discord: StandInDiscord, index: int = 0) -> list[str]:
    """Return what a webhook posted, in order."""
    messages = discord.webhooks[index].messages
    return [name for message in messages for name in NAME.findall(str(message["embeds"]))]


def names(numbers: Iterable[int]) -> list[str]:
    return [f"n{number:04}" for number in numbers]


async def dead_letters(plugin: Any) -> list[str]:
    entries = await plugin.outbox().dead_letters(limit=1000)
    return [name for entry in entries for name in NAME.findall(entry.body)[:1]]


@pytest.mark.slow
@pytest.mark.parametrize("style", ["digest", "embeds"])
@pytest.mark.parametrize("bad", [(0,), (4,), (9,), (3, 4), (0, 9), (0, 1, 2, 3)])
@pytest.mark.either_backend
async def test_an_event_that_always_gets_500_is_found_and_the_others_flow(
    running: Running, style: str, bad: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, containing=BAD)
    batch = {"immediate": False, "style": style}
    url = discord.create_webhook().url
    async with running(discord, webhook_url=url, batch=batch) as setup:
        for number in range(10):
            await setup.bus.publish(notice(number, bad))

        await anyio.sleep(FIVE_MINUTES)
        assert await dead_letters(setup.plugin) == names(bad)
        await setup.bus.publish(notice(10))
        await anyio.sleep(10)
        assert setup.plugin.pending == 0

    assert posted(discord) == names(number for number in range(11) if number not in bad)
    assert "works, but its messages do not" in caplog.text
    assert "Discord answers this event with an error each time" in caplog.text


@pytest.mark.slow
async def test_what_waits_behind_it_flows_within_half_a_minute(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, containing=BAD)
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        for number in range(300):
            await setup.bus.publish(notice(number, [150]))

        await anyio.sleep(30)
        assert setup.plugin.pending == 0
        assert await dead_letters(setup.plugin) == names([150])

    assert posted(discord) == names(number for number in range(300) if number != 150)
    failed = [record for record in discord.journal if record.status == 500]
    assert len(failed) <= 60


@pytest.mark.slow
async def test_the_only_event_of_a_lane_becomes_a_dead_letter_within_five_minutes(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, containing=BAD)
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        await setup.bus.publish(notice(0, [0]))
        await anyio.sleep(170)
        assert not await dead_letters(setup.plugin)
        await anyio.sleep(FIVE_MINUTES - 170)
        assert await dead_letters(setup.plugin) == names([0])
        # With nothing to compare it with, it may have been an outage: only once.
        await setup.bus.publish(notice(1, [1]))
        await anyio.sleep(HOUR)
        assert await dead_letters(setup.plugin) == names([0])
        await setup.bus.publish(notice(2))
        await anyio.sleep(FIVE_MINUTES)
        assert await dead_letters(setup.plugin) == names([0, 1])

    assert posted(discord) == names([2])


@pytest.mark.slow
async def test_two_webhooks_that_get_the_same_bad_event_both_go_on(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, containing=BAD)
    webhooks = {name: {"url": discord.create_webhook().url} for name in "ab"}
    async with running(discord, webhooks=webhooks) as setup:
        for number in range(4):
            await setup.bus.publish(notice(number, [1]))
            await anyio.sleep(1)

        await anyio.sleep(60)
        assert posted(discord, 0) == posted(discord, 1) == names([0, 2, 3])
        await anyio.sleep(FIVE_MINUTES - 60)
        assert setup.plugin.pending == 0
        assert await dead_letters(setup.plugin) == names([1, 1])

    assert posted(discord, 0) == posted(discord, 1) == names([0, 2, 3])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("webhooks", [1, 2])
@pytest.mark.parametrize("action", [None, "execute"])
@pytest.mark.either_backend
async def test_an_outage_makes_no_dead_letter_and_keeps_the_order(
    running: Running, count: int, webhooks: int, action: Any
) -> None:
    if (count, webhooks, action) == (1, 1, "execute"):
        pytest.skip("cannot be distinguished from an event that always gets an error")

    discord = StandInDiscord(latency=0.04)
    config = {f"w{index}": {"url": discord.create_webhook().url} for index in range(webhooks)}
    async with running(discord, webhooks=config) as setup:
        which = {} if action is None else {"action": action}
        discord.faults.fail(500, lasting=HOUR, **which)
        for number in range(count):
            await setup.bus.publish(notice(number))

        await anyio.sleep(2 * HOUR)
        assert setup.plugin.pending == 0
        assert not await dead_letters(setup.plugin)

    for index in range(webhooks):
        assert posted(discord, index) == names(range(count))


@pytest.mark.slow
async def test_retries_of_an_outage_are_paced_as_ever_and_the_webhook_is_seldom_looked_up(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=0.04, limit=None)
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        discord.faults.fail(503, lasting=HOUR)
        for number in range(5):
            await setup.bus.publish(notice(number))

        await anyio.sleep(HOUR)
        times = [record.time for record in discord.journal if record.action == "execute"]
        looked_up = [record.time for record in discord.journal if record.action != "execute"]
        assert 30 <= sum(time < times[0] + 60 for time in times) <= 60
        assert all(second - first <= 2.1 for first, second in pairwise(times[:30]))
        assert all(10 <= second - first <= 31 for first, second in pairwise(times[-30:]))
        assert all(second - first >= 60 for first, second in pairwise(looked_up))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.either_backend
async def test_when_many_of_all_posts_fail_nothing_is_given_up(
    running: Running, seed: int, share: float
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, probability=share, action="execute", seed=seed, lasting=900)
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        for number in range(300):
            await setup.bus.publish(notice(number))
            await anyio.sleep(3)

        await anyio.sleep(HOUR)
        assert not await dead_letters(setup.plugin)

    # Some may come after those behind them, which were tried in between.
    found = posted(discord)
    assert sorted(found) == names(range(300))
    assert share > 0.5 or found == names(range(300))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("share", "pause", "seconds", "webhooks"), [(0.9, 10, 300, 2), (0.95, 60, 1200, 1)]
)
@pytest.mark.either_backend
async def test_when_most_posts_fail_events_that_come_now_and_then_are_not_given_up(
    running: Running, share: float, pause: float, seconds: float, webhooks: int
) -> None:
    for seed in range(2):
        discord = StandInDiscord(latency=0.04)
        discord.faults.fail(500, probability=share, action="execute", seed=seed, lasting=seconds)
        config = {f"w{index}": {"url": discord.create_webhook().url} for index in range(webhooks)}
        async with running(discord, webhooks=config) as setup:
            random = Random(seed)
            end = anyio.current_time() + seconds
            count = 0
            while anyio.current_time() < end:
                await setup.bus.publish(notice(count))
                count += 1
                await anyio.sleep(random.expovariate(1 / pause))

            await anyio.sleep(600)
            assert not await dead_letters(setup.plugin)

        for index in range(webhooks):
            assert sorted(posted(discord, index)) == names(range(count))


async def test_a_webhook_that_was_deleted_meanwhile_is_not_used_any_more(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    discord.faults.fail(500, action="execute", lasting=HOUR)
    async with running(discord, webhook_url=webhook.url) as setup:
        await setup.bus.publish(notice(0))
        await anyio.sleep(5)
        webhook.delete()
        await anyio.sleep(60)
        assert setup.bus.health()["discord"].status == "failed"
        assert setup.plugin.pending == 1
        requests = len(discord.journal)
        await anyio.sleep(HOUR)
        assert len(discord.journal) == requests


async def test_a_webhook_that_does_not_answer_when_it_is_looked_up_holds_nothing_up(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, action="execute", lasting=60)
    discord.faults.hang(action="get_webhook", lasting=HOUR)
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        await setup.bus.publish(notice(0))
        await anyio.sleep(100)
        assert posted(discord) == names([0])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5, 11, 12, 13, 14, 16])
@pytest.mark.either_backend
async def test_a_restart_in_the_midst_of_the_search_loses_nothing(
    running: Running, tmp_path: Path, seconds: float
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, containing=BAD)
    url = discord.create_webhook().url
    batch = {"immediate": False}
    async with running(discord, tmp_path, webhook_url=url, batch=batch) as setup:
        for number in range(40):
            await setup.bus.publish(notice(number, [7, 21]))

        await anyio.sleep(seconds)

    async with running(discord, tmp_path, webhook_url=url, batch=batch) as setup:
        await anyio.sleep(60)
        assert setup.plugin.pending == 0
        assert await dead_letters(setup.plugin) == names([7, 21])

    assert posted(discord) == names(number for number in range(40) if number not in (7, 21))


async def test_a_dead_letter_is_posted_when_it_is_retried_and_discord_can(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(500, containing=BAD)
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        for number in range(3):
            await setup.bus.publish(notice(number, [0]))

        await anyio.sleep(60)
        discord.faults.clear()
        outbox = setup.plugin.outbox()
        await outbox.retry([entry.id for entry in await outbox.dead_letters()])
        await anyio.sleep(60)
        assert setup.plugin.pending == 0

    assert posted(discord) == names([1, 2, 0])


@pytest.mark.slow
@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    bad=st.sets(st.integers(0, 29), max_size=6),
    pauses=st.lists(st.floats(0, 20), min_size=30, max_size=30),
    lives=st.lists(st.floats(0.1, 90), max_size=3),
    blips=st.floats(0, 0.1),
    backend=st.sampled_from(["asyncio", "trio"]),
)
def test_whatever_is_bad_and_whatever_ends_the_rest_arrives_once_and_in_order(
    running: Running,
    tmp_path_factory: pytest.TempPathFactory,
    backend: Any,
    bad: set[int],
    pauses: list[float],
    lives: list[float],
    blips: float,
) -> None:
    folder = tmp_path_factory.mktemp("state")

    async def publish(setup: Any, left: list[int]) -> None:
        while left:
            await setup.bus.publish_and_wait(notice(left[0], bad))
            pause = pauses[left.pop(0)]
            await anyio.sleep(pause)

    async def main() -> None:
        discord = StandInDiscord(latency=0.04)
        discord.faults.fail(500, containing=BAD)
        discord.faults.fail(502, probability=blips, seed=1)
        url = discord.create_webhook().url
        left = list(range(30))
        for seconds in [*lives, None]:
            async with running(discord, folder, webhook_url=url) as setup:
                with anyio.move_on_after(HOUR if seconds is None else seconds):
                    await publish(setup, left)
                    await anyio.sleep(HOUR)

                if seconds is None:
                    # What may be an outage is compared with these: of several that are bad, each
                    # may need one.
                    for number in range(30, 38):
                        await setup.bus.publish_and_wait(notice(number))
                        await anyio.sleep(HOUR)

                    assert await dead_letters(setup.plugin) == names(sorted(bad))
                    assert setup.plugin.pending == 0

        assert posted(discord) == names(number for number in range(38) if number not in bad)

    name, options = virtual_time(backend)
    anyio.run(main, backend=name, backend_options=options)
