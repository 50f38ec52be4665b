"""Queries to plugins that return or raise anything, or change the bus meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events import ConfigProblem, Event, EventBus, Health, PeerJoined, hookimpl


class UnreadableError(Exception):
    """Raises when it is shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class UnreadableExitError(UnreadableError):
    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class BrokenHealth(Health):
    """Raises when its status is read."""

    def __getattribute__(self, name: str) -> Any:
        if name == "status":
            raise OSError("no status")

        return super().__getattribute__(name)


UNREADABLE = [UnreadableError, UnreadableExitError]


def plugin_with(hook: str, function: Callable[..., object]) -> object:
    return type("Plugin", (), {hook: hookimpl(function)})()


def answering(hook: str, answer: object) -> object:
    return plugin_with(hook, lambda self: answer)


STATUS = "hook 'health' must return a Health whose status is 'ok' or 'degraded' or 'failed', not "
DETAIL = "hook 'health' must return a Health whose detail is a text, not "
UNDELIVERED = (
    "hook 'health' must return a Health whose undelivered is a whole number, at least 0, not "
)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (None, "hook 'health' must return a Health, not None"),
        ("fine", "hook 'health' must return a Health, not 'fine'"),
        (UnreadableExitError(), "<UnreadableExitError (its text cannot be read)>"),
        ("x" * 10_000, "hook 'health' must return a Health, not 'xxx"),
        (Health("nonsense", "x"), f"{STATUS}'nonsense'"),  # type: ignore[arg-type]
        (Health(None), f"{STATUS}None"),  # type: ignore[arg-type]
        (Health([]), f"{STATUS}[]"),  # type: ignore[arg-type]
        (Health("ok", None), f"{DETAIL}None"),  # type: ignore[arg-type]
        (Health("ok", 7), f"{DETAIL}7"),  # type: ignore[arg-type]
        (Health("ok", OSError("x")), f"{DETAIL}OSError('x')"),  # type: ignore[arg-type]
        (Health("ok", UnreadableError()), f"{DETAIL}<UnreadableError"),  # type: ignore[arg-type]
        (Health("ok", "", "many"), f"{UNDELIVERED}'many'"),  # type: ignore[arg-type]
        (Health("ok", "", 1.5), f"{UNDELIVERED}1.5"),  # type: ignore[arg-type]
        (Health("ok", "", -1), f"{UNDELIVERED}-1"),
        (BrokenHealth(), "hook 'health' failed: OSError: no status"),
    ],
)
async def test_a_health_that_is_none_is_the_failure_of_its_plugin(
    answer: object, detail: str
) -> None:
    async with EventBus() as bus:
        bus.register(answering("health", answer), "odd")
        bus.register(answering("health", Health("degraded", "waits", 3)), "neighbour")
        health = bus.health()

    assert health["odd"].status == "failed"
    assert detail in health["odd"].detail
    assert len(health["odd"].detail) < 400
    assert health["neighbour"] == Health("degraded", "waits", 3)


