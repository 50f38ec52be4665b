"""Settling: which entries of a lane may be posted now, by their net effect."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import anyio

from lanrage_events.abc import Person
from lanrage_events.delivery import Waiting
from lanrage_events.events import utc_now

from .._config import BatchConfig
from .._rendering import Entry
from .net_effect import Change, Fate, NetEffect, Posted
from .reconnects import Counts, Report

TOGETHER_MAX_SECONDS = 1.0
"""how much earlier something is posted, at most, so that it is in the message of what is due"""
_NOTHING = Report()
_NO_TIME = 0.0, datetime.min.replace(tzinfo=UTC)


class Settling:
    """Lets joins and leaves of one lane wait until they last, and cancels what comes to nothing.

    :param config: what must last how long
    :param posted: what was posted
    :param lane: the lane's name there
    """

    # There is one for each webhook, also for one that nothing is posted to.
    __slots__ = (
        "_clocks",
        "_config",
        "_doubtful",
        "_holds",
        "_lane",
        "_net",
        "_posted",
    )

    def __init__(self, config: BatchConfig, posted: Posted, lane: str) -> None:
        self._config = config
        self._posted = posted
        self._lane = lane
        self._net: NetEffect | None = None
        """None while there is nothing to know: of many lanes, most are idle"""
        self._doubtful: frozenset[int] = frozenset()
        """the numbers of entries that Discord may have already"""
        self._holds = True
        self._clocks = _NO_TIME
        """the time on the event loop's clock and in UTC"""

    def look_at_clocks(self) -> None:
        """Take what is admitted from now on as admitted at this time; call it first."""
        self._clocks = anyio.current_time(), utc_now()

    def use(self, config: BatchConfig) -> bool:
        """Use other settings; return whether everything must be admitted again."""
        former, self._config = self._config, config
        names = ("settle", "reconnects", "flapping")
        if all(getattr(config, name) == getattr(former, name) for name in names):
            return False

        self._net = None
        return True

    @property
    def due(self) -> float:
        """When the first of what is held may be posted, on the event loop's clock; else infinite."""
        due = math.inf if self._net is None else self._net.due
        return due if self._holds or due == math.inf else anyio.current_time()

    def admit(self, waiting: Waiting[Entry]) -> Fate:
        """Return what becomes of an entry, which comes after all others of its subject."""
        digest = waiting.entry.digest
        if digest.effect is None or waiting.id in self._doubtful:
            return Fate.GOES

        if self._net is None:
            if not self._config.settle.is_on:
                return Fate.GOES

            self._net = NetEffect(self._config, self._posted, self._lane)

        now, wall_now = self._clocks
        time = waiting.entry.time
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)

        at = min(now - (wall_now - time).total_seconds(), waiting.put_at)
        shown = waiting.entry.presentation
        may_wait, thread = self._holds and not shown.immediate, shown.thread_name
        change = Change(
            waiting.id, digest.subject, digest.effect, at, digest.item, may_wait, thread
        )
        return self._net.add(change, now)

    def readmit(self) -> None:
        """Forget what was admitted, since everything comes again."""
        if self._net is not None:
            self._net.clear()

    def release(self) -> list[int]:
        """Return the numbers of what is not held any more."""
        if self._net is None:
            return []

        if not self._holds:
            return self._net.release_all()

        now = anyio.current_time()
        if self._net.due <= now:
            now += min(self._config.window, TOGETHER_MAX_SECONDS)

        return self._net.release(now)

    def take_cancelled(self) -> set[int]:
        """Return the numbers of what was cancelled since the last call."""
        return set() if self._net is None else self._net.take_cancelled()

    def take_counts(self) -> Counts:
        """Return how many reconnects there were since the last call."""
        return Counts() if self._net is None else self._net.reconnects.take_counts()

    def stop_holding(self) -> None:
        """Hold nothing from now on."""
        self._holds = False

    def rest(self) -> None:
        """Free what is not needed while nothing waits."""
        self._doubtful = frozenset()
        if self._net is not None and self._net.reconnects.is_empty(anyio.current_time()):
            self._net = None

    def posted(self, entries: Iterable[Waiting[Entry]]) -> None:
        """Record what Discord has."""
        for waiting in entries:
            digest = waiting.entry.digest
            if digest.effect is not None:
                self._posted.add(self._lane, digest.subject, digest.effect)

    def doubt(self, entries: Sequence[Waiting[Entry]]) -> None:
        """Record what Discord may have, since an answer was lost, so that it is not cancelled."""
        self.posted(entries)
        self._doubtful |= {waiting.id for waiting in entries}
        self.leave_out(entries)

    def may_be_posted(self, id: int) -> bool:
        """Return whether Discord may have an entry that waits."""
        return id in self._doubtful

    def removed(self, entries: Sequence[Waiting[Entry]]) -> None:
        """Record that entries do not wait any more."""
        if self._doubtful:
            self._doubtful -= {waiting.id for waiting in entries}

        self.leave_out(entries)

    def leave_out(self, entries: Iterable[Waiting[Entry]]) -> None:
        """Cancel entries no more, nor others because of them."""
        if self._net is not None:
            for waiting in entries:
                if waiting.entry.digest.effect is not None:
                    self._net.removed(waiting.id, waiting.entry.digest.subject)

    @property
    def is_message(self) -> bool:
        """Whether there is something to report that is worth a message of its own."""
        return self._net is not None and self._net.reconnects.is_message

    @property
    def first_thread(self) -> str:
        """The name of the thread of what is worth a message of its own, empty if it has none."""
        return "" if self._net is None else self._net.reconnects.first_thread

    def report(self, is_there: Callable[[str], bool]) -> Report:
        """Return what the next message may say about reconnects.

        :param is_there: returns whether the message goes to the thread of a name
        """
        if self._net is None:
            return _NOTHING

        return self._net.reconnects.report(anyio.current_time(), is_there)

    def reported(self, report: Report | None = None) -> None:
        """Record that a message has said, or cannot say, what there was to report.

        :param report: what it has said; None for all that there is
        """
        if self._net is not None:
            self._net.reconnects.reported(None if report is None else report.subjects)

    def forget(self, person: Person) -> int:
        """Report no reconnects of a person, and return how many reports that takes away."""
        return 0 if self._net is None else self._net.reconnects.forget(person)
