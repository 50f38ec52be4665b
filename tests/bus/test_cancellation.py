"""A cancellation at any moment leaves nothing half done, and never keeps a bus from being left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count

import anyio
import anyio.lowlevel
import pytest

from lanrage_events import EventBus, Notification, PluginReplaceError, PluginStartError, hookimpl

pytestmark = pytest.mark.slow

DRAIN_TIMEOUT = 2.0
TICKS = 3
"""how many a plugin needs to start, and to end"""
MOST_TICKS = 300
"""by when an operation must have ended"""

Operation = Callable[[], Awaitable[object]]
BusOperation = Callable[[EventBus], Awaitable[object]]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def notification(number: int) -> Notification:
    return Notification(title=str(number), message="hello")


async def ticks(number: int) -> None:
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


class Plugin:
    """Needs some ticks for everything, also if it is cancelled."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.running = 0
        self.titles: list[str] = []

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await ticks(TICKS)
        if self.fails:
            raise OSError("no")

        self.running += 1
        try:
            yield
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await ticks(TICKS)
            finally:
                self.running -= 1

    @hookimpl
    async def event(self, event: Notification) -> None:
        self.titles.append(event.title)
        await anyio.lowlevel.checkpoint()


# Ways to cancel: Task.cancel() of asyncio passes through the shields of AnyIO


@dataclass(frozen=True)
class Attempt:
    """An operation that was cancelled."""

    hit: bool
    """whether it ran when it was cancelled"""
    cancelled: bool
    """whether it ended with the cancellation"""


def cancel_once(task: asyncio.Task[object]) -> None:
    task.cancel()


def cancel_thrice(task: asyncio.Task[object]) -> None:
    for _ in range(3):
        task.cancel()


def cancel_each_tick(task: asyncio.Task[object]) -> None:
    task.cancel()
    if not task.done():
        asyncio.get_running_loop().call_soon(cancel_each_tick, task)


async def natively(
    cancel: Callable[[asyncio.Task[object]], None],
    operation: Operation,
    tick: int,
    expected: type[Exception] | None,
) -> Attempt:
    task = asyncio.ensure_future(operation())
    await ticks(tick)
    hit = not task.done()
    if hit:
        cancel(task)

    done, _ = await asyncio.wait([task], timeout=DRAIN_TIMEOUT + 1)
    assert done, f"hangs when it is cancelled at tick {tick}"
    if task.cancelled():
        return Attempt(hit, cancelled=True)

    error = task.exception()
    assert error is not None or not hit, f"ignores the cancellation at tick {tick}"
    if error is not None and (expected is None or not isinstance(error, expected)):
        raise error

    return Attempt(hit, cancelled=False)


async def everything(operation: Operation, tick: int, expected: type[Exception] | None) -> Attempt:
    """Cancel every task of the operation and of its bus, as the end of ``asyncio.run()`` does."""
    others = asyncio.all_tasks()

    def cancel(_: asyncio.Task[object]) -> None:
        for task in asyncio.all_tasks() - others:
            task.cancel()

    return await natively(cancel, operation, tick, expected)


async def by_scope(operation: Operation, tick: int, expected: type[Exception] | None) -> Attempt:
    """Cancel an operation by a cancel scope of AnyIO."""
    ended = anyio.Event()
    scope = anyio.CancelScope()
    hit = False

    async def run() -> None:
        with scope, suppress(*[expected] if expected else []):
            await operation()

        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await ticks(tick)
        hit = not ended.is_set()
        scope.cancel()
        with anyio.move_on_after(DRAIN_TIMEOUT + 1):
            await ended.wait()

        assert ended.is_set(), f"hangs when it is cancelled at tick {tick}"

    return Attempt(hit, scope.cancelled_caught)


async def cancelled(
    way: str, operation: Operation, tick: int, expected: type[Exception] | None = None
) -> Attempt:
    """Cancel an operation at a tick.

    :param expected: what the operation raises
    """
    match way:
        case "once":
            return await natively(cancel_once, operation, tick, expected)
        case "thrice":
            return await natively(cancel_thrice, operation, tick, expected)
        case "each tick":
            return await natively(cancel_each_tick, operation, tick, expected)
        case "everything":
            return await everything(operation, tick, expected)

    return await by_scope(operation, tick, expected)


NATIVE_WAYS = ("once", "thrice", "each tick")

ways = pytest.mark.parametrize(
    ("anyio_backend", "way"),
    [*(("asyncio", way) for way in (*NATIVE_WAYS, "scope")), ("trio", "scope")],
    indirect=["anyio_backend"],
)


async def at_each_tick(way: str, run: Callable[[str, int], Awaitable[bool]]) -> None:
    """Cancel an operation at its first tick, at its second, and so on, until it is quicker."""
    for tick in count():
        assert tick < MOST_TICKS
        if not await run(way, tick):
            return


# A bus that runs


