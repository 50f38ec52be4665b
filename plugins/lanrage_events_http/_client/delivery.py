"""The delivery of events to a daemon, across lost connections and restarts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from lanrage_events.backoff import Backoff, in_words
from lanrage_events.events import FieldProblem

from .answers import DaemonError, PostAnswer
from .blocking import BlockingDaemonClient
from .client import DaemonClient
from .exchange import ATTEMPT_SECONDS

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
# For a request that is on its way when the delivery is cancelled.
GRACE_SECONDS = 2.0


class Delivery:
    """What is to be posted until the daemon has accepted or rejected each of some events.

    Events keep their ids, so the daemon publishes them once even if they are posted again. It posts
    nothing itself: :func:`deliver` and :func:`deliver_blocking` do.

    :param events: as JSON values, each with an ``id``
    :param timeout: seconds after which it gives up
    :param on_retry: called with the reason, and how long it waits, before the first retry, and
        before each that the daemon delays further
    :param clock: returns seconds
    :param attempts: how many there may be
    :param strict: whether a field that the event type does not have is an error
    :param limited: whether the last attempt also has to end within the timeout
    """

    def __init__(
        self,
        events: Sequence[Mapping[str, Any]],
        *,
        timeout: float,
        on_retry: Callable[[str], object],
        clock: Callable[[], float] = anyio.current_time,
        attempts: float = math.inf,
        strict: bool = True,
        limited: bool = False,
    ) -> None:
        self.taken: set[int] = set()
        """positions of the accepted events"""
        self.repeated_ids: frozenset[str] = frozenset()
        """the ids of those that the daemon had before the first attempt that reached it"""
        self.rejected: dict[int, tuple[FieldProblem, ...]] = {}
        """by position: what is wrong with the rejected events"""
        self.dropped: dict[int, tuple[FieldProblem, ...]] = {}
        """by position: the fields that were dropped from accepted events"""
        self.is_in_doubt = False
        """whether an answer is missing, so some may have been accepted"""
        self.strict = strict
        self._events = events
        self._timeout = timeout
        self._on_retry = on_retry
        self._clock = clock
        self._attempts = self._attempts_left = attempts
        self._limited = limited
        self._deadline = clock() + timeout
        self._backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, jitter=0.5)
        self._positions: list[int] = []
        self._was_in_doubt = False
        self._problem: DaemonError | None = None
        self._is_first = True
        self._is_retrying = False

    @property
    def repeated(self) -> int:
        """How many events the daemon had before the first attempt."""
        return len(self.repeated_ids)

    def begin(self) -> list[Mapping[str, Any]]:
        """Begin an attempt, and return the events to post."""
        self._positions = [
            position
            for position in range(len(self._events))
            if position not in self.taken and position not in self.rejected
        ]
        self._was_in_doubt, self.is_in_doubt = self.is_in_doubt, True
        self._attempts_left -= 1
        return [self._events[position] for position in self._positions]

    @property
    def limit(self) -> float:
        """Seconds that the attempt may take which begins now."""
        left = self._deadline - self._clock()
        return min(ATTEMPT_SECONDS, max(left, 0.001)) if self._limited else ATTEMPT_SECONDS

    def end(self, outcome: PostAnswer | DaemonError) -> None:
        """End an attempt."""
        if isinstance(outcome, DaemonError):
            self.is_in_doubt = self._was_in_doubt or outcome.is_in_doubt
            self._problem = outcome
        else:
            self.is_in_doubt = False
            self._problem = self._record(outcome)
            self._is_first = False

    def next_wait(self) -> float | None:
        """Return the seconds until the next attempt; None if all is done.

        :raises DaemonError: if the daemon cannot accept the events, or not in time
        """
        problem = self._problem
        if problem is None:
            return None

        if not problem.is_transient:
            raise problem

        wait = self._backoff.next(problem.retry_after)
        left = self._deadline - self._clock()
        if wait > left or self._attempts_left < 1:
            after = (
                f"{round(self._timeout, 1):g} seconds"
                if wait > left
                else f"{self._attempts} attempts"
            )
            raise DaemonError(f"{problem}; given up after {after}", status=problem.status)

        if not self._is_retrying or wait > LONGEST_WAIT_SECONDS:
            self._is_retrying = True
            self._on_retry(f"{problem}; trying again in {in_words(wait)}, for {left:.0f} s at most")

        return wait

    def _record(self, answer: PostAnswer) -> DaemonError | None:
        positions = self._positions
        self.rejected |= {positions[r.index]: r.errors for r in answer.rejected}
        self.dropped |= {positions[r.index]: r.errors for r in answer.dropped}
        if answer.problem is None:
            self.taken.update(p for p in positions if p not in self.rejected)
        else:
            known = answer.taken | answer.repeated
            self.taken.update(
                p for p in positions if p not in self.rejected and self._events[p]["id"] in known
            )

        if self._is_first and not self._was_in_doubt:
            self.repeated_ids = answer.repeated

        is_complete = len(self.taken) + len(self.rejected) == len(self._events)
        return None if is_complete else answer.problem


async def deliver(client: DaemonClient, delivery: Delivery) -> None:
    """Post events; if it is cancelled, a request on its way has a little time to finish.

    :raises DaemonError: if the daemon cannot accept them, or not in time
    """
    while True:
        unexpected: Exception | None = None
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True) as scope:
                tasks.start_soon(_limit_when_cancelled, scope)
                try:
                    answer = await client.post(
                        delivery.begin(), strict=delivery.strict, limit=delivery.limit
                    )
                except DaemonError as error:
                    delivery.end(error)
                except Exception as error:  # noqa: BLE001 - raised below, not in a group
                    unexpected = error
                else:
                    delivery.end(answer)

            tasks.cancel_scope.cancel()

        # Let a cancellation take effect here, and not at the next request.
        await anyio.lowlevel.checkpoint()
        if unexpected is not None:
            raise unexpected

        wait = delivery.next_wait()
        if wait is None:
            return

        await anyio.sleep(wait)


def deliver_blocking(client: BlockingDaemonClient, delivery: Delivery) -> None:
    """Post events.

    :raises DaemonError: if the daemon cannot accept them, or not in time
    """
    while True:
        try:
            answer = client.post(delivery.begin(), strict=delivery.strict, limit=delivery.limit)
        except DaemonError as error:
            delivery.end(error)
        else:
            delivery.end(answer)

        wait = delivery.next_wait()
        if wait is None:
            return

        time.sleep(wait)


async def _limit_when_cancelled(scope: anyio.CancelScope) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        scope.deadline = anyio.current_time() + GRACE_SECONDS
