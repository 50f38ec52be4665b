"""Virtual time: clocks that jump to the next deadline instead of waiting, for both backends."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Literal


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
    thread or another process is busy, so that tests with these need real time.
    """

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

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

    return "trio", {"clock": MockClock(autojump_threshold=0)}
