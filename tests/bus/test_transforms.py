from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from traceback import format_exception
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import anyio
import anyio.to_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    EventBus,
    EventNotTransformed,
    GameStarted,
    Notification,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    PluginHookError,
    PluginReplaceError,
    PluginStartError,
    hookimpl,
)
from lanrage_events._containment import CurrentTasks
from lanrage_events.abc import Instrument, Transform, TransformResult, TransformStatistics
from lanrage_events.testing import RecordingPlugin, virtual_time

if TYPE_CHECKING:
    from decimal import Decimal

Backend = Literal["asyncio", "trio"]
Change = Callable[[Any], Any]
JoinT = TypeVar("JoinT", bound=PeerJoined)


def joined(name: str = "Ann", **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN", **fields)


def renamed(to: str) -> Change:
    return lambda event: replace(event, peer_name=f"{event.peer_name} {to}")


def split(event: PeerJoined) -> list[Event]:
    return [event, Notification(title=event.peer_name, message="is here")]


class Transforming:
    """Transforms joins."""

    def __init__(self, change: Change, *, required: bool = False) -> None:
        self.change = change
        self.transform_required = required
        self.calls = 0

    @hookimpl
    def transform(self, event: PeerJoined) -> TransformResult:
        self.calls += 1
        result: TransformResult = self.change(event)
        return result


def failing(event: Event) -> Event:
    raise KeyError("Ann")


def names(recorder: RecordingPlugin) -> list[str]:
    return [getattr(event, "peer_name", event.type) for event in recorder.events]


# What becomes of an event


async def test_a_transform_changes_what_every_plugin_subscription_and_stream_receives() -> None:
    recorder, handled = RecordingPlugin(), list[Event]()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.subscribe(PeerJoined, handled.append)
        bus.register(Transforming(renamed("B.")))
        async with bus.stream(PeerJoined) as events:
            event = joined()
            await bus.publish(event)
            await bus.drain()
            streamed = await anext(events)

    assert names(recorder) == ["Ann B."]
    assert handled == [streamed] == recorder.events
    assert streamed.id == event.id


@pytest.mark.parametrize("way", ["publish", "publish_nowait", "wait", "many", "thread", "hook"])
async def test_each_way_of_publishing_transforms_once(way: str) -> None:
    recorder, plugin = RecordingPlugin(), Transforming(renamed("B."))
    event = joined()

    class Publishing:
        @hookimpl
        async def notification(self, event_: Any = None) -> None:
            await bus.publish(event)

    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(plugin)
        bus.register(Publishing())
        match way:
            case "publish":
                await bus.publish(event)
            case "publish_nowait":
                bus.publish_nowait(event)
            case "wait":
                await bus.publish_and_wait(event)
                assert names(recorder) == ["Ann B."]
            case "many":
                assert await bus.publish_many_and_wait([event], plugins="all") == [None]
                assert names(recorder) == ["Ann B."]
            case "thread":
                await anyio.to_thread.run_sync(bus.publish_from_thread, event)
            case _:
                await bus.publish(Notification(title="", message=""))

    assert [e.id for e in recorder.events if isinstance(e, PeerJoined)] == [event.id]
    assert "Ann B." in names(recorder)
    assert plugin.calls == 1


async def test_hundreds_of_events_are_transformed_whether_there_is_capacity_or_not() -> None:
    recorder = RecordingPlugin(mailbox_size=7, when_full="block")
    plugin = Transforming(renamed("B."))
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(plugin)
        for number in range(500):
            await bus.publish(joined(str(number)))

    assert names(recorder) == [f"{number} B." for number in range(500)]
    assert plugin.calls == 500


async def test_plugins_transform_in_the_order_of_registering_and_of_sorting() -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        for name in ("c", "a", "b"):
            bus.register(Transforming(renamed(name)), name)

        await bus.publish_and_wait(joined("1"))
        bus.plugins.sort(["a", "b", "no such plugin"])
        await bus.publish_and_wait(joined("2"))

    assert names(recorder) == ["1 c a b", "2 a b c"]


async def test_several_events_enter_in_order_with_ids_of_their_own() -> None:
    recorder = RecordingPlugin()
    event = joined(id="x")
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(lambda e: [*split(e), replace(e, peer_name="Bob")]))
        await bus.publish_and_wait(event)
        await bus.publish(event)

    ids = [(e.type, e.id) for e in recorder.events]
    assert ids[:3] == [("peer_joined", "x"), ("notification", "x.2"), ("peer_joined", "x.3")]
    assert ids[3:] == ids[:3]


