"""Pacing: how long a lane gathers and waits, and what ends that early."""

from __future__ import annotations

import math

import anyio

from ._outage import LONG_AGO


class Pacing:
    """Gathers and waits for one lane.

    Times are those of the event loop's clock, in seconds.

    :param window: seconds for which entries are gathered
    :param immediate: whether an entry that comes after a quiet time is sent at once
    """

    def __init__(self, window: float, *, immediate: bool = True) -> None:
        self._window = window
        self._is_immediate = immediate
        self._last_sent = LONG_AGO
        self._flushed: anyio.Event | None = None
        """set to end gathering early; None while the lane has no work"""
        self._wait_scope: anyio.CancelScope | None = None
        self._waits_until = LONG_AGO
        self._collects = False
        self.is_finishing: bool = False
        """whether what waits is sent without gathering more"""
        self.give_up_at: float = math.inf
        """nothing is sent after this, see :meth:`finish`"""

    def begin(self) -> None:
        """Start the next message, which :meth:`flush` is about from now on."""
        self._flushed = anyio.Event()

    def sent(self) -> None:
        """Record that a message was delivered just now."""
        self._last_sent = anyio.current_time()

    def release(self) -> None:
        """Free what only a lane with work needs: of many lanes, most are idle."""
        self._flushed = None

    def flush(self) -> None:
        """Stop gathering for the next message."""
        if self._flushed is not None:
            self._flushed.set()

    def end_wait(self) -> None:
        """Stop waiting, since the reason for it has changed."""
        if self._wait_scope is not None:
            self._wait_scope.cancel()

    def stop_collecting(self) -> None:
        """Stop waiting for a message to become longer: it is full, or must be sent now."""
        if self._collects:
            self.end_wait()

    def cancel(self) -> None:
        """Stop gathering and waiting, since the lane is not used any more."""
        self.flush()
        self.end_wait()

    def finish(self, give_up_at: float) -> None:
        """Send what waits without gathering more.

        :param give_up_at: nothing is sent after this, and a lane that has to wait longer gives up at
            once
        """
        self.give_up_at = give_up_at
        self.is_finishing = True
        self.flush()
        if self._collects or self._waits_until > give_up_at:
            self.end_wait()

    @property
    def is_over(self) -> bool:
        """Whether it is too late to send anything more, see :meth:`finish`."""
        return anyio.current_time() >= self.give_up_at

    def gathers_until(self, first_arrived: float) -> float | None:
        """Return when the window that an entry opened is over, None if there is none.

        :param first_arrived: when that entry came
        """
        is_quiet = first_arrived - self._last_sent >= self._window
        due = first_arrived + (0.0 if self._is_immediate and is_quiet else self._window)
        return due if due > anyio.current_time() and not self.is_finishing else None

    async def gather_until(self, due: float) -> None:
        """Wait until then, or until :meth:`flush`."""
        if self._flushed is not None:
            with anyio.CancelScope(deadline=due):
                await self._flushed.wait()

    async def wait_until(self, time: float, *, collects: bool = False) -> bool:
        """Wait until then, or until something changes; return False at once if it is too late.

        :param collects: whether the reason is that the next message may become longer meanwhile,
            see :meth:`stop_collecting`
        """
        if time > self.give_up_at:
            return False

        self._waits_until, self._collects = time, collects
        try:
            with anyio.CancelScope() as self._wait_scope:
                await anyio.sleep_until(time)
        finally:
            self._waits_until, self._collects, self._wait_scope = LONG_AGO, False, None

        return True
