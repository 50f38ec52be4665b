from __future__ import annotations

import os
import signal
import sys
import threading

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events._daemon import Signals, StopRequested

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there"),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_is_waited_for(number: signal.Signals) -> None:
    with Signals() as signals, anyio.fail_after(10):
        os.kill(os.getpid(), number)
        assert await signals.wait_stop() == number.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_wakes_a_sleeping_event_loop(number: signal.Signals) -> None:
    received: list[str] = []

    async def wait() -> None:
        received.append(await signals.wait_stop())

    with Signals() as signals, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
            os.kill(os.getpid(), number)

    assert received == [number.name]


async def test_the_next_signal_is_left_to_the_operating_system() -> None:
    with Signals() as signals, anyio.fail_after(10):
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.wait_stop()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("is_sent", [False, True])
async def test_at_the_end_signals_are_handled_as_before(is_sent: bool) -> None:
    def handle(number: int, frame: object) -> None:
        raise AssertionError(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        with Signals() as signals, anyio.fail_after(10):
            if is_sent:
                os.kill(os.getpid(), signal.SIGTERM)
                await signals.wait_stop()

        assert [signal.getsignal(number) for number in numbers] == [handle, handle]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


async def test_other_signals_are_none_of_its_business() -> None:
    received: list[object] = []

    async def wait() -> None:
        received.append(await signals.wait_stop())

    before = signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
    try:
        with Signals() as signals, anyio.fail_after(10):
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
    with Signals() as signals, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(signals.wait_stop)
            await wait_all_tasks_blocked()
            wakeup_fd = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(wakeup_fd)
            tasks.cancel_scope.cancel()

    assert wakeup_fd != -1


async def test_waiting_leaves_the_wakeup_of_others_as_it_was() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.wait_stop()

    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert after == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_before_the_daemon_runs_a_signal_ends_what_the_main_thread_waits_for(
    number: signal.Signals,
) -> None:
    def wait() -> None:
        with signals.interrupting():
            os.kill(os.getpid(), number)
            threading.Event().wait(10)

    with Signals() as signals, pytest.raises(StopRequested, match=number.name):
        wait()


async def test_a_signal_that_came_before_ends_it_at_once() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopRequested), signals.interrupting():
            pytest.fail("it was not stopped")


async def test_the_first_signal_starts_the_time_that_a_stop_may_take() -> None:
    begun: list[str] = []
    with Signals(begun.append) as signals, anyio.fail_after(10):
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.wait_stop()
        assert begun == ["SIGTERM"]


async def test_signals_to_reload_are_kept_until_they_are_waited_for() -> None:
    with Signals() as signals, anyio.fail_after(10):
        for _ in range(1000):
            os.kill(os.getpid(), signal.SIGHUP)

        assert await signals.wait_reload() == "SIGHUP"
        received: list[str] = []

        async def wait() -> None:
            received.append(await signals.wait_reload())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
            assert not received
            os.kill(os.getpid(), signal.SIGHUP)

        assert received == ["SIGHUP"]


async def test_at_the_end_a_signal_to_reload_is_handled_as_before() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_ctrl_c_stays_ignored_if_it_was_ignored_before() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals, anyio.fail_after(10):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert await signals.wait_stop() == "SIGTERM"
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
