"""The plugin's metrics, and what of the outbox it shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from lanrage_events import Metric, delivery
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._client import Outcome, OutcomeKind, classify
from lanrage_events_discord._delivery import reason_code
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]


def metrics(plugin: Any) -> dict[str, Metric]:
    found = {metric.name: metric for metric in plugin.metrics()}
    for metric in found.values():
        labels = [tuple(sorted(sample.labels.items())) for sample in metric.samples]
        assert len(labels) == len(set(labels)), metric.name

    return found


def values(metric: Metric, **labels: str) -> list[float]:
    return [s.value for s in metric.samples if labels.items() <= dict(s.labels).items()]


async def test_metrics_post_what_happened(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url, batch={"immediate": False}) as s:
        discord.faults.fail(429, retry_after=3, times=1)
        await s.publish("Ann", "Bob", "Cy")
        await s.settle()
        discord.faults.fail(400, code=50035, times=1)
        await s.publish("Dan")
        await s.settle()
        found = metrics(s.plugin)
        assert values(found["lane_state"], lane="default", state="idle") == [1]
        assert sum(values(found["lane_state"], lane="default")) == 1
        assert values(found["lane_sent"]) == [3]
        assert values(found["lane_messages"]) == [1]
        assert values(found["lane_requests"]) == [3]
        assert values(found["lane_rate_limited"]) == [1]
        assert values(found["lane_expired"]) == [0]
        assert values(found["lane_failed"], reason="code_50035") == [1]
        assert values(found["lane_requests_failed"], reason="http_429") == [1]
        assert values(found["outbox_pending"]) == [0]
        assert values(found["outbox_dead"]) == [1]
        assert values(found["outbox_age_seconds"]) == [0]
        (sizes,) = found["lane_batch_size"].samples
        assert sizes.value == 3
        assert list(sizes.buckets)[:4] == [(1.0, 0), (2.0, 0), (5.0, 1), (10.0, 1)]
        assert sizes.buckets[-1] == (math.inf, 1)


async def test_events_that_are_posted_shortened_are_counted_and_logged_now_and_then(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url, batch={"immediate": False}) as s:
        for _ in range(3):
            await s.publish("A" * 5000, "Bob", "C" * 5000)
            await s.settle()

        assert values(metrics(s.plugin)["lane_shortened"]) == [6]
        [lane] = (await s.call("GET", "/status"))["lanes"]
        assert (lane["sent"], lane["shortened"]) == (9, 6)
        await anyio.sleep(600)
        await s.publish("A" * 5000)
        await s.settle()

    logged = [record.getMessage() for record in caplog.records if "longer than" in record.message]
    assert logged == [
        "webhook 'default': 2 events were longer than Discord allows and posted shortened",
        "webhook 'default': 5 events were longer than Discord allows and posted shortened",
    ]


async def test_what_waits_is_counted_with_its_age(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    webhook.delete()
    async with running(discord, webhook_url=webhook.url) as s:
        await s.publish("Ann", "Bob")
        await s.settle()
        found = metrics(s.plugin)
        assert values(found["lane_state"], state="dead") == [1]
        assert values(found["outbox_pending"]) == [2]
        assert values(found["outbox_age_seconds"])[0] >= 0
        assert values(found["lane_requests_failed"], reason="code_10015") == [1]


async def test_batch_sizes_add_up(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        for size in (1, 2, 7, 60):
            for number in range(size):
                await s.publish(f"player{number}")

            await s.settle()

        (sizes,) = metrics(s.plugin)["lane_batch_size"].samples
        counts = [count for _, count in sizes.buckets]
        assert counts == sorted(counts)
        assert counts[-1] == len(webhook.messages)
        assert sizes.value == 70


async def test_every_state_is_one_at_a_time(running: Running) -> None:
    discord = StandInDiscord(latency=1)
    webhook = discord.create_webhook()
    seen: set[str] = set()
    async with running(discord, webhook_url=webhook.url) as s:
        await s.publish("Ann")
        for _ in range(30):
            samples = metrics(s.plugin)["lane_state"].samples
            (state,) = [sample.labels["state"] for sample in samples if sample.value]
            seen.add(state)
            if len(seen) == 2:
                await s.publish("Bob")

            await anyio.sleep(0.1)

    assert {"sending", "idle"} <= seen


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"code": 50035}', "code_50035"),
        (400, b'{"code": 99999999}', "http_400"),
        (503, b"<html>", "http_503"),
        (429, b'{"retry_after": 1}', "http_429"),
    ],
)
def test_reasons_are_of_a_bounded_number(status: int, body: bytes, code: str) -> None:
    assert reason_code(classify(status, {"via": "1.1 google"}, body)) == code


def test_reason_of_no_answer() -> None:
    assert reason_code(Outcome(OutcomeKind.RETRY, "no connection")) == "no_answer"


def test_plugin_that_does_not_run_has_no_outbox_and_few_metrics() -> None:
    plugin = DiscordPlugin(DiscordConfig())
    assert plugin.outbox() is None
    assert "outbox_pending" not in metrics(plugin)


async def test_what_is_counted_of_other_plugins_too_has_their_help(running: Running) -> None:
    async def send(_: object) -> delivery.Outcome:
        return delivery.Outcome.delivered()

    discord = StandInDiscord()
    async with running(discord, webhook_url=discord.create_webhook().url) as s:
        own = metrics(s.plugin)
        others = [*delivery.Delivery(send).metrics(), *delivery.outbox_metrics(s.plugin.outbox())]
        assert "outbox_dead" in own
        assert {metric.name: metric.help for metric in others} == {
            metric.name: own[metric.name].help for metric in others
        }


async def test_outbox_is_open_while_the_plugin_runs(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        discord.faults.fail(400, code=50035, times=1)
        await s.publish("Ann")
        await s.settle()
        outbox = s.plugin.outbox()
        (letter,) = await outbox.dead_letters()
        assert "invalid" in letter.reason
        assert letter.label == "peer_joined"

    assert s.plugin.outbox() is None