async def test_what_several_transforms_make_of_one_event_has_different_ids() -> None:
    recorder = RecordingPlugin()
    async with EventBus(rules=SomeRules(Transform("rule 1", lambda e: e))) as bus:
        bus.register(recorder)
        bus.register(Transforming(split), "a")
        bus.register(Transforming(lambda event: [event, event, *split(event)[1:]]), "b")
        bus.register(Transforming(split), "c")
        for _ in range(2):
            await bus.publish_and_wait(joined(id="x"))

    ids = [event.id for event in recorder.events]
    assert ids[:6] == ids[6:] == ["x", "x.7", "x.4", "x.4.2", "x.5", "x.2"]


async def test_another_event_gets_an_id_that_is_the_same_each_time_and_never_too_long() -> None:
    recorder = RecordingPlugin()
    long = "ä" * 64
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(lambda e: Notification(title="", message="")))
        for id in ("short", long, long, "b" * 64):
            await bus.publish_and_wait(joined(id=id))

    short, one, again, other = (event.id for event in recorder.events)
    assert short == "short.1"
    assert one == again
    assert len(one) == len(other) == 64
    assert one != other


async def test_what_a_transform_makes_passes_the_later_ones_and_not_the_earlier_ones() -> None:
    class Titled:
        @hookimpl
        def transform(self, event: Notification) -> Notification:
            return replace(event, title=f"{event.title}!")

    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Titled(), "before")
        bus.register(Transforming(split))
        bus.register(Titled(), "after")
        await bus.publish_and_wait(joined())

    assert [e.title for e in recorder.events if isinstance(e, Notification)] == ["Ann!"]


async def test_two_transforms_of_one_plugin_both_run() -> None:
    class Two:
        @hookimpl(specname="transform")
        def first(self, event: PeerJoined) -> PeerJoined:
            return replace(event, peer_name=f"{event.peer_name} 1")

        @hookimpl(specname="transform")
        def second(self, event: PartyEvent) -> PartyEvent:
            return replace(event, party_id="2")

    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Two())
        await bus.publish_and_wait(joined())

    assert [(e.peer_name, e.party_id) for e in recorder.events] == [("Ann 1", "2")]  # type: ignore[attr-defined]


async def test_a_dropped_event_counts_as_handled_and_is_counted_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    filtered: list[tuple[str, str]] = []

    class Watching(Instrument):
        def event_filtered(self, transform: str, event: Event) -> None:
            filtered.append((transform, event.id))

    recorder = RecordingPlugin()
    async with EventBus(trace=True, instruments=[Watching()]) as bus:
        bus.register(recorder)
        bus.register(Transforming(lambda _: None), "bots")
        await bus.publish_and_wait(joined(id="1"))
        assert await bus.publish_many_and_wait([joined(id="2")]) == [None]
        bus.publish_nowait(joined(id="3"))
        assert bus.statistics().transforms == {"bots": TransformStatistics(dropped=3)}

    assert recorder.events == []
    assert filtered == [("bots", "1"), ("bots", "2"), ("bots", "3")]
    trace = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"trace: bots\.transform peer_joined 1 \S+ ms ok", trace[0])
    assert trace[1] == "trace: bots dropped peer_joined 1, which is not published"


async def test_waiting_covers_everything_that_an_event_was_turned_into() -> None:
    recorder = RecordingPlugin()
    recorder.fail(on=Notification, error=ValueError("no"))
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(split))
        with pytest.raises(ExceptionGroup):
            await bus.publish_and_wait(joined())

        (error,) = await bus.publish_many_and_wait([joined()], plugins="all")

    assert isinstance(error, ExceptionGroup)
    assert len(recorder.events) == 4


async def fill(bus: EventBus, recorder: RecordingPlugin) -> None:
    """Let a plugin with a mailbox of one event hang in a hook, and fill its mailbox."""
    recorder.hang(on=Notification)
    await bus.publish(Notification(title="in hand", message=""))
    await recorder.wait_for(1)
    await bus.publish(Notification(title="in the mailbox", message=""))


