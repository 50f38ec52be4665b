from __future__ import annotations

import os
import signal
import sys

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events._signals import StopSignals

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there"),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_is_waited_for(number: signal.Signals) -> None:
    with StopSignals() as signals, anyio.fail_after(10):
        os.kill(os.getpid(), number)
        assert await signals.wait() == number.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_wakes_a_sleeping_event_loop(number: signal.Signals) -> None:
    received: list[str] = []

    async def wait() -> None:
        received.append(await signals.wait())

    with StopSignals() as signals, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
            os.kill(os.getpid(), number)

    assert received == [number.name]


async def test_the_next_signal_is_left_to_the_operating_system() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals, anyio.fail_after(10):
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.wait()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_other_signals_are_none_of_its_business() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
    try:
        with StopSignals() as signals:
            with anyio.move_on_after(0) as scope:
                os.kill(os.getpid(), signal.SIGUSR1)
                await signals.wait()

            assert scope.cancelled_caught
            assert received == [signal.SIGUSR1]
            os.kill(os.getpid(), signal.SIGTERM)
            with anyio.fail_after(10):
                assert await signals.wait() == "SIGTERM"
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_waiting_leaves_the_wakeup_of_others_as_it_was() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.wait()

    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert after == before
