"""Delivery against the stand-in for Discord, in virtual time: the figures that we promise."""

from __future__ import annotations

import math
import random
import re
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Notification, PeerJoined, PeerLeft
from lanrage_events_discord import BatchConfig, DiscordConfig, DiscordPlugin, SettleConfig
from lanrage_events_discord.testing import Message, Record, StandInDiscord, StandInWebhook

Running = Callable[..., AbstractAsyncContextManager[Any]]

ROUND_TRIP = 0.04
NAME = re.compile(r"player\d+")


def joined(number: int) -> PeerJoined:
    return PeerJoined(peer_name=f"player{number:05}", party_name="Friday LAN")


def names_in(message: Message) -> list[str]:
    embeds = message["embeds"]
    text = "\n".join(
        f"{embed.get('title', '')}\n{embed.get('description', '')}" for embed in embeds
    )
    return NAME.findall(text)


def posted(webhook: StandInWebhook) -> list[str]:
    return [name for message in webhook.messages for name in names_in(message)]


def expected(count: int) -> list[str]:
    return [f"player{number:05}" for number in range(count)]


class Scene:
    """A bus with the Discord plugin that posts to a stand-in."""

    def __init__(self, discord: StandInDiscord, bus: EventBus, plugin: DiscordPlugin) -> None:
        self.discord = discord
        self.bus = bus
        self.plugin = plugin
        (self.webhook,) = discord.webhooks
        self.begin = 0
        """how many requests were made before what is measured"""

    async def publish(self, count: int, start: int = 0) -> None:
        for number in range(start, start + count):
            await self.bus.publish(joined(number))

    async def delivered(self) -> None:
        """Wait until nothing is pending."""
        await self.bus.drain()
        while self.plugin.pending:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.05)

    def times(self) -> list[float]:
        return [record.time for record in self.records if record.accepted]

    @property
    def records(self) -> list[Record]:
        return list(self.discord.journal)[self.begin :]

    @property
    def rejections(self) -> int:
        """How many answers were 429."""
        return sum(record.status == 429 for record in self.records)


@asynccontextmanager
async def scene(
    discord: StandInDiscord | None = None,
    *,
    style: Literal["digest", "embeds"] = "digest",
    immediate: bool = True,
    drain_timeout: float = 600,
    max_messages: int | None = None,
    settle: SettleConfig | None = None,
    routes: Sequence[dict[str, object]] = (),
) -> AsyncIterator[Scene]:
    discord = discord or StandInDiscord(latency=ROUND_TRIP)
    webhook = discord.create_webhook()
    batch = BatchConfig(
        style=style,
        immediate=immediate,
        max_messages=max_messages,
        settle=settle or SettleConfig(),
    )
    config = DiscordConfig.model_validate(
        {"webhook_url": webhook.url, "batch": batch, "routes": routes}
    )
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(config, http=http)
        bus = EventBus(drain_timeout=drain_timeout)
        bus.register(plugin, "discord", mailbox_size=10_000)
        async with bus:
            yield Scene(discord, bus, plugin)


# Gathering


async def test_single_event_goes_at_once_as_its_own_embed() -> None:
    async with scene() as s:
        started = anyio.current_time()
        await s.bus.publish_and_wait(joined(1))
        await s.delivered()
        assert s.times()[0] - started < 0.1
        (message,) = s.webhook.messages
        assert message["embeds"][0]["title"] == "👋 player00001 joined"
        assert len(message["embeds"]) == 1


@pytest.mark.slow
async def test_what_follows_within_the_window_is_posted_in_one_digest() -> None:
    async with scene() as s:
        started = anyio.current_time()
        await s.bus.publish_and_wait(joined(0))
        for number in range(1, 5):
            await anyio.sleep(0.1)
            await s.publish(1, number)

        await s.delivered()
        first, second = s.webhook.messages
        assert names_in(first) == ["player00000"]
        assert second["embeds"][0]["title"] == "📋 4 events"
        assert s.times()[1] - started == pytest.approx(0.1 + 0.5 + ROUND_TRIP / 2, abs=0.03)


