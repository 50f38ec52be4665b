"""How long a lane waits before it goes on, and what lets it go on earlier."""

from __future__ import annotations

import math

import anyio

from .._config import BatchConfig
from .outage import LONG_AGO


class Pacing:
    """Gathers, waits and takes turns for one lane; its end or another webhook cut that short.

    Times are those of the event loop's clock, in seconds.

    :param config: how long entries are gathered
    """

    __slots__ = (
        "_give_up_at",
        "_hurry",
        "_is_finishing",
        "_is_immediate",
        "_last_sent",
        "_turn",
        "_wait_scope",
        "_waits_until",
        "_window",
    )

    def __init__(self, config: BatchConfig) -> None:
        self._window = config.window
        self._is_immediate = config.immediate
        self._last_sent = LONG_AGO
        self._hurry: anyio.Event | None = None
        """set when gathering is to end early; None while the lane has no work"""
        self._wait_scope: anyio.CancelScope | None = None
        self._waits_until = LONG_AGO
        self._is_finishing = False
        self._give_up_at = math.inf
        self._turn: anyio.Lock | None = None

    @property
    def turn(self) -> anyio.Lock:
        """Held by whoever sends a request to the webhook and learns from the answer."""
        if self._turn is None:
            self._turn = anyio.Lock(fast_acquire=True)

        return self._turn

    def begin(self) -> None:
        """Take note that the next message begins: to hurry is about this one from now on."""
        self._hurry = anyio.Event()

    def sent(self) -> None:
        """Take note that a message was delivered just now."""
        self._last_sent = anyio.current_time()

    def release(self) -> None:
        """Give back what is only needed for work: most of many lanes have none."""
        self._hurry = None
        if self._turn is not None and not self._turn.locked():
            self._turn = None

    def flush(self) -> None:
        """Gather no more for the message that is next."""
        if self._hurry is not None:
            self._hurry.set()

    def end_wait(self) -> None:
        """Wait no more: what it was for has changed."""
        if self._wait_scope is not None:
            self._wait_scope.cancel()

    def cancel(self) -> None:
        """Neither gather nor wait any more: the webhook is not to be used."""
        self.flush()
        self.end_wait()

    def finish(self, give_up_at: float) -> None:
        """Gather nothing more, and wait for nothing that comes after a time, not even now."""
        self._give_up_at = give_up_at
        self._is_finishing = True
        self.flush()
        if self._waits_until > give_up_at:
            self.end_wait()

    def gathers_until(self, first_arrived: float) -> float | None:
        """Return when the window is over that an entry opened, None if nothing is gathered.

        :param first_arrived: when that entry came
        """
        is_quiet = first_arrived - self._last_sent >= self._window
        due = first_arrived + (0.0 if self._is_immediate and is_quiet else self._window)
        return due if due > anyio.current_time() and not self._is_finishing else None

    async def gather_until(self, due: float) -> None:
        """Wait until then, or until there is a hurry."""
        if self._hurry is not None:
            with anyio.CancelScope(deadline=due):
                await self._hurry.wait()

    async def wait_until(self, time: float) -> bool:
        """Wait until then, or until something changes; return False at once if it is too late."""
        if time > self._give_up_at:
            return False

        self._waits_until = time
        with anyio.CancelScope() as self._wait_scope:
            await anyio.sleep_until(time)

        self._waits_until, self._wait_scope = LONG_AGO, None
        return True
