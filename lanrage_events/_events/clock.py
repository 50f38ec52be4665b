"""The clock of the times of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_clocks: list[Callable[[], datetime]] = []
"""those that are used instead of the machine's; the last one counts"""


def utc_now() -> datetime:
    """Return the current time in UTC, by the machine's clock.

    In the virtual time of :mod:`lanrage_events.testing` it moves with that, also in worker threads.
    """
    return _clocks[-1]() if _clocks else datetime.now(UTC)


@contextmanager
def use_clock(clock: Callable[[], datetime]) -> Iterator[None]:
    """Let :func:`utc_now` return the time of another clock within a ``with`` block."""
    _clocks.append(clock)
    try:
        yield
    finally:
        _clocks.remove(clock)
