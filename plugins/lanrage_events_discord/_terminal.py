"""Messages drawn in a terminal as Discord lays them out. It needs the extra ``daemon``."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TextIO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lanrage_events.events import in_utc

from ._embeds import Embed, EmbedField
from ._preview import Meter, Style, format_time, parse_markdown

# Discord's client makes an embed about this wide, in letters of its own font.
EMBED_MAX_COLUMNS = 72
_EMBED_MIN_COLUMNS = 24
_FIELDS_PER_ROW = 3
_FIELD_MIN_COLUMNS = 14
_TAB_COLUMNS = 4
_METER_COLUMNS = 20
_METER_LABEL_COLUMNS = 13
_CLOSE_TO_LIMIT = 0.9

_DEFAULT_NAME = "LANrage"
# The bar of an embed that has no colour of its own.
_DEFAULT_BAR_COLOR = 0x4E5058

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_STYLES = {
    Style.BOLD: "bold",
    Style.SMALL: "dim",
    Style.ITALIC: "italic",
    Style.UNDERLINE: "underline",
    Style.SPOILER: "reverse",
    Style.CODE: "cyan",
    Style.LINK: "blue underline",
    Style.MENTION: "magenta",
    Style.STRIKE: "strike",
    Style.HEADING: "bold underline",
    Style.QUOTE: "",
}


class PipeConsole(Console):
    """A console that raises :exc:`BrokenPipeError` if its reader has exited, such as ``head``."""

    def on_broken_pipe(self) -> None:
        """Raise the error, where rich would end the process."""
        raise BrokenPipeError(errno.EPIPE, "the reader of the output has exited")


def make_console(stream: TextIO) -> Console:
    """Return a console with the width and the colours of the terminal, for messages.

    :param stream: where it writes; anything but a terminal gets plain text
    """
    # rich takes 80 columns for the width of every dumb terminal.
    columns, lines = shutil.get_terminal_size()
    make = partial(PipeConsole, file=stream, width=columns, height=lines)
    console = make()
    if console.no_color:  # rich would still write bold and underlined text
        return make(color_system=None)

    # Most terminals that only call themselves "xterm" have 256 colours, too.
    return make(color_system="256") if console.color_system == "standard" else console


def draw_message(body: Mapping[str, object]) -> Group:
    """Draw the JSON body of a message, to be printed without cropping.

    :param body: what is posted to Discord
    """
    name = " ".join(_safe(str(body.get("username") or _DEFAULT_NAME)).split())
    head = Text.assemble((name, "bold"), " ", (" APP ", "reverse"))
    if thread := str(body.get("thread_name") or ""):
        head.append(f" in {_safe(thread)}", "dim")

    parts: list[Text | EmbedDrawing] = [head]
    if avatar := str(body.get("avatar_url") or ""):
        parts.append(Text(f"[avatar: {_safe(avatar)}]", "dim"))

    if content := str(body.get("content") or ""):
        parts.append(_markdown(content))

    embeds = body.get("embeds")
    if isinstance(embeds, Sequence):
        parts += [EmbedDrawing(Embed.from_dict(embed)) for embed in embeds]

    return Group(*parts, *map(_draw_row_of_buttons, _mappings(body.get("components"))))


def _draw_row_of_buttons(row: Mapping[str, object]) -> Text:
    pieces: list[str | tuple[str, str]] = []
    for button in _mappings(row.get("components")):
        label = " ".join(_safe(str(button.get("label") or "")).split())
        url = _safe(str(button.get("url") or ""))
        pieces += [(f"[{label}]", "reverse"), (f" {url}\n", "dim")]

    drawn = Text.assemble(*pieces)
    drawn.rstrip()
    return drawn


def _mappings(value: object) -> list[Mapping[str, object]]:
    items = value if isinstance(value, Sequence) else ()
    return [one for one in items if isinstance(one, Mapping)]


@dataclass(frozen=True, slots=True)
class EmbedDrawing:
    """An embed as it is drawn: a bar in its colour, and the content beside it."""

    embed: Embed

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, as wide as an embed can be."""
        color = _DEFAULT_BAR_COLOR if self.embed.color is None else self.embed.color
        bar = Segment("|" if options.ascii_only else "▌", console.get_style(f"#{color:06x}"))
        width = max(_EMBED_MIN_COLUMNS, min(EMBED_MAX_COLUMNS, options.max_width)) - 2
        parts = Group(*self._parts(width, " - " if options.ascii_only else " • "))
        for line in console.render_lines(parts, options.update_width(width), pad=False):
            yield bar
            yield from _without_space_at_end([Segment(" "), *line])
            yield Segment.line()

    def _parts(self, width: int, separator: str) -> Iterator[Text | Table]:
        embed = self.embed
        if embed.author:
            yield Text(_safe(embed.author), "bold")

        if embed.title:
            style = "bold blue underline" if embed.url else "bold"
            yield _markdown(embed.title, style, is_name=True)

        if embed.description:
            yield _markdown(embed.description)

        for row in _rows(embed.fields, width):
            yield Text()
            yield _draw_row(row, width)

        for label, url in (("image", embed.image), ("thumbnail", embed.thumbnail)):
            if url:
                yield Text(f"[{label}: {_safe(url)}]", "dim")

        footer = [_safe(embed.footer)] if embed.footer else []
        if embed.timestamp is not None:
            footer.append(format_time(in_utc(embed.timestamp), "s"))

        if footer:
            yield Text()
            yield Text(separator.join(footer), "dim")


def draw_meters(meters: Iterable[Meter], console: Console) -> Group:
    """Draw how much of each of Discord's limits a message uses."""
    full, empty = "#." if console.options.ascii_only else "█░"
    return Group(*(_draw_meter(meter, full, empty) for meter in meters))


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


def _without_space_at_end(line: list[Segment]) -> list[Segment]:
    while line and not line[-1].text.rstrip():
        line.pop()

    return [*line[:-1], *(Segment(last.text.rstrip(), last.style) for last in line[-1:])]


def _draw_row(row: Sequence[EmbedField], width: int) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for _ in row:
        table.add_column(width=(width + 1) // len(row) - 1)

    table.add_row(
        *(
            Group(_markdown(field.name, "bold", is_name=True), _markdown(field.value))
            for field in row
        )
    )
    return table


def _draw_meter(meter: Meter, full: str, empty: str) -> Text:
    filled = -(-meter.used * _METER_COLUMNS // meter.limit)
    return Text.assemble(
        f"{meter.label:<{_METER_LABEL_COLUMNS}}",
        (full * filled, "yellow" if meter.used > _CLOSE_TO_LIMIT * meter.limit else "green"),
        f"{empty * (_METER_COLUMNS - filled)} {meter.used}/{meter.limit}",
        no_wrap=True,
        overflow="ignore",
    )


def _markdown(text: str, style: str = "", *, is_name: bool = False) -> Text:
    spans = parse_markdown(_safe(text).strip(), is_name=is_name)
    pieces = [(span.text, " ".join(_STYLES[one] for one in span.style).strip()) for span in spans]
    return Text.assemble(*pieces, style=style)


def _safe(text: str) -> str:
    """Remove what would control the terminal, or reverse its lines."""
    return _UNSAFE.sub("", text.expandtabs(_TAB_COLUMNS))