async def test_without_immediate_the_first_event_waits_for_the_window() -> None:
    async with scene(immediate=False) as s:
        started = anyio.current_time()
        await s.publish(1)
        await anyio.sleep(0.3)
        await s.publish(1, 1)
        await s.delivered()
        (time,) = s.times()
        assert time - started == pytest.approx(0.5 + ROUND_TRIP / 2, abs=0.03)
        assert posted(s.webhook) == expected(2)


async def test_after_a_quiet_window_an_event_goes_at_once_again() -> None:
    async with scene() as s:
        await s.publish(1)
        await anyio.sleep(5)
        started = anyio.current_time()
        await s.publish(1, 1)
        await s.delivered()
        assert s.times()[1] - started < 0.1


async def test_join_and_leave_in_one_batch_are_posted_in_order() -> None:
    async with scene(immediate=False, settle=SettleConfig(leave=0.0)) as s:
        await s.bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
        await s.bus.publish(PeerLeft(peer_name="Ann", party_name="LAN"))
        await s.delivered()
        (message,) = s.webhook.messages
        lines = message["embeds"][0]["description"].splitlines()
        assert ["joined" in lines[0], "left" in lines[1]] == [True, True]


async def test_leaving_the_bus_sends_what_is_gathered_without_waiting_for_the_window() -> None:
    async with scene(immediate=False) as s:
        started = anyio.current_time()
        await s.publish(3)

    assert posted(s.webhook) == expected(3)
    assert anyio.current_time() - started < 0.3


async def test_max_messages_counts_the_rest_of_a_batch_in_one_line() -> None:
    async with scene(immediate=False, style="embeds", max_messages=2) as s:
        await s.publish(100)
        await s.delivered()
        assert len(s.webhook.messages) == 2
        assert len(posted(s.webhook)) == 19
        assert "81 more" in s.webhook.messages[1]["embeds"][-1]["description"]
        await anyio.sleep(5)
        await s.publish(1, 200)
        await s.delivered()
        assert len(s.webhook.messages) == 3


# Figures


@pytest.mark.slow
async def test_burst_of_200_embeds_keeps_the_pace_of_the_limit() -> None:
    async with scene(style="embeds", immediate=False) as s:
        await s.publish(200)
        await s.delivered()
        assert posted(s.webhook) == expected(200)
        assert s.discord.journal.statuses[429] == 0
        assert len(s.discord.journal) <= 20
        assert s.times()[-1] - s.times()[0] <= 1.1 * 6.0


async def test_burst_of_200_embeds_with_the_first_at_once() -> None:
    async with scene(style="embeds") as s:
        await s.publish(200)
        await s.delivered()
        assert posted(s.webhook) == expected(200)
        assert s.discord.journal.statuses[429] == 0
        assert len(s.discord.journal) <= 21
        assert s.times()[-1] - s.times()[0] <= 1.1 * 8.0


async def test_burst_of_200_as_digest_takes_three_messages_at_most() -> None:
    async with scene(immediate=False) as s:
        await s.publish(200)
        await s.delivered()
        assert posted(s.webhook) == expected(200)
        assert len(s.discord.journal) <= 3
        assert s.times()[-1] - s.times()[0] < 0.7


async def publish_ten_a_second(s: Scene, seconds: int, start: int = 0) -> dict[str, float]:
    """Publish, wait until everything is delivered, and return how long each event took."""
    published: dict[str, float] = {}
    for number in range(start, start + 10 * seconds):
        published[f"player{number:05}"] = anyio.current_time()
        await s.publish(1, number)
        await anyio.sleep(0.1)

    await s.delivered()
    assert posted(s.webhook) == expected(start + 10 * seconds)
    return {
        name: record.time - published[name]
        for record in s.records
        if record.accepted
        for name in names_in(record.body)
    }


@pytest.mark.either_backend
async def test_ten_a_second_for_half_a_minute() -> None:
    async with scene(StandInDiscord(latency=ROUND_TRIP)) as s:
        started = anyio.current_time()
        delays = sorted((await publish_ten_a_second(s, 30)).values())
        assert s.discord.journal.statuses[429] == 0
        assert s.times()[-1] - started <= 31
        assert delays[int(len(delays) * 0.99)] <= 0.7


WINDOWS: list[Literal["fixed", "sliding"]] = ["fixed", "sliding"]


LEARNT_WITH = 200
"""events"""


