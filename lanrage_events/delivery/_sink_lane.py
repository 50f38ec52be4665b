"""The lane of a sink that sends once: select, send, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from functools import partial
from inspect import isawaitable
from itertools import islice

import anyio
from anyio.abc import TaskGroup

from .._containment import TaskGuard, call, endure
from .._events import utc_now
from ..backoff import in_words
from ..outbox import ExpiredEntries, Storage
from ._bisection import Bisection
from ._entry import Entry, NoEventError
from ._lane import Lane
from ._outage import LONG_AGO
from ._outcome import Outcome, OutcomeKind
from ._pacing import Pacing
from ._queue import LaneQueue
from ._record import LaneRecord, LaneStatistics
from ._selection import Select, Selection
from ._state import LaneState
from ._waits import Waits

NO_ANSWER = "no_answer"
# So that a wall clock that is set, or a computer that slept, is noticed.
LONGEST_HOLD_SECONDS = 60.0
# How many times in turn a select may be asked what it lets go when a later time has come.
MOST_TIMES = 100
# The base classes of httpx and aiohttp, which not each error of the system is a cause of.
_UNREACHABLE = {"TransportError", "ClientConnectionError"}


class SinkLane(Lane[Entry, LaneQueue[Entry], Pacing, LaneRecord[LaneStatistics]]):
    """Delivers the entries of one lane with the function of a sink.

    :param send: sends entries once
    :param select: chooses them; None for the oldest
    :param batch_size: how many go in one request, unless ``select`` says so; for more entries, nothing
        is gathered
    :param interval: seconds from one request to the next, at least
    :param send_timeout: seconds that ``send`` may take
    :param redact: removes secrets from reasons that are kept
    :param waits: keeps what the receiver asks to wait
    """

    def __init__(
        self,
        name: str,
        *,
        what: str,
        storage: Storage,
        pacing: Pacing,
        record: LaneRecord[LaneStatistics],
        task_group: TaskGroup,
        logger: logging.Logger,
        send: Callable[[Sequence[Entry]], Awaitable[Outcome]],
        select: Select | None,
        batch_size: int,
        interval: float,
        send_timeout: float,
        redact: Callable[[str], str],
        waits: Waits,
    ) -> None:
        super().__init__(
            name,
            what=what,
            storage=storage,
            queue=LaneQueue(storage, name, Entry.read, logger=logger),
            pacing=pacing,
            record=record,
            task_group=task_group,
            logger=logger,
        )
        self._send = send
        self._select = select
        self._batch_size = batch_size
        self._interval = interval
        self._send_timeout = send_timeout
        self._redact = redact
        self._waits = waits
        self._bisection = Bisection()
        self._is_urgent = False
        self._may_send_at = LONG_AGO
        self._releases_held = False

    def append(self, entry: Entry, *, immediate: bool) -> None:
        """Deliver an entry that was put into the outbox.

        :param immediate: whether to send it without gathering
        """
        self.add([(entry.id, entry, entry.expires)])
        self._is_urgent = self._is_urgent or immediate
        if self._is_urgent or len(self.queue) >= self._batch_size:
            self.pacing.flush()

        self.pacing.stop_collecting()
        self.wake()

    def resume(self) -> None:
        """Send at once, even if the lane has stopped or waits because of an outage."""
        if not self.is_usable or self.outage.active:
            self._logger.info("%s is tried again", self.title)
            self.enable()

    def restore_wait(self) -> None:
        """Wait for what the receiver asked an earlier process to wait for."""
        if (wait := self._waits.left(self.name)) is not None:
            seconds, reason = wait
            self.report_outage(reason, seconds)
            text = "%s waits %s, as its receiver asked before the restart: %s"
            self._logger.warning(text, self.title, in_words(seconds), reason)

    def finish(self, give_up_at: float, *, hold: bool) -> None:
        """Send what waits without gathering more.

        :param give_up_at: nothing is sent after this, in the time of the event loop
        :param hold: whether what is not due yet stays in the outbox; else it is sent, too
        """
        self._releases_held = not hold
        self.pacing.finish(give_up_at)
        self.pacing.stop_collecting()

    async def deliver_next(self) -> bool:
        """Make one request, or wait for what keeps it from being made."""
        await self.gather(urgent=self._is_urgent or len(self.queue) >= self._batch_size)
        due = max(self.outage.retry_at, self._may_send_at)
        if due > anyio.current_time():
            self.set_state(LaneState.WAITING, "requests have an interval", due)
            return await self.pacing.wait_until(due)

        chosen = await self._choose()
        if not chosen.send:
            return bool(chosen.done) or await self._hold(chosen.due)

        may_send = self.is_usable and not self.pacing.is_over
        if not may_send or not await self._storage.claim(self.name, self._send_timeout):
            return False

        await self._attempt(tuple(chosen.send))
        return self.goes_on

    async def _choose(self) -> Selection:
        await self.queue.fill()
        await self.expire()
        self._bisection.removed(waiting.id for waiting in self.queue.batch)
        if self._select is None:
            oldest = islice(self.queue.batch, self._bisection.at_most or self._batch_size)
            return Selection([waiting.entry for waiting in oldest])

        entries = [waiting.entry for waiting in self.queue.batch]
        chosen = self._selected(self._select, entries) if entries else Selection()
        if chosen.done:
            ids = frozenset(entry.id for entry in chosen.done)
            self.record.cancelled(len(self.queue.remove_ids(ids)))
            await complete(partial(self._storage.acknowledge, ids))

        at_most = self._bisection.at_most
        return chosen if at_most is None else replace(chosen, send=chosen.send[:at_most])

    def _selected(self, select: Select, entries: Sequence[Entry]) -> Selection:
        now = utc_now()
        for _ in range(MOST_TIMES):
            chosen = call(select, entries, now)
            if not isinstance(chosen, Selection):
                raise TypeError(f"select must return a Selection, not {_kind(chosen)}")

            chosen.check(entries, now)
            if chosen.send or chosen.done or chosen.due is None or not self._releases_held:
                return chosen

            # What it waits for need not be waited for: it is as if that time had come.
            now = chosen.due

        raise RuntimeError(f"select sends nothing, not even {now - utc_now()} later")

    async def _hold(self, due: datetime | None) -> bool:
        """Wait until something may go; return as :meth:`deliver_next`."""
        if due is None:
            return self.goes_on and not self.is_empty

        if self.pacing.is_finishing or not self.goes_on:
            return False

        self.set_state(LaneState.GATHERING)
        seconds = min((due - utc_now()).total_seconds(), LONGEST_HOLD_SECONDS)
        return await self.pacing.wait_until(anyio.current_time() + seconds, collects=True)

    async def _attempt(self, entries: Sequence[Entry]) -> None:
        self._is_urgent = False
        self.set_state(LaneState.SENDING)
        self.statistics.requests += 1
        try:
            outcome = await self._outcome(entries)
        finally:
            self._may_send_at = anyio.current_time() + self._interval

        await self._handle(entries, outcome)

    async def _outcome(self, entries: Sequence[Entry]) -> Outcome:
        guard = TaskGuard()
        # Copies, since what the sink makes of them must not be sent by the next attempt.
        own = [replace(entry, data=deepcopy(entry.data)) for entry in entries]
        try:
            with anyio.move_on_after(self._send_timeout):
                sending = call(self._send, own)
                if not isawaitable(sending):
                    return Outcome.stop("send must be async, so that it can wait for the answer")

                outcome = await sending
                if isinstance(outcome, Outcome):
                    return outcome

                # It may have been delivered, and would be again and again.
                return Outcome.stop(f"send must return an Outcome, not {_kind(outcome)}")

            return Outcome.retry(f"no answer within {self._send_timeout:g} s", code=NO_ANSWER)
        except NoEventError as error:
            return Outcome.dead(str(error), [error.entry], code="no_event")
        except BaseException as error:
            found = guard.contain(error)
            if found is not error:
                raise found from error

            if not _is_unreachable(error):
                raise

            return Outcome.retry(f"{type(error).__name__}: {error}", code=NO_ANSWER)
        finally:
            await guard.restore()

    async def _handle(self, entries: Sequence[Entry], outcome: Outcome) -> None:
        sent = [entry.id for entry in entries]
        named = None if outcome.entries is None else outcome.entries.intersection(sent)
        if named is not None and not named:
            outcome = Outcome.retry(
                "send returned an Outcome about none of the entries it was given"
            )

        match outcome.kind:
            case OutcomeKind.DELIVERED:
                await self._delivered(frozenset(sent) if named is None else named)
                return
            case OutcomeKind.RETRY:
                if self.report_outage(outcome.reason, outcome.after):
                    self.log_outage(outcome.reason)

                if outcome.after is not None:
                    seconds = self.outage.retry_at - anyio.current_time()
                    self._waits.begin(self.name, seconds, self._redact(outcome.reason))
            case OutcomeKind.DEAD:
                self.ended_outage()
                bad = self._bisection.find(sent) if named is None else named
                await self._dead_letter(bad, outcome)
            case OutcomeKind.STOP:
                self.disable(outcome.reason)
                self._logger.error(
                    "%s has stopped: %s. What waits is kept until it is resumed or the plugin restarts",
                    self.title,
                    outcome.reason,
                )

        self.record.request_failed(outcome.code or outcome.kind.value, outcome.reason)

    async def _delivered(self, ids: frozenset[int]) -> None:
        self.pacing.sent()
        self.end_outage()
        removed = self.queue.remove_ids(ids)
        self.record.delivered(len(removed))
        # Cancellation must not make us send again what the receiver already has.
        await complete(partial(self._storage.acknowledge, ids))

    async def _dead_letter(self, ids: frozenset[int] | set[int], outcome: Outcome) -> None:
        removed = self.queue.remove_ids(ids)
        self.record.dead_lettered(len(removed), outcome.code or outcome.kind.value)
        for waiting in removed:
            what = waiting.entry.label or "entry"
            self._logger.error(
                "%s: %s %d was rejected and is now a dead letter: %s",
                self.title,
                what,
                waiting.id,
                outcome.reason,
            )

        if ids:
            await complete(partial(self._storage.dead_letter, ids, outcome.reason, outcome.detail))

    def expired(self, expired: ExpiredEntries) -> None:
        """Log entries that expired before they could be sent."""
        what = f"{expired.count} {expired.label or 'entries'}"
        self._logger.warning("%s: %s expired before they could be sent", self.title, what)


async def complete(work: Callable[[], Awaitable[object]]) -> None:
    """Do what must not be left half done, and raise a cancellation only then."""
    cancelled = await endure(work)
    if cancelled is not None:
        raise cancelled


def _kind(answer: object) -> str:
    return "None" if answer is None else f"{type(answer).__name__!r}"


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether the receiver cannot be reached, as the system reports it or a client of HTTP."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, OSError) or names & _UNREACHABLE:
            return True

        error = error.__cause__ or error.__context__

    return False
