"""Random plugins that misbehave, random events and reloads, and a bus that is left in between."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Literal

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import Event, EventBus, Health, Metric, Notification, hookimpl
from lanrage_events.testing import virtual_time

DRAIN_TIMEOUT = 5.0
BACKENDS = ["asyncio", "trio"]
MISDEEDS = ["nothing", "error", "exit", "generator", "cancelled", "cancel", "cancel and raise"]


def misbehave(deed: str) -> None:
    """Do what an event says."""
    match deed:
        case "error":
            raise OSError(deed)
        case "exit":
            raise SystemExit(deed)
        case "generator":
            raise GeneratorExit
        case "cancelled":
            raise asyncio.CancelledError
        case "cancel" | "cancel and raise":
            if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()

            if deed != "cancel":
                raise OSError(deed)


class Faulty:
    """Misbehaves in every hook, as the event or the last event says."""

    def __init__(self) -> None:
        self.deed = "nothing"

    @hookimpl
    def health(self) -> Health:
        misbehave(self.deed)
        return Health()

    @hookimpl
    def metrics(self) -> list[Metric]:
        misbehave(self.deed)
        return []


class Sync(Faulty):
    @hookimpl
    def notification(self, event: Notification) -> None:
        self.deed = event.title
        misbehave(event.title)


class Async(Faulty):
    @hookimpl
    async def notification(self, event: Notification) -> None:
        self.deed = event.title
        await checkpoint()
        misbehave(event.title)
        await checkpoint()

    @hookimpl
    async def event(self, event: Event) -> None:
        await anyio.sleep(0.01)


class Batches(Faulty):
    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Notification):
                self.deed = event.title
                misbehave(event.title)

            await checkpoint()


class Good:
    """Counts its events."""

    def __init__(self) -> None:
        self.count = 0

    @hookimpl
    async def event(self, event: Event) -> None:
        self.count += 1


def notification(title: str) -> Notification:
    return Notification(title=title, message="")


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.sampled_from(MISDEEDS), min_size=1, max_size=9)),
        st.tuples(st.sampled_from(["drain", "query", "replace", "wait"]), st.just([])),
    ),
    max_size=12,
)
ENDS = ["leave", "raise", "scope", "native"]


async def live(actions: Sequence[tuple[str, list[str]]], end: str) -> None:
    """Run a bus with faulty plugins, do some things and leave it."""
    good, published = Good(), 0
    plugins = {"sync": Sync, "async": Async, "batches": Batches}
    async with EventBus(drain_timeout=DRAIN_TIMEOUT) as bus:
        for name, kind in plugins.items():
            await bus.plugins.register_and_wait(kind(), name)

        bus.register(good)
        try:
            for action, deeds in actions:
                match action:
                    case "publish":
                        published += len(deeds)
                        for deed in deeds:
                            await bus.publish(notification(deed))
                    case "drain":
                        await bus.drain()
                    case "query":
                        bus.health()
                        bus.query("metrics")
                    case "replace":
                        await bus.plugins.replace("sync", Sync())
                    case "wait":
                        await anyio.sleep(1)

            if end == "raise":
                raise LookupError(end)

            if end in ("scope", "native"):
                await wait_for_cancellation(end)
        finally:
            if end not in ("scope", "native"):
                await bus.drain()
                check(bus.statistics().plugins, published)

    assert good.count == published


def check(statistics: Any, published: int) -> None:
    """Check that each event is counted once, and no plugin ended."""
    for name in ("sync", "async", "batches"):
        plugin = statistics[name]
        assert plugin.state == "running"
        assert plugin.restarts == 0
        assert (plugin.pending, plugin.dropped) == (0, 0)
        assert plugin.handled + plugin.failed == published


async def wait_for_cancellation(how: str) -> None:
    """Wait for the deadline of the caller's scope, or for a cancellation that Trio does not have."""
    if how == "native":
        if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
            return

        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    await anyio.sleep_forever()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@given(actions=ACTIONS, end=st.sampled_from(ENDS))
@settings(max_examples=75)
def test_the_bus_outlives_them_and_can_always_be_left(
    backend: Literal["asyncio", "trio"], actions: list[tuple[str, list[str]]], end: str
) -> None:
    async def main() -> None:
        began = anyio.current_time()
        leaves = began + 3
        caught: list[BaseException] = []
        try:
            with anyio.CancelScope(deadline=leaves if end == "scope" else math.inf):
                await live(actions, end)
        except (LookupError, anyio.get_cancelled_exc_class()) as error:
            caught.append(error)

        waited = sum(action == "wait" for action, _ in actions)
        assert anyio.current_time() < leaves + waited + DRAIN_TIMEOUT + 1
        assert bool(caught) == (end == "raise" or (end == "native" and backend == "asyncio"))
        if backend == "asyncio":
            task = asyncio.current_task()
            assert task is not None
            while task.cancelling():
                task.uncancel()

            assert len(asyncio.all_tasks()) == 1

    name, options = virtual_time(backend)
    anyio.run(main, backend=name, backend_options=options)