@asynccontextmanager
async def hidden_limit(
    window: Literal["fixed", "sliding"], *, is_learnt: bool, **options: Any
) -> AsyncIterator[Scene]:
    """Run the plugin in front of a channel with the limit that no header shows."""
    discord = StandInDiscord(latency=ROUND_TRIP, channel_limit=30, channel_window=window)
    async with scene(discord, **options) as s:
        if is_learnt:
            await publish_ten_a_second(s, LEARNT_WITH // 10)
            assert s.rejections == 1
            await anyio.sleep(300)
            s.begin = len(discord.journal)

        yield s


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("seconds", [30, pytest.param(180, marks=pytest.mark.slow)])
@pytest.mark.either_backend
async def test_known_hidden_limit_is_kept_and_no_event_waits_long(
    window: Literal["fixed", "sliding"], seconds: int
) -> None:
    async with hidden_limit(window, is_learnt=True) as s:
        delays = await publish_ten_a_second(s, seconds, LEARNT_WITH)
        assert s.rejections == 0
        assert max(delays.values()) <= 15


@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("pause", [0, 120])
@pytest.mark.either_backend
async def test_hidden_limit_is_known_after_a_restart(
    running: Running, window: Literal["fixed", "sliding"], pause: float, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=ROUND_TRIP, channel_limit=30, channel_window=window)
    webhook = discord.create_webhook()
    times: dict[str, float] = {}

    async def run(first: int, count: int) -> None:
        async with running(discord, tmp_path, webhook_url=webhook.url) as s:
            for number in range(first, first + count):
                times[f"player{number:05}"] = anyio.current_time()
                await s.bus.publish(joined(number))
                await anyio.sleep(0.1)

            await s.bus.drain()
            while s.plugin.pending:  # noqa: ASYNC110 - virtual time
                await anyio.sleep(0.05)

    await run(0, 250)
    assert discord.journal.statuses[429] == 1
    await anyio.sleep(pause)
    before = len(discord.journal)
    await run(250, 300)
    assert posted(webhook) == expected(550)
    assert discord.journal.statuses[429] == 1
    for record in discord.journal[before:]:
        for name in names_in(record.body):
            assert record.time - times[name] <= 15


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("seconds", [30, pytest.param(180, marks=pytest.mark.slow)])
@pytest.mark.either_backend
async def test_hidden_limit_is_learnt_from_one_rejection(
    window: Literal["fixed", "sliding"], seconds: int
) -> None:
    async with hidden_limit(window, is_learnt=False) as s:
        started = anyio.current_time()
        await publish_ten_a_second(s, seconds)
        assert s.rejections == 1
        assert s.times()[-1] - started <= max(62, seconds + 4)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("immediate", [True, False])
@pytest.mark.parametrize("seconds", [30, pytest.param(180, marks=pytest.mark.slow)])
@pytest.mark.either_backend
async def test_embeds_use_what_a_known_hidden_limit_allows(
    window: Literal["fixed", "sliding"], immediate: bool, seconds: int
) -> None:
    async with hidden_limit(window, is_learnt=True, style="embeds", immediate=immediate) as s:
        await publish_ten_a_second(s, seconds, LEARNT_WITH)
        assert s.rejections == 0
        # The first message goes with what there is, and ten embeds are in each other one at best.
        messages = 1 + math.ceil((10 * seconds - 1) / 10)
        floor = (messages - 1) // 30 * 60
        times = s.times()
        assert times[-1] - times[0] <= 1.1 * floor


@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.either_backend
async def test_limit_that_is_learnt_in_the_middle_allows_embeds_what_it_can(
    window: Literal["fixed", "sliding"],
) -> None:
    async with hidden_limit(window, is_learnt=False, style="embeds") as s:
        await publish_ten_a_second(s, 30)
        assert s.rejections == 1
        times = s.times()
        # The last message may not be in one minute with the one thirty before it.
        floor = times[len(times) - 1 - 30] - times[0] + 60
        assert times[-1] - times[0] <= 1.1 * floor


@pytest.mark.slow
async def test_event_that_must_not_be_gathered_does_not_wait_for_more() -> None:
    routes = [{"events": "notification", "immediate": True}, {"events": "peer_joined"}]
    async with hidden_limit("fixed", is_learnt=True, routes=routes) as s:
        await publish_ten_a_second(s, 10, LEARNT_WITH)
        await s.publish(1, 1000)
        await anyio.sleep(0.6)
        assert s.plugin.pending == 1
        started = anyio.current_time()
        await s.bus.publish(Notification(title="Pizza", message="is here"))
        await s.delivered()
        assert s.times()[-1] - started < 0.1


@pytest.mark.slow
async def test_end_does_not_wait_for_more() -> None:
    async with hidden_limit("fixed", is_learnt=True, drain_timeout=10) as s:
        await publish_ten_a_second(s, 10, LEARNT_WITH)
        await s.publish(1, 1000)
        await anyio.sleep(0.6)
        assert s.plugin.pending == 1
        started = anyio.current_time()

    assert s.times()[-1] - started < 0.1


async def test_errors_of_discord_lose_nothing() -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord, style="embeds", immediate=False) as s:
        discord.faults.fail(503, probability=0.2, seed=1)
        discord.faults.reset(accepted=True, probability=0.05, seed=2)
        await s.publish(200)
        await s.delivered()
        names = Counter(posted(s.webhook))
        lost_answers = [r for r in discord.journal if r.accepted and r.status is None]
        allowed_twice = {name for r in lost_answers for name in names_in(r.body)}
        assert sorted(names) == expected(200)
        assert {name for name, count in names.items() if count > 1} <= allowed_twice
        assert discord.journal.statuses[429] == 0
        assert discord.journal.statuses[503] > 0


