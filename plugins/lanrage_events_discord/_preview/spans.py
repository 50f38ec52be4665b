"""Spans: Discord's markdown split into pieces of text with one style each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Flag, auto

from lanrage_events.events import utc_now


class Style(Flag):
    """How a piece of text looks in Discord."""

    PLAIN = 0
    BOLD = auto()
    ITALIC = auto()
    UNDERLINE = auto()
    STRIKE = auto()
    CODE = auto()
    SPOILER = auto()
    LINK = auto()
    MENTION = auto()
    SMALL = auto()
    HEADING = auto()
    QUOTE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style; it may hold line breaks."""

    text: str
    style: Style = Style.PLAIN
    url: str = ""
    """where a link leads to; always http or https"""


_BOLD = r"\*\*(?P<bold>(?:\\.|[^\\])+?)\*\*(?!\*)"
_UNDERLINE = r"__(?P<underline>(?:\\.|[^\\])+?)__(?!_)"
_ITALIC = r"\*(?!\s)(?P<italic>(?:\\.|\*\*|[^*\\])+?)(?<!\s)\*(?!\*)"
_SLANTED = r"(?<![A-Za-z0-9])_(?P<slanted>(?:\\.|__|[^_\\])+?)_(?![A-Za-z0-9_])"

# Discord's markdown, which is documented only in parts. The order matters.
_INLINE = rf"""
      (?P<shrug>¯\\_\(ツ\)_/¯)
    | \\(?P<escaped>[^0-9A-Za-z\s])
    | ```(?:[\w+.\#-]*\n)?(?P<block>.+?)```
    | (?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)
    | {_BOLD}
    | {_UNDERLINE}
    | {_ITALIC}
    | {_SLANTED}
    | ~~(?P<strike>.+?)~~(?!_)
    | \|\|(?P<spoiler>.+?)\|\|
    | <t:(?P<time>-?[0-9]{{1,13}})(?::(?P<time_style>[tTdDfFRsS]))?>
    | <a?:(?P<emoji>\w+):[0-9]+>
    | (?P<mention><(?:@[!&]?|\#)[0-9]+>|@everyone|@here)
"""
_LINKS = r"""
    | \[(?P<label>(?:\[[^\]]*\]|[^\[\]])+)\]\(<?(?P<target>https?://[^\s)>]+)>?(?:\ +["'][^)]*["'])?\)
    | <(?P<bare>https?://[^\s<>]+)>
    | (?P<address>https?://[^\s<]+[^<.,:;"')\]\s])
"""
_QUOTES = r"""
    | ^[ ]*>>>[ ](?P<rest>.*)
    | ^(?P<quote>[ ]*>[ ][^\n]*(?:\n[ ]*>[ ][^\n]*)*)
"""
_BLOCKS = r"""
    | ^\#{1,3}[ ]+(?P<heading>[^\n]+)
    | ^-\#[ ]+(?P<small>[^\n]+)
    | ^(?P<indent>[ ]*)[-*][ ]+(?=\S)
"""
_FLAGS = re.DOTALL | re.MULTILINE | re.VERBOSE
_NAME = re.compile(_INLINE, _FLAGS)
_QUOTED = re.compile(_INLINE + _LINKS + _BLOCKS, _FLAGS)
_TEXT = re.compile(_INLINE + _LINKS + _QUOTES + _BLOCKS, _FLAGS)
# Whichever of these matches more is meant: "***a **b** c***" is bold within italic.
_EMPHASIS = [re.compile(pattern, _FLAGS) for pattern in (_ITALIC, _BOLD, _UNDERLINE, _SLANTED)]
_EMPHASIS_NAMES = frozenset(("italic", "bold", "underline", "slanted"))
_QUOTE_SIGN = re.compile("^ *> ", re.MULTILINE)
_QUOTE_BAR = "│ "

# It is written only so that a backtick is no part of the code's own.
_BESIDE_BACKTICK = re.compile(r"^ (?= *`)|(` *) $")

_NESTED = {
    "bold": Style.BOLD,
    "underline": Style.UNDERLINE,
    "italic": Style.ITALIC,
    "slanted": Style.ITALIC,
    "strike": Style.STRIKE,
    "spoiler": Style.SPOILER,
    "heading": Style.HEADING,
    "small": Style.SMALL,
}

