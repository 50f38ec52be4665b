"""Virtual time: clocks that jump to the next deadline instead of waiting, for both backends."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from .._events import use_clock

if TYPE_CHECKING:
    from trio.abc import Instrument


class _JumpingSelector(selectors.DefaultSelector):
    """Polls for I/O, and moves the clock forward instead of waiting for a timeout."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now += timeout

        return ready


class VirtualTimeEventLoop(asyncio.SelectorEventLoop):
    """An event loop of asyncio whose clock starts at 0 and jumps while every task waits.

    It is the counterpart of :class:`trio.testing.MockClock`. The clock also jumps while a worker
    thread or another process is busy, so that tests with these need real time. While it runs,
    :meth:`lanrage_events.abc.Bus.now` and the times of new events move with it.
    """

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        self._wall_clock = _WallClock(self.time)
        super().__init__(self._jumping_selector)

    def run_forever(self) -> None:
        """Run until :meth:`stop` is called."""
        with use_clock(self._wall_clock):
            super().run_forever()

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumping_selector.now


def virtual_time(backend: Literal["asyncio", "trio"]) -> tuple[str, dict[str, Any]]:
    """Return a backend and its options with a clock that jumps.

    A fixture ``anyio_backend`` returns this; ``anyio.run`` takes it as ``backend`` and
    ``backend_options``. Each call creates another clock.

    :param backend: ``asyncio`` or ``trio``
    :raises ImportError: if it is trio and trio is not installed
    """
    if backend == "asyncio":
        return "asyncio", {"loop_factory": VirtualTimeEventLoop}

    from trio.testing import MockClock

    clock = MockClock(autojump_threshold=0)
    return "trio", {"clock": clock, "instruments": [_moving(_WallClock(clock.current_time))]}


class _WallClock:
    """The time in UTC, which moves with a virtual clock from now on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = datetime.now(UTC) - timedelta(seconds=clock())

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self._clock())


def _moving(wall_clock: _WallClock) -> Instrument:
    """Return an instrument of trio that uses a clock while trio runs."""
    from trio.abc import Instrument

    class UseClock(Instrument):
        def before_run(self) -> None:
            self._used: AbstractContextManager[None] = use_clock(wall_clock)
            self._used.__enter__()

        def after_run(self) -> None:
            self._used.__exit__(None, None, None)

    return UseClock()
