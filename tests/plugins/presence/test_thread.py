from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import anyio
import pytest

from lanrage_events_presence._thread import LoopThread

pytestmark = pytest.mark.real_clock


@pytest.fixture
async def thread() -> AsyncIterator[LoopThread]:
    thread = LoopThread("test-loop")
    yield thread
    assert await thread.stop()


async def test_a_call_runs_in_an_asyncio_loop_of_its_own_daemon_thread(thread: LoopThread) -> None:
    async def where() -> tuple[str, bool, type[BaseException], object]:
        current = threading.current_thread()
        cancelled = anyio.get_cancelled_exc_class()
        return current.name, current.daemon, cancelled, asyncio.get_running_loop()

    name, is_daemon, cancelled, loop = await thread.call(where)

    assert (name, is_daemon, cancelled) == ("test-loop", True, asyncio.CancelledError)
    assert (await thread.call(where))[3] is loop


async def test_what_a_call_raises_is_raised_where_it_was_made(thread: LoopThread) -> None:
    async def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await thread.call(fail)


async def test_calls_go_on_beside_each_other(thread: LoopThread) -> None:
    events: list[asyncio.Event] = []

    async def wait() -> str:
        events.append(asyncio.Event())
        await events[0].wait()
        return "done"

    async def free() -> None:
        events[0].set()

    results: list[str] = []

    async def call() -> None:
        results.append(await thread.call(wait))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(thread.call, free)

    assert results == ["done"]


async def test_a_cancelled_call_is_cancelled_in_the_thread(thread: LoopThread) -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("here")

    with anyio.move_on_after(0.05):
        await thread.call(wait)

    assert ended == ["here"]


async def test_a_call_that_is_cancelled_before_it_begins_does_nothing(thread: LoopThread) -> None:
    begun: list[str] = []

    async def begin() -> None:
        begun.append("here")
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await thread.call(begin)

    assert scope.cancelled_caught
    assert await thread.stop()


async def test_a_call_ends_when_its_thread_does() -> None:
    thread = LoopThread("test-loop")
    errors: list[str] = []

    async def call() -> None:
        with pytest.raises(RuntimeError) as caught:
            await thread.call(anyio.sleep_forever)

        errors.append(str(caught.value))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        assert await thread.stop()

    assert errors == ["the thread ended before the call did"]
    with pytest.raises(RuntimeError):
        await thread.call(anyio.sleep_forever)