async def test_a_publish_that_is_tried_again_is_not_transformed_again() -> None:
    slow = RecordingPlugin(mailbox_size=1, when_full="block")
    plugin = Transforming(lambda event: [event, replace(event, peer_name="Bob")])
    event, other = joined(), joined("Cid")
    async with EventBus() as bus:
        bus.register(slow)
        bus.register(plugin)
        await fill(bus, slow)
        for _ in range(3):
            with pytest.raises(anyio.WouldBlock):
                bus.publish_nowait(event)

        with anyio.move_on_after(5):
            await bus.publish(event)

        with anyio.move_on_after(5):
            await bus.publish_and_wait(event)

        assert plugin.calls == 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.publish, event)
            tasks.start_soon(bus.publish, other)
            await anyio.wait_all_tasks_blocked()
            slow.recover()

        assert plugin.calls == 2
        await bus.publish_and_wait(event)
        assert plugin.calls == 3

    assert names(slow)[2:] in (
        ["Ann", "Bob", "Cid", "Bob", "Ann", "Bob"],
        ["Cid", "Bob", "Ann", "Bob", "Ann", "Bob"],
    )


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.real_clock
async def test_a_publish_that_asyncio_cancelled_is_not_transformed_again() -> None:
    slow = RecordingPlugin(mailbox_size=1, when_full="block")
    plugin, event = Transforming(split), joined()
    async with EventBus() as bus:
        bus.register(slow)
        bus.register(plugin)
        await fill(bus, slow)
        for publish in (bus.publish, bus.publish_and_wait):
            task = asyncio.create_task(publish(event))
            await anyio.wait_all_tasks_blocked()
            assert bus.statistics().waiting == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        slow.recover()
        await bus.publish_and_wait(event)

    assert plugin.calls == 1
    assert names(slow)[2:] == ["Ann", "notification"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_task_is_shielded_where_asyncio_keeps_it_elsewhere() -> None:
    """As since Python 3.14, which has no dictionary of the current tasks."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    tasks, other = CurrentTasks(), object()
    assert tasks.get(loop) is task
    tasks[loop] = other
    found: object = asyncio.current_task()
    tasks[loop] = task
    assert found is other
    assert asyncio.current_task() is task


async def test_several_events_enter_all_or_none_of_the_mailboxes() -> None:
    slow, quick = RecordingPlugin(mailbox_size=1, when_full="block"), RecordingPlugin()
    async with EventBus() as bus:
        bus.register(slow, "slow")
        bus.register(quick, "quick")
        bus.register(Transforming(split))
        await fill(bus, slow)
        with anyio.move_on_after(5) as scope:
            await bus.publish(joined())

        assert scope.cancelled_caught
        await quick.wait_for(2)
        assert len(quick.events) == 2
        slow.recover()
        await bus.publish_and_wait(joined())

    assert names(quick)[2:] == names(slow)[2:] == ["Ann", "notification"]


async def test_another_class_of_event_waits_for_its_own_mailboxes() -> None:
    class OnlyNotifications:
        when_full = "block"
        mailbox_size = 1

        def __init__(self) -> None:
            self.may_go_on = anyio.Event()
            self.titles: list[str] = []

        @hookimpl
        async def notification(self, event: Notification) -> None:
            self.titles.append(event.title)
            await self.may_go_on.wait()

    slow = OnlyNotifications()
    async with EventBus() as bus:
        bus.register(slow)
        bus.register(Transforming(lambda e: Notification(title=e.peer_name, message="")))
        await bus.publish(joined("1"))
        await bus.publish(joined("2"))
        await anyio.wait_all_tasks_blocked()
        await bus.publish(joined("3"))
        with pytest.raises(anyio.WouldBlock):
            bus.publish_nowait(joined("4"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.publish, joined("5"))
            await anyio.wait_all_tasks_blocked()
            slow.may_go_on.set()

    assert slow.titles == ["1", "2", "3", "5"]


async def test_a_plugin_that_drops_everything_wakes_no_other() -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder, "recorder")
        bus.register(Transforming(lambda _: None))
        await bus.drain()
        for _ in range(300):
            await bus.publish(joined())

        assert bus.statistics().plugins["recorder"].handled == 0


# Errors


async def test_an_event_passes_a_transform_that_fails_and_the_failure_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(failing), "broken")
        bus.register(Transforming(renamed("B.")), "after")
        for _ in range(20):
            await bus.publish_and_wait(joined())

        assert bus.statistics().transforms == {"broken": TransformStatistics(failed=20)}

    assert names(recorder) == ["Ann B."] * 20
    errors = [r for r in caplog.records if "hook 'transform' failed on peer_joined" in r.message]
    assert 1 <= len(errors) < 20
    assert errors[0].message.startswith("plugin 'broken': ")


async def test_an_event_on_which_a_required_transform_fails_is_not_published() -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        plugin = Transforming(failing, required=True)
        bus.register(plugin, "privacy")
        with pytest.raises(EventNotTransformed) as caught:
            await bus.publish(joined(id="1"))

        with pytest.raises(EventNotTransformed):
            bus.publish_nowait(joined())

        with pytest.raises(EventNotTransformed):
            await bus.publish_and_wait(joined())

        with pytest.raises(EventNotTransformed):
            await anyio.to_thread.run_sync(bus.publish_from_thread, joined())

        events = [Notification(title="", message=""), joined(), Notification(title="", message="")]
        first, second, third = await bus.publish_many_and_wait(events)
        assert bus.statistics().transforms == {"privacy": TransformStatistics(rejected=5)}
        plugin.change = renamed("B.")
        await bus.publish_and_wait(joined())

    assert (first, third) == (None, None)
    assert isinstance(second, EventNotTransformed)
    assert names(recorder) == ["notification", "notification", "Ann B."]
    assert str(caught.value) == (
        "peer_joined was not published: the transform of plugin 'privacy', which is required, "
        f"failed: KeyError at test_transforms.py:{failing.__code__.co_firstlineno + 1}"
    )
    assert caught.value.__cause__ is not None
    assert not isinstance(caught.value.__cause__, KeyError)
    assert (caught.value.transform, caught.value.event.id) == ("privacy", "1")


@pytest.mark.parametrize(
    "wrong",
    [
        "Ann",
        7,
        [1],
        {"a": 1},
        iter([]),
        [joined()] * 101,
        pytest.param(PeerJoined, id="class"),
    ],
)
async def test_what_is_no_event_is_an_error_of_the_transform(wrong: Any) -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(lambda _: wrong), "wrong")
        await bus.publish_and_wait(joined())
        assert bus.statistics().transforms["wrong"].failed == 1

    assert names(recorder) == ["Ann"]


async def test_the_events_of_several_transforms_are_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        for name in ("one", "two"):
            bus.register(Transforming(lambda event: [event, *[joined()] * 49]), name)

        await bus.publish_and_wait(joined())

    assert len(recorder.events) == 50
    assert "2,500 events of one, and 100 are the most" in caplog.text


async def test_a_transform_that_returns_a_coroutine_fails_without_a_warning() -> None:
    async def later() -> None: ...

    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(lambda _: later()), "later")
        await bus.publish_and_wait(joined())
        assert bus.statistics().transforms["later"].failed == 1


async def test_a_transform_cannot_end_the_program() -> None:
    def leave(event: Event) -> Event:
        raise SystemExit(3)

    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(leave), "leaving")
        await bus.publish(joined())
        bus.publish_nowait(joined())
        assert bus.statistics().transforms["leaving"].failed == 2

    assert names(recorder) == ["Ann", "Ann"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.real_clock
async def test_a_transform_cannot_cancel_the_task_that_publishes() -> None:
    def cancel(event: Event) -> Event:
        task = asyncio.current_task()
        assert task is not None
        assert task.get_name() == name
        task.cancel()
        return event

    recorder = RecordingPlugin()
    current = asyncio.current_task()
    assert current is not None
    name = current.get_name()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Transforming(cancel), "cancelling")
        bus.register(Transforming(renamed("B.")), "innocent")
        await bus.publish(joined())
        bus.publish_nowait(joined())
        await asyncio.sleep(0)
        assert asyncio.current_task() is current
        assert not current.cancelling()
        assert bus.statistics().transforms == {"cancelling": TransformStatistics(failed=2)}
        asyncio.get_running_loop().call_soon(bus.publish_nowait, joined("from a callback"))
        await asyncio.sleep(0)

    assert names(recorder)[:2] == ["Ann B.", "Ann B."]


async def test_publishing_inside_a_transform_is_an_error_that_says_what_to_do() -> None:
    ways: list[Callable[[Event], object]] = []

    def publish(event: PeerJoined) -> Event:
        for way in ways:
            with pytest.raises(RuntimeError, match=r"return it, beside the other one"):
                way(Notification(title="", message=""))

        return replace(event, peer_name="tried")

    async with EventBus() as bus:
        recorder = RecordingPlugin()
        bus.register(recorder)
        bus.register(Transforming(publish))

        def run(function: Callable[[Event], Any], event: Event) -> object:
            return function(event).send(None)

        ways += [
            bus.publish_nowait,
            bus.publish_from_thread,
            partial(run, bus.publish),
            partial(run, bus.publish_and_wait),
            partial(run, lambda event: bus.publish_many_and_wait([event])),
        ]
        for _ in range(3):
            await bus.publish_and_wait(joined())

        # Something is registered meanwhile, so what receives events is found out again.
        def subscribe_and_publish(event: Event) -> None:
            bus.subscribe(Event, repr)
            bus.publish_nowait(event)

        ways.insert(0, subscribe_and_publish)
        await bus.publish_and_wait(joined())
        await bus.publish_and_wait(Notification(title="", message=""))

    assert names(recorder) == ["tried"] * 4 + ["notification"]


async def test_a_transform_may_publish_on_another_bus() -> None:
    recorder, other_recorder = RecordingPlugin(), RecordingPlugin()
    async with EventBus() as bus, EventBus() as other:

        def copy(event: Event) -> Event:
            other.publish_nowait(event)
            return event

        bus.register(recorder)
        other.register(other_recorder)
        other.register(Transforming(renamed("B.")))
        bus.register(Transforming(copy))
        await bus.publish(joined())

    assert names(recorder) == ["Ann"]
    assert names(other_recorder) == ["Ann B."]


# Event classes


@dataclass(frozen=True, kw_only=True, slots=True)
class MapVoted(PeerJoined):
    """A player voted for a map while joining."""


class Untyped:
    @hookimpl
    def transform(self, event):  # type: ignore[no-untyped-def]
        return None


class OfAny:
    @hookimpl
    def transform(self, event: Any) -> None: ...


class OfUnion:
    @hookimpl
    def transform(self, event: PeerJoined | PeerLeft) -> None: ...


class OfBase:
    @hookimpl
    def transform(self, event: PartyEvent) -> None: ...


class OfAnnotated:
    @hookimpl
    def transform(self, event: Annotated[GameStarted, "why"]) -> None: ...


class OfVariable:
    @hookimpl
    def transform(self, event: JoinT) -> JoinT | Decimal | None: ...


@pytest.mark.parametrize(
    ("plugin", "dropped"),
    [
        (Untyped(), {"peer_joined", "peer_left", "map_voted", "game_started", "notification"}),
        (OfAny(), {"peer_joined", "peer_left", "map_voted", "game_started", "notification"}),
        (OfUnion(), {"peer_joined", "peer_left", "map_voted"}),
        (OfBase(), {"peer_joined", "peer_left", "map_voted", "game_started"}),
        (OfAnnotated(), {"game_started"}),
        (OfVariable(), {"peer_joined", "map_voted"}),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_transform_gets_the_events_that_its_annotation_names(
    plugin: object, dropped: set[str]
) -> None:
    recorder = RecordingPlugin()
    events = (
        joined(),
        PeerLeft(peer_name="Ann", party_name="LAN"),
        MapVoted(peer_name="Ann", party_name="LAN"),
        GameStarted(game_name="Quake", players=()),
        Notification(title="", message=""),
    )
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(plugin)
        for event in events:
            await bus.publish_and_wait(event)

    assert {event.type for event in events} - {e.type for e in recorder.events} == dropped


class Async:
    @hookimpl
    async def transform(self, event: Event) -> Event:
        return event


class Generator:
    @hookimpl
    def transform(self, event: Event) -> Iterator[Event]:
        yield event


class AsyncGenerator:
    @hookimpl
    async def transform(self, event: Event) -> AsyncIterator[Event]:
        yield event


class NoEvent:
    @hookimpl
    def transform(self) -> None: ...


class Threaded:
    @hookimpl(threaded=True)
    def transform(self, event: Event) -> Event:
        return event


class First:
    @hookimpl(tryfirst=True)
    def transform(self, event: Event) -> Event:
        return event


class OfText:
    @hookimpl
    def transform(self, event: str) -> None: ...


class OfList:
    @hookimpl
    def transform(self, event: list[PeerJoined]) -> None: ...


class OfUnknown:
    @hookimpl
    def transform(self, event: Decimal) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Async(), "is async, and nothing would await it: make it a plain 'def'"),
        (Generator(), "is a generator: return several events in a list"),
        (AsyncGenerator(), "is async"),
        (NoEvent(), "give it the parameter 'event'"),
        (Threaded(), "is threaded: only hooks for events"),
        (First(), "so use a plain hookimpl"),
        (OfText(), "has the annotation 'str' of its event, which is no event class"),
        (OfList(), "name one, or several as in 'PeerJoined | PeerLeft'"),
        (OfUnknown(), "import it outside of 'if TYPE_CHECKING'"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_transform_that_is_not_allowed_is_rejected_when_it_is_registered(
    plugin: object, message: str
) -> None:
    bus = EventBus()
    with pytest.raises(PluginHookError, match=re.escape(message)):
        bus.register(plugin, "wrong")

    async with EventBus() as running:
        running.register(RecordingPlugin(), "wrong")
        with pytest.raises(PluginReplaceError, match=re.escape(message)):
            await running.plugins.replace("wrong", plugin)

    assert "wrong" not in bus.plugins


async def test_a_class_without_transforms_is_published_without_asking() -> None:
    """The benchmark "transforms" measures it; here: a plugin's other hooks stay as they were."""
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        plugin = Transforming(renamed("B."))
        bus.register(plugin)
        await bus.publish_and_wait(PeerLeft(peer_name="Ann", party_name="LAN"))

    assert plugin.calls == 0
    assert names(recorder) == ["Ann"]


# The life of a plugin


class Slow(Transforming):
    """Starts when it may."""

    def __init__(self, change: Change, *, required: bool = True) -> None:
        super().__init__(change, required=required)
        self.may_start = anyio.Event()
        self.may_end = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self.may_start.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._end)
            yield
            tasks.cancel_scope.cancel()

    async def _end(self) -> None:
        await self.may_end.wait()
        raise OSError("gone")


