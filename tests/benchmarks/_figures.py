"""What a run comes to: counted from the stand-in's journal, never from what the sender says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ._process import Line

ROUND_TRIP_SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class Run:
    """What one sender did in one scenario."""

    records: list[Line]
    """the stand-in's journal"""
    published: Line
    """what the sender said when everything was published"""
    used: Line
    """CPU seconds and megabytes, empty if the sender was killed"""
    webhooks: int
    outage_end: float = 0.0


@dataclass(slots=True)
class Figures:
    """The figures of a run; an event counts once for each webhook that is to tell it."""

    run: Run
    expected: int = 0
    sent: int = 0
    lost: int = 0
    twice: int = 0
    needlessly_twice: int = 0
    """those of them that were not in a message whose answer was lost"""
    messages_twice: int = 0
    requests: int = 0
    statuses: Counter[int | None] = field(default_factory=Counter)
    accepted: list[Line] = field(default_factory=list)
    delays: dict[int, list[float]] = field(default_factory=dict)
    """seconds from event to first acceptance for each webhook, ascending"""

    @classmethod
    def of(cls, run: Run) -> Figures:
        """Count."""
        times: dict[str, float] = run.published["times"]
        figures = cls(run, expected=len(times) * run.webhooks, requests=len(run.records))
        figures.statuses = Counter(record["status"] for record in run.records)
        figures.accepted = [record for record in run.records if record["accepted"]]
        told: Counter[tuple[int, str]] = Counter()
        ambiguous: set[tuple[int, str]] = set()
        for record in figures.accepted:
            webhook = record["webhook"]
            keys = [(webhook, name) for name in record["names"]]
            figures.messages_twice += any(key in told for key in keys)
            for key in keys:
                if key not in told and key[1] in times:
                    delay = record["time"] - times[key[1]]
                    figures.delays.setdefault(webhook, []).append(delay)

            told.update(keys)
            if record["fault"]:
                ambiguous.update(keys)

        for delays in figures.delays.values():
            delays.sort()

        figures.sent = len(told)
        figures.lost = figures.expected - figures.sent
        figures.twice = sum(count - 1 for count in told.values())
        figures.needlessly_twice = sum(
            count - 1 for key, count in told.items() if key not in ambiguous
        )
        return figures

    @property
    def seconds(self) -> float:
        """Seconds from the first acceptance to the last."""
        return self.accepted[-1]["time"] - self.accepted[0]["time"] if self.accepted else 0.0

    @property
    def seconds_to_last(self) -> float:
        """Seconds from the begin to the last acceptance."""
        return self.accepted[-1]["time"] - self.run.published["began"] if self.accepted else 0.0

    @property
    def p99(self) -> float | None:
        """The 99th percentile of the seconds from event to acceptance."""
        delays = sorted(delay for some in self.delays.values() for delay in some)
        return delays[int((len(delays) - 1) * 0.99)] if delays else None

    @property
    def cpu(self) -> float | None:
        """CPU seconds of the sender's process for 1,000 notifications, sent or lost."""
        return self.run.used["cpu"] * 1000 / self.expected if self.run.used else None

    @property
    def memory(self) -> float | None:
        """The peak of the sender's memory in megabytes."""
        return self.run.used.get("memory")


@dataclass(frozen=True, slots=True)
class Check:
    """One bound, and whether it was kept."""

    text: str
    passed: bool
    is_time: bool = False


Checks = Callable[[Figures], Iterable[Check]]


def equal(what: str, value: int, wanted: int = 0) -> Check:
    """Check a count that has to be exact."""
    return Check(f"{value} {what}", value == wanted)


def at_most(what: str, value: int, limit: int) -> Check:
    """Check a count that has a bound."""
    return Check(f"{value} {what} (at most {limit})", value <= limit)


def within(what: str, seconds: float, limit: float, floor: float | None = None) -> Check:
    """Check a time, given with what the floor allows if there is one."""
    ratio = "" if floor is None else f", {seconds / floor:.2f} x the floor"
    text = f"{what} {seconds:.2f} s{ratio} (at most {limit:.2f} s)"
    return Check(text, seconds <= limit, is_time=True)


def memory_below(megabytes: float | None, limit: float) -> Check:
    """Check the peak of memory, where it is known."""
    if megabytes is None:
        return Check("memory unknown", True)

    return Check(f"{megabytes:.0f} MB (below {limit:.0f})", megabytes < limit)


def ratio_at_least(what: str, ratio: float, limit: float) -> Check:
    """Check a ratio, where more is better."""
    return Check(f"{what}: {ratio:.2f} x (at least {limit:g} x)", ratio >= limit, is_time=True)


def ratio_at_most(what: str, ratio: float, limit: float) -> Check:
    """Check a ratio, where less is better."""
    return Check(f"{what}: {ratio:.2f} x (at most {limit:g} x)", ratio <= limit, is_time=True)
