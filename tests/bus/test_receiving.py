"""Receiving outside of hooks: several classes, predicates, decorators and waiting for one event."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    Notification,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    PluginHookError,
    hookimpl,
    on,
)
from lanrage_events.testing import CheckedBus, RecordingPlugin


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN")


def left(name: str = "Ann") -> PeerLeft:
    return PeerLeft(peer_name=name, party_name="LAN")


ENDED = GameEnded(game_name="Quake", duration=1.0)
NOTE = Notification(title="-", message="-")


# Several classes, and predicates


async def test_a_handler_receives_several_classes(bus: CheckedBus) -> None:
    got: list[Event] = []
    bus.subscribe((PeerJoined, GameEnded), got.append)
    events = joined(), left(), ENDED, NOTE
    for event in events:
        await bus.publish_and_wait(event)

    assert got == [events[0], ENDED]


async def test_a_handler_receives_what_a_predicate_selects(bus: CheckedBus) -> None:
    got: list[str] = []

    async def handle(event: PeerJoined) -> None:
        await checkpoint()
        got.append(event.peer_name)

    bus.subscribe(PeerJoined, handle, where=lambda event: event.peer_name != "Bob")
    for name in ("Ann", "Bob", "Cyd"):
        await bus.publish_and_wait(joined(name))

    assert got == ["Ann", "Cyd"]


@pytest.mark.real_clock
async def test_a_threaded_handler_is_filtered_in_its_thread() -> None:
    threads: list[int] = []

    def where(event: Event) -> bool:
        threads.append(threading.get_ident())
        return isinstance(event, PeerLeft)

    async with EventBus() as bus:
        bus.subscribe(Event, lambda event: threads.append(threading.get_ident()), where=where,
                      threaded=True)  # fmt: skip
        await bus.publish_and_wait(joined())
        await bus.publish_and_wait(left())

    assert len(threads) == 3
    assert {*threads} == {threads[0]} != {threading.get_ident()}


async def test_what_a_predicate_raises_counts_as_raised_by_its_handler(bus: CheckedBus) -> None:
    def where(event: Event) -> bool:
        raise LookupError("where")

    bus.subscribe(PeerJoined, lambda event: None, where=where, name="mine")
    async with bus.expecting(LookupError, plugin="mine"):
        await bus.publish(joined())

    assert bus.statistics().plugins["mine"].failed == 1


async def test_a_stream_returns_what_a_predicate_selects_of_several_classes(
    bus: CheckedBus,
) -> None:
    wanted = [joined(), left()]
    async with bus.stream((PeerJoined, PeerLeft), where=lambda e: e.peer_name == "Ann") as events:
        for event in (NOTE, joined("Bob"), wanted[0], left("Bob"), wanted[1]):
            await bus.publish(event)

        assert [await anext(events), await anext(events)] == wanted
        assert events.statistics().handled == 4


async def test_what_the_predicate_of_a_stream_raises_is_raised_to_its_reader(
    bus: CheckedBus,
) -> None:
    async with bus.stream(PeerJoined, where=lambda event: 1 / 0 > 1) as events:
        await bus.publish(joined())
        with pytest.raises(ZeroDivisionError):
            await anext(events)


# Wrong arguments


def generator(event: Event) -> Iterator[None]:
    yield


async def coroutine(event: Event) -> None: ...


class Yields:
    async def __call__(self, event: Event) -> Any:
        yield


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((joined(), print), "an event of PeerJoined is not an event class: give PeerJoined itself"),
        (("peer_joined", print), "'peer_joined' is not an event class: give the class, which bus"),
        (
            (dict, print),
            "<class 'dict'> is not an event class: derive it from lanrage_events.Event",
        ),
        ((PeerJoined | PeerLeft, print), "is not an event class: give a tuple of classes"),
        (((), print), "the tuple is empty: name at least one"),
        (((PeerJoined, "peer_left"), print), "'peer_left' is not an event class"),
        ((print, PeerJoined), "PeerJoined stands where the handler belongs: give the event class"),
        ((PeerJoined, None), "a handler must be a function or another callable, not None"),
        ((PeerJoined, "print"), "a handler must be a function or another callable, not 'print'"),
        (
            (PeerJoined, generator),
            "'generator' is a generator, which would never run: omit 'yield'",
        ),
        ((PeerJoined, Yields()), "'Yields' is a generator, which would never run: omit 'yield'"),
        ((PeerJoined, lambda: None), "is called with one argument, the event, but cannot be: too"),
        ((PeerJoined, lambda a, b: None), "but cannot be: missing a required argument: 'b'"),
        ((PeerLeft, RecordingPlugin.event), "missing a required argument: 'event'"),
    ],
)
async def test_what_cannot_be_subscribed_is_an_error(
    bus: CheckedBus, arguments: tuple[Any, Any], text: str
) -> None:
    with pytest.raises(TypeError) as caught:
        bus.subscribe(*arguments)

    assert text in str(caught.value)
    assert not bus.statistics().plugins


async def test_a_handler_that_was_called_is_an_error(bus: CheckedBus) -> None:
    called: Any = coroutine(joined())
    with pytest.raises(TypeError, match="the handler 'coroutine' was called: give the function"):
        bus.subscribe(PeerJoined, called)


async def test_the_annotation_of_a_handler_is_checked(bus: CheckedBus) -> None:
    class Handler:
        def __call__(self, event: PeerLeft) -> None: ...

        def method(self, event: PeerLeft) -> None: ...

    def two(prefix: str, event: PeerLeft) -> None: ...

    wrong: list[Any] = [Handler(), Handler().method, partial(two, "-")]
    for handler in wrong:
        with pytest.raises(TypeError, match="annotate it PeerJoined, or subscribe to PeerLeft"):
            bus.subscribe(PeerJoined, handler)

        bus.subscribe(PeerLeft, handler)

    with pytest.raises(
        TypeError, match=r"is called with every PeerJoined.* annotate it PeerLeft . PeerJoined"
    ):
        bus.subscribe((PeerLeft, PeerJoined), wrong[0])


async def test_builtins_and_whatever_takes_one_argument_may_be_handlers(bus: CheckedBus) -> None:
    got: list[Event] = []

    def take_any(*events: Event) -> None:
        got.extend(events)

    def take_again(event: Event, again: bool = False) -> None:
        got.append(event)

    send, receive = anyio.create_memory_object_stream[Event](4)
    with send, receive:
        bus.subscribe(PeerJoined, got.append)
        bus.subscribe(PeerJoined, print)
        bus.subscribe(PeerJoined, send.send)
        bus.subscribe(PeerJoined, take_any)
        bus.subscribe(PeerJoined, take_again)
        await bus.publish_and_wait(joined())
        assert len(got) == 3
        assert receive.statistics().current_buffer_used == 1


@pytest.mark.parametrize("where", ["Ann", joined(), True])
async def test_a_predicate_must_be_callable(bus: CheckedBus, where: Any) -> None:
    for receive in (
        partial(bus.subscribe, PeerJoined, print),
        partial(bus.stream, PeerJoined),
        partial(bus.wait_for, PeerJoined),
        partial(on, PeerJoined),
    ):
        with pytest.raises(TypeError, match="where must be a function of the event, such as a"):
            receive(where=where)


async def test_a_stream_is_iterated_only_while_it_is_entered(bus: CheckedBus) -> None:
    stream = bus.stream(PeerJoined)
    with pytest.raises(RuntimeError, match="enter the stream first: async with bus.stream"):
        aiter(stream)

    with pytest.raises(RuntimeError, match="enter the stream first"):
        await anext(stream)

    async with stream:
        with pytest.raises(RuntimeError, match="entered only once: create another one"):
            await stream.__aenter__()

    with pytest.raises(
        RuntimeError, match="the stream was left: iterate it inside its 'async with'"
    ):
        aiter(stream)

    with pytest.raises(StopAsyncIteration, match="the stream has ended"):
        await anext(stream)


async def test_a_reader_in_another_task_ends_when_the_stream_is_left(bus: CheckedBus) -> None:
    got: list[str] = []

    async def read() -> None:
        async for event in stream:
            got.append(event.peer_name)
            await gate.wait()

    gate = anyio.Event()
    stream = bus.stream(PeerJoined)
    async with anyio.create_task_group() as tg:
        async with stream:
            tg.start_soon(read)
            await bus.publish(joined())
            await wait_all_tasks_blocked()

        gate.set()

    assert got == ["Ann"]


# Decorators


async def test_a_decorated_function_is_subscribed_and_stays_itself(bus: CheckedBus) -> None:
    got: list[str] = []

    @bus.on((PeerJoined, PeerLeft), where=lambda event: event.peer_name == "Ann", name="greeter")
    def greet(event: PeerJoined | PeerLeft) -> str:
        got.append(event.type)
        return event.peer_name

    for event in (joined("Bob"), joined(), left(), ENDED):
        await bus.publish_and_wait(event)

    assert got == ["peer_joined", "peer_left"]
    assert greet(joined()) == "Ann"
    assert bus.statistics().plugins["greeter"].handled == 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TableReserved(Event):
    table: int = 0


class Marked:
    def __init__(self) -> None:
        self.got: list[str] = []

    @on(PeerJoined)
    async def joined(self, who: PeerJoined) -> None:
        await checkpoint()
        self.got.append(f"joined {who.peer_name}")

    @on((PartyEvent, PeerLeft, TableReserved), where=lambda event: event is not ENDED)
    def several(self, event: PartyEvent | TableReserved) -> None:
        self.got.append(f"several {event.type}")

    @hookimpl
    def event(self, event: Event) -> None:
        self.got.append(f"event {event.type}")


async def test_marked_methods_are_hooks_of_their_classes(bus: CheckedBus) -> None:
    plugin = Marked()
    bus.register(plugin, "marked")
    for event in (joined(), left(), TableReserved(), ENDED, NOTE):
        await bus.publish_and_wait(event)

    assert plugin.got == [
        "joined Ann", "several peer_joined", "event peer_joined",
        "several peer_left", "event peer_left",
        "several table_reserved", "event table_reserved",
        "event game_ended", "event notification",
    ]  # fmt: skip
    await bus.unregister("marked")
    bus.register(plugin, "again")
    await bus.publish_and_wait(NOTE)
    assert plugin.got[-1] == "event notification"


async def test_a_marked_function_of_a_module_is_a_hook() -> None:
    got: list[Event] = []
    module = ModuleType("marked")
    vars(module)["greet"] = on(PeerJoined)(lambda event: got.append(event))
    async with CheckedBus() as bus:
        bus.register(module)
        await bus.publish_and_wait(joined())

    assert len(got) == 1


@pytest.mark.real_clock
async def test_a_marked_method_may_run_in_a_thread() -> None:
    class Plugin:
        @on(PeerJoined, threaded=True)
        def joined(self, event: PeerJoined) -> None:
            threads.append(threading.get_ident())

    threads: list[int] = []
    async with EventBus() as bus:
        bus.register(Plugin())
        await bus.publish_and_wait(joined())

    assert threads
    assert threads[0] != threading.get_ident()


def marked(function: Any, **options: Any) -> object:
    return type("Plugin", (), {"method": on(PeerJoined, **options)(function)})()


async def awaited(self: object, event: PeerJoined) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        (marked(lambda self, event, more: None), "missing a required argument: 'more'"),
        (marked(awaited, threaded=True), "is async, so it cannot be threaded: omit 'threaded'"),
        (type("Batches", (Marked,), {"event": None, "event_batch": hookimpl(
            lambda self, events: None)})(), "implements both 'event_batch' and"),
    ],
)  # fmt: skip
def test_a_marked_method_that_cannot_work_is_an_error(plugin: object, text: str) -> None:
    with pytest.raises(PluginHookError, match=text):
        EventBus().register(plugin)


def test_only_event_classes_can_be_marked() -> None:
    wrong: Any = "peer_joined"
    with pytest.raises(TypeError, match="'peer_joined' is not an event class"):
        on(wrong)


async def test_a_plugin_with_marked_methods_is_replaced(bus: CheckedBus) -> None:
    old, new = Marked(), Marked()
    bus.register(old, "marked")
    await bus.plugins.replace("marked", new)
    await bus.publish_and_wait(TableReserved())
    assert (old.got, new.got) == ([], ["several table_reserved", "event table_reserved"])


# Waiting for one event


async def test_it_waits_for_the_first_event_that_matches(bus: CheckedBus) -> None:
    async def publish() -> None:
        for event in (NOTE, joined("Bob"), left(), joined("Ann"), joined("Cyd")):
            await bus.publish(event)

    async with anyio.create_task_group() as tg:
        tg.start_soon(publish)
        found = await bus.wait_for(PeerJoined, where=lambda event: event.peer_name != "Bob")
        assert found.peer_name == "Ann"

    assert not bus.statistics().plugins


async def test_no_answer_is_missed_that_comes_before_it_is_awaited(bus: CheckedBus) -> None:
    waiting = bus.wait_for((PeerLeft, Notification))
    for number in range(3000):
        bus.publish_nowait(joined(str(number)))

    await bus.publish(NOTE)
    await bus.publish(left())
    assert await waiting is NOTE
    with pytest.raises(TimeoutError):
        await bus.wait_for((PeerLeft, Notification), timeout=0)


async def test_it_does_not_wait_for_ever(bus: CheckedBus) -> None:
    began = anyio.current_time()
    with pytest.raises(
        TimeoutError, match=r"no PeerJoined or PeerLeft was published within 2\.5 s"
    ):
        await bus.wait_for((PeerJoined, PeerLeft), timeout=2.5)

    assert anyio.current_time() - began == pytest.approx(2.5)


async def test_what_the_predicate_raises_is_raised_to_who_waits(bus: CheckedBus) -> None:
    waiting = bus.wait_for(PeerJoined, where=lambda event: 1 / 0 > 1)
    await bus.publish(joined())
    await bus.publish(joined())
    with pytest.raises(ZeroDivisionError):
        await waiting


@pytest.mark.parametrize(
    ("timeout", "error"),
    [("1", TypeError), (True, TypeError), (-1, ValueError), (float("nan"), ValueError)],
)
async def test_a_wrong_timeout_is_an_error(
    bus: CheckedBus, timeout: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="timeout must be"):
        await bus.wait_for(PeerJoined, timeout=timeout)


async def test_it_raises_when_the_bus_closes() -> None:
    errors: list[str] = []

    async def wait() -> None:
        try:
            await bus.wait_for(PeerJoined)
        except anyio.ClosedResourceError as error:
            errors.append(str(error))

    class Waiting:
        @hookimpl
        async def notification(self, event: Notification) -> None:
            await wait()

    began = anyio.current_time()
    async with anyio.create_task_group() as tg, EventBus() as bus:
        bus.register(Waiting())
        tg.start_soon(wait)
        await bus.publish(NOTE)
        await wait_all_tasks_blocked()

    assert anyio.current_time() < began + 1
    assert len(errors) == 2
    assert errors[0].startswith("no PeerJoined came, and the bus is closed: publish before")
    with pytest.raises(anyio.ClosedResourceError, match="the bus is closed: publish before"):
        await bus.wait_for(PeerJoined)


async def test_a_bus_that_does_not_run_has_nothing_to_wait_for() -> None:
    with pytest.raises(RuntimeError, match="enter it with 'async with' first"):
        await EventBus().wait_for(PeerJoined)


async def test_a_hook_waits_for_an_event_that_another_publishes(bus: CheckedBus) -> None:
    class Asks:
        @hookimpl
        async def notification(self, event: Notification) -> None:
            answer = bus.wait_for(PeerLeft, timeout=5)
            await bus.publish(joined())
            answers.append(await answer)

    answers: list[Event] = []
    bus.register(Asks())
    bus.subscribe(PeerJoined, lambda event: bus.publish(left()))
    await bus.publish_and_wait(NOTE)
    assert [event.type for event in answers] == ["peer_left"]


async def test_cancelling_it_leaves_nothing(bus: CheckedBus) -> None:
    seen: list[Event] = []

    def where(event: Event) -> bool:
        seen.append(event)
        return False

    async with anyio.create_task_group() as tg:
        tg.start_soon(partial(bus.wait_for, PeerJoined, where=where))
        await wait_all_tasks_blocked()
        await bus.publish(joined())
        tg.cancel_scope.cancel()

    await bus.publish(joined())
    assert len(seen) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("began", [True, False])
async def test_cancelling_a_task_of_asyncio_leaves_nothing(bus: CheckedBus, began: bool) -> None:
    seen: list[Event] = []
    task = asyncio.create_task(bus.wait_for(PeerJoined, where=seen.append))
    if began:
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await bus.publish(joined())
    assert not seen


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_what_was_never_awaited_leaves_nothing(bus: CheckedBus) -> None:
    seen: list[Event] = []
    bus.wait_for(PeerJoined, where=seen.append)  # type: ignore[unused-coroutine]
    gc.collect()
    await wait_all_tasks_blocked()
    await bus.publish(joined())
    assert not seen


Step = tuple[str, int]


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["wait", "await", "publish", "cancel"]), st.integers(0, 3)))
)
def test_each_waits_for_the_first_event_after_its_call(plan: list[Step]) -> None:
    """Begun, awaited and cancelled in any order, among events that match some of them."""

    async def main() -> None:
        async with EventBus() as bus, anyio.create_task_group() as tg:
            waiting: list[tuple[int, Any]] = []
            expected: dict[int, str | None] = {}
            got: dict[int, str] = {}
            scopes: dict[int, anyio.CancelScope] = {}

            async def finish(number: int, waits: Any) -> None:
                with anyio.CancelScope() as scopes[number]:
                    got[number] = (await waits).id

            for step, value in plan:
                match step:
                    case "wait":
                        is_wanted = partial(lambda name, event: event.peer_name == name, str(value))
                        waiting.append((value, bus.wait_for(PeerJoined, where=is_wanted)))
                        expected[len(waiting) - 1] = None
                    case "publish":
                        event = joined(str(value))
                        await bus.publish(event)
                        for number, first in expected.items():
                            if first is None and waiting[number][0] == value:
                                expected[number] = event.id
                    case "await" if value < len(waiting) and value not in scopes:
                        tg.start_soon(finish, value, waiting[value][1])
                        await wait_all_tasks_blocked()
                    case "cancel" if value in scopes and expected.get(value, "") is None:
                        scopes[value].cancel()
                        await wait_all_tasks_blocked()
                        if value not in got:  # else its event had come before
                            expected.pop(value, None)

            for number in range(len(waiting)):
                if number not in scopes:
                    tg.start_soon(finish, number, waiting[number][1])

            await wait_all_tasks_blocked()
            for number in {*scopes} - {*got}:
                scopes[number].cancel()
                assert expected.pop(number, None) is None

            await wait_all_tasks_blocked()
            assert got == expected

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