async def test_events_are_rejected_until_a_required_transform_has_started_once() -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        plugin = Slow(renamed("B."))
        bus.register(plugin, "privacy")
        with pytest.raises(EventNotTransformed, match="has not started yet"):
            await bus.publish(joined())

        await bus.publish(Notification(title="", message=""))
        plugin.may_start.set()
        await anyio.wait_all_tasks_blocked()
        await bus.publish_and_wait(joined())
        plugin.may_end.set()
        await anyio.sleep(0.5)
        assert bus.statistics().plugins["privacy"].state == "down"
        await bus.publish_and_wait(joined("down"))
        await bus.unregister("privacy")
        await bus.publish_and_wait(joined("removed"))

    assert names(recorder) == ["notification", "Ann B.", "down B.", "removed"]


async def test_an_event_passes_a_transform_that_has_not_started_and_is_not_required() -> None:
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(recorder)
        plugin = Slow(renamed("B."), required=False)
        bus.register(plugin)
        await bus.publish(joined("1"))
        plugin.may_start.set()
        await anyio.wait_all_tasks_blocked()
        await bus.publish(joined("2"))

    assert names(recorder) == ["1", "2 B."]


@pytest.mark.parametrize("starts", [True, False])
async def test_the_old_transform_serves_until_the_one_that_replaces_it_has_started(
    starts: bool,
) -> None:
    recorder = RecordingPlugin()
    async with EventBus(start_timeout=10) as bus:
        bus.register(recorder)
        bus.register(Transforming(renamed("old"), required=True), "privacy")
        bus.register(Transforming(renamed("later")), "later")
        new = Slow(renamed("new"))

        async def replace_it() -> None:
            try:
                await bus.plugins.replace("privacy", new)
            except PluginReplaceError:
                assert not starts

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replace_it)
            await anyio.wait_all_tasks_blocked()
            await bus.publish_and_wait(joined("1"))
            if starts:
                new.may_start.set()

        await bus.publish_and_wait(joined("2"))
        await bus.plugins.replace("privacy", RecordingPlugin())
        await bus.publish_and_wait(joined("3"))

    after = "new" if starts else "old"
    assert names(recorder) == ["1 old later", f"2 {after} later", "3 later"]


