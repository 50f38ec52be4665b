"""Publishing from threads: real threads, so real time."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lanrage_events import Event, EventBus, PeerJoined, hookimpl

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


async def test_nothing_is_added_to_a_running_bus_from_outside_of_its_loop() -> None:
    errors: list[RuntimeError] = []

    def add() -> None:
        for act in (lambda: bus.register(Recorder(), "recorder"), subscribe):
            try:
                act()
            except RuntimeError as error:
                errors.append(error)

    def subscribe() -> None:
        bus.subscribe(PeerJoined, print)

    async with EventBus() as bus:
        thread = threading.Thread(target=add)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        assert (list(bus.plugins), bus.statistics().plugins) == ([], {})

    assert [str(error).partition(":")[0] for error in errors] == [
        f"'{name}' was added to a running bus from outside its event loop"
        for name in ("recorder", "print")
    ]
