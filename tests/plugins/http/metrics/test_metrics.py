from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lanrage_events import (
    Event,
    EventBus,
    Health,
    Metric,
    Notification,
    PeerJoined,
    Redactor,
    Sample,
    hookimpl,
)
from lanrage_events.cli import install_command
from lanrage_events_http._app import application
from lanrage_events_http._feed import Feed
from lanrage_events_http._metrics import metrics_operation

SECRET = "geheimnis-0123456789"

Client = Callable[..., httpx.AsyncClient]


class Measured:
    """A plugin with the metrics that a test gives it."""

    def __init__(self, *metrics: object) -> None:
        self.answer: Any = metrics

    @hookimpl
    def metrics(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer

        return self.answer


class Busy:
    """A plugin that fails on every second event."""

    mailbox_size = 5
    when_full = "block"

    def __init__(self) -> None:
        self._calls = 0

    @hookimpl
    def event(self, event: Event) -> None:
        self._calls += 1
        if self._calls % 2 == 0:
            raise ValueError

    @hookimpl
    def health(self) -> Health:
        return Health("degraded", f"{SECRET} is slow", 4)


class Served(NamedTuple):
    bus: EventBus
    feed: Feed
    http: httpx.AsyncClient

    async def scrape(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """Return the values of each series by their labels."""
        response = await self.http.get("/metrics")
        assert response.status_code == 200
        series: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(response.text):
            for sample in family.samples:
                labels = frozenset(sample.labels.items())
                assert labels not in series.setdefault(sample.name, {})
                series[sample.name][labels] = sample.value

        return series


def by(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


@asynccontextmanager
async def serving(client: Client, **plugins: object) -> AsyncIterator[Served]:
    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        for name, plugin in plugins.items():
            await bus.plugins.register_and_wait(plugin, name)

        feed = Feed(bus.redactor)
        async with client(application([metrics_operation(bus, feed)], bus.redactor)) as http:
            yield Served(bus, feed, http)


async def test_events_are_counted_by_type_also_those_that_did_not_come(client: Client) -> None:
    async with serving(client) as served:
        for _ in range(2):
            served.feed.add(PeerJoined(peer_name="Ann", party_name="-"))

        series = await served.scrape()

    assert series["lanrage_events_total"][by(type="peer_joined")] == 2
    assert series["lanrage_events_total"][by(type="game_ended")] == 0


async def test_what_each_plugin_did_is_shown(client: Client) -> None:
    async with serving(client, busy=Busy(), idle=Measured()) as served:
        for _ in range(5):
            await served.bus.publish(Notification(title="-", message="-"))

        await served.bus.drain()
        with served.feed.open():
            series = await served.scrape()

    assert series["lanrage_plugin_handled_total"] == {by(plugin="busy"): 3, by(plugin="idle"): 0}
    assert series["lanrage_plugin_failed_total"][by(plugin="busy")] == 2
    assert series["lanrage_plugin_dropped_total"][by(plugin="busy")] == 0
    assert series["lanrage_plugin_exceeded_total"][by(plugin="busy")] == 0
    assert series["lanrage_plugin_restarts_total"][by(plugin="busy")] == 0
    assert series["lanrage_plugin_hook_seconds_total"][by(plugin="busy")] > 0
    assert series["lanrage_plugin_mailbox_depth"][by(plugin="busy")] == 0
    assert series["lanrage_plugin_mailbox_size"][by(plugin="busy")] == 5
    assert series["lanrage_plugin_running"][by(plugin="busy")] == 1
    assert series["lanrage_plugin_undelivered"][by(plugin="busy")] == 4
    assert series["lanrage_publishers_waiting"] == {by(): 0}
    assert series["lanrage_stream_clients"] == {by(): 1}
    health = {
        dict(labels)["status"]: value
        for labels, value in series["lanrage_plugin_health"].items()
        if ("plugin", "busy") in labels
    }
    assert health == {"ok": 0, "degraded": 1, "failed": 0}


async def test_a_mailbox_shows_how_full_it_is(client: Client) -> None:
    may_go_on = anyio.Event()

    class Slow:
        @hookimpl
        async def event(self, event: Event) -> None:
            await may_go_on.wait()

    async with serving(client, slow=Slow()) as served:
        for _ in range(3):
            await served.bus.publish(Notification(title="-", message="-"))

        await anyio.wait_all_tasks_blocked()
        series = await served.scrape()
        may_go_on.set()

    assert series["lanrage_plugin_mailbox_depth"] == {by(plugin="slow"): 2}


async def test_subscriptions_and_streams_are_left_out(client: Client) -> None:
    async with serving(client) as served, served.bus.stream(Event):
        served.bus.subscribe(Event, print)
        assert "lanrage_plugin_running" not in await served.scrape()


async def test_metrics_of_plugins_get_a_prefix_and_a_label(client: Client) -> None:
    buckets = [(1.0, 2), (10.0, 5), (math.inf, 6)]
    plugin = Measured(
        Metric(name="lane_sent", help="-", kind="counter", samples=[Sample(7, {"lane": "main"})]),
        Metric(name="outbox_pending", help="-", samples=[Sample(3.5)]),
        Metric(name="no_samples", help="-", samples=()),
        Metric(
            name="batch_size",
            help="-",
            kind="histogram",
            samples=[Sample(42.0, {"lane": "main"}, buckets)],
        ),
    )
    async with serving(client, discord=plugin) as served:
        series = await served.scrape()

    labels = {"plugin": "discord", "lane": "main"}
    assert series["lanrage_lane_sent_total"] == {by(**labels): 7}
    assert series["lanrage_outbox_pending"] == {by(plugin="discord"): 3.5}
    assert series["lanrage_batch_size_bucket"] == {
        by(**labels, le="1.0"): 2,
        by(**labels, le="10.0"): 5,
        by(**labels, le="+Inf"): 6,
    }
    assert series["lanrage_batch_size_sum"] == {by(**labels): 42}
    assert series["lanrage_batch_size_count"] == {by(**labels): 6}


async def test_two_plugins_may_have_the_same_metric(client: Client) -> None:
    async with serving(
        client,
        one=Measured(Metric(name="sent", help="-", samples=[Sample(1)])),
        two=Measured(Metric(name="sent", help="another", samples=[Sample(2)])),
    ) as served:
        series = await served.scrape()

    assert series["lanrage_sent"] == {by(plugin="one"): 1, by(plugin="two"): 2}


GOOD = Metric(name="good", help="-", samples=[Sample(1)])


def gauge(*samples: Any, **changes: Any) -> Metric:
    return Metric(**{"name": "bad", "help": "-", "samples": list(samples), **changes})


def histogram(*buckets: Any) -> Metric:
    return gauge(Sample(1, {}, buckets), kind="histogram")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (7, "metrics were expected, not int"),
        (None, "metrics were expected, not NoneType"),
        ([GOOD, 7], "a Metric was expected, not int"),
        ([GOOD, GOOD], "metric 'good' is there twice"),
        ([gauge(kind="summary")], "metric 'bad' is of the unknown kind 'summary'"),
        ([gauge(help=7)], "the help of metric 'bad' is not a text"),
        ([gauge(samples=7)], "the samples of metric 'bad' are not a list"),
        ([gauge(7)], "metric 'bad' has a int instead of a Sample"),
        ([gauge(Sample("7"))], "metric 'bad' has a value that is not a number"),  # type: ignore[arg-type]
        ([gauge(Sample(10**400))], "metric 'bad' has a value that is not a number"),
        ([gauge(kind=[])], "TypeError: unhashable type: 'list'"),
        ([gauge(Sample(True))], "metric 'bad' has a value that is not a number"),
        ([gauge(Sample(-1), kind="counter")], "counter 'bad' is not 0 or more"),
        ([gauge(Sample(math.nan), kind="counter")], "counter 'bad' is not 0 or more"),
        ([gauge(Sample(1), Sample(2))], "metric 'bad' has two samples with the same labels"),
        (
            [gauge(Sample(1, {"a": SECRET}), Sample(2, {"a": "*" * 10}))],
            "metric 'bad' has two samples with the same labels",
        ),
        ([gauge(Sample(1, ["a"]))], "the labels of metric 'bad' are not a mapping"),  # type: ignore[arg-type]
        ([gauge(Sample(1, {"a": 7}))], "the labels of metric 'bad' are not all texts"),  # type: ignore[dict-item]
        ([gauge(Sample(1, {"plugin": "x"}))], "metric 'bad' has a label that is not allowed"),
        ([gauge(Sample(1, {"le": "x"}))], "metric 'bad' has a label that is not allowed: 'le'"),
        ([gauge(Sample(1, {"a-b": "x"}))], "metric 'bad' has a label that is not allowed"),
        ([gauge(Sample(1, {"__a": "x"}))], "metric 'bad' has a label that is not allowed"),
        ([gauge(Sample(1, {SECRET: "x"}))], "that is not allowed: '**********'"),
        (
            [gauge(name="events", kind="counter")],
            "metric 'events' is already a counter of the server",
        ),
        (
            [gauge(name="known", kind="counter")],
            "metric 'known' is already a gauge of another plugin",
        ),
        ([gauge(name="events_total")], "metric 'events_total' would look like metric 'events'"),
        (
            [gauge(name="x_count"), gauge(name="x", kind="histogram")],
            "metric 'x' would look like metric 'x_count'",
        ),
        ([histogram()], "the last bucket of histogram 'bad' is not infinite"),
        ([histogram((1.0, 1))], "the last bucket of histogram 'bad' is not infinite"),
        ([histogram((1.0, 3), (math.inf, 2))], "the buckets of histogram 'bad' do not rise"),
        ([histogram((1.0, 1), (1.0, 2))], "the buckets of histogram 'bad' do not rise"),
        ([histogram(7)], "histogram 'bad' has a bucket that is not a pair of numbers"),
        ([histogram((1.0, "1"))], "histogram 'bad' has a bucket that is not a pair of numbers"),
        ([gauge(Sample(1, {}, 7), kind="histogram")], "the buckets of 'bad' are not a list"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.either_backend
async def test_a_plugin_with_broken_metrics_is_left_out_and_logged_once(
    client: Client, caplog: pytest.LogCaptureFixture, answer: object, reason: str
) -> None:
    known = Measured(Metric(name="known", help="-", samples=[Sample(1)]))
    broken = Measured()
    broken.answer = answer
    async with serving(client, known=known, broken=broken) as served:
        await served.scrape()
        series = await served.scrape()

    assert series["lanrage_known"] == {by(plugin="known"): 1}
    assert "lanrage_good" not in series
    assert "lanrage_bad" not in series
    [record] = caplog.records
    assert record.getMessage().startswith("plugin 'broken': its metrics are left out: ")
    assert reason in record.getMessage()
    assert SECRET not in caplog.text


async def test_an_error_that_is_over_and_comes_again_is_logged_again(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = Measured()
    async with serving(client, broken=plugin) as served:
        for answer in 7, 7, [GOOD], 7, [7]:
            plugin.answer = answer
            await served.scrape()

    assert len(caplog.records) == 3


async def test_a_hook_that_fails_leaves_out_its_plugin_only(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Measured()
    broken.answer = OSError(f"not with {SECRET}")
    async with serving(client, broken=broken, good=Measured(GOOD)) as served:
        series = await served.scrape()

    assert series["lanrage_good"] == {by(plugin="good"): 1}
    assert SECRET not in caplog.text


async def test_secrets_and_odd_text_in_labels_do_no_harm(client: Client) -> None:
    labels = {"url": f"https://{SECRET}", "text": 'a"b\nc\\\ud800'}
    plugin = Measured(
        Metric(name="x", help=f"of {SECRET}\n# TYPE \ud800", samples=[Sample(1, labels)])
    )
    async with serving(client, odd=plugin) as served:
        series = await served.scrape()
        text = (await served.http.get("/metrics")).text

    expected = by(plugin="odd", url="https://**********", text='a"b\nc\\?')
    assert series["lanrage_x"] == {expected: 1}
    assert SECRET not in text


async def test_openmetrics_is_written_if_it_is_asked_for(client: Client) -> None:
    plugin = Measured(
        GOOD,
        gauge(Sample(1), kind="counter"),
        gauge(Sample(1, {}, [(math.inf, 1)]), name="sizes", kind="histogram"),
    )
    async with serving(client, good=plugin) as served:
        response = await served.http.get(
            "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        )

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
    assert 'lanrage_bad_total{plugin="good"} 1.0' in response.text


async def test_without_its_package_the_answer_has_the_remedy(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with serving(client) as served:
        response = await served.http.get("/metrics")

    assert response.status_code == 501
    assert response.headers["content-type"] == "application/problem+json"
    assert install_command("metrics") in response.json()["detail"]
