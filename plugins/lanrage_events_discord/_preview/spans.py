"""Spans: Discord's markdown split into pieces of text with one style each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Flag, auto


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


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style; it may hold line breaks."""

    text: str
    style: Style = Style.PLAIN
    url: str = ""
    """where a link leads to; always http or https"""


# Discord's markdown, which is not documented in full. The order matters.
_MARKUP = re.compile(
    r"""
      \\(?P<escaped>[^0-9A-Za-z\s])
    | ```(?:[\w+.-]*\n)?(?P<block>.+?)```
    | (?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)
    | \*\*(?P<bold>(?:\\.|[^\\])+?)\*\*(?!\*)
    | __(?P<underline>(?:\\.|[^\\])+?)__(?!_)
    | \*(?!\s)(?P<italic>(?:\\.|\*\*|[^*\\])+?)(?<!\s)\*(?!\*)
    | (?<![A-Za-z0-9])_(?P<slanted>(?:\\.|__|[^_\\])+?)_(?![A-Za-z0-9_])
    | ~~(?P<strike>.+?)~~
    | \|\|(?P<spoiler>.+?)\|\|
    | <t:(?P<time>-?[0-9]{1,13})(?::(?P<time_style>[tTdDfFRsS]))?>
    | <a?:(?P<emoji>\w+):[0-9]+>
    | (?P<mention><(?:@[!&]?|\#)[0-9]+>|@everyone|@here)
    | \[(?P<label>(?:\[[^\]]*\]|[^\[\]])+)\]\(<?(?P<target>https?://[^\s)>]+)>?\)
    | (?P<address>https?://[^\s<]+[^<.,:;"'\]\s])
    | ^\#{1,3}[ ]+(?P<heading>[^\n]+)
    | ^-\#[ ]+(?P<small>[^\n]+)
    | ^(?P<indent>[ ]*)[-*][ ]+(?=\S)
    | ^(?P<quote>>)[ ]
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)

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


def parse_markdown(text: str) -> list[Span]:
    """Split Discord's markdown into what is seen, each piece with its style.

    :param text: the markdown of a title, a description or a field
    """
    return list(_parse(text, 0, len(text), Span("")))


def format_time(time: datetime, style: str = "f") -> str:
    """Write a time as Discord would for a reader in this time zone, with the 24 hours of a day."""
    try:
        return time.astimezone().strftime(_TIME_FORMATS.get(style, _OTHER_TIME_FORMAT))
    except (OverflowError, ValueError, OSError):
        return time.isoformat(sep=" ")


def _parse(text: str, start: int, end: int, around: Span) -> Iterator[Span]:
    """Split a part of a text, which has the style and the link of what stands around it."""
    position = start
    style, url = around.style, around.url
    while match := _MARKUP.search(text, position, end):
        if match.start() > position:
            yield Span(text[position : match.start()], style, url)

        position = match.end()
        name = match.lastgroup or "indent"
        if name in _NESTED:
            inside = Span("", style | _NESTED[name], url)
            yield from _parse(text, *match.span(name), inside)
        elif name == "target":
            inside = Span("", style | Style.LINK, match["target"])
            yield from _parse(text, *match.span("label"), inside)
        else:
            yield _leaf(match, name, around)

    if position < end:
        yield Span(text[position:end], style, url)


def _leaf(match: re.Match[str], name: str, around: Span) -> Span:
    style, url = around.style, around.url
    if name in ("time", "time_style"):
        return Span(_time(match), style | Style.MENTION, url)

    if name == "indent":
        return Span(f"{match['indent']}• ", style, url)

    if name == "quote":
        return Span("│ ", style | Style.SMALL, url)

    if name == "emoji":
        return Span(f":{match['emoji']}:", style, url)

    if name == "address":
        return Span(match[name], style | Style.LINK, url or match[name])

    styles = {"mention": Style.MENTION, "escaped": Style.PLAIN}
    text = match[name].strip("\n")
    if name == "code":
        text = _BESIDE_BACKTICK.sub(r"\1", text)

    return Span(text, style | styles.get(name, Style.CODE), url)


def _time(match: re.Match[str]) -> str:
    try:
        time = datetime.fromtimestamp(int(match["time"]), UTC)
    except (OverflowError, ValueError, OSError):
        return match[0]

    return format_time(time, match["time_style"] or "f")
