"""Net effect: what the joins and leaves of one subject come to, and when that may be posted."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from .._config import BatchConfig
from .._rendering import Effect, Entry
from .reconnects import Reconnects

HELD_MAX = 500
"""changes that are held; of more, the oldest go early"""
REMEMBERED_MAX = 10_000
"""subjects of all lanes of which it is known what was posted last"""
_STALE_MAX = 64


class Posted:
    """What was posted last of which subject; the one that was posted longest ago is forgotten."""

    def __init__(self) -> None:
        self._effects: dict[tuple[str, str], Effect] = {}

    def find(self, lane: str, subject: str) -> Effect | None:
        """Return what a lane posted last of a subject, None if that is not known."""
        return self._effects.get((lane, subject))

    def add(self, lane: str, subject: str, effect: Effect) -> None:
        """Record that a lane has posted something of a subject."""
        self._effects.pop((lane, subject), None)
        self._effects[lane, subject] = effect
        if len(self._effects) > REMEMBERED_MAX:
            del self._effects[next(iter(self._effects))]


# Not frozen, which would take three times as long: there is one for each event.
@dataclass(slots=True)
class Change:
    """A subject that joined or left."""

    id: int
    """the number of its entry"""
    subject: str
    effect: Effect
    at: float
    """when it happened, not later than now; all times are those of the event loop's clock"""
    name: str
    """of the subject, in markdown"""
    may_wait: bool = True
    """whether it may be held"""
    thread: str = ""
    """the name of the thread that it is posted in"""


class Fate(Enum):
    """What becomes of a change."""

    GOES = auto()
    """it may be posted now"""
    HELD = auto()
    """it waits for :meth:`NetEffect.release`"""
    CANCELLED = auto()
    """it is done without being posted, and so is what it cancels"""


@dataclass(slots=True, eq=False)
class _Run:
    """The changes of a subject that were not posted, all of one effect."""

    effect: Effect
    at: float
    due: float
    """when they may be posted"""
    is_held: bool
    ids: list[int] = field(default_factory=list)


class NetEffect:
    """Holds changes until they last, and cancels those that the opposite follows.

    What is not posted of a subject always has one effect: the opposite takes things back to what was
    posted last, so it cancels all of that and itself. If it is known that it does not, since a join
    came twice without a leave, it cancels only what the first one has said already. A change costs the
    same however many wait.

    :param config: how long which effect must last
    :param posted: what was posted
    :param lane: where
    """

    def __init__(self, config: BatchConfig, posted: Posted, lane: str) -> None:
        self._posted = posted
        self._lane = lane
        self.reconnects = Reconnects(config)
        """counts who came back in time"""
        self._join, self._leave = config.settle.join, config.settle.leave
        self._runs: dict[str, _Run] = {}
        self._held: dict[str, _Run] = {}
        """those of the runs that are held, the oldest first"""
        self._held_ids = 0
        self._due: list[tuple[float, int, str, _Run]] = []
        """a heap of the runs that are or were held"""
        self._cancelled: set[int] = set()

    def add(self, change: Change, now: float) -> Fate:
        """Return what becomes of a change, which comes after all others of its subject."""
        run = self._runs.get(change.subject)
        is_unsteady = self.reconnects.changed(change.subject, change.at)
        if run is not None and run.effect is not change.effect:
            self._cancel(change.subject, run)
            if self._posted.find(self._lane, change.subject) is not run.effect:
                # If it was not known what was posted, it is now: what the change takes things back to.
                self._posted.add(self._lane, change.subject, change.effect)
                self._cancelled.add(change.id)
                self._came_back(run, change)
                return Fate.CANCELLED

            run = None

        if run is None:
            seconds = self._join if change.effect is Effect.JOIN else self._leave
            if is_unsteady:
                seconds = max(seconds, self.reconnects.quiet_seconds)

            due = change.at + seconds
            run = _Run(change.effect, change.at, due, change.may_wait and due > now)
            self._runs[change.subject] = run
            if run.is_held:
                self._held[change.subject] = run
                heapq.heappush(self._due, (due, change.id, change.subject, run))

        run.ids.append(change.id)
        if not run.is_held:
            return Fate.GOES

        self._held_ids += 1
        return Fate.HELD

    def _cancel(self, subject: str, run: _Run) -> None:
        self._remove(subject, run)
        self._cancelled.update(run.ids)

    def _came_back(self, run: _Run, change: Change) -> None:
        if run.effect is Effect.LEAVE and change.at - run.at <= self._leave:
            self.reconnects.add(change.subject, change.name, run.at, change.at, change.thread)

    def take_cancelled(self) -> set[int]:
        """Return the numbers of what was cancelled since the last call."""
        cancelled, self._cancelled = self._cancelled, set()
        return cancelled

    def release(self, now: float) -> list[int]:
        """Return the numbers of what is not held any more, because it is due or there is too much."""
        ids: list[int] = []
        while self._due and (self._due[0][0] <= now or not self._is_current(self._due[0])):
            _, _, subject, run = found = heapq.heappop(self._due)
            if self._is_current(found):
                ids += self._let_go(subject, run)

        while self._held_ids > HELD_MAX:
            subject, run = next(iter(self._held.items()))
            ids += self._let_go(subject, run)

        if len(self._due) > 2 * len(self._held) + _STALE_MAX:
            self._due = [found for found in self._due if self._is_current(found)]
            heapq.heapify(self._due)

        return ids

    def release_all(self) -> list[int]:
        """Return the numbers of everything that is held, and is not any more."""
        return self.release(math.inf)

    @property
    def due(self) -> float:
        """When the first of what is held may be posted, infinite if nothing is held."""
        while self._due and not self._is_current(self._due[0]):
            heapq.heappop(self._due)

        return self._due[0][0] if self._due else math.inf

    def removed(self, id: int, subject: str) -> None:
        """Record that a change does not wait any more, or cannot be cancelled any more."""
        run = self._runs.get(subject)
        if run is None or id not in run.ids:
            return

        run.ids.remove(id)
        self._held_ids -= run.is_held
        if not run.ids:
            self._remove(subject, run)

    def clear(self) -> None:
        """Forget all changes, since they come again."""
        self._runs.clear()
        self._held.clear()
        self._due.clear()
        self._cancelled.clear()
        self._held_ids = 0

    @classmethod
    def count_cancelled(cls, entries: Sequence[Entry], config: BatchConfig) -> int:
        """Count those of some entries that would come to nothing if nothing of them was posted yet."""
        net = cls(config, Posted(), "")
        for number, entry in enumerate(entries if config.settle.is_on else ()):
            subject, effect = entry.digest.subject, entry.digest.effect
            if effect is not None:
                net.add(Change(number, subject, effect, 0.0, "", may_wait=False), 0.0)

        return len(net.take_cancelled())

    def _let_go(self, subject: str, run: _Run) -> list[int]:
        del self._held[subject]
        self._held_ids -= len(run.ids)
        run.is_held = False
        return run.ids

    def _remove(self, subject: str, run: _Run) -> None:
        del self._runs[subject]
        if run.is_held:
            self._let_go(subject, run)

    def _is_current(self, found: tuple[float, int, str, _Run]) -> bool:
        return self._held.get(found[2]) is found[3]
