"""Messages as Discord lays them out, drawn in a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal, TextIO

from .._embeds import Embed, EmbedField, in_utc
from .meters import measure
from .spans import Span, Style, format_time, parse_markdown
from .wrap import display_width, wrap

Colors = Literal["none", "256", "full"]

# Discord's client makes an embed about this wide, in letters of its own font.
EMBED_MAX_COLUMNS = 72
_EMBED_MIN_COLUMNS = 24
_FIELDS_PER_ROW = 3
_FIELD_MIN_COLUMNS = 14
_TAB_COLUMNS = 4
_METER_COLUMNS = 20
_METER_LABEL_COLUMNS = 13

_DEFAULT_NAME = "LANrage"
# The bar of an embed that has no colour of its own.
_DEFAULT_BAR_COLOR = 0x4E5058

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_CODES = {
    Style.BOLD: "1",
    Style.SMALL: "2",
    Style.ITALIC: "3",
    Style.UNDERLINE: "4",
    Style.SPOILER: "7",
    Style.CODE: "36",
    Style.LINK: "34;4",
    Style.MENTION: "35",
    Style.STRIKE: "9",
    Style.HEADING: "1;4",
}
_GOOD, _CLOSE, _OVER = "32", "33", "31"


@dataclass(frozen=True, slots=True)
class Look:
    """What a terminal can show."""

    columns: int = 80
    colors: Colors = "none"
    is_unicode: bool = True
    timezone: tzinfo | None = None
    """where the reader is; ``None`` is where this program runs"""

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Look:
        """Find out what the terminal behind a stream can show.

        :param stream: where the drawing will be written
        :param environ: ``NO_COLOR``, ``FORCE_COLOR``, ``TERM`` and ``COLORTERM`` are obeyed
        """
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        return cls(
            columns=shutil.get_terminal_size().columns,
            colors=_colors(stream, environ),
            is_unicode=encoding.startswith("utf"),
        )


def draw_message(body: Mapping[str, object], look: Look) -> str:
    """Draw the JSON body of a message.

    :param body: what is posted to Discord
    :param look: what the terminal can show
    """
    name = " ".join(_safe(str(body.get("username") or _DEFAULT_NAME)).split())
    lines = [f"{_paint(name, '1', look)} {_paint(' APP ', '7', look)}"]
    content = str(body.get("content") or "")
    width = max(_EMBED_MIN_COLUMNS, look.columns)
    if content:
        lines += (_render(line, look) for line in wrap(_spans(content, look), width))

    embeds = body.get("embeds")
    for embed in embeds if isinstance(embeds, Sequence) else ():
        lines.append(draw_embed(Embed.from_dict(embed), look))

    return "\n".join(lines)


def draw_embed(embed: Embed, look: Look) -> str:
    """Draw one embed: a bar in its colour, and what stands beside it."""
    color = _DEFAULT_BAR_COLOR if embed.color is None else embed.color
    bar = _paint("▌" if look.is_unicode else "|", _foreground(color, look.colors), look)
    width = max(_EMBED_MIN_COLUMNS, min(EMBED_MAX_COLUMNS, look.columns)) - 2
    return "\n".join(f"{bar} {line}".rstrip() for line in _embed_lines(embed, width, look))


def draw_meters(embeds: Sequence[Embed], look: Look) -> str:
    """Draw how much of each of Discord's limits a message uses, the fullest embed of each kind."""
    return "\n".join(
        _meter(meter.label, meter.used, meter.limit, look) for meter in measure(embeds)
    )


