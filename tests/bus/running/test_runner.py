"""A bus between two calls that may come from different tasks, and one that is served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from lanrage_events import BusRunner, EventBus, Notification, PluginStartError, hookimpl

DRAIN_TIMEOUT = 2.0
TICKS = 3
"""how many the plugin needs to start and to end"""
LATE = 50
"""a tick at which everything has started"""


def notification(number: int = 1) -> Notification:
    return Notification(title=str(number), message="hello")


async def in_a_task(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(function)


async def ticks(number: int) -> None:
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


class Plugin:
    """Needs some ticks for everything, also if it is cancelled."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.starting = anyio.Event()
        self.running = 0
        self.titles: list[str] = []

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.starting.set()
        await ticks(TICKS)
        if self.fails:
            raise OSError("no network")

        self.running += 1
        try:
            yield
            with anyio.CancelScope(shield=True):
                await ticks(TICKS)
        finally:
            self.running -= 1

    @hookimpl
    async def notification(self, event: Notification) -> None:
        await ticks(TICKS)
        self.titles.append(event.title)


class Deaf:
    """Ends only when it is released, whatever cancels it."""

    def __init__(self) -> None:
        self.entered = anyio.Event()
        self.released = anyio.Event()

    @hookimpl
    async def notification(self, event: Notification) -> None:
        self.entered.set()
        with anyio.CancelScope(shield=True):
            await self.released.wait()


def started_runner(*plugins: object) -> BusRunner:
    bus = EventBus(drain_timeout=DRAIN_TIMEOUT)
    for number, plugin in enumerate(plugins):
        bus.register(plugin, f"plugin{number}")

    return BusRunner(bus)


async def test_a_bus_is_started_and_stopped_by_different_tasks() -> None:
    plugin = Plugin()
    runner = started_runner(plugin)
    await in_a_task(runner.start)
    assert plugin.running == 1
    await runner.bus.publish(notification())
    await in_a_task(runner.stop)
    assert (plugin.running, plugin.titles) == (0, ["1"])
    with pytest.raises(anyio.ClosedResourceError):
        await runner.bus.publish(notification())


async def test_a_start_that_fails_raises_its_error_and_leaves_nothing_running() -> None:
    plugin = Plugin()
    runner = started_runner(plugin, Plugin(fails=True))
    with pytest.raises(PluginStartError, match="no network"):
        await runner.start()

    assert plugin.running == 0
    await runner.stop()


async def test_a_bus_runs_only_once() -> None:
    runner = started_runner()
    await runner.start()
    with pytest.raises(RuntimeError, match="create another EventBus"):
        await runner.start()

    await runner.stop()
    with pytest.raises(RuntimeError, match="create another EventBus"):
        await runner.start()


async def test_a_bus_that_was_entered_cannot_be_run() -> None:
    async with EventBus() as bus:
        with pytest.raises(RuntimeError, match="only once"):
            await BusRunner(bus).start()


async def test_a_stop_without_a_start_does_nothing_and_a_second_one_waits_for_the_same_end() -> (
    None
):
    plugin = Plugin()
    runner = started_runner(plugin)
    await runner.stop()
    await runner.start()
    await runner.bus.publish(notification())
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(runner.stop)

    assert (plugin.running, plugin.titles) == (0, ["1"])
    await runner.stop()


async def test_a_start_that_is_stopped_meanwhile_says_so() -> None:
    plugin = Plugin()
    runner = started_runner(plugin)

    async def start() -> None:
        with pytest.raises(anyio.ClosedResourceError, match="stopped while it started"):
            await runner.start()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await plugin.starting.wait()
        await runner.stop()

    assert plugin.running == 0


async def test_a_stop_in_a_hook_does_not_wait_for_the_hook() -> None:
    runner = started_runner()
    stopped = anyio.Event()

    async def stop(event: Notification) -> None:
        await runner.stop()
        stopped.set()

    runner.bus.subscribe(Notification, stop)
    await runner.start()
    await runner.bus.publish(notification())
    await stopped.wait()
    began = anyio.current_time()
    await runner.stop()
    assert anyio.current_time() - began < DRAIN_TIMEOUT


async def test_a_stop_does_not_wait_for_ever_for_what_ignores_that_it_is_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plugin, deaf = Plugin(), Deaf()
    runner = started_runner(plugin, deaf)
    await runner.start()
    await runner.bus.publish(notification())
    await deaf.entered.wait()
    began = anyio.current_time()
    await runner.stop()
    seconds = anyio.current_time() - began
    deaf.released.set()
    assert seconds == pytest.approx(DRAIN_TIMEOUT + 1)
    assert plugin.running == 0
    [record] = [r for r in caplog.records if "goes on alone" in r.getMessage()]
    assert record.levelno == logging.ERROR
    assert "'plugin1'" in record.getMessage()
    assert "'plugin0'" not in record.getMessage()
    await runner.stop()


