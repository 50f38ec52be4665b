"""Mistakes in the hooks of a plugin, and right plugins that look like them."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from lanrage_events import (
    Event,
    EventBus,
    Health,
    Metric,
    PeerJoined,
    PeerLeft,
    PluginError,
    PluginHookError,
    hookimpl,
    on,
)
from lanrage_events.abc import Bus
from lanrage_events.delivery import Delivery, Outcome

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found, unused-ignore]


def error_of(plugin: object) -> str:
    with pytest.raises(PluginError) as caught:
        EventBus().register(plugin, "mine")

    return str(caught.value)


def problems_of(plugin: object) -> list[str]:
    bus = EventBus()
    bus.register(plugin, "mine")
    return [str(problem.message) for problem in bus.plugins.problems("mine")]


class Marked:
    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None: ...


# Methods that are named like a hook, but not marked


class Reports(Marked):
    def health(self):  # type: ignore[no-untyped-def]
        return Health("ok")


class Asks:
    """It uses the same names of something else."""

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        bus.health()
        yield

    def health(self) -> Health:
        return Health()


class Keeps(Marked):
    durable = True

    def outbox(self):  # type: ignore[no-untyped-def]
        return self.kept  # type: ignore[attr-defined]


class Transforms(Marked):
    transform_required = True

    def transform(self, event: Event) -> Event:
        return getattr(event, "transform", event)


class Names(Marked):
    def peer_left(self, event: PeerLeft) -> dict[str, str]:
        return {"type": "peer_left"}

    def other(self) -> dict[str, str]:
        return {"type": "peer_left"}


class AnotherArgument(Marked):
    def peer_left(self, left: PeerLeft) -> None: ...


@pytest.mark.parametrize("plugin", [Reports, Asks, Keeps, Transforms, Names, AnotherArgument])
def test_a_hook_without_its_mark_is_an_error_unless_the_plugin_uses_it(
    plugin: Callable[[], object],
) -> None:
    assert "is named like a hook, but not marked, so it is never called" in error_of(plugin())


def test_a_hook_without_its_mark_that_may_have_another_purpose_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Plugin(Marked):
        def health(self):  # type: ignore[no-untyped-def]
            return self.state  # type: ignore[attr-defined]

    [problem] = problems_of(Plugin())
    assert problem.startswith("method 'health' is named like a hook, but not marked")
    assert problem in caplog.text


class LooksUp:
    @hookimpl
    def event(self, event: Event) -> None:
        getattr(self, event.type, print)(event)

    def peer_joined(self, event: PeerJoined) -> None: ...


class Composes:
    @hookimpl
    def event(self, event: Event) -> None:
        getattr(self, f"peer_{event.type[5:]}")(event)

    def peer_joined(self, event: PeerJoined) -> None: ...


class Dispatches:
    @functools.singledispatchmethod
    def handle(self, event: Event) -> None: ...

    @handle.register
    def peer_joined(self, event: PeerJoined) -> None: ...

    @hookimpl
    def event(self, event: Event) -> None:
        self.handle(event)


class HasTable:
    def peer_joined(self, event: PeerJoined) -> None: ...

    HANDLERS = {PeerJoined: peer_joined}  # noqa: RUF012

    @hookimpl
    def event(self, event: Event) -> None:
        self.HANDLERS[type(event)](self, event)  # type: ignore[index, arg-type]


class Computes(Marked):
    @property
    def status(self) -> str:
        return self.health().status

    def health(self) -> Health:
        return Health()


class Subscribes:
    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        with bus.subscribe(PeerJoined, lambda event: self.peer_joined(event)):
            yield

    def peer_joined(self, event: PeerJoined) -> None: ...


class Framework:
    @hookimpl
    def event(self, event: Event) -> None:
        self.peer_joined(event)

    def peer_joined(self, event: Event) -> None:
        raise NotImplementedError


class OfFramework(Framework):
    def peer_joined(self, event: Event) -> None: ...


class Others(Marked):
    """What cannot be called as a hook is none."""

    def health(self, verbose: bool) -> Health:
        return Health(detail=str(verbose))

    def transform(self, text: str) -> str:
        return text

    def notification(self) -> None: ...

    def metrics(self) -> dict[str, int]:
        return {}


class ManyShapes:
    @hookimpl
    @asynccontextmanager
    async def lifespan(this, bus: Bus) -> AsyncIterator[None]:
        if bus:
            yield
        else:
            yield

    @hookimpl
    def peer_joined(this, event: PeerJoined, again: int = 1, *, more: int = 2) -> None: ...

    @hookimpl
    def metrics(self) -> Iterator[Metric]:
        yield from ()

    @hookimpl
    def health(self) -> Health:
        return self.made_in_lifespan  # type: ignore[attr-defined, no-any-return]

    @hookimpl
    def outbox(self) -> None:
        return None

    @staticmethod
    @on(PeerJoined)
    def greet(event: PeerJoined) -> None: ...

    @classmethod
    @hookimpl
    def peer_left(cls, event: PeerLeft) -> None: ...


class Publishes:
    def __init__(self) -> None:
        self.client: Any = None
        self.bus: Any = None

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        self.client.publish("lan/joined", event.peer_name)
        self.bus.publish_nowait(event)

    @hookimpl
    async def peer_left(self, event: PeerLeft) -> None:
        await self.bus.publish(event)
        waiting = self.bus.publish(event)
        await waiting
        self.start(self.bus.publish(event))

    def start(self, task: object) -> None: ...


RIGHT = [
    LooksUp, Composes, Dispatches, HasTable, Computes, Subscribes, OfFramework, Others, ManyShapes,
    Publishes,
]  # fmt: skip


@pytest.mark.parametrize("plugin", RIGHT)
def test_a_right_plugin_has_no_problems(
    plugin: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    assert problems_of(plugin()) == []
    assert caplog.messages == []


def test_a_module_may_call_a_function_that_is_named_like_a_hook() -> None:
    module = ModuleType("a_plugin")
    exec(
        "from lanrage_events import hookimpl\n"
        "def peer_joined(event): ...\n"
        "@hookimpl\n"
        "def event(event): peer_joined(event)\n",
        vars(module),
    )
    assert problems_of(module) == []


# Arguments


def plugin_with(hook: str, function: Any) -> object:
    return type("Plugin", (), {hook: hookimpl(function)})()


@pytest.mark.parametrize(
    ("hook", "function", "text"),
    [
        ("peer_joined", lambda self, evt: None, ("has an argument 'evt', which it is not called "
         "with: call it 'event', the only one")),
        ("peer_joined", lambda self, event, bus: None, ("has an argument 'bus', which it is not "
         "called with: omit it, the hook has only 'event', and 'lifespan' gets the bus")),
        ("preview", lambda self, event, host: None, ("call it 'bus', the arguments of this hook are "
         "'event' and 'bus'")),
        ("metrics", lambda self, bus: None, "omit it, the hook has no arguments"),
        ("peer_joined", lambda event: None, "has no 'self': write def <lambda>(self, event), or"),
        ("health", lambda: None, "has no 'self': write def <lambda>(self), or add @staticmethod"),
        ("peer_joined", lambda self, *, event: None, "takes 'event' only by its name: omit the '*'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(hook: str, function: Any, text: str) -> None:
    error = error_of(plugin_with(hook, function))
    assert f"plugin 'mine': hook '{hook}' " in error
    assert text in error


def test_a_handler_without_self_is_an_error() -> None:
    class Plugin:
        @on(PeerJoined)
        def greet(event: PeerJoined) -> None: ...  # type: ignore[misc]

    assert "method 'greet' has no 'self': write def greet(self, event)" in error_of(Plugin())


def test_all_mistakes_of_a_plugin_are_reported_at_once() -> None:
    class Plugin:
        @hookimpl
        def peer_joined(self, evt: PeerJoined) -> None: ...

        @hookimpl
        def peer_left(self, event: PeerJoined) -> None: ...

        @hookimpl
        async def health(self) -> None: ...

        def game_ended(self, event: Event) -> None: ...

        @on(PeerJoined)  # type: ignore[arg-type]
        def greet(self, event: PeerLeft) -> None: ...  # type: ignore[misc]

    lines = error_of(Plugin()).splitlines()
    assert len(lines) == 5
    assert all(line.startswith("plugin 'mine': ") for line in lines)


# Event classes


@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(Event):
    map_name: str


def test_an_event_class_that_is_not_registered_is_named() -> None:
    def changed(self: object, event: MapChanged) -> None: ...

    bus = EventBus()
    bus.register(plugin_with("map_changed", changed))
    bus.register(plugin_with("map_changes", lambda self, event: None), "unannotated")
    (_, named), (_, unnamed) = bus.plugins.validate()
    assert "since MapChanged is not registered: return [MapChanged] from the hook" in named
    assert "did you mean" not in named
    assert "register its event class" in unnamed.partition("did you mean")[0]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (MapChanged, "not the class MapChanged: return [MapChanged]"),
        (None, "not None: return an empty list for none"),
        ("map_changed", "must return a list of event classes, not 'map_changed'"),
    ],
)
def test_event_classes_are_returned_in_a_list(answer: object, text: str) -> None:
    assert text in error_of(plugin_with("register_events", lambda self: answer))


# What hooks declare


@pytest.mark.parametrize(
    ("hook", "answer", "text"),
    [
        ("template_folders", "mine", "not 'mine': return [Path('mine')]"),
        ("template_folders", Path("mine"), "return [Path('mine')]"),
        ("template_folders", [Path("no_such")], "returns 'no_such', which is no folder: create it"),
        ("written_files", "mine", "not 'mine': return [Path('mine')]"),
        ("replaced_events", [1], "must return a list of pairs of events, not [1]"),
        ("replaced_events", [(1, 2)], "must return a list of pairs of events, not [(1, 2)]"),
        ("metrics", {"a": 1}, "must return a list of Metric, not {'a': 1}"),
        ("metrics", [1], "must return a list of Metric, not (1,)"),
        ("metrics", Metric(name="a", help="b", samples=[]), ": put it in a list"),
        ("http_routes", None, "must return a list of Route, not None: return an empty list"),
        ("http_routes", [("GET", "/x")], "must return a list of Route, not (('GET', '/x'),)"),
        ("http_pages", ["seats"], "must return a list of Page, not ('seats',)"),
        ("invite_url", ["https://x"], "must return a text, or None, not ['https://x']"),
        ("outbox", [], "must return an Outbox, another Storage, or None, not []"),
        ("health", "ok", "must return a Health, not 'ok'"),
    ],
)
def test_a_wrong_declaration_is_found_before_the_start(hook: str, answer: Any, text: str) -> None:
    [problem] = problems_of(plugin_with(hook, lambda self: answer))
    assert f"hook '{hook}' " in problem
    assert text in problem


def test_a_declaration_that_its_class_rejects_is_found_before_the_start() -> None:
    def metrics(self: object) -> list[Metric]:
        return [Metric(name="my metric", help="b", samples=[])]

    def lacks(self: Any) -> list[Metric]:
        return [self.made_in_the_lifespan]

    [problem] = problems_of(plugin_with("metrics", metrics))
    assert problem.startswith("hook 'metrics' failed: ValueError: 'my metric' is not the name of a")
    assert problems_of(plugin_with("metrics", lacks)) == []


async def test_a_wrong_declaration_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async with EventBus() as bus:
        bus.register(plugin_with("written_files", lambda self: "a.log"), "mine")
        assert bus.query("written_files") == {}

    [record] = caplog.records
    assert record.getMessage() == (
        "plugin 'mine': hook 'written_files' must return a list of paths and file descriptors, not "
        "'a.log': return [Path('a.log')]"
    )
    assert record.exc_info is None


# Lifespans


async def without_yield(self: object, bus: Bus) -> None: ...


def sync(self: object, bus: Bus) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("lifespan", "text"),
    [
        (asynccontextmanager(without_yield), "has no 'yield': yield once, where"),  # type: ignore[arg-type]
        (asynccontextmanager(sync), "is not async: write 'async def'"),  # type: ignore[arg-type]
        (contextmanager(sync), "is decorated with @contextmanager, which is sync"),
    ],
)
def test_a_lifespan_that_cannot_be_entered_is_an_error(lifespan: Any, text: str) -> None:
    assert f"hook 'lifespan' {text}" in error_of(plugin_with("lifespan", lifespan))


# Coroutines that nobody awaits


def test_publishing_without_await_is_a_warning() -> None:
    class Plugin:
        bus: Any = None

        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            self.bus.publish(PeerLeft(peer_name=f"{event.peer_name}!", party_name="LAN"))

        @hookimpl
        async def peer_left(self, event: PeerLeft) -> None:
            self.bus.drain()

    assert sorted(problems_of(Plugin())) == [
        (
            "'peer_joined' calls bus.publish without 'await', so that nothing happens: use "
            "bus.publish_nowait, or make it 'async def' and await it"
        ),
        "'peer_left' calls bus.drain without 'await', so that nothing happens: await it",
    ]


class Recorder:
    async def put(self, data: object) -> None: ...

    def get(self, data: object) -> None: ...


async def helper(*data: object) -> None: ...


class Forgetful:
    def __init__(self) -> None:
        self.recorder = Recorder()

    def of_an_attribute(self) -> None:
        self.recorder.put([1, *self.other()])  # type: ignore[unused-coroutine]

    def of_its_own(self) -> None:
        self.renew("a", b=1)  # type: ignore[unused-coroutine]

    def of_a_module(self) -> None:
        anyio.sleep(1)  # type: ignore[unused-coroutine]

    async def of_a_function(self) -> None:
        helper(*self.other())  # type: ignore[unused-coroutine]

    def other(self) -> list[int]:
        self.recorder.get(1)
        return [1]

    async def renew(self, a: str, *, b: int) -> None:
        await self.recorder.put(1)
        await helper(helper)
        await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.recorder.put, 1)
            tasks.start_soon(helper, self.renew)
            self.recorder.get(helper)
            self.other()

        self.recorder.get([self.renew, helper])
        self.other()

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> object:
        return helper()


def test_calling_any_coroutine_function_without_await_is_a_warning() -> None:
    make = "make it 'async def' and await it"
    lost = "without 'await', so that nothing happens"
    assert sorted(problems_of(Forgetful())) == [
        f"'of_a_function' calls helper {lost}: await it",
        f"'of_a_module' calls anyio.sleep {lost}: {make}",
        f"'of_an_attribute' calls self.recorder.put {lost}: {make}",
        f"'of_its_own' calls self.renew {lost}: {make}",
    ]


@pytest.mark.parametrize("hooks", [(), ("health",), ("outbox",)])
def test_a_delivery_of_which_nothing_is_seen_is_a_warning(hooks: tuple[str, ...]) -> None:
    async def send(entries: object) -> Outcome:
        return Outcome.delivered()

    class Sink(Marked):
        def __init__(self) -> None:
            self.delivery = Delivery(send)

    seen = {"health": lambda self: Health(), "outbox": lambda self: None}
    marked = {hook: hookimpl(seen[hook]) for hook in hooks}
    [problem] = problems_of(type("Seen", (Sink,), marked)())
    assert [hook for hook in seen if f"no hook '{hook}'" in problem] == [
        hook for hook in seen if hook not in hooks
    ]
    assert not problems_of(type("Seen", (Sink,), {h: hookimpl(f) for h, f in seen.items()})())


class Opaque:
    """No JSON expresses it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatTaken(Event):
    number: int
    seat: Opaque


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatLeft(Event):
    seat: Unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatCleaned(Event):
    seats: dict[str, list[int]]
    by: str | None = None