async def test_the_detail_of_a_health_can_be_encoded() -> None:
    async with EventBus() as bus:
        bus.register(answering("health", Health("ok", "half \ud83d")), "odd")
        assert bus.health()["odd"] == Health("ok", "half ?")


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_an_error_whose_text_cannot_be_read_is_named(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise kind

    @asynccontextmanager
    async def failing_lifespan(self: object, bus: EventBus) -> AsyncIterator[None]:
        fail()
        yield

    async with EventBus(trace=True) as bus:
        bus.register(plugin_with("peer_joined", fail), "event")
        bus.register(plugin_with("health", fail), "health")
        bus.register(plugin_with("metrics", fail), "metrics")
        bus.register(plugin_with("lifespan", failing_lifespan), "lifespan")
        bus.register(plugin_with("validate", fail), "validate")
        for _ in range(3):
            await bus.publish(PeerJoined(peer_name="Ann", party_name="Friday LAN"))

        await bus.drain()
        await wait_all_tasks_blocked()
        assert bus.query("metrics") == {}
        text = f"{kind.__name__} (its text cannot be read)"
        assert {name: h.detail for name, h in bus.health().items()} == {
            "event": f"the last event failed: {text}",
            "health": f"hook 'health' failed: {text}",
            "metrics": "",
            "lifespan": f"it failed: {text}",
            "validate": "",
        }
        assert bus.plugins.validate() == [("validate", f"hook 'validate' failed: {text}")]

    assert "plugin 'event': hook 'fail' failed on" in caplog.text
    assert "'lifespan' failed" in caplog.text


@pytest.mark.parametrize("answer", [None, 7, "one problem", b"one"])
def test_problems_are_an_iterable(answer: object) -> None:
    bus = EventBus()
    bus.register(plugin_with("validate", lambda self, bus: answer), "odd")
    problem = f"hook 'validate' must return an iterable of texts, not {answer!r}"
    [(name, text)] = bus.plugins.validate()
    assert name == "odd"
    assert text.startswith(problem)


@pytest.mark.parametrize("answer", [7, "one problem", b"one"])
async def test_a_wrong_answer_about_templates_is_logged_with_its_hook(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with EventBus() as bus:
        plugin = plugin_with("templates_changed", lambda self, bus: answer)
        await bus.plugins.register_and_wait(plugin, "odd")
        assert bus.plugins.reload_templates() == {}

    problem = f"hook 'templates_changed' must return an iterable of texts, not {answer!r}"
    assert problem in caplog.text


async def test_no_answer_about_templates_is_no_problem() -> None:
    async with EventBus() as bus:
        plugin = plugin_with("templates_changed", lambda self, bus: None)
        await bus.plugins.register_and_wait(plugin, "content")
        assert bus.plugins.reload_templates() == {"content": []}


def test_a_problem_may_name_its_setting_and_be_a_warning() -> None:
    error = ConfigProblem("there is no such event type", ("routes", 0, "events"))
    warning = ConfigProblem("no event reaches it", ["routes", 1], warning=True)  # type: ignore[arg-type]
    bus = EventBus()
    bus.register(plugin_with("validate", lambda self, bus: ["odd", error, warning]), "odd")
    bus.register(plugin_with("health", lambda self: Health()), "silent")
    assert bus.plugins.problems("odd") == [ConfigProblem("odd"), error, warning]
    assert warning.path == ("routes", 1)
    assert bus.plugins.problems("silent") == []
    # Programs that know nothing of warnings see what keeps the plugin from working.
    assert bus.plugins.validate() == [
        ("odd", "odd"),
        ("odd", "routes.0.events: there is no such event type"),
    ]
    with pytest.raises(LookupError):
        bus.plugins.problems("nobody")


@pytest.mark.parametrize("path", ["routes", b"routes", [("routes", 0)], [None]])
def test_the_path_of_a_problem_is_a_tuple_of_keys(path: Any) -> None:
    with pytest.raises(TypeError, match="path: expected a tuple of keys and indices"):
        ConfigProblem("odd", path)


def test_a_problem_in_another_file_is_named_by_its_place() -> None:
    problem = ConfigProblem("not a color", ("templates",), place="peer_joined.yaml:3:9")
    assert str(problem) == "peer_joined.yaml:3:9: not a color"


@pytest.mark.parametrize("answer", [None, 7, "folder", [7], [None]])
async def test_template_folders_that_are_none_are_skipped_and_logged(
    answer: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with EventBus() as bus:
        bus.register(answering("template_folders", answer), "odd")
        bus.register(answering("template_folders", [tmp_path]), "neighbour")
        folders = bus.template_folders()

    assert folders[0] == tmp_path
    assert len(folders) == 2
    [record] = caplog.records
    assert "must return a list of folders, each a pathlib.Path" in record.getMessage()


class Busybody:
    """Registers, subscribes and unsubscribes in every hook by which it is queried."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.subscriptions = [bus.subscribe(Event, self.handle, name="first")]

    def handle(self, event: Event) -> None:
        pass

    def meddle(self) -> None:
        self.bus.register(answering("health", Health()), f"new {len(self.bus.plugins)}")
        self.subscriptions.pop().unsubscribe()
        self.subscriptions.append(self.bus.subscribe(Event, self.handle))

    @hookimpl
    def health(self) -> Health:
        self.meddle()
        return Health("degraded", "I meddle")

    @hookimpl
    def metrics(self) -> list[Any]:
        self.meddle()
        return []

    @hookimpl
    def validate(self, bus: EventBus) -> list[str]:
        self.meddle()
        return ["I meddle"]


async def test_a_hook_may_change_the_bus_while_it_is_queried() -> None:
    async with EventBus() as bus:
        bus.register(Busybody(bus), "meddler")
        bus.register(answering("metrics", ()), "last")
        health = bus.health()
        assert health["meddler"].detail == "I meddle"
        assert "last" in health
        assert bus.query("metrics").keys() == {"meddler", "last"}
        assert bus.plugins.validate() == [("meddler", "I meddle")]
        assert [*bus.plugins] == ["meddler", "last", *(f"new {n}" for n in range(2, 7))]


# check_online


async def ask(plugin: object) -> dict[str, Health]:
    bus = EventBus()
    bus.register(plugin, "odd")
    return await bus.plugins.check_online("odd")


async def test_a_plugin_says_whether_its_services_exist() -> None:
    async def check_online(self: object, bus: object) -> dict[str, Health]:
        assert isinstance(bus, EventBus)
        await wait_all_tasks_blocked()
        return {"the server": Health("failed", "it does not exist")}

    found = await ask(plugin_with("check_online", check_online))
    assert found == {"the server": Health("failed", "it does not exist")}


async def test_a_plugin_without_the_hook_has_no_services() -> None:
    assert await ask(plugin_with("health", lambda self: Health())) == {}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (["x"], "hook 'check_online' must return a mapping from names to Health, not ['x']"),
        ({"x": "ok"}, "hook 'check_online' must return a Health, not 'ok'"),
        ({"x": Health("good")}, "hook 'check_online' must return a Health whose status is"),  # type: ignore[arg-type]
    ],
)
async def test_a_wrong_answer_is_its_own_failure(answer: object, problem: str) -> None:
    async def check_online(self: object, bus: object) -> object:
        return answer

    [health] = (await ask(plugin_with("check_online", check_online))).values()
    assert health.status == "failed"
    assert health.detail.startswith(problem)


async def test_what_a_service_raises_is_its_failure() -> None:
    async def check_online(self: object, bus: object) -> None:
        raise OSError("no route")

    assert await ask(plugin_with("check_online", check_online)) == {
        "odd": Health("failed", "hook 'check_online' failed: OSError: no route")
    }


async def test_a_service_that_does_not_answer_is_given_up_after_a_minute() -> None:
    async def check_online(self: object, bus: object) -> None:
        await anyio.sleep_forever()

    began = anyio.current_time()
    assert await ask(plugin_with("check_online", check_online)) == {
        "odd": Health("degraded", "no answer within 60 seconds")
    }
    assert anyio.current_time() - began == pytest.approx(60)