def write_line(stream: TextIO, text: str = "") -> None:
    """Write a line, with a question mark for what the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, errors="replace").decode(encoding) + "\n")


def _embed_lines(embed: Embed, width: int, look: Look) -> Iterator[str]:
    if embed.author:
        yield from _lines([Span(_safe(embed.author), Style.BOLD)], width, look)

    if embed.title:
        style = Style.BOLD | (Style.LINK if embed.url else Style.PLAIN)
        yield from _lines(_styled(_spans(embed.title, look), style), width, look)

    if embed.description:
        yield from _lines(_spans(embed.description, look), width, look)

    for row in _rows(embed.fields, width):
        yield ""
        yield from _row_lines(row, width, look)

    for label, url in (("image", embed.image), ("thumbnail", embed.thumbnail)):
        if url:
            yield from _lines([Span(f"[{label}: {_safe(url)}]", Style.SMALL)], width, look)

    footer = [_safe(embed.footer)] if embed.footer else []
    if embed.timestamp is not None:
        footer.append(format_time(in_utc(embed.timestamp), look.timezone, "s"))

    if footer:
        yield ""
        separator = " • " if look.is_unicode else " - "
        yield from _lines([Span(separator.join(footer), Style.SMALL)], width, look)


def _rows(fields: Iterable[EmbedField], width: int) -> list[list[EmbedField]]:
    """Put inline fields beside each other, as many as there is room for."""
    per_row = max(1, min(_FIELDS_PER_ROW, width // _FIELD_MIN_COLUMNS))
    rows: list[list[EmbedField]] = []
    for field in fields:
        is_beside = field.inline and rows and rows[-1][-1].inline
        if is_beside and len(rows[-1]) < per_row:
            rows[-1].append(field)
        else:
            rows.append([field])

    return rows


def _row_lines(row: Sequence[EmbedField], width: int, look: Look) -> Iterator[str]:
    column = (width + 1) // len(row) - 1
    cells = [
        [
            *wrap(_styled(_spans(field.name, look), Style.BOLD), column),
            *wrap(_spans(field.value, look), column),
        ]
        for field in row
    ]
    for index in range(max(map(len, cells))):
        parts = [lines[index] if index < len(lines) else [] for lines in cells]
        yield " ".join(_render(part, look, column) for part in parts).rstrip()


def _lines(spans: Iterable[Span], width: int, look: Look) -> Iterator[str]:
    return (_render(line, look) for line in wrap(spans, width))


def _spans(text: str, look: Look) -> list[Span]:
    return parse_markdown(_safe(text).strip(), look.timezone)


def _styled(spans: Iterable[Span], style: Style) -> list[Span]:
    return [Span(span.text, span.style | style) for span in spans]


def _safe(text: str) -> str:
    """Remove what would command the terminal, or turn its lines around."""
    return _UNSAFE.sub("", text.expandtabs(_TAB_COLUMNS))


def _render(line: Iterable[Span], look: Look, width: int = 0) -> str:
    spans = list(line)
    text = "".join(_paint(span.text, _code(span.style), look) for span in spans)
    return text + " " * (width - sum(display_width(span.text) for span in spans))


def _code(style: Style) -> str:
    return ";".join(code for known, code in _CODES.items() if known in style)


def _paint(text: str, code: str, look: Look) -> str:
    if look.colors == "none" or not code or not text:
        return text

    return f"\x1b[{code}m{text}\x1b[0m"


def _foreground(color: int, colors: Colors) -> str:
    red, green, blue = color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF
    if colors == "full":
        return f"38;2;{red};{green};{blue}"

    # The cube of 6 x 6 x 6 colours that most terminals have begins at 16.
    return f"38;5;{16 + 36 * round(red / 51) + 6 * round(green / 51) + round(blue / 51)}"


def _meter(label: str, used: int, maximum: int, look: Look) -> str:
    filled = min(_METER_COLUMNS, -(-used * _METER_COLUMNS // maximum))
    full, empty = ("█", "░") if look.is_unicode else ("#", ".")
    code = _OVER if used > maximum else _CLOSE if used > 0.9 * maximum else _GOOD
    bar = _paint(full * filled, code, look) + empty * (_METER_COLUMNS - filled)
    return f"{label:<{_METER_LABEL_COLUMNS}}{bar} {used}/{maximum}"


def _colors(stream: TextIO, environ: Mapping[str, str]) -> Colors:
    # https://no-color.org and https://force-color.org
    if environ.get("NO_COLOR"):
        return "none"

    if not environ.get("FORCE_COLOR"):
        if not stream.isatty() or environ.get("TERM") == "dumb":
            return "none"

        # Older consoles of Windows show the codes themselves.
        if sys.platform == "win32" and not environ.keys() & {"WT_SESSION", "ANSICON", "TERM"}:
            return "none"

    is_full = environ.get("COLORTERM") in ("truecolor", "24bit") or "WT_SESSION" in environ
    return "full" if is_full else "256"
