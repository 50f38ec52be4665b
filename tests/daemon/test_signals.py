from __future__ import annotations

import os
import signal
import sys

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events._daemon import stop_signals

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there"),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_is_waited_for(number: signal.Signals) -> None:
    with stop_signals() as wait_stop, anyio.fail_after(10):
        os.kill(os.getpid(), number)
        assert await wait_stop() == number.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_wakes_a_sleeping_event_loop(number: signal.Signals) -> None:
    received: list[str] = []

    async def wait() -> None:
        received.append(await wait_stop())

    with stop_signals() as wait_stop, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
            os.kill(os.getpid(), number)

    assert received == [number.name]


async def test_the_next_signal_is_left_to_the_operating_system() -> None:
    with stop_signals() as wait_stop, anyio.fail_after(10):
        os.kill(os.getpid(), signal.SIGTERM)
        await wait_stop()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("is_sent", [False, True])
async def test_at_the_end_signals_are_handled_as_before(is_sent: bool) -> None:
    def handle(number: int, frame: object) -> None:
        raise AssertionError(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        with stop_signals() as wait_stop, anyio.fail_after(10):
            if is_sent:
                os.kill(os.getpid(), signal.SIGTERM)
                await wait_stop()

        assert [signal.getsignal(number) for number in numbers] == [handle, handle]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


async def test_other_signals_are_none_of_its_business() -> None:
    received: list[object] = []

    async def wait() -> None:
        received.append(await wait_stop())

    before = signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
    try:
        with stop_signals() as wait_stop, anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await wait_all_tasks_blocked()
                os.kill(os.getpid(), signal.SIGUSR1)
                # It goes back to sleep, and does not spin.
                await wait_all_tasks_blocked()
                assert received == [signal.SIGUSR1]
                os.kill(os.getpid(), signal.SIGTERM)

        assert received == [signal.SIGUSR1, "SIGTERM"]
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_while_it_waits_a_signal_wakes_the_event_loop_at_any_moment() -> None:
    wakeup_fd = -1
    with stop_signals() as wait_stop, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_stop)
            await wait_all_tasks_blocked()
            wakeup_fd = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(wakeup_fd)
            tasks.cancel_scope.cancel()

    assert wakeup_fd != -1


async def test_waiting_leaves_the_wakeup_of_others_as_it_was() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with stop_signals() as wait_stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await wait_stop()

    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert after == before
