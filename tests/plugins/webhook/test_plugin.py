"""The plugin on a bus, with stand-ins of the services."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import (
    ConfigProblem,
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PeerJoined,
    PluginStartError,
)
from lanrage_events.outbox import Outbox
from lanrage_events_webhook import WebhookConfig, WebhookPlugin

JOINED = PeerJoined(peer_name="Ann", party_name="Friday LAN")
STARTED = GameStarted(game_name="Quake", players=("Ann",))
OTHER = {"url": "https://example.org/"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FlagCaptured(Event):
    team: str


def settings_of(services: Any) -> dict[str, dict[str, Any]]:
    """Return a target of each service, as it is right."""
    return {
        "slack": {"preset": "slack", "url": f"https://hooks.slack.com{services.slack.path}"},
        "ntfy": {"preset": "ntfy", "to": "lan-party", "token": services.ntfy.token},
        "matrix": {
            "preset": "matrix",
            "url": "https://matrix.example.org/",
            "token": services.matrix.token,
            "to": services.matrix.room,
        },
        "home_assistant": {
            "preset": "home_assistant",
            "url": "http://homeassistant.local:8123",
            "token": services.home_assistant.token,
            "to": "lanrage_event",
        },
        "telegram": {
            "preset": "telegram",
            "token": services.telegram.token,
            "to": services.telegram.chat,
        },
    }


@asynccontextmanager
async def running(
    client: httpx.AsyncClient,
    targets: dict[str, Any],
    routes: Any = (),
    *,
    state: Path | None = None,
    **options: Any,
) -> AsyncIterator[tuple[EventBus, WebhookPlugin]]:
    config = WebhookConfig.model_validate({"targets": targets, "routes": routes})
    plugin = WebhookPlugin(config, http=client, **options)
    bus = EventBus(state_folder=state)
    bus.register(plugin, "webhook")
    async with client, bus:
        yield bus, plugin


async def publish(bus: EventBus, *events: Event) -> None:
    for event in events:
        await bus.publish_and_wait(event)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(3600):
        while not condition():  # noqa: ASYNC110 - in virtual time, but for three tests
            await anyio.sleep(0.01)


@pytest.mark.parametrize("name", ["slack", "ntfy", "matrix", "home_assistant", "telegram"])
async def test_each_service_takes_what_it_gets(services: Any, name: str) -> None:
    stand_in = getattr(services, name)
    async with running(services.client(), {name: settings_of(services)[name]}) as (bus, plugin):
        await publish(bus, JOINED, STARTED)
        await until(lambda: len(stand_in.accepted) == 2)
        assert plugin.health().status == "ok"

    assert len(stand_in.requests) == 2
    shown = str(stand_in.accepted[0])
    assert "Ann joined" in shown
    assert "Welcome to Friday LAN!" in shown


@pytest.mark.parametrize("name", ["slack", "ntfy", "matrix", "home_assistant", "telegram"])
async def test_the_limits_of_each_service_are_obeyed(services: Any, name: str) -> None:
    stand_in = getattr(services, name)
    stand_in.limit(90)
    async with running(services.client(), {name: settings_of(services)[name]}) as (bus, _):
        await publish(bus, JOINED)
        await anyio.sleep(89)
        assert len(stand_in.requests) == 1
        await anyio.sleep(5)
        assert len(stand_in.accepted) == 1


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("slack", {"url": "https://hooks.slack.com/services/T/B/wrong"}),
        ("ntfy", {"token": "tk_wrong"}),
        ("matrix", {"token": "wrong-token"}),
        ("matrix", {"to": "!other:example.org"}),
        ("home_assistant", {"token": "wrong-token"}),
        ("telegram", {"token": "123:wrong"}),
        ("telegram", {"to": "99"}),
    ],
)
@pytest.mark.either_backend
async def test_a_wrong_setting_stops_the_lane_and_keeps_its_events(
    services: Any, name: str, wrong: dict[str, str]
) -> None:
    stand_in = getattr(services, name)
    targets = {name: settings_of(services)[name] | wrong}
    async with running(services.client(), targets) as (bus, plugin):
        await publish(bus, JOINED, STARTED)
        await until(lambda: plugin.health().status == "failed")
        await anyio.sleep(600)
        assert len(stand_in.requests) == 1
        assert f"target '{name}'" in plugin.health().detail
        assert plugin.health().undelivered == 2


@pytest.mark.real_clock
async def test_a_lane_that_stopped_goes_on_with_the_right_settings(
    services: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    right = settings_of(services)["ntfy"]
    wrong = {"phone": right | {"token": "tk_wrong"}}
    async with running(services.client(), wrong, state=tmp_path) as (bus, plugin):
        await publish(bus, JOINED, STARTED)
        await until(lambda: plugin.health().status == "failed")

    caplog.clear()
    async with running(services.client(), {"phone": right}, state=tmp_path):
        await until(lambda: len(services.ntfy.accepted) == 2)

    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []


async def test_what_a_service_rejects_is_a_dead_letter_and_the_rest_goes_on(
    services: Any, caplog: pytest.LogCaptureFixture
) -> None:
    target = {**settings_of(services)["ntfy"], "body": {"priority": "{{ color }}"}}
    async with running(services.client(), {"phone": target}) as (bus, plugin):
        for color in (4, 400, 2):
            await publish(bus, Notification(title="Pizza", message=f"{color}", color=color))

        await until(lambda: len(services.ntfy.requests) == 3)
        outbox = plugin.outbox()
        assert isinstance(outbox, Outbox)
        (dead,) = await outbox.dead_letters()

    assert [data["priority"] for data in services.ntfy.accepted] == [4, 2]
    assert dead.reason.startswith("HTTP 400: ")
    assert "invalid priority parameter" in dead.detail


@pytest.mark.parametrize("failure", [500, 503, 429, "network"])
async def test_a_failure_that_passes_loses_nothing_and_keeps_the_order(
    services: Any, failure: int | str
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        if isinstance(failure, str):
            raise httpx.ConnectError("no route to host")

        return httpx.Response(failure)

    services.other.answers += [fail] * 5
    async with running(services.client(), {"a": {"url": "https://example.org/"}}) as (bus, plugin):
        await publish(bus, JOINED, STARTED)
        await until(lambda: plugin.health().status == "degraded")
        await until(lambda: len(services.other.accepted) == 2)

    assert [data["id"] for data in services.other.accepted] == [JOINED.id, STARTED.id]


async def test_a_target_that_hangs_does_not_hold_up_another(services: Any) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "hung.example.org":
            await anyio.sleep_forever()

        return httpx.Response(services(request).status_code)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    targets = {"hung": {"url": "https://hung.example.org/"}, "fast": {"url": "https://example.org"}}
    async with running(client, targets) as (bus, _):
        bus.plugins.drain_timeout = 1
        with anyio.fail_after(5):
            for _ in range(20):
                await publish(bus, PeerJoined(peer_name="Ann", party_name="x"))

            await until(lambda: len(services.other.accepted) == 20)


async def test_routes_say_what_goes_where(services: Any) -> None:
    routes = [
        {"events": "game_ended", "target": [], "stop": True},
        {"events": ["peer_*"], "where": {"peer_name": "Ann"}, "target": "a", "stop": True},
        {"events": ["party_event"], "target": ["b"]},
        {"events": "game_started"},
    ]
    targets = {name: {"url": f"https://example.org/{name}"} for name in "abc"}
    bob = PeerJoined(peer_name="Bob", party_name="x")
    ended = GameEnded(game_name="Quake", duration=1.0)
    async with running(services.client(), targets, routes) as (bus, _):
        await publish(bus, JOINED, bob, ended, STARTED, Notification(title="a", message="b"))
        await until(lambda: len(services.other.requests) == 5)
        await anyio.sleep(10)

    got = {(r.url.path, d["id"]) for r, d in zip(
        services.other.requests, services.other.accepted, strict=True
    )}  # fmt: skip
    assert got == {
        ("/a", JOINED.id),
        ("/b", bob.id),
        ("/a", STARTED.id),
        ("/b", STARTED.id),
        ("/c", STARTED.id),
    }


async def test_what_waits_goes_in_one_request_to_a_target_that_takes_several(services: Any) -> None:
    services.cloudevents.limit(30)
    services.other.limit(30)
    targets = {
        "many": {
            "url": "https://cloudevents.example.org/",
            "cloudevents": "/lan",
            "batch": 10,
        },
        "one": {"url": "https://example.org/"},
    }
    events = [PeerJoined(peer_name=f"P{n}", party_name="x") for n in range(25)]
    async with running(services.client(), targets) as (bus, _):
        await publish(bus, *events)
        await until(lambda: len(services.cloudevents.accepted) == 25)
        await until(lambda: len(services.other.accepted) == 25)

    assert [event["id"] for event in services.cloudevents.accepted] == [e.id for e in events]
    # The first one went alone, and again with the others.
    assert len(services.cloudevents.requests) == 1 + 3
    assert len(services.other.requests) == 1 + 25
    assert [data["id"] for data in services.other.accepted] == [e.id for e in events]


async def test_an_event_that_spoils_a_batch_is_found(services: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if b"P7" in request.content:
            return httpx.Response(422, text="no P7")

        return httpx.Response(services.other(request).status_code)

    services.other.limit(1)
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with running(client, {"a": {"url": "https://example.org/", "batch": 16}}) as (
        bus,
        plugin,
    ):
        await publish(bus, *(PeerJoined(peer_name=f"P{n}", party_name="x") for n in range(12)))
        await until(lambda: plugin.health().undelivered == 1)

    names = [data["peer_name"] for batch in services.other.accepted for data in batch]
    assert names == [f"P{n}" for n in range(12) if n != 7]


async def test_a_full_lane_does_not_keep_events_from_others(services: Any) -> None:
    targets = {"wrong": settings_of(services)["ntfy"] | {"token": "tk_wrong"}, "right": {
        "url": "https://example.org/"
    }}  # fmt: skip

    def is_accepted(count: int) -> bool:
        return len(services.other.accepted) == count

    async with running(services.client(), targets, max_waiting=6) as (bus, _):
        results: list[Exception | None] = []
        for n in range(5):
            event = PeerJoined(peer_name=f"P{n}", party_name="x")
            results += await bus.publish_many_and_wait([event])
            await until(partial(is_accepted, n + 1))

    assert [result is None for result in results] == [True, True, True, False, False]
    assert isinstance(results[-1], ExceptionGroup)
    assert "lane 'wrong'" in str(results[-1].exceptions[0])


@pytest.mark.real_clock
async def test_events_that_wait_survive_a_restart_and_go_by_the_new_settings(
    services: Any, tmp_path: Path
) -> None:
    services.other.answers += [lambda _: httpx.Response(503)] * 100
    old = {"a": {"url": "https://example.org/", "body": {"old": "{{ peer_name }}"}}}
    async with running(services.client(), old, state=tmp_path) as (bus, _):
        bus.plugins.drain_timeout = 0
        await publish(bus, JOINED)

    services.other.answers.clear()
    new = {"a": {"url": "https://example.org/", "body": {"new": "{{ peer_name }}"}}}
    async with running(services.client(), new, state=tmp_path):
        await until(lambda: services.other.accepted)

    assert services.other.accepted == [{"new": "Ann"}]
    assert b"secret" not in (tmp_path / "webhook.outbox").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({}, True),
        ({"timeout": "5s"}, True),
        ({"token": "new"}, False),
        ({"url": "http://b/"}, False),
    ],
)
async def test_a_restart_waits_as_the_target_asked_unless_it_is_another_one(
    services: Any, tmp_path: Path, changed: dict[str, Any], waits: bool
) -> None:
    services.other.limit(90)
    target = {"url": "https://example.org/", "token": "old"}
    async with running(services.client(), {"a": target}, state=tmp_path) as (bus, _):
        bus.plugins.drain_timeout = 0
        await publish(bus, JOINED)
        await until(lambda: services.other.requests)

    async with running(services.client(), {"a": target | changed}, state=tmp_path):
        await anyio.sleep(80)
        assert len(services.other.accepted) == (not waits)
        await anyio.sleep(20)
        assert len(services.other.accepted) == 1

    assert "example" not in (tmp_path / "webhook.waits.json").read_text()


@pytest.mark.real_clock
async def test_events_for_a_target_that_is_gone_are_kept(
    services: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    services.other.answers += [lambda _: httpx.Response(503)] * 100
    async with running(services.client(), {"old": OTHER}, state=tmp_path) as (bus, _):
        bus.plugins.drain_timeout = 0
        await publish(bus, JOINED)

    services.other.answers.clear()
    async with running(services.client(), {"new": OTHER}, state=tmp_path) as (bus, plugin):
        await publish(bus, STARTED)
        await until(lambda: plugin.health().undelivered == 1)

    assert [data["id"] for data in services.other.accepted] == [STARTED.id]
    assert "the outbox keeps 1 event for target 'old', which is not configured" in caplog.text


@pytest.mark.real_clock
async def test_an_event_of_a_plugin_that_is_gone_is_a_dead_letter(
    services: Any, tmp_path: Path
) -> None:
    services.other.answers += [lambda _: httpx.Response(503)] * 100
    async with running(services.client(), {"a": OTHER}, state=tmp_path) as (bus, _):
        bus.plugins.drain_timeout = 0
        bus.events.register(FlagCaptured)
        await publish(bus, FlagCaptured(team="red"), JOINED)

    services.other.answers.clear()
    async with running(services.client(), {"a": OTHER}, state=tmp_path) as (_, plugin):
        await until(lambda: services.other.accepted)
        outbox = plugin.outbox()
        assert isinstance(outbox, Outbox)
        (dead,) = await outbox.dead_letters()

    assert [data["id"] for data in services.other.accepted] == [JOINED.id]
    assert "unknown event type 'flag_captured'" in dead.reason


@pytest.mark.real_clock
async def test_no_secret_is_logged(
    services: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path, key: str
) -> None:
    caplog.set_level(logging.DEBUG)
    services.other.answers += [
        lambda r: httpx.Response(400, text=f"you sent {r.url} {r.headers['X-Key'].split()}"),
        lambda r: httpx.Response(503, text=f"you sent {r.url} {dict(r.headers)}"),
        lambda r: httpx.Response(401, text=f"you sent {r.url} {dict(r.headers)}"),
    ]
    target = {
        "url": "https://example.org/hooks/secret-in-path?key=secret-in-query",
        "token": "secret-of-the-token",
        "headers": {"X-Key": "Basic secret-of-the-header"},
        "sign": key,
    }
    async with running(services.client(), {"a": target}, state=tmp_path) as (bus, plugin):
        await publish(bus, JOINED, STARTED)
        await until(lambda: plugin.health().status == "failed")
        detail = plugin.health().detail
        outbox = plugin.outbox()
        assert isinstance(outbox, Outbox)
        (dead,) = await outbox.dead_letters()

    assert "you sent" in dead.detail
    for text in (caplog.text, detail, dead.reason, dead.detail):
        assert "secret" not in text
        assert key not in text

    assert "secret" not in (tmp_path / "webhook.outbox").read_bytes().decode(errors="ignore")


async def test_an_unknown_target_or_event_type_keeps_the_plugin_from_starting(
    services: Any,
) -> None:
    targets = {"office": {"url": "https://example.org/"}}
    for routes, problem in [
        ([{"target": "ofice"}], "routes.0.target.0: no target is named 'ofice', did you mean"),
        ([{"events": "peer_joind"}], "routes.0.events.0: no event type is named 'peer_joind'"),
    ]:
        with pytest.raises(PluginStartError) as caught:
            async with running(services.client(), targets, routes):
                raise AssertionError

        assert problem in str(caught.value)


def problems(targets: dict[str, Any], routes: Any = (), *folders: Path) -> list[ConfigProblem]:
    config = WebhookConfig.model_validate({"targets": targets, "routes": routes})
    bus = EventBus(templates=folders)
    bus.register(WebhookPlugin(config), "webhook")
    return bus.plugins.problems("webhook")


def test_a_check_finds_what_is_wrong_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "webhook").mkdir()
    (tmp_path / "webhook" / "peer_joined.yaml").write_text("titel: x\n")
    targets = {
        "a": {"url": "https://example.org/", "body": {"x": "{{ peer_nam }}", "y": "{{ x"}},
        "unused": {"url": "https://example.org/"},
    }
    routes = [{"events": ["peer_joined"], "where": {"peer_nme": "x"}, "target": ["a", "b"]}]

    found = {problem.path: problem for problem in problems(targets, routes, tmp_path)}
    assert found["routes", 0, "target", 1].message == "no target is named 'b', known: a, unused"
    assert "did you mean 'peer_name'?" in found["routes", 0, "where", "peer_nme"].message
    assert "did you mean 'title'?" in found[()].message
    assert found[()].place.endswith("peer_joined.yaml:1:1")
    assert found["targets", "a", "body", "x"].warning
    assert not found["targets", "a", "body", "y"].warning
    assert (
        found["targets", "unused"].message == "no route names this target, so nothing is sent to it"
    )
    assert len(found) == 6


async def test_a_running_plugin_has_the_problems_of_the_templates_that_it_has_read(
    tmp_path: Path,
) -> None:
    file = tmp_path / "webhook" / "peer_joined.yaml"
    file.parent.mkdir()
    file.write_text("titel: x\n")
    config = WebhookConfig.model_validate({"targets": {"a": {"url": "https://example.org/"}}})
    bus = EventBus(templates=[tmp_path])
    bus.register(WebhookPlugin(config), "webhook")
    before = bus.plugins.problems("webhook")
    async with bus:
        file.unlink()
        assert bus.plugins.problems("webhook") == before
        assert "did you mean 'title'?" in before[0].message
        bus.plugins.reload_templates()
        assert bus.plugins.problems("webhook") == []


def test_right_settings_have_no_problem(services: Any) -> None:
    assert problems(settings_of(services)) == []


async def test_an_online_check_asks_what_can_be_asked_and_sends_nothing(services: Any) -> None:
    targets = settings_of(services) | {"other": {"url": "https://example.org/"}}
    plugin = WebhookPlugin(
        WebhookConfig.model_validate({"targets": targets}), http=services.client()
    )
    bus = EventBus()
    bus.register(plugin, "webhook")

    found = await bus.plugins.check_online("webhook")
    assert {name: health.status for name, health in found.items()} == {
        "target 'ntfy'": "ok",
        "target 'matrix'": "ok",
        "target 'home_assistant'": "ok",
        "target 'telegram'": "ok",
    }
    for stand_in in services.by_host.values():
        assert stand_in.accepted == []


async def test_an_online_check_logs_no_secret(
    services: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config = WebhookConfig.model_validate({"targets": {"group": settings_of(services)["telegram"]}})
    bus = EventBus()
    bus.register(WebhookPlugin(config, http=services.client()), "webhook")

    await bus.plugins.check_online("webhook")
    assert "api.telegram.org" in caplog.text
    assert services.telegram.token not in caplog.text


@pytest.mark.slow
async def test_all_words_of_a_secret_are_masked(services: Any) -> None:
    services.other.answers.append(lambda r: httpx.Response(401, text=r.headers["X-Key"]))
    target = {**OTHER, "headers": {"X-Key": "hidden-first hidden-last"}}
    async with running(services.client(), {"a": target}) as (bus, plugin):
        await publish(bus, JOINED)
        await until(lambda: plugin.health().status == "failed")
        assert "hidden" not in plugin.health().detail


async def test_an_online_check_says_what_is_wrong(services: Any) -> None:
    targets = settings_of(services)
    targets["matrix"] |= {"token": "wrong-token"}
    targets["telegram"] |= {"to": "99"}
    services.ntfy.answers.append(lambda _: httpx.Response(502))
    plugin = WebhookPlugin(
        WebhookConfig.model_validate({"targets": targets}), http=services.client()
    )
    bus = EventBus()
    bus.register(plugin, "webhook")

    found = await bus.plugins.check_online("webhook")
    assert found["target 'matrix'"].status == found["target 'telegram'"].status == "failed"
    assert "Invalid access token" in found["target 'matrix'"].detail
    assert "chat not found" in found["target 'telegram'"].detail
    assert found["target 'ntfy'"].status == "degraded"


async def test_templates_that_change_are_used_for_what_is_sent_next(
    services: Any, tmp_path: Path
) -> None:
    (tmp_path / "webhook").mkdir()
    config = WebhookConfig.model_validate({"targets": {"n": settings_of(services)["ntfy"]}})
    bus = EventBus(templates=[tmp_path])
    bus.register(WebhookPlugin(config, http=services.client()), "webhook")
    async with bus:
        await publish(bus, JOINED)
        await until(lambda: services.ntfy.accepted)
        (tmp_path / "webhook" / "peer_joined.yaml").write_text("title: Hi {{ peer_name }}\n")
        assert bus.plugins.reload_templates() == {"webhook": []}
        await publish(bus, JOINED)
        await until(lambda: len(services.ntfy.accepted) == 2)

    assert [data["title"] for data in services.ntfy.accepted] == ["👋 Ann joined", "Hi Ann"]


async def test_the_metrics_count_by_target(services: Any) -> None:
    async with running(services.client(), {"a": {"url": "https://example.org/"}}) as (bus, plugin):
        await publish(bus, JOINED)
        await until(lambda: services.other.accepted)
        samples = {
            (metric.name, *sample.labels.values()): sample.value
            for metric in plugin.metrics()
            for sample in metric.samples
        }

    assert any(value == 1 for key, value in samples.items() if "a" in key), samples


def test_a_preview_shows_what_each_target_would_get() -> None:
    targets = {
        "phone": {"preset": "ntfy", "to": "lan", "body": {"x": "{{ nope }}"}},
        "text": {"url": "https://example.org/", "body": "{{ peer_name }}"},
        "other": {"url": "https://example.org/"},
    }
    routes = [{"events": "peer_joined", "target": ["text", "phone"]}]
    config = WebhookConfig.model_validate({"targets": targets, "routes": routes})
    bus = EventBus()
    bus.register(WebhookPlugin(config), "webhook")

    text, phone = bus.plugins.preview(JOINED)["webhook"]
    assert (text.title, text.text, text.json) == ("target 'text'", "Ann", None)
    assert phone.title == "target 'phone'"
    assert phone.json == {
        "title": "👋 Ann joined",
        "message": "Welcome to Friday LAN!",
        "topic": "lan",
    }
    assert [problem.path for problem in phone.problems] == [("targets", "phone", "body", "x")]
    assert bus.plugins.preview(STARTED) == {"webhook": []}


def test_a_route_without_targets_names_none() -> None:
    routes = [{"events": "game_ended", "target": [], "stop": True}, {"target": "a"}]
    targets = {"a": {"url": "https://example.org/"}, "b": {"url": "https://example.org/"}}

    (problem,) = problems(targets, routes)
    assert problem.path == ("targets", "b")
