"""How many entries expired, until a message says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._memory import Memory, number


class ExpiredCounts:
    """Counts by lane and type what expired and was not reported yet.

    :param memory: remembers it over restarts; None to remember it as long as this object lives
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory(None, "")
        self._by_lane: dict[str, dict[str, int]] = self._memory.read(_parse, {})

    def of(self, lane: str) -> Mapping[str, int]:
        """Return the counts of a lane by type."""
        return self._by_lane.get(lane, {})

    def add(self, lane: str, label: str, count: int) -> None:
        """Count entries that expired.

        :param label: their type
        """
        counts = self._by_lane.setdefault(lane, {})
        counts[label] = counts.get(label, 0) + count
        self._memory.write(self._by_lane)

    def rename(self, lane: str, to: str) -> None:
        """Add the counts of a lane to those of another one."""
        counts = self._by_lane.pop(lane, None)
        if counts:
            there = self._by_lane.setdefault(to, {})
            for label, count in counts.items():
                there[label] = there.get(label, 0) + count

            self._memory.write(self._by_lane)

    def clear(self, lane: str) -> None:
        """Forget the counts of a lane, since a message has reported them."""
        if self._by_lane.pop(lane, None):
            self._memory.write(self._by_lane)


def _parse(data: Any) -> dict[str, dict[str, int]]:
    return {
        lane: {label: max(0, int(number(count))) for label, count in counts.items()}
        for lane, counts in data.items()
    }
