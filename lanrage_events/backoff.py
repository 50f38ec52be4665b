"""The pause before a retry, which grows with each failure."""

from __future__ import annotations

import random

_MAX_DOUBLINGS = 64


class Backoff:
    """Waits that are twice as long each time, up to a limit.

    :param first: seconds of the first wait
    :param longest: seconds that no wait exceeds, unless the other side asks for more
    :param jitter: the random part of a wait, from 0 to 1, so that many clients that failed together
        do not retry together
    """

    def __init__(self, first: float, longest: float, *, jitter: float = 0.0) -> None:
        self.longest = longest
        """seconds that no wait exceeds; may be changed at any time"""
        self._first = first
        self._jitter = jitter
        self._doublings = 0

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now; the next wait is longer.

        :param at_least: seconds that the other side asked for
        """
        seconds = min(self._first * 2.0**self._doublings, self.longest)
        self._doublings = min(self._doublings + 1, _MAX_DOUBLINGS)
        seconds *= random.uniform(1.0 - self._jitter, 1.0)  # noqa: S311 - no secret
        return max(at_least, seconds)

    def reset(self) -> None:
        """Begin with the first wait again, after a success."""
        self._doublings = 0
