"""Mistakes of plugin authors and embedders: each is an error where it is made, with the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial, partialmethod, singledispatchmethod
from pathlib import Path
from types import ModuleType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    NamedTuple,
    Optional,
    Protocol,
    TypeVar,
    Union,
)
from unittest.mock import Mock

import pytest

import lanrage_events as le
from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    Health,
    Metric,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    PluginHookError,
    PluginReplaceError,
    hookimpl,
    on,
)
from lanrage_events.abc import Bus, Instrument
from lanrage_events.events import EventRegistry

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found, unused-ignore]

AnyEvent = TypeVar("AnyEvent", bound=Event)
Joined = TypeVar("Joined", bound=PeerJoined)
Left = TypeVar("Left", bound=PeerLeft)
Named = TypeVar("Named", PeerJoined, PeerLeft)


class HasName(Protocol):
    peer_name: str


JOINED = PeerJoined(peer_name="Ann", party_name="LAN")


def plugin_with(hook: str, function: Any, **options: Any) -> object:
    return type("Plugin", (), {hook: hookimpl(**options)(function)})()


def error_of(plugin: object, **options: Any) -> str:
    with pytest.raises((PluginHookError, TypeError, ValueError)) as caught:
        EventBus().register(plugin, **options)

    return str(caught.value)


# Annotations


class Fitting:
    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None: ...


def same(self: object, event: PeerJoined) -> None: ...
async def same_async(self: object, event: PeerJoined) -> None: ...
def base(self: object, event: PartyEvent) -> None: ...
def root(self: object, event: Event) -> None: ...
def union(self: object, event: PeerJoined | GameEnded) -> None: ...
def old_union(self: object, event: Union[PeerJoined, GameEnded]) -> None: ...  # noqa: UP007
def optional(self: object, event: Optional[PeerJoined]) -> None: ...  # noqa: UP045
def annotated(self: object, event: Annotated[PeerJoined, "x"]) -> None: ...
def of_module(self: object, event: le.PeerJoined) -> None: ...
def anything(self: object, event: Any) -> None: ...
def an_object(self: object, event: object) -> None: ...
def of_variable(self: object, event: AnyEvent) -> AnyEvent: ...  # type: ignore[empty-body]
def of_constraints(self: object, event: Named) -> Named: ...  # type: ignore[empty-body]
def of_protocol(self: object, event: HasName) -> None: ...
def unknown(self: object, event: Unknown) -> None: ...
def missing(self, event): ...  # type: ignore[no-untyped-def]
def more(self: object, event: PeerJoined, retries: int = 3) -> None: ...
def without(self: object) -> None: ...


FITTING = [
    same, same_async, base, root, union, old_union, optional, annotated, of_module, anything,
    an_object, of_variable, of_constraints, of_protocol, unknown, missing, without,
]  # fmt: skip


@pytest.mark.parametrize("function", FITTING, ids=lambda function: function.__name__)
def test_annotations_that_take_the_event_are_accepted(function: Any) -> None:
    EventBus().register(plugin_with("peer_joined", function))


def other(self: object, event: PeerLeft) -> None: ...
async def other_async(self: object, event: PeerLeft) -> None: ...
def others(self: object, event: PeerLeft | GameEnded) -> None: ...
def other_annotated(self: object, event: Annotated[PeerLeft, "x"]) -> None: ...
def other_of_module(self: object, event: le.PeerLeft) -> None: ...
def other_optional(self: object, event: Optional[PeerLeft]) -> None: ...  # noqa: UP045
def other_variable(self: object, event: Left) -> Left: ...  # type: ignore[empty-body]
def quoted(self: object, event: "PeerLeft") -> None: ...  # noqa: UP037
def a_text(self: object, event: str) -> None: ...
def a_dict(self: object, event: dict[str, Any]) -> None: ...
def evaluated(self: object, event: Any) -> None: ...


evaluated.__annotations__["event"] = PeerLeft | None
CONTRADICTING = [
    other, other_async, others, other_annotated, other_of_module, other_optional, other_variable,
    quoted, a_text, evaluated,
]  # fmt: skip


@pytest.mark.parametrize("function", CONTRADICTING, ids=lambda function: function.__name__)
def test_an_annotation_that_contradicts_the_event_is_an_error(function: Any) -> None:
    text = error_of(plugin_with("peer_joined", function))
    assert "hook 'peer_joined' is called with every PeerJoined, but its parameter is" in text
    assert "annotate it PeerJoined" in text


def test_an_annotation_that_takes_only_some_of_the_events_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    EventBus().register(plugin_with("event", same), "mine")
    [warning] = caplog.messages
    assert warning == (
        "plugin 'mine': hook 'event' is called with every Event, but its parameter is annotated "
        "PeerJoined: annotate it Event, or mark it @on(PeerJoined) instead"
    )


def test_an_annotation_is_read_without_executing_it() -> None:
    def function(self: object, event: Any) -> None: ...

    function.__annotations__["event"] = "exec('raise SystemExit') or PeerLeft"
    EventBus().register(plugin_with("peer_joined", function))


@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(Event):
    map_name: str


def test_the_hook_of_an_event_of_its_own_is_checked_too() -> None:
    class Plugin:
        @hookimpl
        def register_events(self) -> Sequence[type[Event]]:
            return [MapChanged]

        @hookimpl
        def map_changed(self, event: PeerJoined) -> None: ...

    bus = EventBus()
    with pytest.raises(PluginHookError, match="annotate it MapChanged"):
        bus.register(Plugin(), "maps")

    assert MapChanged not in bus.events.types()
    assert not bus.plugins


# Generators, and async functions that nobody awaits


def yields(self: object) -> Iterator[None]:
    yield


async def yields_async(self: object) -> AsyncIterator[None]:
    yield


async def waits(self: object) -> None: ...


@pytest.mark.parametrize(
    ("hook", "function", "remedy"),
    [
        *[(hook, f, "omit 'yield'") for hook in ("peer_joined", "event", "event_batch", "health")
          for f in (yields, yields_async)],
        ("check_online", yields_async, "omit 'yield'"),
        ("health", waits, "make it a plain 'def'"),
        ("metrics", waits, "make it a plain 'def'"),
        ("metrics", yields_async, "make it a plain 'def'"),
        ("validate", waits, "make it a plain 'def'"),
        ("register_events", waits, "make it a plain 'def'"),
        ("lifespan", waits, "decorate it with @asynccontextmanager"),
        ("lifespan", yields_async, "decorate it with @asynccontextmanager"),
        ("lifespan", yields, "decorate it with @asynccontextmanager"),
    ],
)  # fmt: skip
def test_a_function_of_the_wrong_kind_is_an_error(hook: str, function: Any, remedy: str) -> None:
    assert remedy in error_of(plugin_with(hook, function))


def test_hooks_that_return_several_may_be_generators() -> None:
    class Plugin:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
            yield

        @hookimpl
        def metrics(self) -> Iterator[Metric]:
            yield from ()

        @hookimpl
        def validate(self, bus: Bus) -> Iterator[str]:
            yield from ()

    EventBus().register(Plugin())


# Methods that are named like a hook


class Unmarked:
    def peer_joined(self, event: PeerJoined) -> None: ...


class UnmarkedAsync:
    async def event_batch(self, events: Sequence[Event]) -> None: ...


class UnmarkedHealth(Fitting):
    def health(self) -> Health:
        return Health()


class UnmarkedLifespan(Fitting):
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        yield


class UnmarkedStatic(Fitting):
    @staticmethod
    def register_events() -> Sequence[type[Event]]:
        return []


class UnmarkedBeside:
    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None: ...

    def peer_left(self, event: PeerLeft) -> None: ...


class UnmarkedBelow(Unmarked):
    @hookimpl
    def health(self) -> Health:
        return Health()


@pytest.mark.parametrize(
    "plugin",
    [
        *(Unmarked, UnmarkedAsync, UnmarkedHealth, UnmarkedLifespan, UnmarkedStatic),
        *(UnmarkedBeside, UnmarkedBelow),
    ],
)
def test_a_method_that_is_surely_meant_as_a_hook_must_be_marked(plugin: type) -> None:
    text = error_of(plugin())
    assert "is named like a hook, but not marked, so it is never called: mark it @hookimpl" in text


def test_a_function_of_a_module_must_be_marked_too() -> None:
    module = ModuleType("a_plugin")
    exec("def peer_joined(event): ...", vars(module))
    assert "method 'peer_joined' is named like a hook" in error_of(module)


class Static:
    @staticmethod
    @on(PeerJoined)
    def inside(event: PeerJoined) -> None: ...

    @on(PeerLeft)
    @staticmethod
    def outside(event: PeerLeft) -> None: ...

    @classmethod
    @hookimpl
    def game_ended(cls, event: GameEnded) -> None: ...


def test_a_hook_that_is_overridden_must_be_marked_again() -> None:
    class Own(Fitting):
        def peer_joined(self, event: Any, loud: bool = False) -> None: ...

    assert "method 'peer_joined' overrides a hook, but is not marked" in error_of(Own())

    class OfStatic(Static):
        def game_ended(self, event: Any, loud: bool = False) -> None: ...  # type: ignore[override]

    assert "method 'game_ended' overrides a hook, but is not marked" in error_of(OfStatic())


Foreign = type(
    "Foreign",
    (),
    {"__module__": "framework.base", "peer_joined": lambda self, event: None},
)


class Inherits(Foreign):  # type: ignore[misc, valid-type]
    @hookimpl
    def health(self) -> Health:
        return Health()


class Source:
    """Publishes: what is named like an event is not called with one."""

    async def peer_joined(self, name: str) -> None: ...

    def health(self) -> float:
        return 1.0

    def metrics(self) -> dict[str, int]:
        return {}

    def event(self) -> None: ...

    def validate(self) -> bool:
        return True

    @property
    def outbox(self) -> None:
        return None

    notification = "text"


class Dispatches:
    @hookimpl
    def event(self, event: Event) -> None:
        getattr(self, event.type, lambda event: None)(event)

    def peer_joined(self, event: PeerJoined) -> None: ...


class Subscribes:
    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        with bus.subscribe(PeerJoined, self.peer_joined):
            yield

    def peer_joined(self, event: PeerJoined) -> None: ...


class Disables(Fitting):
    peer_joined = None  # type: ignore[assignment]


class Renames:
    @hookimpl(specname="peer_joined")
    def greet(self, event: PeerJoined) -> None:
        self.peer_joined(event)

    def peer_joined(self, event: PeerJoined) -> None: ...


@pytest.mark.parametrize("plugin", [Inherits, Source, Dispatches, Subscribes, Disables, Renames])
def test_a_method_for_another_purpose_may_be_named_like_a_hook(plugin: type) -> None:
    EventBus().register(plugin())


# Options


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mailboxsize": 8}, "no option 'mailboxsize' of a plugin, did you mean 'mailbox_size'?"),
        ({"when_ful": "block"}, "did you mean 'when_full'?"),
        ({"hooktimeout": 8}, "did you mean 'hook_timeout'?"),
        ({"colour": 8}, "known are distribution, hook_timeout, locations, mailbox_size"),
        ({"durable": True}, "set it as an attribute of the plugin"),
        ({"mailbox_size": "8"}, "mailbox_size must be a whole number, not '8'"),
        ({"mailbox_size": True}, "mailbox_size must be a whole number, not True"),
        ({"mailbox_size": 0}, "mailbox_size must be at least 1, not 0"),
        ({"when_full": "wait"}, "must be one of block, drop_oldest, drop_newest, not 'wait'"),
        ({"hook_timeout": 0}, "hook_timeout must be more than 0 seconds"),
        ({"hook_timeout": float("nan")}, "hook_timeout must be more than 0 seconds"),
        ({"start_timeout": "1 s"}, "start_timeout must be a number of seconds, not '1 s'"),
    ],
)
def test_wrong_options_are_errors(options: dict[str, Any], text: str) -> None:
    assert text in error_of(Fitting(), **options)


async def test_wrong_options_are_errors_on_a_running_bus_too() -> None:
    async with EventBus() as bus:
        wrong: Any = {"mailboxsize": 8}
        with pytest.raises(TypeError, match="did you mean 'mailbox_size'"):
            await bus.plugins.register_and_wait(Fitting(), **wrong)

        assert not bus.plugins


@pytest.mark.parametrize(
    ("attribute", "value", "meant"),
    [
        ("mailboxsize", 8, "mailbox_size"),
        ("mailbox_sise", 8, "mailbox_size"),
        ("when_ful", "block", "when_full"),
        ("hooktimeout", 2.5, "hook_timeout"),
        ("start_timeuot", 2.5, "start_timeout"),
        ("durable_", True, "durable"),
        ("durabel", True, "durable"),
    ],
)
@pytest.mark.parametrize("on_class", [True, False])
def test_a_misspelt_attribute_is_an_error(
    attribute: str, value: object, meant: str, on_class: bool
) -> None:
    plugin = type("Plugin", (Fitting,), {attribute: value} if on_class else {})()
    if not on_class:
        setattr(plugin, attribute, value)

    text = f"the plugin has an attribute '{attribute}', did you mean '{meant}'?"
    assert text in error_of(plugin)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("restart_timeout", 2.0),
        ("http_timeout", 2.0),
        ("_mailbox_size", 8),
        ("MAILBOX_SIZE", 8),
        ("durables", ["a"]),
        ("when_fully", lambda self: True),
    ],
)
def test_attributes_for_another_purpose_are_accepted(attribute: str, value: object) -> None:
    EventBus().register(type("Plugin", (Fitting,), {attribute: value})())


def test_a_plugin_is_durable_or_not() -> None:
    class Unsure(Fitting):
        durable = "no"

    assert "durable must be True or False, not 'no'" in error_of(Unsure())


# Event classes


class Undecorated(Event):
    map_name: str


class UndecoratedParty(PartyEvent):
    seats: int = 8


class UndecoratedJoined(PeerJoined):
    loud: bool = False


class Renamed(PartyEvent):
    """It has no field of its own, so there is nothing that a decorator would do."""

    prefix: ClassVar[str] = "-"


@pytest.mark.parametrize("cls", [Undecorated, UndecoratedParty, UndecoratedJoined])
def test_an_event_class_without_its_decorator_is_an_error_wherever_it_is_given(
    cls: type[Event],
) -> None:
    expected = rf"{cls.__name__} is not an event class yet: put @dataclass\(frozen=True"
    with pytest.raises(TypeError, match=expected):
        EventRegistry().register(cls)


def test_an_event_of_a_class_without_its_decorator_cannot_be_created() -> None:
    make: Any = Undecorated
    with pytest.raises(TypeError, match="Undecorated is not an event class yet: put @dataclass"):
        make(map_name="q3dm17")

    assert Event() != Event()
    assert Renamed(party_id="7").type == "renamed"
    assert PartyEvent(party_id="7").party_id == "7"
    assert MapChanged(map_name="q3dm17").map_name == "q3dm17"


async def test_an_event_of_a_class_without_its_decorator_is_not_published() -> None:
    async with EventBus() as bus:
        with pytest.raises(TypeError, match="UndecoratedJoined is not an event class yet"):
            await bus.publish(UndecoratedJoined(peer_name="Ann", party_name="LAN"))


# Publishing


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (PeerJoined, "not the class PeerJoined: publish PeerJoined(…)"),
        ({"type": "peer_joined"}, "bus.events.from_dict and from_json create one"),
        ('{"type": "peer_joined"}', "bus.events.from_dict and from_json create one"),
        (None, "not None: create one of its class"),
    ],
)
async def test_what_is_no_event_is_not_published(event: Any, text: str) -> None:
    async with EventBus() as bus:
        for publish in (bus.publish, bus.publish_and_wait):
            with pytest.raises(TypeError) as caught:
                await publish(event)

            assert text in str(caught.value)

        with pytest.raises(TypeError, match="an Event was expected"):
            bus.publish_nowait(event)


async def test_a_bus_that_never_ran_publishes_nothing() -> None:
    bus = EventBus()
    not_running = "the bus is not running: enter it with 'async with' first"
    with pytest.raises(RuntimeError, match=not_running):
        bus.publish_nowait(JOINED)

    with pytest.raises(RuntimeError, match=not_running):
        await bus.publish(JOINED)

    with pytest.raises(RuntimeError, match=not_running):
        await bus.publish_and_wait(JOINED)

    with pytest.raises(RuntimeError, match=not_running):
        await bus.publish_many_and_wait([JOINED])

    with pytest.raises(RuntimeError, match=not_running):
        bus.publish_from_thread(JOINED)


# The bus itself


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("drain_timeout", -1, "drain_timeout must be at least 0 seconds, not -1"),
        ("drain_timeout", "10", "drain_timeout must be a number of seconds, not '10'"),
        ("drain_timeout", float("nan"), "drain_timeout must be at least 0 seconds, not nan"),
        ("hook_timeout", 0, "hook_timeout must be more than 0 seconds, not 0"),
        ("hook_timeout", None, "hook_timeout must be a number of seconds, not None"),
        ("start_timeout", True, "start_timeout must be a number of seconds, not True"),
        ("blocked_after", 0, "blocked_after must be more than 0 seconds, not 0"),
        ("blocked_after", "1", "blocked_after must be a number of seconds or None, not '1'"),
        ("templates", "mine", "templates must be a list of Path, not 'mine'"),
        ("templates", Path("mine"), "templates must be a list of Path, not"),
        (
            "templates",
            ["mine"],
            "templates has 'mine', which is no Path: wrap it in pathlib.Path(…)",
        ),
        (
            "state_folder",
            "state",
            "state_folder must be a pathlib.Path or None, not 'state': wrap it",
        ),
        ("instruments", Instrument(), "instruments must be a list of Instrument, not"),
        ("instruments", [Instrument], "which is no Instrument: give an instance of one"),
    ],
)
def test_a_bus_is_not_created_with_wrong_options(option: str, value: Any, text: str) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises((TypeError, ValueError)) as caught:
        EventBus(**options)

    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mailbox_size": "8"}, "mailbox_size must be a whole number, not '8'"),
        ({"when_full": 8}, "when_full must be a text, not 8"),
        ({"hook_timeout": "8"}, "hook_timeout must be a number of seconds or None, not '8'"),
        ({"hook_timeout": 0}, "hook_timeout must be more than 0 seconds, not 0"),
    ],
)
def test_nothing_is_subscribed_with_wrong_options(options: dict[str, Any], text: str) -> None:
    bus = EventBus()
    with pytest.raises((TypeError, ValueError), match=text):
        bus.subscribe(PeerJoined, print, **options)

    assert not bus.statistics().plugins


async def test_a_plugin_that_is_unknown_is_named_with_the_nearest_one() -> None:
    async with EventBus() as bus:
        bus.register(Fitting(), "welcome")
        with pytest.raises(LookupError, match="registered as 'welcom', did you mean 'welcome'?"):
            await bus.unregister("welcom")

        with pytest.raises(
            KeyError, match="no plugin is registered as 'x', registered are welcome"
        ):
            bus.plugins["x"]

        with pytest.raises(LookupError, match="register it first, or give its name"):
            await bus.unregister(Fitting())

        assert "x" not in bus.plugins


def test_a_decorator_needs_its_event_class() -> None:
    without: Any = le.on
    with pytest.raises(TypeError, match=r"name the class first, such as in @on\(PeerJoined\)"):
        without(same)


@pytest.mark.parametrize(
    "plugin", [None, "log", 1, [], print, lambda event: None, JOINED, EventBus()]
)
def test_what_is_no_plugin_is_not_registered(plugin: object) -> None:
    assert f"a {type(plugin).__name__} is no plugin: register an object, or a" in error_of(plugin)


def test_a_name_is_a_text() -> None:
    number: Any = 3
    bus = EventBus()
    for receive in (
        partial(bus.register, Fitting()),
        partial(bus.subscribe, PeerJoined, print),
        partial(bus.stream, PeerJoined),
    ):
        with pytest.raises(TypeError, match="a name must be a text, not 3: omit it"):
            receive(name=number)


async def test_several_events_are_published_as_a_list() -> None:
    one: Any = JOINED
    several: Any = [JOINED]
    async with EventBus() as bus:
        with pytest.raises(TypeError, match="takes several events: give a list of them"):
            await bus.publish_many_and_wait(one)

        with pytest.raises(TypeError, match="not a list: publish its events one by one, or with"):
            await bus.publish(several)


# What is marked, but never called


def takes_event(self: object, event: Event) -> None: ...


@pytest.mark.parametrize("mark", [hookimpl, on(PeerJoined)])
@pytest.mark.parametrize("make", [partial, partialmethod, singledispatchmethod, cached_property])
def test_what_is_marked_must_be_a_function(make: Any, mark: Any) -> None:
    plugin = type("Plugin", (Fitting,), {"peer_left": mark(make(takes_event))})()

    text = error_of(plugin)
    assert f"'peer_left' is marked as a hook, but is a {make.__name__}, which is never" in text


def test_a_property_is_no_hook() -> None:
    plugin = type("Plugin", (Fitting,), {"health": property(hookimpl(lambda self: Health()))})()

    assert "'health' is marked as a hook, but is a property, which is never called" in error_of(
        plugin
    )


def test_static_and_class_methods_can_be_marked_inside_and_outside() -> None:
    names: list[str] = []

    class Watcher(Instrument):
        def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
            names.extend(hooks)

    EventBus(instruments=[Watcher()]).register(Static())

    assert names == ["game_ended", "peer_joined", "peer_left"]


def test_a_method_is_marked_once_with_all_its_classes() -> None:
    with pytest.raises(
        TypeError, match="marked with 'on' already: name several classes as a tuple"
    ):

        @on(Event)
        @on(Event)
        def greet(self: object, event: Event) -> None: ...


def test_a_hook_that_gets_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    EventBus().register(plugin_with("peer_joined", lambda *_: None))

    assert "hook 'peer_joined' takes any arguments, and so gets none: name the one" in caplog.text


def test_a_batch_is_not_annotated_as_a_single_event() -> None:
    def takes_one(self: object, events: PeerJoined) -> None: ...

    def takes_several(self: object, events: Sequence[PeerJoined]) -> None: ...

    assert "annotate it Sequence[Event]" in error_of(plugin_with("event_batch", takes_one))
    EventBus().register(plugin_with("event_batch", takes_several))


class Pair(NamedTuple):
    greeting: str = "hi"

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None: ...


class Mapped(dict[str, int]):
    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None: ...


@pytest.mark.parametrize("plugin", [Pair(), Mapped()])
def test_the_class_of_a_plugin_may_derive_from_a_builtin_one(plugin: object) -> None:
    EventBus().register(plugin)


async def test_a_mock_of_an_event_is_an_event() -> None:
    events: list[Event] = []
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, events.append)
        await bus.publish_and_wait(event := Mock(spec=PeerJoined))

    assert events == [event]


async def is_wanted(event: Event) -> bool:
    return False


class Wanted:
    async def __call__(self, event: Event) -> bool:
        return False


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        (is_wanted, "where is async, and nothing would await it"),
        (Wanted(), "where is async, and nothing would await it"),
        (lambda: True, "where is called with one argument, the event, but cannot be"),
        (5, "where must be a function of the event"),
    ],
)
def test_what_selects_events_is_a_function_of_one(where: Any, problem: str) -> None:
    bus = EventBus()
    with pytest.raises(TypeError, match=problem):
        bus.subscribe(PeerJoined, print, where=where)

    receive: Any
    for receive in (bus.stream, bus.wait_for, on):
        with pytest.raises(TypeError, match=problem):
            receive(PeerJoined, where=where)


def test_the_decorator_needs_the_class_first() -> None:
    bus = EventBus()
    for decorate in (bus.on, on):
        with pytest.raises(TypeError, match=r"name the class first, such as in @on\(PeerJoined\)"):
            decorate(is_wanted)  # type: ignore[call-overload]


class Unprotected:
    transform_required = True

    def transform(self, event: PeerJoined, more: int) -> PeerJoined:
        return event


class Constant:
    TRANSFORM_REQUIRED = True

    @hookimpl
    def transform(self, event: PeerJoined) -> PeerJoined:
        return event


@pytest.mark.parametrize(
    ("plugin", "problem"),
    [
        (Unprotected(), "declares transform_required = True, but has no hook 'transform': mark"),
        (
            Constant(),
            "has the constant TRANSFORM_REQUIRED, which nothing reads: write transform_req",
        ),
    ],
)
def test_a_required_transform_that_would_not_run_is_an_error(plugin: object, problem: str) -> None:
    assert problem in error_of(plugin)


async def test_a_plugin_is_not_replaced_by_one_whose_required_transform_would_not_run() -> None:
    async with EventBus() as bus:
        bus.register(Wanted(), "privacy")
        with pytest.raises(PluginReplaceError, match="has no hook 'transform'"):
            await bus.plugins.replace("privacy", Unprotected())