async def test_plugins_with_transforms_start_before_the_others_and_end_after_them() -> None:
    recorder = RecordingPlugin()

    class Source:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            await bus.publish(joined("first"))
            yield
            await bus.publish(joined("last"))

    class Loading(Transforming):
        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            await anyio.sleep(3)
            self.change = renamed("B.")
            yield
            self.change = failing

    bus = EventBus()
    bus.register(Source())
    bus.register(recorder)
    bus.register(Loading(failing, required=True))
    async with bus:
        pass

    assert names(recorder) == ["first B.", "last B."]


async def test_a_bus_does_not_start_others_if_one_with_a_transform_cannot_start() -> None:
    class Broken(Transforming):
        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            raise OSError("no list of names")
            yield

    class Source:
        started = False

        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            self.started = True
            yield

    bus, source = EventBus(), Source()
    bus.register(source)
    bus.register(Broken(failing, required=True), "privacy")
    with pytest.raises(PluginStartError, match="no list of names"):
        async with bus:
            raise AssertionError

    assert not source.started


async def test_a_closed_bus_transforms_nothing() -> None:
    plugin = Transforming(renamed("B."))
    bus = EventBus()
    bus.register(plugin)
    async with bus:
        pass

    with pytest.raises(anyio.ClosedResourceError):
        await bus.publish(joined())

    with pytest.raises(anyio.ClosedResourceError):
        bus.publish_nowait(joined())

    assert plugin.calls == 0


