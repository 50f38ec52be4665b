"""The events that no route takes, which go nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lanrage_events import Metric, Sample
from lanrage_events.cli import counted

_MAX_TYPES = 100
"""since each is a label of a metric"""
_OTHER = "other"
_SHOWN = 3


class UnroutedEvents:
    """Counts them by their type, since this object was created.

    :param by_routes: whether routes decide, and not what was chosen for each webhook
    """

    def __init__(self, *, by_routes: bool = True) -> None:
        self._by_routes = by_routes
        self._counts = Counter[str]()

    @property
    def by_type(self) -> Mapping[str, int]:
        """How many there were, the most frequent type first."""
        return dict(self._counts.most_common())

    @property
    def total(self) -> int:
        """How many there were."""
        return self._counts.total()

    @property
    def detail(self) -> str:
        """How many there were in words, empty if there were none."""
        if not self._counts:
            return ""

        most = [f"{number:,} {name}" for name, number in self._counts.most_common(_SHOWN)]
        more = ["others"] if len(self._counts) > _SHOWN else []
        counts = f"{counted(self.total, 'event')}: {', '.join([*most, *more])}"
        return f"no route takes {counts}" if self._by_routes else f"no webhook takes {counts}"

    def add(self, event_type: str) -> None:
        """Count an event."""
        is_new = event_type not in self._counts
        self._counts[_OTHER if is_new and len(self._counts) >= _MAX_TYPES else event_type] += 1

    def metric(self) -> Metric:
        """Return the counts."""
        return Metric(
            name="unrouted",
            help="Events that no route takes, by type",
            kind="counter",
            samples=[Sample(number, {"type": name}) for name, number in self._counts.items()],
        )