@pytest.mark.parametrize(
    ("event_class", "problem"),
    [
        (
            SeatTaken,
            "'seat_taken': JSON cannot express field 'seat', of the type Opaque: use texts",
        ),
        (SeatLeft, "'seat_left': name 'Unknown' is not defined: import it outside of"),
        (SeatCleaned, ""),
    ],
)
def test_a_field_that_json_cannot_express_is_a_warning(
    event_class: type[Event], problem: str
) -> None:
    plugin = plugin_with("register_events", lambda self: [event_class])
    problems = problems_of(plugin)
    assert len(problems) == bool(problem)
    assert all(f"event type {problem}" in found for found in problems)


def test_a_property_cannot_be_marked_as_a_hook() -> None:
    with pytest.raises(TypeError, match="marks a function, not a property: mark a method"):
        hookimpl(property(lambda self: None))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("wrong", "given"),
    [
        ({"when_full": "wait"}, {"when_full": "block"}),
        ({"mailbox_size": 0}, {"mailbox_size": 5}),
        ({"hook_timeout": "1s"}, {"hook_timeout": 1}),
        ({"start_timeout": -1}, {"start_timeout": 1}),
    ],
)
def test_a_wrong_option_of_a_plugin_is_an_error_even_if_another_value_is_given(
    wrong: dict[str, Any], given: Any
) -> None:
    plugin = type("Wrong", (Marked,), wrong)()
    with pytest.raises((TypeError, ValueError), match=f"{next(iter(wrong))} must be"):
        EventBus().register(plugin, **given)