_TIME_FORMATS = {
    "t": "%H:%M",
    "T": "%H:%M:%S",
    "d": "%Y-%m-%d",
    "D": "%d %B %Y",
    "F": "%A, %d %B %Y %H:%M",
    "s": "%Y-%m-%d %H:%M",
    "S": "%Y-%m-%d %H:%M:%S",
}
_OTHER_TIME_FORMAT = "%d %B %Y %H:%M"
_UNITS = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def parse_markdown(text: str, *, is_name: bool = False) -> list[Span]:
    """Split Discord's markdown into what is seen, each piece with its style.

    :param text: the markdown of a description or of the value of a field
    :param is_name: whether it is that of a title or of the name of a field, where Discord draws
        neither headings, quotes, lists nor links
    """
    return list(_parse(text, 0, len(text), Span(""), _NAME if is_name else _TEXT))


def format_time(time: datetime, style: str = "f") -> str:
    """Write a time as Discord would for a reader in this time zone, with the 24 hours of a day."""
    try:
        return time.astimezone().strftime(_TIME_FORMATS.get(style, _OTHER_TIME_FORMAT))
    except (OverflowError, ValueError, OSError):
        return time.isoformat(sep=" ")


def _relative(time: datetime) -> str:
    """Write how long ago a time is, as Discord does; it goes on counting, and this does not."""
    seconds = (utc_now() - time).total_seconds()
    length = abs(seconds)
    if length < 1:
        return "now"

    count, unit = next(
        (int(length // of_unit), unit) for unit, of_unit in _UNITS if length >= of_unit
    )
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _parse(
    text: str, start: int, end: int, around: Span, markup: re.Pattern[str]
) -> Iterator[Span]:
    """Split a part of a text, which has the style and the link of what stands around it."""
    position = start
    style, url = around.style, around.url
    while match := markup.search(text, position, end):
        if match.start() > position:
            yield Span(text[position : match.start()], style, url)

        name = match.lastgroup or "indent"
        if name in _EMPHASIS_NAMES:
            found = (one.match(text, match.start(), end) for one in _EMPHASIS)
            match = max(filter(None, found), key=lambda one: one.end())
            name = match.lastgroup or ""

        position = match.end()
        if name in _NESTED:
            inside = Span("", style | _NESTED[name], url)
            yield from _parse(text, *match.span(name), inside, markup)
        elif name == "target":
            inside = Span("", style | Style.LINK, match["target"])
            yield from _parse(text, *match.span("label"), inside, markup)
        elif name in ("quote", "rest"):
            quoted = _QUOTE_SIGN.sub("", match["quote"]) if name == "quote" else match["rest"]
            yield from _quote(quoted, around)
        else:
            yield _leaf(match, name, around)

    if position < end:
        yield Span(text[position:end], style, url)


def _quote(text: str, around: Span) -> Iterator[Span]:
    """Split a quote, and put a bar before each of its lines."""
    inside = Span("", around.style | Style.QUOTE, around.url)
    bar = Span(_QUOTE_BAR, inside.style | Style.SMALL, around.url)
    yield bar
    # It has no quotes in it.
    for span in _parse(text, 0, len(text), inside, _QUOTED):
        first, *others = span.text.split("\n")
        if first:
            yield replace(span, text=first)

        for line in others:
            yield replace(span, text="\n")
            yield bar
            if line:
                yield replace(span, text=line)


def _leaf(match: re.Match[str], name: str, around: Span) -> Span:
    style, url = around.style, around.url
    if name in ("time", "time_style"):
        return Span(_time(match), style | Style.MENTION, url)

    if name == "indent":
        return Span(f"{match['indent']}• ", style, url)

    if name == "emoji":
        return Span(f":{match['emoji']}:", style, url)

    if name in ("address", "bare"):
        return Span(match[name], style | Style.LINK, url or match[name])

    styles = {"mention": Style.MENTION, "escaped": Style.PLAIN, "shrug": Style.PLAIN}
    text = match[name].strip("\n")
    if name == "code":
        text = _BESIDE_BACKTICK.sub(r"\1", text)

    return Span(text, style | styles.get(name, Style.CODE), url)


def _time(match: re.Match[str]) -> str:
    try:
        time = datetime.fromtimestamp(int(match["time"]), UTC)
    except (OverflowError, ValueError, OSError):
        return match[0]

    style = match["time_style"] or "f"
    return _relative(time) if style == "R" else format_time(time, style)
