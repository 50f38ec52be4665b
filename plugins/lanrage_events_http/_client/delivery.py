"""Brings events to a daemon, over lost connections and restarts of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from lanrage_events.backoff import Backoff

from .answers import DaemonError, Receipt
from .client import DaemonClient

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
# How long a request that is on its way may still take when it is cancelled.
GRACE_SECONDS = 2.0


class Delivery:
    """Posts some events until the daemon has taken or refused each of them.

    They keep their ids, so whatever is posted twice is taken once.

    :param client: asks the daemon
    :param events: JSON forms, each with an ``id``
    :param timeout: seconds after which it gives up
    :param tell_trouble: called with why it waits, once
    """

    def __init__(
        self,
        client: DaemonClient,
        events: Sequence[Mapping[str, Any]],
        *,
        timeout: float,
        tell_trouble: Callable[[DaemonError], None],
    ) -> None:
        self.taken: set[int] = set()
        """positions of the events that the daemon has"""
        self.repeated = 0
        """how many of them it had before the first attempt"""
        self.refused: dict[int, tuple[tuple[str, str], ...]] = {}
        """positions of the events that it refuses, with what is wrong: paths and messages"""
        self.is_in_doubt = False
        """whether the answer to the last attempt is missing, so that some may be taken"""
        self._client = client
        self._events = events
        self._timeout = timeout
        self._tell_trouble = tell_trouble

    async def run(self) -> None:
        """Post them; when it is cancelled, a request on its way is given a little time.

        :raises DaemonError: if it cannot be done, or not in time
        """
        backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, jitter=0.5)
        deadline = anyio.current_time() + self._timeout
        is_troubled = False
        while True:
            problem = await self._attempt(is_first=not is_troubled)
            if problem is None:
                return

            if not problem.is_passing:
                raise problem

            wait = backoff.next(problem.retry_after)
            if anyio.current_time() + wait > deadline:
                raise DaemonError(
                    f"{problem.reason}; given up after {self._timeout:g} seconds",
                    status=problem.status,
                )

            if not is_troubled:
                is_troubled = True
                self._tell_trouble(problem)

            await anyio.sleep(wait)

    async def _attempt(self, *, is_first: bool) -> DaemonError | None:
        """Post what is left once; return why it has to be done again, or cannot be done at all."""
        positions = [
            position
            for position in range(len(self._events))
            if position not in self.taken and position not in self.refused
        ]
        problem: DaemonError | None = None
        self.is_in_doubt = True
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True) as scope:
                tasks.start_soon(_limit_when_cancelled, scope)
                try:
                    receipt = await self._client.post([self._events[p] for p in positions])
                except DaemonError as error:
                    self.is_in_doubt = error.status is None and error.is_passing
                    problem = error
                else:
                    self.is_in_doubt = False
                    problem = self._record(receipt, positions, is_first=is_first)

            tasks.cancel_scope.cancel()

        # Whoever cancelled it hears of it here, and not at the next request.
        await anyio.lowlevel.checkpoint()
        return problem

    def _record(
        self, receipt: Receipt, positions: Sequence[int], *, is_first: bool
    ) -> DaemonError | None:
        self.refused |= {positions[r.index]: r.errors for r in receipt.refused}
        if receipt.problem is None:
            self.taken.update(p for p in positions if p not in self.refused)
        else:
            known = receipt.taken | receipt.repeated
            self.taken.update(
                p for p in positions if p not in self.refused and self._events[p]["id"] in known
            )

        if is_first:
            self.repeated += len(receipt.repeated)

        is_complete = len(self.taken) + len(self.refused) == len(self._events)
        return None if is_complete else receipt.problem


async def _limit_when_cancelled(scope: anyio.CancelScope) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        scope.deadline = anyio.current_time() + GRACE_SECONDS
