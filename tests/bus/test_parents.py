from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest

from lanrage_events import Event, EventBus, Notification, PeerJoined, PeerLeft, hookimpl
from lanrage_events.testing import RecordingPlugin


def joined(id: str) -> PeerJoined:
    return PeerJoined(id=id, peer_name="Ann", party_name="LAN")


def note(title: str) -> Notification:
    return Notification(title=title, message="")


class Greeting:
    """Publishes in its hooks, in every way that there is."""

    def __init__(self) -> None:
        self.later = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        self.bus = bus
        await bus.publish(note("lifespan"))
        async with anyio.create_task_group() as self.tasks:
            yield

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        self.bus.publish_nowait(note(f"at once {event.id}"))
        await anyio.sleep(1)
        await self.bus.publish(note(f"after a pause {event.id}"))
        await anyio.to_thread.run_sync(
            lambda: self.bus.publish_from_thread(note(f"in a thread {event.id}"))
        )
        self.tasks.start_soon(self._publish_later)

    async def _publish_later(self) -> None:
        await self.later.wait()
        await self.bus.publish(note("task"))

    @hookimpl
    def peer_left(self, event: PeerLeft) -> None:
        self.bus.publish_nowait(note(f"sync {event.id}"))


@pytest.mark.real_clock
async def test_events_that_a_hook_creates_have_its_event_as_parent() -> None:
    recorder, greeting = RecordingPlugin(), Greeting()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(greeting)
        for id in ("1", "2"):
            await bus.publish(joined(id))

        await bus.publish(PeerLeft(id="3", peer_name="Ann", party_name="LAN"))
        await recorder.wait_for(8, Notification)
        greeting.later.set()
        await recorder.wait_for(10, Notification)
        outside = note("")

    parents = {event.title: event.parent_id for event in recorder.of(Notification)}
    assert parents == {
        "lifespan": None,
        "at once 1": "1",
        "after a pause 1": "1",
        "in a thread 1": "1",
        "at once 2": "2",
        "after a pause 2": "2",
        "in a thread 2": "2",
        "sync 3": "3",
        "task": None,
    }
    assert {event.parent_id for event in recorder.of(PeerJoined)} == {None}
    assert outside.parent_id is None


@pytest.mark.real_clock
async def test_the_handler_of_a_subscription_is_a_hook_and_a_threaded_hook_is_one_too() -> None:
    class Threaded:
        @hookimpl(threaded=True)
        def peer_joined(self, event: PeerJoined) -> None:
            made.append(note("threaded"))

    made: list[Event] = []
    async with EventBus() as bus:
        bus.register(Threaded())
        bus.subscribe(PeerJoined, lambda event: made.append(note("handler")))
        await bus.publish_and_wait(joined("1"))

    assert {event.parent_id for event in made} == {"1"}


async def test_what_a_hook_creates_for_several_events_has_no_parent() -> None:
    class Batch:
        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> None:
            made.append(note(""))

    made: list[Event] = []
    async with EventBus() as bus:
        bus.register(Batch())
        await bus.publish_and_wait(joined("1"))

    assert [event.parent_id for event in made] == [None]


async def test_a_hook_that_was_interrupted_leaves_no_parent_behind() -> None:
    class Slow:
        hook_timeout = 1.0

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            await anyio.sleep_forever()

        @hookimpl
        def party_event(self, event: Event) -> None:
            made.append(note(""))

    made: list[Event] = []
    async with EventBus() as bus:
        bus.register(Slow())
        for id in ("1", "2"):
            await bus.publish(joined(id))

    assert [event.parent_id for event in made] == ["1", "2"]
    assert note("").parent_id is None
