"""The text of values, written for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from .._times import in_utc
from ._cleaning import UNKNOWN, VALUE_MAX_CHARACTERS

# Beyond it, minutes do not matter, and the digits of a wrong value would fill the message.
_MOST_HOURS = 999_999


def as_text(value: object) -> str:
    """Write the value of an event's field for people.

    ``None`` is empty, the items of a list are separated by commas and without ``None``, a time is in
    UTC, and a number has no more digits than it needs.

    :param value: a value of any type
    """
    if isinstance(value, Enum):
        return as_text(value.value)

    if isinstance(value, str):
        text = str(value)
        return text if len(text) <= VALUE_MAX_CHARACTERS else text[:VALUE_MAX_CHARACTERS]

    if value is None:
        return ""

    if isinstance(value, bool):
        return "yes" if value else "no"

    if isinstance(value, float):
        return f"{value:.10g}"

    if isinstance(value, datetime):
        return _time_as_text(value)

    if isinstance(value, timedelta):
        return duration(value)

    if isinstance(value, Mapping):
        return ", ".join(f"{as_text(key)}: {as_text(item)}" for key, item in value.items())

    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(as_text(item) for item in value if item is not None)

    return str(value)


def _time_as_text(time: datetime) -> str:
    try:
        return f"{in_utc(time).isoformat(' ', 'minutes')[:16]} UTC"
    except ValueError:
        return time.isoformat(" ", "minutes")


def humanize(name: str) -> str:
    """Turn a name such as ``map_changed`` into ``Map Changed``."""
    return " ".join(word[:1].upper() + word[1:] for word in name.replace("_", " ").split())


def plural(count: object, one: str, many: str) -> str:
    """Choose the form of a word that goes with a number.

    :param one: the form for 1
    :param many: the form for all others
    :raises ValueError: if it is not a number, such as the count in a digest's heading
    """
    if isinstance(count, bool) or not isinstance(count, (int, float)):
        # As for other values that do not fit their place.
        raise ValueError("'plural' needs a number that is known when the text is rendered")  # noqa: TRY004

    return one if count == 1 else many


def duration(length: float | timedelta) -> str:
    """Write a length of time with its two largest units: ``1h 1m``, ``1m 30s`` or ``30s``.

    :param length: seconds, or a length of Python's; what is no number becomes a question mark
    """
    try:
        seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    except OverflowError:
        return UNKNOWN

    if not math.isfinite(seconds):
        return UNKNOWN

    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    if hours > _MOST_HOURS:
        return f"{float(hours):.6g}h"

    if hours:
        return f"{hours}h {minute}m"

    if minutes:
        return f"{minutes}m {second}s"

    return f"{second}s"


def utf16_units(text: str) -> int:
    """Return the length of a text in UTF-16, as JavaScript counts: an emoji is 2 units long.

    It is never less than the number of code points, so a limit that is kept in these units is kept
    whichever of the two it means.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
