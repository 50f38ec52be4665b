"""Reconnects: who left and came back in time, and whose connection is unsteady."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from lanrage_events.abc import Person

from .._config import BatchConfig
from .._rendering import Reconnected, Unsteady

T = TypeVar("T")

REMEMBERED_MAX = 10_000
"""subjects; beyond that, what changed longest ago is forgotten, which costs a line more at worst"""
COUNTED_SECONDS = 900.0
"""how long a count waits for a message that it can stand in"""


class Counts(NamedTuple):
    """How many reconnects there were."""

    total: int = 0
    unreported: int = 0
    """how many of them no message has counted, because none came in time"""


class Report(NamedTuple):
    """What the next message may say about reconnects."""

    unsteady: Sequence[Unsteady] = ()
    counts: Sequence[Reconnected] = ()
    subjects: Collection[str] = ()
    """those of both"""


@dataclass(slots=True)
class _Subject:
    left: deque[float]
    """when it left before its last reconnects"""
    changed: float
    is_unsteady: bool = False


@dataclass(slots=True)
class _Count:
    name: str
    times: int
    at: float
    thread: str


class Reconnects:
    """Counts reconnects of one lane until a message reports them.

    A subject that reconnects too often is unsteady until it has not changed for a while. Times are
    those of the event loop's clock. Nothing of this survives a restart.

    :param config: what is reported, and what is too often
    """

    def __init__(self, config: BatchConfig) -> None:
        self._config = config
        self._subjects: dict[str, _Subject] = {}
        """those that reconnected, the one that changed longest ago first"""
        self._counts: dict[str, _Count] = {}
        """what no message has reported yet, the oldest first"""
        self._unsteady: dict[str, tuple[Unsteady, str]] = {}
        """the same, each with its thread"""
        self._total = self._unreported = 0

    def is_empty(self, now: float) -> bool:
        """Return whether there is nothing that must be remembered."""
        flapping = self._config.flapping
        if flapping is not None:
            since = now - max(flapping.within, flapping.quiet)
            while self._subjects:
                oldest = next(iter(self._subjects))
                if self._subjects[oldest].changed >= since:
                    break

                del self._subjects[oldest]

        return not (self._subjects or self._counts or self._unsteady)

    def take_counts(self) -> Counts:
        """Return how many reconnects there were since the last call."""
        counts = Counts(self._total, self._unreported)
        self._total = self._unreported = 0
        return counts

    @property
    def quiet_seconds(self) -> float:
        """How long an unsteady subject must not change to be steady again."""
        flapping = self._config.flapping
        return 0.0 if flapping is None else flapping.quiet

    def changed(self, subject: str, at: float) -> bool:
        """Record that a subject joined or left, and return whether it is unsteady."""
        known = self._subjects.get(subject)
        if known is None or not known.is_unsteady:
            return False

        if at - known.changed >= self.quiet_seconds:
            del self._subjects[subject]
            return False

        known.changed = max(known.changed, at)
        self._touch(subject, known)
        return True

    def add(self, subject: str, name: str, left: float, at: float, thread: str = "") -> None:
        """Count that a subject came back.

        :param name: in markdown
        :param left: when it had left
        :param thread: the name of the thread that it is to be reported in
        """
        self._total += 1
        flapping = self._config.flapping
        if flapping is not None:
            known = self._subjects.get(subject) or _Subject(deque(maxlen=flapping.times), at)
            known.changed = max(known.changed, at)
            self._touch(subject, known)
            if known.is_unsteady:
                return

            known.left.append(left)
            seconds = at - known.left[0]
            if len(known.left) == flapping.times and seconds <= flapping.within:
                known.is_unsteady = True
                self._counts.pop(subject, None)
                self._unsteady[subject] = Unsteady(name, flapping.times, seconds), thread
                _shrink(self._unsteady)
                return

        if self._config.reconnects != "omit":
            count = self._counts.pop(subject, None)
            times = 1 if count is None else count.times + 1
            self._counts[subject] = _Count(name, times, at, thread)
            self._unreported += sum(count.times for count in _shrink(self._counts))

    def _touch(self, subject: str, known: _Subject) -> None:
        self._subjects.pop(subject, None)
        self._subjects[subject] = known
        _shrink(self._subjects)

    @property
    def is_message(self) -> bool:
        """Whether there is something to report that is worth a message of its own."""
        return bool(self._unsteady or (self._counts and self._config.reconnects == "post"))

    @property
    def first_thread(self) -> str:
        """The name of the thread of what is worth a message of its own, empty if it has none."""
        counts = self._counts.values() if self._config.reconnects == "post" else ()
        threads = (*(one for _, one in self._unsteady.values()), *(one.thread for one in counts))
        return next(iter(threads), "")

    def report(self, now: float, is_there: Callable[[str], bool] = lambda thread: True) -> Report:
        """Return what the next message may say, besides what has waited too long for one.

        :param is_there: returns whether the message goes to the thread of a name
        """
        while self._counts:
            subject, oldest = next(iter(self._counts.items()))
            if self._config.reconnects == "post" or now - oldest.at < COUNTED_SECONDS:
                break

            self._unreported += oldest.times
            del self._counts[subject]

        unsteady = {key: one for key, (one, name) in self._unsteady.items() if is_there(name)}
        counts = {key: one for key, one in self._counts.items() if is_there(one.thread)}
        texts = [Reconnected(count.name, count.times) for count in counts.values()]
        return Report([*unsteady.values()], texts, {*unsteady, *counts})

    def reported(self, subjects: Collection[str] | None = None) -> None:
        """Record that a message has said, or cannot say, what there was to report.

        :param subjects: of whom; None for all
        """
        for known in (self._counts, self._unsteady):
            for subject in [*known] if subjects is None else subjects:
                known.pop(subject, None)

    def forget(self, person: Person) -> int:
        """Report nothing of a person, and return how many reports that takes away."""
        counts = [one for one, count in self._counts.items() if person.is_in(count.name)]
        unsteady = [one for one, (found, _) in self._unsteady.items() if person.is_in(found.name)]
        self._unreported += sum(self._counts.pop(subject).times for subject in counts)
        for subject in unsteady:
            del self._unsteady[subject]

        return len(counts) + len(unsteady)


def _shrink(found: dict[str, T]) -> list[T]:
    """Remove and return what is too much."""
    return [found.pop(next(iter(found)))] if len(found) > REMEMBERED_MAX else []
