"""Pacing: how long a lane gathers and waits, and whose turn it is to send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from lanrage_events import delivery

from .._config import BatchConfig


class Pacing(delivery.Pacing):
    """Gathers, waits and takes turns for one lane.

    :param config: how long entries are gathered
    """

    def __init__(self, config: BatchConfig) -> None:
        super().__init__(config.window, immediate=config.immediate)
        self._turn_scope: anyio.CancelScope | None = None
        self._turn: anyio.Lock | None = None

    @property
    def turn(self) -> anyio.Lock:
        """The lock to hold from before a request to the webhook until its answer is handled."""
        if self._turn is None:
            self._turn = anyio.Lock(fast_acquire=True)

        return self._turn

    def release(self) -> None:
        """Free what only a lane with work needs: of many lanes, most are idle."""
        super().release()
        if self._turn is not None and not self._turn.locked():
            self._turn = None

    def finish(self, give_up_at: float) -> None:
        """Send what waits without gathering more.

        :param give_up_at: nothing is sent after this, and a lane that has to wait longer gives up at
            once
        """
        if self._turn_scope is not None:
            self._turn_scope.deadline = give_up_at

        super().finish(give_up_at)

    async def wait_for(self, turn: Callable[[], Awaitable[None]]) -> bool:
        """Wait until a request may be sent; return False if that takes too long to :meth:`finish`.

        :param turn: returns when it may
        """
        is_turn = False
        with anyio.CancelScope(deadline=self.give_up_at) as self._turn_scope:
            await turn()
            is_turn = True

        self._turn_scope = None
        return is_turn
