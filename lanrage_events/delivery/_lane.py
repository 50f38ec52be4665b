"""A lane: the ordered path to one receiver, one request at a time."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from ..backoff import in_words
from ..outbox import ExpiredEntries, Storage
from ._outage import LONG_AGO, Outage
from ._pacing import Pacing
from ._queue import LaneQueue
from ._record import LaneRecord, LaneStatistics
from ._state import LaneState

HAND_OVER_SECONDS = 0.1

EntryT = TypeVar("EntryT")
RecordT_co = TypeVar("RecordT_co", bound=LaneRecord[LaneStatistics], covariant=True)
QueueT_co = TypeVar("QueueT_co", bound=LaneQueue[Any], covariant=True)
PacingT_co = TypeVar("PacingT_co", bound=Pacing, covariant=True)


class Lane(ABC, Generic[EntryT, QueueT_co, PacingT_co, RecordT_co]):
    """What every lane does around its requests: it begins, waits, recovers and ends.

    It has a task only while it has work. A subclass makes the requests, see :meth:`deliver_next`.

    :param name: the lane's
    :param what: what people call it, such as ``webhook``
    :param storage: keeps what waits
    :param queue: what waits
    :param pacing: says when to gather and when to wait
    :param record: counts
    :param task_group: runs it
    :param logger: reports what happens
    """

    internal_error = "internal_error"
    """the reason of an unexpected exception in metrics"""

    def __init__(
        self,
        name: str,
        *,
        what: str,
        storage: Storage,
        queue: QueueT_co,
        pacing: PacingT_co,
        record: RecordT_co,
        task_group: TaskGroup,
        logger: logging.Logger,
    ) -> None:
        self.name = name
        self.title: str = f"{what} '{name}'"
        self.state: LaneState = LaneState.IDLE
        self.queue = queue
        self.pacing = pacing
        self.record = record
        self.outage: Outage = Outage()
        self._why = ""
        """why the state is what it is, if something is wrong"""
        self._waits_until = LONG_AGO
        """when it goes on, if it is known"""
        self._redact: Callable[[str], str] = str
        """removes secrets from what is kept with the entries"""
        self._storage = storage
        self._task_group = task_group
        self._logger = logger
        self._running = False
        self._is_closed = False

    @property
    def statistics(self) -> LaneStatistics:
        """What the lane has done."""
        return self.record.statistics

    @property
    def waits(self) -> float | None:
        """Seconds that it still waits before it goes on by itself; None if it does not wait."""
        if self.state not in (LaneState.WAITING, LaneState.RETRYING, LaneState.HOLDING):
            return None

        seconds = self._waits_until - anyio.current_time()
        return seconds if seconds > 0 else None

    @property
    def reason(self) -> str:
        """Why the state is what it is, if something is wrong, and how long it waits."""
        waits = self.waits
        if waits is None or self.state is LaneState.HOLDING:
            return self._why

        if self.state is LaneState.RETRYING:
            return f"{self._why}; retries in {in_words(waits)}"

        return f"waits {in_words(waits)} because {self._why}"

    @property
    def is_usable(self) -> bool:
        """Whether the lane may send."""
        return self.state not in (LaneState.DEAD, LaneState.UNCONFIGURED)

    @property
    def goes_on(self) -> bool:
        """Whether the lane may make another request."""
        return self.is_usable and not (self._is_closed or self.pacing.is_over)

    def add(self, entries: Iterable[tuple[int, EntryT, datetime | None]]) -> None:
        """Count entries that were put into the outbox, and queue them.

        :param entries: each with its id there and when it expires
        """
        count = 0
        for number, entry, expires in entries:
            self.queue.append(number, entry, expires)
            count += 1

        self.record.arrived(count)

    def invalidate(self) -> None:
        """Look for entries that may be in the outbox although their put was cancelled."""
        self.queue.invalidate()
        self.wake()

    def wake(self) -> None:
        """Let the lane look for work."""
        if self.is_usable and not (self._running or self._is_closed):
            self._running = True
            self._task_group.start_soon(self._run, name=f"lane {self.name}")

    def reload(self) -> None:
        """Read the outbox again, where entries may have been put back or dropped."""
        self.queue.reload()
        self.wake()

    def enable(self) -> None:
        """Send at once, even if the lane was disabled or is waiting because of an outage."""
        self.outage.end()
        self.state, self._why = LaneState.IDLE, ""
        self._note_error()
        self.statistics.last_error = ""
        self.pacing.end_wait()
        self.wake()

    def disable(self, reason: str) -> None:
        """Send nothing more until :meth:`enable`; what waits stays in the outbox.

        :param reason: why, in one line, without secrets
        """
        self.state, self._why = LaneState.DEAD, reason
        self._note_error()
        self.pacing.cancel()

    def disconnect(self) -> None:
        """Send nothing more, since there is no address, until :meth:`enable`.

        The outcome of a request that is under way still counts.
        """
        self.outage.end()
        self.state, self._why = LaneState.UNCONFIGURED, ""
        self._note_error()
        self.pacing.cancel()

    def hand_over(self) -> None:
        """End without waiting for limits or outages: another plugin sends what is in the outbox.

        A request that is under way ends first. What is being gathered is sent if its turn comes
        within :data:`HAND_OVER_SECONDS`, since it would be old news for the other plugin.
        """
        self._is_closed = True
        self.pacing.finish(anyio.current_time() + HAND_OVER_SECONDS)

    def close(self) -> None:
        """Free what the lane holds; what waits stays in the outbox."""
        self._is_closed = True
        self.queue.close()

    async def _run(self) -> None:
        try:
            while await self._deliver_or_recover():
                pass
        finally:
            self._running = False
            self.pacing.release()

    async def _deliver_or_recover(self) -> bool:
        try:
            self.pacing.begin()
            await self.fill()
            if self.queue.is_empty and self._storage.statistics().pending:
                # What had expired before it was read must be reported too.
                await self.expire()

            if self.is_empty:
                self.queue.nothing_expires()
                self.ended_outage()
                self.record.recount(0)
                self.set_state(LaneState.IDLE)
                return False

            return await self.deliver_next()
        except Exception as error:
            # Contained here: it would end the other lanes too.
            reason = f"an internal error ({type(error).__name__}), see the log"
            self.record.request_failed(self.internal_error, reason)
            if self.outage.record_failure():
                self._logger.exception("%s is retried after an internal error", self.title)

            self.set_state(LaneState.RETRYING, reason, self.outage.retry_at)
            return await self.pacing.wait_until(self.outage.retry_at)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send, as far as is known without reading the outbox."""
        return self.queue.is_empty

    @abstractmethod
    async def deliver_next(self) -> bool:
        """Make one request, or wait for what keeps it from being made.

        :return: whether there may be more to do
        """

    def ended_outage(self) -> None:
        """Record that the last request did not fail, or that there is none to make."""
        if self.outage.active:
            self.outage.end()
            self._note_error()

    async def fill(self) -> None:
        """Move new entries into the batch, as far as there is room."""
        await self.queue.fill()

    async def gather(self, *, urgent: bool) -> None:
        """Wait until the window is over that the oldest entry opened.

        :param urgent: whether it must be sent without that
        """
        batch = self.queue.batch
        due = self.pacing.gathers_until(batch[0].arrived) if batch else None
        if due is not None and not urgent:
            self.set_state(LaneState.GATHERING)
            await self.pacing.gather_until(due)

    async def expire(self) -> None:
        """Remove what has expired, count and log it."""
        for expired in await self.queue.expire():
            self.expired(expired)
            self.record.expired(expired.count)

    @abstractmethod
    def expired(self, expired: ExpiredEntries) -> None:
        """Report entries that expired before they could be sent."""

    def report_outage(self, reason: str, seconds: float | None, *, soon: bool = False) -> bool:
        """Plan the next attempt of a request that failed.

        :param reason: why, in one line, without secrets
        :param seconds: that the receiver asks to wait
        :param soon: whether to retry as in a short outage, however long it has lasted
        :return: whether to log the outage, see :meth:`Outage.record_failure`
        """
        is_logged = self.outage.record_failure(seconds, soon=soon)
        self.set_state(LaneState.RETRYING, reason, self.outage.retry_at)
        return is_logged

    def log_outage(self, reason: str) -> None:
        """Log that the receiver does not work, how long, and when it is tried again."""
        pending = max(self.record.waiting, len(self.queue))
        waiting = "1 event waits" if pending == 1 else f"{pending:,} events wait"
        lasted = in_words(self.outage.lasted)
        if lasted != "0 s":
            waiting = f"for {lasted}, {waiting}"

        self._logger.warning(
            "%s does not work (%s) and is retried in %s: %s",
            self.title,
            waiting,
            in_words(self.outage.retry_at - anyio.current_time()),
            reason,
        )

    def end_outage(self, *, log: bool = True) -> None:
        """Record that a request succeeded.

        :param log: whether to log that the receiver works again, if it did not
        """
        if self.outage.active and log:
            lasted = in_words(self.outage.lasted)
            self._logger.info("%s works again after %s", self.title, lasted)

        self.ended_outage()

    def set_state(self, state: LaneState, why: str = "", until: float = LONG_AGO) -> None:
        """Show what the lane is doing.

        :param why: why, if something is wrong
        :param until: when it goes on, if that is known
        """
        # An outage is not over because the next attempt is under way.
        if self.is_usable and (not self.outage.active or state is LaneState.RETRYING):
            self.state, self._why, self._waits_until = state, why, until
            if state is LaneState.RETRYING:
                self._note_error()

    def _note_error(self) -> None:
        """Let those who list the outbox see what is wrong, in this process or another one."""
        if not self._is_closed:
            self._task_group.start_soon(self._keep_error, name=f"error of lane {self.name}")

    async def _keep_error(self) -> None:
        is_wrong = self.outage.active or self.state is LaneState.DEAD
        error = self._redact(self._why) if is_wrong else ""
        # The storage reports its own problems, and the health of the plugin shows this one.
        with suppress(Exception):
            await self._storage.note_error(self.name, error)