# Rules


class SomeRules:
    """Rules that rename joins, and hide a name."""

    def __init__(self, *transforms: Transform, protects: Sequence[Transform] = ()) -> None:
        self._transforms = transforms
        self._protects = protects
        self.asked: list[type[Event]] = []

    def transforms(self, event_class: type[Event]) -> Sequence[Transform]:
        self.asked.append(event_class)
        return self._transforms if issubclass(event_class, PeerJoined) else ()

    def protects(self, event_class: type[Event]) -> Sequence[Transform]:
        return self._protects if issubclass(event_class, PeerJoined) else ()


def hide(event: PeerJoined) -> PeerJoined:
    return replace(event, peer_name=event.peer_name.replace("Ann", "a player"))


HIDE = Transform("rule 2", hide, required=True)


async def test_rules_come_first_and_protect_what_transforms_return() -> None:
    recorder, seen = RecordingPlugin(), list[str]()

    def reveal(event: PeerJoined) -> list[PeerJoined]:
        seen.append(event.peer_name)
        return [replace(event, peer_name="Ann again"), joined("Ann once more")]

    rules = SomeRules(Transform("rule 1", renamed("B.")), HIDE, protects=[HIDE])
    async with EventBus(rules=rules) as bus:
        bus.register(recorder)
        bus.register(Transforming(reveal))
        bus.register(Transforming(lambda e: replace(e, peer_name=f"{e.peer_name} (Ann)")), "last")
        await bus.publish_and_wait(joined())
        await bus.publish_and_wait(PeerLeft(peer_name="Ann", party_name="LAN"))

    assert seen == ["a player B."]
    assert names(recorder) == [
        "a player again (a player)",
        "a player once more (a player)",
        "Ann",
    ]


