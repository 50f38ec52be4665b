"""The text of values: written for people, cleaned and shortened."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum

from .._redaction import mask_webhook_urls
from .._times import in_utc

ELLIPSIS = "…"

# No consumer shows more of one value.
VALUE_MAX_CHARACTERS = 20_000

_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n|[{_BREAKS}]")
_BREAK_WITH_SPACE = re.compile(rf"[{_BREAKS}]\s*")
_EMPTY_LINES = re.compile(r"\n\s*\n\s*\n")

# Characters that are invisible or change how the text around them is read: control characters,
# directions, zero width characters except the joiners that emoji and scripts need, surrogates,
# private use, non-characters and tags. The flags of England, Scotland and Wales are made of tags.
_HIDDEN = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f)"
    "|[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
# Letters and symbols without ink, which some players use as a name.
_BLANKS = re.compile("[\t\u115f\u1160\u2800\u3164\uffa0]")
_JOINERS = re.compile("([\u200c\u200d])[\u200c\u200d]+|([\ufe00-\ufe0f])[\ufe00-\ufe0f]+")
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_TOO_MANY_MARKS = re.compile(f"({_MARK}{{3}}){_MARK}+")
_WITHOUT_INK = re.compile("[\\s\u200c\u200d\ufe00-\ufe0f]*")
UNKNOWN = "?"
"""for a value of which nothing could be read"""
# Beyond it, minutes do not matter, and the digits of a wrong value would fill the message.
_MOST_HOURS = 999_999

# A cluster longer than this may be cut anywhere.
_CLUSTER_MAX_CHARACTERS = 32


def clean(text: str, *, lines: bool = False) -> str:
    """Remove characters that are invisible or change the text around them, and mask webhook URLs.

    Long runs of combining marks are cut, and a text without a visible character becomes a question
    mark.

    :param text: any text
    :param lines: keep line breaks instead of replacing each by a space
    """
    if text.isprintable() and text.isascii():
        return mask_webhook_urls(text)

    if len(text) > VALUE_MAX_CHARACTERS:
        text = text[:VALUE_MAX_CHARACTERS]

    cleaned = _BREAK.sub("\n", text) if lines else _BREAK_WITH_SPACE.sub(" ", text)
    cleaned = _HIDDEN.sub(r"\1", cleaned)
    cleaned = _BLANKS.sub(" ", cleaned)
    cleaned = _JOINERS.sub(r"\1\2", cleaned)
    cleaned = _TOO_MANY_MARKS.sub(r"\1", cleaned)
    if lines:
        cleaned = _EMPTY_LINES.sub("\n\n", cleaned)

    if _WITHOUT_INK.fullmatch(cleaned) and text.strip():
        return UNKNOWN

    return mask_webhook_urls(cleaned)


def as_text(value: object) -> str:
    """Write the value of an event's field for people.

    ``None`` is empty, the items of a list are separated by commas, a time is in UTC, and a number
    has no more digits than it needs.

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
        return ", ".join(as_text(item) for item in value)

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


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """Return the longest beginning of a text that fits together with an ellipsis.

    What looks like one character, such as an emoji with its skin tone, is never split.

    :param text: the text, which does not fit as it is
    :param fits: whether a text fits; if one fits, so does each of its beginnings
    """
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(text[:middle] + ELLIPSIS):
            low = middle
        else:
            high = middle - 1

    return text[: _boundary(text, low)].rstrip() + ELLIPSIS


def _boundary(text: str, position: int) -> int:
    """Return the nearest place at or before a position that does not split a cluster."""
    for place in range(position, max(0, position - _CLUSTER_MAX_CHARACTERS), -1):
        if place == len(text) or not _is_inside_cluster(text, place):
            return place

    return position if position > _CLUSTER_MAX_CHARACTERS else 0


def _is_inside_cluster(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if before == "\u200d" or after == "\u200d" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True

    if _is_regional_indicator(before) and _is_regional_indicator(after):
        flags = place
        while flags and _is_regional_indicator(text[flags - 1]):
            flags -= 1

        return (place - flags) % 2 == 1

    return (
        unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U000e0020" <= after <= "\U000e007f"
    )


def _is_regional_indicator(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