@pytest.mark.slow
@pytest.mark.either_backend
async def test_errors_of_discord_cost_little_time() -> None:
    ratios = []
    for seed in range(1, 10):
        discord = StandInDiscord(latency=ROUND_TRIP)
        async with scene(discord, style="embeds", immediate=False) as s:
            random.seed(seed)
            discord.faults.fail(503, probability=0.2, seed=seed)
            discord.faults.reset(accepted=True, probability=0.05, seed=seed + 100)
            await s.publish(200)
            await s.delivered()
            times = s.times()
            # What Discord takes of one webhook: five messages in two seconds.
            ratios.append((times[-1] - times[0]) / ((len(times) - 1) // 5 * 2.0))
            assert discord.journal.statuses[429] == 0

    assert statistics.median(ratios) <= 1.35


async def test_events_around_an_outage_of_ten_seconds_all_arrive() -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord) as s:
        await s.publish(5)
        await s.delivered()
        discord.faults.refuse_connections(10)
        end = anyio.current_time() + 10
        for number in range(5, 20):
            await s.publish(1, number)
            await anyio.sleep(0.5)

        assert s.bus.health()["discord"].status == "degraded"
        await s.delivered()
        assert posted(s.webhook) == expected(20)
        assert s.times()[-1] <= end + 2.5
        assert s.bus.health()["discord"].status == "ok"
        backlog = s.webhook.messages[-1]["embeds"][0]
        assert "<t:" in backlog["description"]


@pytest.mark.slow
@pytest.mark.either_backend
async def test_outage_of_an_hour_costs_few_requests(caplog: pytest.LogCaptureFixture) -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord) as s:
        discord.faults.fail(503, lasting=3600)
        await s.publish(5)
        await anyio.sleep(3700)
        assert posted(s.webhook) == expected(5)
        assert discord.journal.statuses[503] < 60 + 3600 / 15
        assert sum("works again" in r.getMessage() for r in caplog.records) <= 1
        warnings = [r for r in caplog.records if r.levelname == "WARNING"]
        assert len(warnings) <= 62


@pytest.mark.parametrize("fault", ["hang", "drip"])
async def test_one_answer_that_does_not_come_delays_the_others_by_ten_seconds_at_most(
    fault: str,
) -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord) as s:
        if fault == "hang":
            discord.faults.hang(60, accepted=False)
        else:
            discord.faults.drip(60)

        started = anyio.current_time()
        await s.publish(1)
        await anyio.sleep(0.1)
        before = anyio.current_time()
        await s.publish(20, 1)
        assert anyio.current_time() == before
        await s.delivered()
        assert sorted(set(posted(s.webhook))) == expected(21)
        assert s.times()[-1] - started <= 10.5