async def test_rules_are_asked_once_for_a_class_and_can_be_exchanged() -> None:
    recorder = RecordingPlugin()
    rules = SomeRules(Transform("rule 1", lambda _: None))
    async with EventBus(rules=rules) as bus:
        assert bus.rules is rules
        bus.register(recorder)
        for _ in range(200):
            await bus.publish(joined())

        assert rules.asked == [PeerJoined]
        assert bus.statistics().transforms == {"rule 1": TransformStatistics(dropped=200)}
        bus.rules = SomeRules(HIDE)
        await bus.publish(joined())
        bus.rules = None
        await bus.publish(joined())

    assert names(recorder) == ["a player", "Ann"]


async def test_a_required_rule_that_fails_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with EventBus(rules=SomeRules(Transform("rule 7", failing, required=True))) as bus:
        with pytest.raises(EventNotTransformed, match="not published: rule 7, which is required,"):
            await bus.publish(joined())

        other = Transform("rule 1", lambda event: Notification(title="", message=""))
        bus.rules = SomeRules(other)
        await bus.publish(joined())

    messages = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert messages[0].startswith("rule 7 failed on peer_joined ")
    assert "a rule must keep the class of an event" in caplog.text


async def test_what_a_required_transform_or_a_rule_raises_is_shown_nowhere(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def reveal(event: PeerJoined) -> Event:
        raise KeyError(f"secret {event.peer_name}")

    async with EventBus(trace=True, rules=SomeRules(Transform("rule 1", reveal))) as bus:
        bus.register(Transforming(reveal, required=True), "privacy")
        with pytest.raises(EventNotTransformed) as caught:
            await bus.publish(joined("Ann"))

        bus.rules = None

    shown = capsys.readouterr().err + caplog.text + "".join(format_exception(caught.value))
    assert "rules.rule 1 peer_joined" in shown
    assert "privacy.transform peer_joined" in shown
    assert "UndisclosedError: KeyError at test_transforms.py:" in shown
    assert "hook 'transform' failed on peer_joined" in caplog.text
    assert "Traceback" not in caplog.text
    assert "secret" not in shown.replace('f"secret {event.peer_name}"', "")


# Any chain


def dropping(event: PeerJoined) -> PeerJoined | None:
    return None if event.peer_name.startswith("b") else event


def doubling(event: PeerJoined) -> tuple[PeerJoined, PeerJoined]:
    return event, replace(event, peer_name=f"c{event.peer_name}")


def turning(event: PeerJoined) -> Event:
    return Notification(title=event.peer_name, message="") if "c" in event.peer_name else event


OPERATIONS: Sequence[Change] = (renamed("x"), dropping, doubling, turning, failing, lambda e: e)


def expected(event: PeerJoined, chain: Sequence[Change]) -> list[tuple[str, str, str | None]]:
    """Return type, id and parent of what an event is turned into."""
    current: list[Event] = [event]
    taken: Counter[str] = Counter()
    for change in chain:
        results: list[Event] = []
        for one in current:
            if not isinstance(one, PeerJoined) or change is failing:
                results.append(one)
                continue

            made = change(one)
            made = () if made is None else made if isinstance(made, tuple) else (made,)
            for number, new in enumerate(made, 1):
                if new.id != one.id or number > 1:
                    new_id = f"{one.id}.{taken[one.id] + number}"
                    new = replace(new, id=new_id, parent_id=one.id)

                results.append(new)

            taken[one.id] += len(made) if len(made) > 1 else 0

        current = results

    return [(type(e).__name__, e.id, e.parent_id) for e in current]


@pytest.mark.slow
@given(
    chain=st.lists(st.sampled_from(OPERATIONS), max_size=4),
    names=st.lists(st.sampled_from(["a", "b", "ac"]), min_size=1, max_size=12),
    size=st.sampled_from([1, 2, 1000]),
    ways=st.lists(st.sampled_from(["publish", "nowait", "wait", "many"]), min_size=12, max_size=12),
    backend=st.sampled_from(["asyncio", "trio"]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_chain_keeps_the_order_and_what_publishers_wait_for(
    chain: list[Change], names: list[str], size: int, ways: list[str], backend: Backend
) -> None:
    recorder = RecordingPlugin(mailbox_size=size, when_full="block", durable=True)
    events = [joined(name, id=str(number)) for number, name in enumerate(names)]
    wanted: list[tuple[str, str, str | None]] = []

    async def run() -> None:
        async with EventBus(blocked_after=None) as bus:
            bus.register(recorder)
            for number, change in enumerate(chain):
                bus.register(Transforming(change), str(number))

            for event, way in zip(events, ways, strict=False):
                made = expected(event, chain)
                wanted.extend(made)
                if way == "nowait":
                    with suppress(anyio.WouldBlock):
                        bus.publish_nowait(event)
                        continue

                if way == "wait":
                    await bus.publish_and_wait(event)
                    assert not made or len(recorder.handled) == len(wanted)
                elif way == "many":
                    assert await bus.publish_many_and_wait([event]) == [None]
                    assert not made or len(recorder.handled) == len(wanted)
                else:
                    await bus.publish(event)

    name, options = virtual_time(backend)
    anyio.run(run, backend=name, backend_options=options)
    assert [(type(e).__name__, e.id, e.parent_id) for e in recorder.events] == wanted