@pytest.mark.parametrize("waits", [True, False])
async def test_the_traceback_of_a_transform_has_nothing_of_the_bus_before_it(
    waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def transform(self: object, event: PeerJoined) -> Any:
        raise ValueError("no such clan")

    event = PeerJoined(peer_name="Ann", party_name="LAN")
    async with EventBus() as bus:
        bus.register(plugin_with("transform", transform))
        if waits:
            await bus.publish(event)
        else:
            bus.publish_nowait(event)

    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert record.exc_info[1].__context__ is None


def test_a_plugin_with_mistakes_is_not_registered() -> None:
    bus = EventBus()
    with pytest.raises(PluginHookError):
        bus.register(plugin_with("peer_joined", lambda self, evt: None))

    assert not bus.plugins
    bus.register(plugin_with("peer_joined", lambda self, event: None))


# Options


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hookimpl(thread=True), "no option 'thread', did you mean 'threaded'?"),  # type: ignore[call-overload]
        (lambda: on(PeerJoined, wher=print), "on has no option 'wher', did you mean 'where'?"),  # type: ignore[call-overload]
        (lambda: EventBus(drain_timout=1), "EventBus has no option 'drain_timout', did you mean"),  # type: ignore[call-arg]
        (lambda: EventBus(colour=1), "EventBus has no option 'colour', known are blocked_after, "),  # type: ignore[call-arg]
        (lambda: EventBus().subscribe(PeerJoined, print, when_ful="block"), "mean 'when_full'?"),  # type: ignore[call-overload]
        (lambda: EventBus().stream(PeerJoined, nam="x"), "did you mean 'name'?"),  # type: ignore[call-overload]
        (lambda: EventBus().wait_for(PeerJoined, timeot=1), "did you mean 'timeout'?"),  # type: ignore[call-overload]
        (lambda: EventBus().on(PeerJoined, thread=True)(print), "did you mean 'threaded'?"),  # type: ignore[call-overload]
        (lambda: EventBus().subscribe(), "missing 2 required positional arguments"),  # type: ignore[call-overload]
    ],
)
def test_an_unknown_option_is_named_with_the_nearest_one(
    call: Callable[[], object], text: str
) -> None:
    with pytest.raises(TypeError) as caught:
        call()

    assert text in str(caught.value)


@pytest.mark.parametrize("count", [0, 2])
async def test_a_lifespan_that_does_not_yield_once_says_what_to_do(
    count: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Plugin:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
            for _ in range(count):
                yield

    bus = EventBus()
    bus.register(Plugin(), "mine")
    try:
        async with bus:
            pass
    except PluginError as error:
        logging.getLogger(__name__).error("%s", error)

    text = "its lifespan yielded twice" if count else "its lifespan did not yield"
    assert f"{text}: let it yield once, where the plugin is to run" in caplog.text


async def test_a_where_that_returns_a_coroutine_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def is_wanted(event: Event) -> bool:
        return False

    events: list[Event] = []
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, events.append, where=lambda event: is_wanted(event))
        await bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))

    assert not events
    assert "where is async, and nothing would await it" in caplog.text