@asynccontextmanager
async def bus_with_a_plugin() -> AsyncIterator[tuple[EventBus, Plugin]]:
    """Run a bus with a plugin that has something to do, and check at the end what stands."""
    plugin = Plugin()
    async with EventBus(drain_timeout=DRAIN_TIMEOUT) as bus:
        await bus.plugins.register_and_wait(plugin, "old", when_full="block", mailbox_size=64)
        for number in range(5):
            bus.publish_nowait(notification(number))

        yield bus, plugin
        with anyio.fail_after(1):
            await bus.drain()
            # More than a mailbox that nobody empties would hold.
            for number in range(80):
                await bus.publish(notification(100 + number))

    assert plugin.running == 0


@ways
async def test_registering(way: str) -> None:
    async def run(way: str, tick: int) -> bool:
        new = Plugin()
        async with bus_with_a_plugin() as (bus, _):
            attempt = await cancelled(
                way,
                lambda: bus.plugins.register_and_wait(
                    new, "new", when_full="block", mailbox_size=4
                ),
                tick,
            )
            assert ("new" in bus.plugins) is not attempt.cancelled
            assert set(bus.statistics().plugins) == set(bus.plugins)
            assert new.running == ("new" in bus.plugins)

        assert new.running == 0
        return attempt.hit

    await at_each_tick(way, run)


@ways
async def test_registering_what_cannot_start(way: str) -> None:
    async def run(way: str, tick: int) -> bool:
        async with bus_with_a_plugin() as (bus, _):
            attempt = await cancelled(
                way,
                lambda: bus.plugins.register_and_wait(Plugin(fails=True), "new"),
                tick,
                PluginStartError,
            )
            assert set(bus.statistics().plugins) == {"old"} == set(bus.plugins)

        return attempt.hit

    await at_each_tick(way, run)


@ways
async def test_unregistering(way: str) -> None:
    async def run(way: str, tick: int) -> bool:
        async with bus_with_a_plugin() as (bus, plugin):
            attempt = await cancelled(way, lambda: bus.unregister("old"), tick)
            # The call itself may not have begun.
            assert plugin.running == ("old" in bus.plugins)
            assert tick == 0 or "old" not in bus.plugins
            assert set(bus.statistics().plugins) == set(bus.plugins)

        return attempt.hit

    await at_each_tick(way, run)


@ways
async def test_replacing(way: str) -> None:
    async def run(way: str, tick: int) -> bool:
        new = Plugin()
        async with bus_with_a_plugin() as (bus, old):
            attempt = await cancelled(way, lambda: bus.plugins.replace("old", new), tick)
            await bus.drain()
            # If it was cancelled, the old plugin may still be starting again.
            await ticks(2 * TICKS)
            now = bus.plugins["old"]
            assert now is new or now is old
            assert (old.running, new.running) == (now is old, now is new)
            assert sorted(old.titles + new.titles) == ["0", "1", "2", "3", "4"]
            assert bus.statistics().plugins["old"].state == "running"

        assert new.running == 0
        return attempt.hit

    await at_each_tick(way, run)


@pytest.mark.slow
@ways
async def test_replacing_by_what_cannot_start(way: str) -> None:
    async def run(way: str, tick: int) -> bool:
        async with bus_with_a_plugin() as (bus, old):
            attempt = await cancelled(
                way,
                lambda: bus.plugins.replace("old", Plugin(fails=True)),
                tick,
                PluginReplaceError,
            )
            await bus.drain()
            await ticks(2 * TICKS)
            assert bus.plugins["old"] is old
            assert old.running == 1
            assert sorted(old.titles) == ["0", "1", "2", "3", "4"]

        return attempt.hit

    await at_each_tick(way, run)


@ways
async def test_draining(way: str) -> None:
    async def run(way: str, tick: int) -> bool:
        async with bus_with_a_plugin() as (bus, _):
            attempt = await cancelled(way, bus.drain, tick)

        return attempt.hit

    await at_each_tick(way, run)


# The life of a bus


@pytest.mark.parametrize("body_fails", [False, True])
@ways
async def test_entering_and_leaving(way: str, body_fails: bool) -> None:
    await at_each_tick(way, partial(enter_and_leave, body_fails=body_fails))


# A task that is cancelled before it has begun never runs its coroutine, which Python remarks.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_entering_and_leaving_while_every_task_is_cancelled() -> None:
    await at_each_tick("everything", partial(enter_and_leave, body_fails=False))


async def enter_and_leave(way: str, tick: int, *, body_fails: bool) -> bool:
    first, second = Plugin(), Plugin()

    async def live() -> None:
        bus = EventBus(drain_timeout=DRAIN_TIMEOUT)
        bus.register(first, "first")
        async with bus:
            await bus.plugins.register_and_wait(second, "second")
            for number in range(30):
                bus.publish_nowait(notification(number))

            await anyio.lowlevel.checkpoint()
            if body_fails:
                raise KeyError("body")

    # What the body raised is what the bus raises, even if it is cancelled then.
    attempt = await cancelled(way, live, tick, KeyError if body_fails else None)
    assert (first.running, second.running) == (0, 0)
    return attempt.hit
