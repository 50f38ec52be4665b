from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pluggy
import pytest

from lanrage_events import (
    Event,
    EventBus,
    EventTypeConflict,
    PeerJoined,
    PluginHookError,
    PluginLoadError,
    hookimpl,
    hookspecs,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TournamentEvent(Event):
    tournament: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TournamentOpened(TournamentEvent):
    """Somebody opened a tournament."""


class Tournaments:
    @hookimpl
    def register_events(self) -> list[type[Event]]:
        return [TournamentOpened]


class Listener:
    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def tournament_event(self, event: TournamentEvent) -> None:
        self.calls.append("tournament_event")

    @hookimpl
    async def tournament_opened(self, event: TournamentOpened) -> None:
        self.calls.append("tournament_opened")


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
async def test_event_of_a_plugin_is_a_hook_for_all_whatever_the_order(order: list[int]) -> None:
    listener = Listener()
    plugins = [Tournaments(), listener]
    bus = EventBus()
    for index in order:
        bus.register(plugins[index])

    async with bus:
        await bus.publish_and_wait(TournamentOpened(tournament="Cup"))
        assert bus.events.get("tournament_opened") is TournamentOpened

    assert listener.calls == ["tournament_opened", "tournament_event"]


async def test_plugin_that_brings_events_can_come_and_go_and_come_back() -> None:
    listener, tournaments = Listener(), Tournaments()
    async with EventBus() as bus:
        bus.register(tournaments)
        bus.register(listener)
        await bus.unregister(tournaments)
        bus.register(tournaments)
        await bus.publish_and_wait(TournamentOpened(tournament="Cup"))

    assert len(listener.calls) == 2


class Misspelt:
    @hookimpl
    def peer_joind(self, event: PeerJoined) -> None: ...


async def test_unknown_hook_fails_at_the_start_with_the_nearest_known_one() -> None:
    bus = EventBus()
    bus.register(Misspelt(), "misspelt")
    with pytest.raises(PluginHookError) as caught:
        await bus.__aenter__()

    assert str(caught.value) == (
        "plugin 'misspelt': implements the unknown hook 'peer_joind', did you mean 'peer_joined'?"
    )
    assert bus.plugins.validate() == [
        ("misspelt", "implements the unknown hook 'peer_joind', did you mean 'peer_joined'?")
    ]


async def test_unknown_hook_fails_at_once_on_a_running_bus() -> None:
    async with EventBus() as bus:
        with pytest.raises(PluginHookError, match="did you mean 'peer_joined'"):
            bus.register(Misspelt())

        with pytest.raises(PluginHookError, match=r"return \[TournamentEvent\] from the hook"):
            bus.register(Listener(), "listener")

        assert not bus.statistics().plugins


async def test_hook_for_an_event_that_may_be_absent_is_optional() -> None:
    class Optional:
        calls = 0

        @hookimpl(optionalhook=True)
        def tournament_opened(self, event: TournamentOpened) -> None:
            self.calls += 1

    plugin = Optional()
    async with EventBus() as bus:
        bus.register(plugin)
        await bus.publish_and_wait(TournamentOpened(tournament="Cup"))

    assert plugin.calls == 1


@pytest.mark.parametrize(
    "options", [{"wrapper": True}, {"hookwrapper": True}, {"tryfirst": True}, {"trylast": True}]
)
async def test_wrappers_and_orders_of_event_hooks_are_rejected(options: Any) -> None:
    def generator(self: object, event: Event) -> Iterator[None]:
        yield

    def function(self: object, event: Event) -> None: ...

    method = generator if "wrapper" in next(iter(options)) else function
    plugin = type("Plugin", (), {"peer_joined": hookimpl(**options)(method)})()
    with pytest.raises(PluginHookError, match="is a wrapper, tryfirst or trylast"):
        EventBus().register(plugin)


def test_hook_with_a_wrong_argument_is_rejected() -> None:
    class Wrong:
        @hookimpl
        def peer_joined(self, evnt: PeerJoined) -> None: ...

    bus = EventBus()
    with pytest.raises(PluginHookError, match="evnt"):
        bus.register(Wrong(), "wrong")

    assert not bus.statistics().plugins


def test_hook_of_a_later_event_with_a_wrong_argument_is_rejected() -> None:
    class Wrong:
        @hookimpl
        def tournament_opened(self, evnt: Event) -> None: ...

    bus = EventBus()
    bus.register(Wrong(), "wrong")
    with pytest.raises(PluginHookError, match="evnt"):
        bus.register(Tournaments())


def test_class_in_place_of_an_object_is_rejected() -> None:
    with pytest.raises(TypeError, match="register an instance of Tournaments, not the class"):
        EventBus().register(Tournaments)


def test_name_and_plugin_are_registered_once() -> None:
    bus = EventBus()
    plugin = Tournaments()
    assert bus.register(plugin) == "Tournaments"
    with pytest.raises(ValueError, match="a plugin named 'Tournaments' is registered"):
        bus.register(Tournaments())

    with pytest.raises(ValueError, match="'again' is already registered as 'Tournaments'"):
        bus.register(plugin, "again")

    bus.subscribe(Event, print, name="printer")
    with pytest.raises(ValueError, match="'printer' is taken"):
        bus.register(Tournaments(), "printer")


def test_plugin_that_equals_another_one_is_rejected_with_the_remedy() -> None:
    @dataclass
    class Table:
        number: int

    bus = EventBus()
    bus.register(Table(1), "first")
    bus.register(Table(2), "second")
    with pytest.raises(ValueError, match=r"'third' is already registered as 'first'.*eq=False"):
        bus.register(Table(1), "third")

    assert list(bus.health()) == ["first", "second"]


def test_plugin_without_hooks_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    EventBus().register(object(), "empty")
    assert "plugin 'empty' implements no hook: mark them with @hookimpl" in caplog.text


async def test_module_is_a_plugin() -> None:
    events: list[Event] = []
    module = types.ModuleType("announcer")
    module.peer_joined = hookimpl(lambda event: events.append(event))  # type: ignore[attr-defined]
    module.peer_joined.__name__ = "peer_joined"
    async with EventBus() as bus:
        assert bus.register(module) == "announcer"
        await bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))

    assert len(events) == 1


def test_two_plugins_with_one_event_type_conflict_and_both_are_named() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class TournamentOpened(Event): ...

    class Other:
        @hookimpl
        def register_events(self) -> list[type[Event]]:
            return [TournamentOpened]

    bus = EventBus()
    bus.register(Tournaments(), "cups", distribution="lanrage-events-cups")
    with pytest.raises(EventTypeConflict, match=r"by lanrage-events-cups .* by plugin 'other'"):
        bus.register(Other(), "other")

    assert list(bus.statistics().plugins) == ["cups"]


@pytest.mark.parametrize("returned", [[int], None, ["TournamentOpened"]])
def test_register_events_that_returns_something_else_is_rejected(returned: Any) -> None:
    class Wrong:
        @hookimpl
        def register_events(self) -> Any:
            return returned

    with pytest.raises(PluginLoadError, match="plugin 'wrong': hook 'register_events'"):
        EventBus().register(Wrong(), "wrong")


def test_every_hook_is_documented_and_typed() -> None:
    for name, function in vars(hookspecs).items():
        if hasattr(function, "lanrage_events_spec"):
            assert function.__doc__.startswith("Called "), name
            assert "return" in function.__annotations__, name


def test_every_built_in_event_has_a_hook() -> None:
    manager = pluggy.PluginManager("lanrage_events")
    manager.add_hookspecs(hookspecs)
    for cls in EventBus().events.types():
        assert getattr(manager.hook, cls.type).has_spec()