async def test_deleted_webhook_gets_exactly_one_request_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as s:
        s.webhook.delete(after_messages=5)
        for number in range(20):
            await s.publish(1, number)
            await anyio.sleep(1)

        assert len(s.webhook.messages) == 5
        assert len(s.discord.journal) == 6
        assert s.plugin.pending == 15
        health = s.bus.health()["discord"]
        assert health.status == "failed"
        assert "the webhook was deleted in Discord" in health.detail
        errors = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert len(errors) == 1
        assert "Its events are kept" in errors[0]


async def test_value_of_5000_characters_among_others_is_shortened() -> None:
    async with scene(immediate=False) as s:
        for number in range(20):
            await s.publish(1, number)

        long = PeerJoined(peer_name="x" * 5000, party_name="Friday LAN")
        await s.bus.publish(long)
        await s.delivered()
        assert posted(s.webhook) == expected(20)
        assert s.discord.journal.statuses[400] == 0
        text = str(s.webhook.messages)
        assert "x…" in text
        assert "x" * 600 not in text


# RejectionCache


@pytest.mark.parametrize("style", ["digest", "embeds"])
async def test_only_the_event_that_discord_rejects_becomes_a_dead_letter(
    style: Literal["digest", "embeds"], caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)

    def moderate(request: Any) -> Any:
        from lanrage_events_discord.testing import Fail

        return Fail(400, 200000) if "player00007" in str(request.body) else None

    async with scene(discord, style=style, immediate=False) as s:
        discord.faults.script(moderate)
        await s.publish(20)
        await s.delivered()
        assert posted(s.webhook) == [name for name in expected(20) if name != "player00007"]
        (lane,) = s.plugin.lanes.values()
        assert (lane.sent, lane.failed) == (19, 1)
        assert s.bus.health()["discord"].status == "degraded"
        assert len(discord.journal) < 15
        await s.publish(3, 100)
        await s.delivered()
        assert len(s.webhook.messages[-1]["embeds"]) == (1 if style == "digest" else 3)

    assert "automatic moderation blocked the message" in caplog.text


async def test_429_waits_as_long_as_discord_says() -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord) as s:
        discord.faults.fail(429, retry_after=7.5)
        started = anyio.current_time()
        await s.publish(3)
        await s.delivered()
        assert posted(s.webhook) == expected(3)
        assert s.times()[0] - started == pytest.approx(7.5 + ROUND_TRIP, abs=0.1)
        assert len(discord.journal) == 2


async def test_block_of_the_whole_address_is_waited_out() -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord) as s:
        discord.faults.fail(429, html=True, retry_after=30)
        await s.publish(1)
        await s.delivered()
        assert posted(s.webhook) == expected(1)
        assert len(discord.journal) == 2


# Ending


async def test_what_cannot_be_sent_in_time_is_counted_and_posted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord, drain_timeout=5) as s:
        discord.faults.refuse_connections(1000)
        await s.publish(3)
        await anyio.sleep(1)
        ending = anyio.current_time()

    assert anyio.current_time() - ending <= 5.1
    assert "3 events are lost: they were kept in memory only" in caplog.text


async def test_long_wait_for_a_limit_does_not_hold_up_the_end() -> None:
    discord = StandInDiscord(latency=ROUND_TRIP)
    async with scene(discord, drain_timeout=20) as s:
        discord.faults.fail(429, retry_after=300)
        await s.publish(3)
        await anyio.sleep(1)
        ending = anyio.current_time()

    assert anyio.current_time() - ending < 1


async def test_no_message_pings_anybody() -> None:
    async with scene() as s:
        await s.bus.publish(Notification(title="@everyone", message="<@123> <@&456> @here"))
        await s.publish(3)
        await s.delivered()

    for record in s.discord.journal:
        assert record.body["allowed_mentions"] == {"parse": []}
        assert record.query["wait"] == "true"
        assert record.path.startswith("/api/v10/")


async def test_idle_plugin_has_no_task_and_no_timer() -> None:
    async with scene() as s:
        await s.publish(3)
        await s.delivered()
        await anyio.sleep(120)
        assert not any(
            name and name.startswith("lane ")
            for name in (t.name for t in anyio.get_running_tasks())
        )
