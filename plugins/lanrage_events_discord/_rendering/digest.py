"""Digests: several entries in one message, as lines of what belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lanrage_events.templates import utf16_units

from .. import limits
from .._embeds import Embed, length, shorten_markdown
from .entry import COUNT, Entry
from .wording import Wording

# A line's beginning and one item always fit into a description together: what is left over is for
# the count and the times.
HEADING_MAX_CHARACTERS = 1024
ITEM_MAX_CHARACTERS = 3000

# Two embeds that follow each other have more than 4,096 characters together, of 6,000.
MAX_EMBEDS = 3

_CONTINUED = "… "

# Parts of an embed that Discord shows below its text.
_AT_THE_END = ("timestamp", "footer", "footer_icon", "image")

# https://docs.discord.com/developers/reference#message-formatting-timestamp-styles
SHORT_TIME = "t"
SHORT_DATE_AND_TIME = "f"


class DigestBuilder:
    """Builds the embeds of entries, in lines of what belongs together, as long as they fit.

    Adding an entry costs the same however many there are.

    :param room: the highest number of entries that may come
    :param last: the time of the last of these
    :param capacity: characters that the embeds may have together; at most 4,096 if they must be one
        embed, and otherwise they are up to :data:`MAX_EMBEDS`
    :param wording: the texts of the message besides the entries
    :param times: the style of the times before each line, :data:`SHORT_TIME` or
        :data:`SHORT_DATE_AND_TIME`; None for no times
    """

    def __init__(
        self,
        room: int,
        last: datetime,
        capacity: int,
        *,
        wording: Wording,
        times: str | None = None,
    ) -> None:
        self._wording = wording
        self._times = times
        self._widest = max(room, 2), last
        self._widest_frame = wording.digest(*self._widest, catch_up=times is not None)
        self._frame_size = _size(self._widest_frame)
        self._capacity = capacity - self._frame_size
        self.entries = 0
        """how many were added"""
        self.shortened = 0
        """how many of these have less text than their events"""
        self._last = last
        self._lines: list[_Line] = []
        self._newest: dict[tuple[str, str], _Line] = {}
        self._shown_in: dict[str, int] = {}
        self._size = 0

    def add(self, entry: Entry) -> bool:
        """Add an entry; return False, and change nothing, if it does not fit."""
        item = _one_line(entry.digest.item, ITEM_MAX_CHARACTERS)
        key = (entry.digest.group, entry.digest.heading)
        seconds = int(in_utc_timestamp(entry.time))
        line = self._newest.get(key)
        # An item must not come above a line that shows the same subject already.
        if line is not None and self._shown_in.get(item, -1) <= line.index:
            size = line.size_with(item, seconds)
            if self._size - line.size + size > self._capacity:
                return False

            self._size += size - line.size
        else:
            heading = _one_line(entry.digest.heading, HEADING_MAX_CHARACTERS)
            if not heading and not item:
                heading = self._wording.heading(entry.type)

            line = _Line(len(self._lines), heading, self._times)
            size = line.size_with(item, seconds)
            separator = 1 if self._lines else 0
            if self._size + separator + size > self._capacity:
                return False

            self._size += separator + size
            self._lines.append(line)
            self._newest[key] = line

        line.add(item, seconds, size)
        self.entries += 1
        if entry.digest.shortened or item is not entry.digest.item:
            self.shortened += 1

        self._last = entry.time
        if item:
            self._shown_in[item] = line.index

        return True

    @property
    def size(self) -> int:
        """How many characters the embeds have together, at most."""
        return self._frame_size + self._size

    def embeds(
        self, rest: Mapping[str, int] | None = None, last: datetime | None = None
    ) -> tuple[Embed, ...]:
        """Make the embeds.

        :param rest: by type, how many more events they stand for; these become one counted line, for
            which :data:`MORE_MAX_CHARACTERS`, a line end and an embed must be left free
        :param last: the time of the last event, unless it is that of the last entry
        """
        pages = _Pages()
        for line in self._lines:
            line.write_to(pages)

        count = self.entries
        if rest:
            pages.line(self._wording.more(rest))
            count += sum(rest.values())

        *earlier, final = pages.texts()
        frame = self._frame(count, last or self._last)
        if not earlier:
            return (Embed(**frame, description=final),)

        # The first embed has the beginning of the frame, the last one its end.
        end = {name: frame.pop(name) for name in _AT_THE_END if name in frame}
        color = frame.get("color")
        first, *middle = earlier
        return (
            Embed(**frame, description=first),
            *(Embed(description=text, color=color) for text in middle),
            Embed(**end, description=final, color=color),
        )

    def _frame(self, entries: int, last: datetime) -> dict[str, Any]:
        """Return the frame for the number of entries, no longer than what was left free for it."""
        # Mostly all entries fit.
        if (entries, last) == self._widest:
            return dict(self._widest_frame)

        frame = self._wording.digest(entries, last, catch_up=self._times is not None)
        for name in ("title", "footer", "author"):
            over = _size(frame) - self._frame_size
            if over > 0 and name in frame:
                text = frame[name]
                frame[name] = shorten_markdown(text, max(1, utf16_units(text) - over))

        return frame


class _Line:
    """Entries of one group, in one line."""

    __slots__ = ("_count", "_first", "_heading", "_items", "_last", "_times", "index", "size")

    def __init__(self, index: int, heading: str, times: str | None) -> None:
        self.index = index
        self.size = 0
        self._times = times
        before, _, after = heading.partition(COUNT)
        self._heading = (before, after.replace(COUNT, "")) if COUNT in heading else (heading, None)
        self._items: list[str] = []
        self._count = 0
        self._first = self._last = 0

    def size_with(self, item: str, seconds: int) -> int:
        """Count the characters that the line has with this item too."""
        shown = len(self._items) + bool(item)
        start = utf16_units(self._start(self._count + 1, shown, *self._span_with(seconds)))
        if self._count:
            start += self.size - utf16_units(self._start_now())

        if not item:
            return start

        return start + utf16_units(item) + (2 if self._items or self._has_heading else 0)

    def add(self, item: str, seconds: int, size: int) -> None:
        self._first, self._last = self._span_with(seconds)
        self._count += 1
        self.size = size
        if item:
            self._items.append(item)

    def write_to(self, pages: _Pages) -> None:
        start = self._start_now()
        if not self._items:
            pages.line(start)
            return

        separator = ": " if self._has_heading else ""
        pages.line(f"{start}{separator}{self._items[0]}")
        for item in self._items[1:]:
            pages.item(item)

    @property
    def _has_heading(self) -> bool:
        return self._heading != ("", None)

    def _span_with(self, seconds: int) -> tuple[int, int]:
        if not self._count:
            return seconds, seconds

        return min(self._first, seconds), max(self._last, seconds)

    def _start_now(self) -> str:
        return self._start(self._count, len(self._items), self._first, self._last)

    def _start(self, count: int, shown: int, first: int, last: int) -> str:
        before, after = self._heading
        if after is not None:
            heading = f"{before}{count}{after}"
        elif before and shown < count and count > 1:
            # Else it would look like one.
            heading = f"{before} × {count}"
        else:
            heading = before

        if self._times is None:
            return heading

        times = f"<t:{first}:{self._times}>"
        # The times are shown without seconds.
        if first // 60 != last // 60:
            times = f"{times}–<t:{last}:{self._times}>"

        return f"{times} {heading}" if heading else f"{times} "


class _Pages:
    """Descriptions that are filled one after the other, broken between lines or items."""

    def __init__(self) -> None:
        self._pages: list[list[str]] = [[]]
        self._used = 0

    def line(self, text: str) -> None:
        self._write("\n", "", text)

    def item(self, text: str) -> None:
        self._write(", ", _CONTINUED, text)

    def texts(self) -> list[str]:
        return ["".join(page) for page in self._pages]

    def _write(self, separator: str, continued: str, text: str) -> None:
        page = self._pages[-1]
        size = utf16_units(text)
        if not page:
            page.append(text)
            self._used = size
        elif self._used + len(separator) + size <= limits.DESCRIPTION_MAX_CHARACTERS:
            page += separator, text
            self._used += len(separator) + size
        else:
            self._pages.append([continued, text])
            self._used = len(continued) + size


def in_utc_timestamp(time: datetime) -> float:
    """Return the seconds since 1970; a naive time is taken for UTC."""
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()


def _size(frame: Mapping[str, Any]) -> int:
    return sum(length(frame.get(name, "")) for name in ("title", "footer", "author"))


def _one_line(text: str, maximum: int) -> str:
    lines = text.split("\n") if text.isprintable() else text.splitlines()
    if len(lines) > 1:
        text = " ".join(line.strip() for line in lines)

    return shorten_markdown(text, maximum)
