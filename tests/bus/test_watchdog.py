from __future__ import annotations

import asyncio
import gc
import tracemalloc

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events import Event, EventBus, HookTimeout, PeerJoined, hookimpl
from lanrage_events.abc import Instrument

SUBSCRIPTIONS = 300
# The benchmark holds 10.5 KiB; what measures the coverage of a test run takes some of these.
SUBSCRIPTION_BYTES_MAX = 12 * 1024


def joined() -> PeerJoined:
    return PeerJoined(peer_name="Ann", party_name="LAN")


class Failures(Instrument):
    def __init__(self) -> None:
        self.timeouts: list[str] = []

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        assert isinstance(error, HookTimeout)
        self.timeouts.append(plugin)


async def hang(event: Event) -> None:
    await anyio.sleep_forever()


async def test_hooks_with_the_same_timeout_are_each_cancelled_after_it() -> None:
    failures = Failures()
    async with EventBus(hook_timeout=8, instruments=[failures]) as bus:
        bus.subscribe(PeerJoined, hang, name="a")
        began = anyio.current_time()
        await bus.publish(joined())
        await anyio.sleep(4)
        bus.subscribe(PeerJoined, hang, name="b")
        bus.subscribe(PeerJoined, hang, name="c", hook_timeout=2)
        await bus.publish(joined())
        await anyio.sleep(3)
        assert failures.timeouts == ["c"]
        await bus.drain()
        assert failures.timeouts == ["c", "a", "b", "a"]
        # A hook may run an eighth longer, and "a" was called twice.
        assert anyio.current_time() - began <= 2 * (8 + 1)


async def test_hook_is_cancelled_also_after_its_plugin_had_nothing_to_do_for_long() -> None:
    failures = Failures()
    handled: list[Event] = []

    async def handler(event: Event) -> None:
        handled.append(event)
        await anyio.sleep(len(handled) // 3 * 100)

    async with EventBus(hook_timeout=8, instruments=[failures]) as bus:
        bus.subscribe(PeerJoined, handler, name="a")
        for events in range(1, 4):
            await bus.publish(joined())
            await bus.drain()
            assert len(handled) == events
            await anyio.sleep(1000)

    assert failures.timeouts == ["a"]


class Batches:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    @hookimpl
    async def event_batch(self, events: list[Event]) -> None:
        self.sizes.append(len(events))
        if len(self.sizes) == 2:
            await anyio.sleep_forever()


async def test_batch_is_cancelled_also_after_its_plugin_had_nothing_to_do_for_long() -> None:
    plugin = Batches()
    async with EventBus(hook_timeout=8) as bus:
        bus.register(plugin, "plugin")
        for _ in range(3):
            await bus.publish(joined())
            await bus.drain()
            await anyio.sleep(1000)

        assert plugin.sizes == [1, 1, 1]
        assert bus.statistics().plugins["plugin"].failed == 1


def watchdogs() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "watchdog"]


# Of asyncio only: Trio has nothing that cancels a task without a scope.
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("kind", ["plugin", "batches"])
async def test_hooks_are_cancelled_also_after_the_task_of_the_watchdog_was(kind: str) -> None:
    class Hanging:
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)
            await anyio.sleep_forever()

    class HangingBatches:
        @hookimpl
        async def event_batch(self, events: list[Event]) -> None:
            await anyio.sleep(1)
            await anyio.sleep_forever()

    failures = Failures()
    async with EventBus(hook_timeout=8, instruments=[failures]) as bus:
        bus.register(Hanging() if kind == "plugin" else HangingBatches(), name="a")
        await bus.publish(joined())
        for _ in range(3):
            await anyio.sleep(0.5)
            [task] = watchdogs()
            task.cancel()

        await bus.publish(joined())
        await anyio.sleep(8 + 2)
        assert failures.timeouts == ["a"]
        await anyio.sleep(8 + 2)
        assert failures.timeouts == ["a", "a"]


def living_watchdogs() -> list[object]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one).__name__ == "Watchdog"]


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_nothing_remains_of_hook_timeouts_that_were_used_once() -> None:
    others = {id(one) for one in living_watchdogs()}
    async with EventBus() as bus:
        await wait_all_tasks_blocked()
        before = len(asyncio.all_tasks())
        for number in range(1, 30):
            with bus.subscribe(PeerJoined, lambda event: None, hook_timeout=number):
                await bus.publish_and_wait(joined())
                assert watchdogs()

        bus.subscribe(PeerJoined, lambda event: None)
        await bus.publish_and_wait(joined())
        await anyio.sleep(1000)
        assert not watchdogs()
        assert len(asyncio.all_tasks()) == before + 1
        assert len([one for one in living_watchdogs() if id(one) not in others]) <= 2


@pytest.mark.slow
async def test_subscription_takes_little_memory() -> None:
    async with EventBus() as bus:
        for _ in range(10):
            bus.subscribe(PeerJoined, hang)

        await wait_all_tasks_blocked()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(SUBSCRIPTIONS):
            bus.subscribe(PeerJoined, hang)

        await wait_all_tasks_blocked()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()

    assert taken / SUBSCRIPTIONS < SUBSCRIPTION_BYTES_MAX
