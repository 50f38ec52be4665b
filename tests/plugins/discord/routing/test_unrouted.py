"""Events that no route takes are counted where one looks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from lanrage_events import Metric, Notification
from lanrage_events_discord._routing import UnroutedEvents
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]


def unrouted(metrics: Any) -> dict[str, float]:
    [metric] = [m for m in metrics if isinstance(m, Metric) and m.name == "unrouted"]
    assert metric.kind == "counter"
    return {sample.labels["type"]: sample.value for sample in metric.samples}


async def test_what_no_route_takes_is_in_the_metric_the_health_and_the_status(
    running: Running,
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    routes = [
        {"events": "game_started"},
        # This one takes its events, and posts them nowhere on purpose.
        {"events": "notification", "webhook": [], "stop": True},
        {"events": "peer_joined", "where": {"peer_name": "Ann"}},
    ]
    async with running(discord, webhook_url=webhook.url, routes=routes) as s:
        await s.publish("Ann")
        await s.bus.publish_and_wait(Notification(title="a", message="b"))
        assert (await s.call("GET", "/status"))["unrouted"] == 0
        assert s.bus.health()["discord"].detail == ""
        await s.publish("Bob", "Cid")
        health = s.bus.health()["discord"]
        assert (health.status, health.detail) == ("ok", "no route takes 2 events: 2 peer_joined")
        status = await s.call("GET", "/status")
        assert (status["unrouted"], status["unrouted_types"]) == (2, {"peer_joined": 2})
        assert unrouted(s.plugin.metrics()) == {"peer_joined": 2}
        # They are not lost: they are not wanted.
        await s.settle()
        assert s.bus.health()["discord"].undelivered == 0
        assert len(webhook.messages) == 1


async def test_without_a_webhook_too(running: Running) -> None:
    async with running(routes=[{"events": "game_started"}]) as s:
        await s.publish("Ann")
        assert (await s.call("GET", "/status"))["unrouted"] == 1
        assert s.bus.health()["discord"].undelivered == 0


def test_the_number_of_types_is_bounded() -> None:
    events = UnroutedEvents()
    for number in range(150):
        events.add(f"type_{number}")
        events.add("type_7")

    assert len(events.by_type) == 101
    assert events.by_type["other"] == 50
    assert events.total == 300
    assert events.detail == "no route takes 300 events: 151 type_7, 50 other, 1 type_0, others"
    assert len(unrouted([events.metric()])) == 101