def cancel_once(task: asyncio.Task[None]) -> None:
    task.cancel()


def cancel_each_tick(task: asyncio.Task[None]) -> None:
    task.cancel()
    if not task.done():
        asyncio.get_running_loop().call_soon(cancel_each_tick, task)


def cancel_often(task: asyncio.Task[None]) -> None:
    """Cancel again and again, and let time pass."""
    task.cancel()
    if not task.done():
        asyncio.get_running_loop().call_later(0.05, cancel_often, task)


async def cancelled_at(
    tick: int, cancel: Callable[[asyncio.Task[None]], None] | None, work: Awaitable[None]
) -> bool:
    """Cancel what is awaited at a tick, and return whether that ended it.

    :param cancel: None for a cancel scope
    """
    if cancel is not None:
        task = asyncio.ensure_future(work)
        await ticks(tick)
        is_hit = not task.done()
        if is_hit:
            cancel(task)

        await asyncio.wait([task])
        assert task.cancelled() == is_hit
        return is_hit

    scope, is_done = anyio.CancelScope(), False

    async def run() -> None:
        nonlocal is_done
        with scope:
            await work
            is_done = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await ticks(tick)
        scope.cancel()

    return not is_done


ways = pytest.mark.parametrize(
    ("anyio_backend", "cancel"),
    [
        ("asyncio", cancel_once),
        ("asyncio", cancel_each_tick),
        ("asyncio", cancel_often),
        ("asyncio", None),
        ("trio", None),
    ],
    indirect=["anyio_backend"],
)


@pytest.mark.slow
@ways
async def test_a_start_that_is_cancelled_at_any_moment_leaves_nothing_running(
    cancel: Callable[[asyncio.Task[None]], None] | None,
) -> None:
    for tick in count():
        plugin = Plugin()
        runner = started_runner(plugin)
        is_hit = await cancelled_at(tick, cancel, runner.start())
        if not is_hit:
            await runner.stop()
            assert tick > TICKS
            break

        assert plugin.running == 0
        await runner.stop()


@pytest.mark.slow
@ways
async def test_a_stop_that_is_cancelled_at_any_moment_goes_on_and_delivers(
    cancel: Callable[[asyncio.Task[None]], None] | None,
) -> None:
    for tick in range(12):
        plugin = Plugin()
        runner = started_runner(plugin)
        await runner.start()
        await runner.bus.publish(notification())
        assert await cancelled_at(tick, cancel, runner.stop())
        if tick or cancel is None:  # a task that never began has stopped nothing
            await runner.stop()

        await runner.stop()
        assert (plugin.running, plugin.titles) == (0, ["1"])


@pytest.mark.real_clock
@pytest.mark.parametrize("tick", [0, LATE])
def test_the_end_of_asyncio_ends_a_bus_that_was_not_stopped(tick: int) -> None:
    plugin = Plugin()

    async def main() -> None:
        task = asyncio.ensure_future(started_runner(plugin).start())
        await ticks(tick)
        assert task.done() == (tick == LATE)

    asyncio.run(main())
    assert plugin.running == 0


@pytest.mark.real_clock
def test_a_start_does_not_wait_for_a_task_that_never_began(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        # It begins in the last round of the event loop, and the task that it starts never does.
        start = asyncio.ensure_future(started_runner().start())
        assert not start.done()

    asyncio.run(main())
    assert "goes on alone" not in caplog.text


@pytest.mark.real_clock
def test_two_calls_between_which_the_event_loop_does_not_run_are_enough() -> None:
    # As cells of a notebook did before its event loop ran all the time.
    plugin = Plugin()
    runner = started_runner(plugin)
    with asyncio.Runner() as cells:
        cells.run(runner.start())
        cells.run(runner.bus.publish(notification()))
        cells.run(runner.stop())

    assert (plugin.running, plugin.titles) == (0, ["1"])


async def test_a_bus_is_served_until_it_is_cancelled() -> None:
    plugin = Plugin()
    bus = EventBus()
    bus.register(plugin)
    async with anyio.create_task_group() as tasks:
        assert await tasks.start(bus.serve) is bus
        await bus.publish(notification())
        tasks.cancel_scope.cancel()

    assert (plugin.running, plugin.titles) == (0, ["1"])


async def test_a_bus_that_cannot_be_served_says_why() -> None:
    bus = EventBus()
    bus.register(Plugin(fails=True))
    with pytest.raises(PluginStartError, match="no network"):
        await bus.serve()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_nursery_of_trio_serves_a_bus(anyio_backend: object) -> None:
    import trio

    plugin = Plugin()
    bus = EventBus()
    bus.register(plugin)
    async with trio.open_nursery() as nursery:
        await nursery.start(bus.serve)
        await bus.publish(notification())
        nursery.cancel_scope.cancel()

    assert (plugin.running, plugin.titles) == (0, ["1"])
