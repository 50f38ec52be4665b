"""The pause before a retry: longer with each failure, or as long as the other side asks."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ._events import utc_now

MAX_RETRY_AFTER = 86_400.0
"""seconds that no wait exceeds, whatever the other side asks for"""

_MAX_DOUBLINGS = 64
_ROUNDING_SECONDS = 0.03


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an HTTP answer asks to wait, None if it does not say.

    A date is compared with the date of the answer, since the clock of this machine may be wrong.
    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3

    :param headers: of the answer, in any case
    """
    named = {name.lower(): value for name, value in headers.items()}
    text = named.get("retry-after", "")
    seconds, until = parse_seconds(text), _date(text)
    if seconds is not None or until is None:
        return seconds

    now = _date(named.get("date", "")) or utc_now()
    return parse_seconds(max((until - now).total_seconds(), 0.0))


def parse_seconds(value: object) -> float | None:
    """Return the seconds to wait that a header or JSON asks for, at most :data:`MAX_RETRY_AFTER`.

    :returns: None if that is no number, or less than 0
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None

    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None

    return min(seconds, MAX_RETRY_AFTER) if math.isfinite(seconds) and seconds >= 0 else None


def in_words(seconds: float) -> str:
    """Write how long something takes, such as ``0.3 s``, ``42 s`` or ``1 h 5 min``."""
    # Rounded up, but not for the moment that may be added to what a server asks for.
    tenths = max(math.ceil((seconds - _ROUNDING_SECONDS) * 10), 0)
    if tenths < 100:
        return f"{tenths / 10:g} s"

    whole = math.ceil(seconds - _ROUNDING_SECONDS)
    if whole < 120:
        return f"{whole} s"

    hours, minutes = divmod(round(whole / 60), 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts)


def _date(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None

    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
