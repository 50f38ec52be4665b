"""The delivery of events to a daemon, across lost connections and restarts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from lanrage_events.backoff import Backoff
from lanrage_events.events import FieldProblem

from .answers import DaemonError, Receipt, in_seconds
from .client import DaemonClient

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
# For a request that is on its way when the delivery is cancelled.
GRACE_SECONDS = 2.0


class Delivery:
    """Posts events until the daemon has accepted or rejected each of them.

    Events keep their ids, so the daemon publishes them once even if they are posted again.

    :param client: of the daemon
    :param events: as JSON values, each with an ``id``
    :param timeout: seconds after which it gives up
    :param on_retry: called with the reason, and how long it waits, before the first retry, and
        before each that the daemon delays further
    """

    def __init__(
        self,
        client: DaemonClient,
        events: Sequence[Mapping[str, Any]],
        *,
        timeout: float,
        on_retry: Callable[[str], None],
    ) -> None:
        self.taken: set[int] = set()
        """positions of the accepted events"""
        self.repeated = 0
        """how many of them the daemon had before the first attempt"""
        self.rejected: dict[int, tuple[FieldProblem, ...]] = {}
        """by position: what is wrong with the rejected events"""
        self.is_in_doubt = False
        """whether the answer to the last attempt is missing, so some may have been accepted"""
        self._client = client
        self._events = events
        self._timeout = timeout
        self._on_retry = on_retry

    async def run(self) -> None:
        """Post the events; if it is cancelled, a request on its way has a little time to finish.

        :raises DaemonError: if the daemon cannot accept them, or not in time
        """
        backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, jitter=0.5)
        deadline = anyio.current_time() + self._timeout
        is_retrying = False
        while True:
            problem = await self._attempt(is_first=not is_retrying)
            if problem is None:
                return

            if not problem.is_transient:
                raise problem

            wait = backoff.next(problem.retry_after)
            if anyio.current_time() + wait > deadline:
                raise DaemonError(
                    f"{problem}; given up after {self._timeout:g} seconds",
                    status=problem.status,
                )

            if not is_retrying or wait > LONGEST_WAIT_SECONDS:
                is_retrying = True
                left = deadline - anyio.current_time()
                self._on_retry(
                    f"{problem}; trying again in {in_seconds(wait)}, for {left:.0f} s at most"
                )

            await anyio.sleep(wait)

    async def _attempt(self, *, is_first: bool) -> DaemonError | None:
        """Post the remaining events once; return why not all were accepted or rejected."""
        positions = [
            position
            for position in range(len(self._events))
            if position not in self.taken and position not in self.rejected
        ]
        problem: DaemonError | None = None
        self.is_in_doubt = True
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True) as scope:
                tasks.start_soon(_limit_when_cancelled, scope)
                try:
                    receipt = await self._client.post([self._events[p] for p in positions])
                except DaemonError as error:
                    self.is_in_doubt = error.status is None and error.is_transient
                    problem = error
                else:
                    self.is_in_doubt = False
                    problem = self._record(receipt, positions, is_first=is_first)

            tasks.cancel_scope.cancel()

        # Let a cancellation take effect here, and not at the next request.
        await anyio.lowlevel.checkpoint()
        return problem

    def _record(
        self, receipt: Receipt, positions: Sequence[int], *, is_first: bool
    ) -> DaemonError | None:
        self.rejected |= {positions[r.index]: r.errors for r in receipt.rejected}
        if receipt.problem is None:
            self.taken.update(p for p in positions if p not in self.rejected)
        else:
            known = receipt.taken | receipt.repeated
            self.taken.update(
                p for p in positions if p not in self.rejected and self._events[p]["id"] in known
            )

        if is_first:
            self.repeated += len(receipt.repeated)

        is_complete = len(self.taken) + len(self.rejected) == len(self._events)
        return None if is_complete else receipt.problem


async def _limit_when_cancelled(scope: anyio.CancelScope) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        scope.deadline = anyio.current_time() + GRACE_SECONDS
