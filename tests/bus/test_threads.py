"""Publishing from threads: real threads, so real time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from lanrage_events import Event, EventBus, PeerJoined, hookimpl
from lanrage_events.abc import BusStatistics, Subscription

pytestmark = pytest.mark.real_clock


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


class Recorder:
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Any] = []

    @hookimpl
    async def event(self, event: Event) -> None:
        self.events.append(event)


async def test_threads_publish_each_in_its_order_and_wait_for_room() -> None:
    recorder = Recorder()

    def publish(thread: int) -> None:
        for number in range(100):
            bus.publish_from_thread(joined(f"{thread}/{number}"))

    async with EventBus() as bus:
        bus.register(recorder, mailbox_size=3)
        async with anyio.create_task_group() as tg:
            for thread in range(4):
                tg.start_soon(anyio.to_thread.run_sync, publish, thread)

    for thread in range(4):
        own = [e.peer_name for e in recorder.events if e.peer_name.startswith(f"{thread}/")]
        assert own == [f"{thread}/{number}" for number in range(100)]


async def test_a_thread_that_knows_nothing_of_anyio_can_publish() -> None:
    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder)
        thread = threading.Thread(target=bus.publish_from_thread, args=(joined("Ann"),))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)

    assert [event.peer_name for event in recorder.events] == ["Ann"]


async def test_the_bus_own_thread_is_rejected() -> None:
    async with EventBus() as bus:
        with pytest.raises(RuntimeError, match="would block the bus's own thread: use publish"):
            bus.publish_from_thread(joined("Ann"))

    with pytest.raises(RuntimeError, match="the bus is not running"):
        EventBus().publish_from_thread(joined("Ann"))


async def test_a_thread_learns_that_the_bus_is_closed() -> None:
    async with EventBus() as bus:
        pass

    with pytest.raises(anyio.ClosedResourceError):
        await anyio.to_thread.run_sync(bus.publish_from_thread, joined("Ann"))


def test_a_thread_learns_that_the_event_loop_is_gone(anyio_backend_name: str) -> None:
    bus = EventBus()

    async def main() -> None:
        async with bus:
            pass

    anyio.run(main, backend=anyio_backend_name)
    caught: list[Exception] = []

    def publish() -> None:
        try:
            bus.publish_from_thread(joined("Ann"))
        except anyio.ClosedResourceError as error:
            caught.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join()
    assert len(caught) == 1


def calls(bus: EventBus, subscription: Subscription) -> dict[str, Callable[[], object]]:
    """Return what may be called in the event loop of a bus only."""
    event = joined("Ann")
    return {
        "register": lambda: bus.register(Recorder(), "new"),
        "subscribe": lambda: bus.subscribe(PeerJoined, print),
        "unsubscribe": subscription.unsubscribe,
        "stream": lambda: bus.stream(PeerJoined),
        "publish_nowait": lambda: bus.publish_nowait(event),
        "publish": lambda: bus.publish(event),
        "publish_and_wait": lambda: bus.publish_and_wait(event),
        "publish_many_and_wait": lambda: bus.publish_many_and_wait([event]),
        "drain": bus.drain,
        "call": lambda: bus.call("old", "f", print),
        "__aexit__": lambda: bus.__aexit__(None, None, None),
        "unregister": lambda: bus.unregister("old"),
        "register_and_wait": lambda: bus.plugins.register_and_wait(Recorder(), "new"),
        "replace": lambda: bus.plugins.replace("old", Recorder()),
        "drain_timeout": lambda: setattr(bus.plugins, "drain_timeout", 1),
        "update_locations": lambda: bus.plugins.update_locations("old", {}),
        "validate": bus.plugins.validate,
        "query": lambda: bus.query("outbox"),
        "template_folders": bus.template_folders,
        "health": bus.health,
        "statistics": bus.statistics,
    }


async def test_every_call_from_another_thread_is_rejected_before_it_changes_anything() -> None:
    old, heard = Recorder(), list[PeerJoined]()
    errors: dict[str, str] = {}

    def call_all() -> None:
        for name, call in calls(bus, subscription).items():
            try:
                result = call()
                if isinstance(result, Coroutine):
                    try:
                        result.send(None)
                    finally:
                        result.close()
            except RuntimeError as error:
                errors[name] = str(error)

    async with EventBus() as bus:
        bus.register(old, "old")
        subscription = bus.subscribe(PeerJoined, heard.append)
        await bus.publish_and_wait(joined("Ann"))
        before = bus.statistics()
        await anyio.to_thread.run_sync(call_all)
        await anyio.sleep(0.01)
        assert replace_times(bus.statistics()) == replace_times(before)
        assert errors.keys() == calls(bus, subscription).keys()
        assert errors.pop("__aexit__") == (
            "a bus can only be left by the task that entered it: leave its 'async with' there"
        )
        [error] = set(errors.values())
        assert error == (
            "the bus runs in another thread: use publish_from_thread to publish, and for "
            "anything else BusThread.call or, in a thread of AnyIO, anyio.from_thread.run"
        )
        # What the error recommends works.
        await anyio.to_thread.run_sync(bus.publish_from_thread, joined("Ben"))
        await anyio.to_thread.run_sync(anyio.from_thread.run, bus.drain)
        assert [event.peer_name for event in heard] == ["Ann", "Ben"]

    assert len(old.events) == 2


async def test_a_publisher_in_another_thread_is_rejected_while_every_plugin_is_awake() -> None:
    heard = list[PeerJoined]()
    errors: list[str] = []

    def publish() -> None:
        call = bus.publish(joined("Ben"))
        try:
            call.send(None)
        except RuntimeError as error:
            errors.append(str(error))
        finally:
            call.close()

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, heard.append)
        await bus.publish_and_wait(joined("Ann"))
        await bus.publish(joined("Cid"))
        thread = threading.Thread(target=publish)
        thread.start()
        thread.join()

    assert [error.partition(":")[0] for error in errors] == ["the bus runs in another thread"]
    assert [event.peer_name for event in heard] == ["Ann", "Cid"]


def replace_times(statistics: BusStatistics) -> BusStatistics:
    plugins = {name: replace(s, hook_seconds=0) for name, s in statistics.plugins.items()}
    return replace(statistics, plugins=plugins)


def test_nothing_is_added_to_a_running_bus_from_outside_of_its_event_loop() -> None:
    bus = EventBus()
    errors: list[str] = []

    def add() -> None:
        for call in (
            lambda: bus.register(Recorder()),
            lambda: bus.subscribe(PeerJoined, print),
            lambda: bus.stream(PeerJoined),
        ):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))

    async def enter() -> None:
        async with bus:
            entered.set()
            await leave.wait()

    async def call_back() -> None:
        asyncio.get_running_loop().call_soon(add)
        await asyncio.sleep(0)

    with asyncio.Runner() as runner:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = runner.get_loop().create_task(enter())
        runner.run(entered.wait())
        add()
        runner.run(call_back())
        assert bus.statistics().plugins == {}
        leave.set()
        runner.get_loop().run_until_complete(task)

    [error] = set(errors)
    assert len(errors) == 6
    assert "from outside its event loop: use an 'async def'" in error


# The end of the event loop


class Stuck:
    when_full = "block"
    mailbox_size = 1

    @hookimpl
    async def event(self, event: Event) -> None:
        await anyio.sleep_forever()


def start_publishers(bus: EventBus, number: int) -> tuple[list[threading.Thread], list[str]]:
    """Start threads that publish until they are rejected, and return them and their errors."""
    outcomes: list[str] = []

    def publish() -> None:
        try:
            while True:
                bus.publish_from_thread(joined("Ann"))
        except anyio.ClosedResourceError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=publish, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()

    return threads, outcomes


@pytest.mark.parametrize("plugin", [Recorder, Stuck])
def test_every_thread_gets_an_answer_when_the_event_loop_ends(
    anyio_backend_name: str, plugin: type[Recorder | Stuck]
) -> None:
    bus = EventBus(drain_timeout=0.05)
    bus.register(plugin(), "plugin", mailbox_size=1)
    threads: list[threading.Thread] = []
    outcomes: list[str] = []

    async def main() -> None:
        nonlocal threads, outcomes
        async with bus:
            threads, outcomes = start_publishers(bus, 100)
            await anyio.sleep(0.05)

    anyio.run(main, backend=anyio_backend_name)
    for thread in threads:
        thread.join(10)

    assert not any(thread.is_alive() for thread in threads)
    assert len(outcomes) == 100
    assert {outcome.partition(":")[0] for outcome in outcomes} <= {
        "the bus is closing",
        "the bus is closed",
    }


BUS_THAT_IS_NOT_LEFT = """
import asyncio
import os
import threading

import anyio

from lanrage_events import EventBus, PeerJoined

outcomes = []


async def hang(event):
    await anyio.sleep_forever()


def publish():
    try:
        while True:
            bus.publish_from_thread(PeerJoined(peer_name="Ann", party_name="LAN"))
    except anyio.ClosedResourceError as error:
        outcomes.append(str(error))


async def begin():
    await bus.__aenter__()
    bus.subscribe(PeerJoined, hang, mailbox_size=1, when_full="block")


bus = EventBus(blocked_after=None)
loop = asyncio.new_event_loop()
loop.run_until_complete(begin())
threads = [threading.Thread(target=publish, daemon=True) for _ in range(10)]
for thread in threads:
    thread.start()

loop.run_until_complete(asyncio.sleep(0.05))
loop.close()
for thread in threads:
    thread.join(10)

print(*outcomes, sep="\\n", flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_a_thread_gets_an_answer_when_the_event_loop_ends_before_the_bus() -> None:
    # In a process of its own, because nothing can end the tasks that this leaves behind.
    done = subprocess.run(
        [sys.executable, "-c", BUS_THAT_IS_NOT_LEFT],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    answer = "the event loop of the bus has ended: publish while it runs"
    assert done.stdout.splitlines() == [answer] * 10
