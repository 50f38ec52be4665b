"""The words in values: yes and no, lengths of time, dates, the end of a list, and names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from .._times import in_utc
from ._cleaning import UNKNOWN, VALUE_MAX_CHARACTERS, clean

RenderWord: TypeAlias = Callable[[str, Mapping[str, object]], str]
"""renders a word by its key in ``words.yaml`` and what it can name; empty if there is none"""

WORDS = ("yes", "no", "hours", "minutes", "seconds", "time", "rest", "number")
WORDS_FILE = "words.yaml"
NAMES = "names"
"""the key below which identifiers have their names"""

# Beyond it, minutes do not matter, and the digits of a wrong value would fill the message.
_MOST_HOURS = 999_999
_KNOWN_MAX = 1000
_NO_NAMES: Mapping[str, object] = MappingProxyType({})


class Words:
    """Writes values for people, in the words of the templates.

    :param render: see :data:`RenderWord`
    """

    def __init__(self, render: RenderWord) -> None:
        self._render = render
        self._known: dict[tuple[str, object], str] = {}
        """what was rendered before, since the same few lengths of time come again and again"""

    def forget(self) -> None:
        """Render all words again, since the templates changed."""
        self._known.clear()

    def as_text(self, value: object) -> str:
        """Write the value of an event's field for people.

        ``None`` is empty, the items of a list are separated by commas and without those that are
        empty, a time is in UTC, and a number has no more digits than it needs.

        :param value: a value of any type
        """
        # Nearly every value is a text, and a list has many.
        if type(value) is str:
            return value if len(value) <= VALUE_MAX_CHARACTERS else value[:VALUE_MAX_CHARACTERS]

        if isinstance(value, Enum):
            return self.as_text(value.value)

        if isinstance(value, str):
            text = str(value)
            return text if len(text) <= VALUE_MAX_CHARACTERS else text[:VALUE_MAX_CHARACTERS]

        if value is None:
            return ""

        if isinstance(value, bool):
            return self._count("yes" if value else "no", None)

        if isinstance(value, float):
            text = f"{value:.10g}"
            return text if "." not in text else self._count("number", text) or text

        if isinstance(value, datetime):
            return self._time(value)

        if isinstance(value, timedelta):
            return self.duration(value)

        if isinstance(value, Mapping):
            pairs = ((self.as_text(key), self.as_text(item)) for key, item in value.items())
            return ", ".join(f"{key}: {item}" for key, item in pairs if item)

        if isinstance(value, (list, tuple, set, frozenset)):
            return ", ".join(filter(None, map(self.as_text, value)))

        return str(value)

    def is_empty(self, value: object) -> bool:
        """Return whether nothing is shown of a value."""
        return not self.as_text(value)

    def duration(self, length: float | timedelta) -> str:
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
            return self._count("hours", f"{float(hours):.6g}")

        if hours:
            return f"{self._count('hours', hours)} {self._count('minutes', minute)}"

        if minutes:
            return f"{self._count('minutes', minutes)} {self._count('seconds', second)}"

        return self._count("seconds", second)

    def rest(self, count: int) -> str:
        """Write how many items of a list are not shown."""
        return self._count("rest", count)

    def name(self, identifier: str) -> str:
        """Return what an identifier is called, such as ``Map Changed`` for ``map_changed``."""
        given = self._render(f"{NAMES}.{identifier}", _NO_NAMES)
        return given or clean(humanize(identifier))

    def _count(self, key: str, count: object) -> str:
        text = self._known.get((key, count))
        if text is None:
            text = self._render(key, {"number" if key == "number" else "count": count})
            if len(self._known) < _KNOWN_MAX:
                self._known[key, count] = text

        return text

    def _time(self, time: datetime) -> str:
        try:
            utc = in_utc(time)
        except ValueError:
            return time.isoformat(" ", "minutes")

        return self._render(
            "time",
            {
                "year": f"{utc.year:04}",
                "month": f"{utc.month:02}",
                "day": f"{utc.day:02}",
                "hour": f"{utc.hour:02}",
                "minute": f"{utc.minute:02}",
            },
        )


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
