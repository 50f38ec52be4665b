"""Draws the card of a party for the README: one message in Discord, as the evening goes on.

``python docs/_ext/card_picture.py`` writes it. A test sees that it shows what the templates make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from lanrage_events import Member, Party
from lanrage_events.events import utc_now
from lanrage_events.templates import builtin_sets
from lanrage_events_discord._cards import CardRenderer
from lanrage_events_discord._config import CardConfig
from lanrage_events_discord._embeds import EmbedField, Message
from lanrage_events_discord._preview import Style, parse_markdown
from lanrage_events_discord._rendering import Renderer

PICTURE = Path(__file__).parents[1] / "_static" / "card.svg"

_NAMES = [
    "Ann",
    "Ben",
    "Cleo",
    "Dara",
    "Eli",
    "Fay",
    "Gus",
    "Hana",
    "Ivo",
    "Juno",
    "Kai",
    "Lou",
    "Mia",
]
_GAMES = (("Quake III Arena", 4_320.0, 3), ("Trackmania", 3_480.0, 2), ("Factorio", 2_460.0, 1))
_POSTED, _ENDED = "19:30", "22:57"
_SECONDS = 3.5
"""for which each state is shown"""
_STILL = 2
"""the state that is shown where nothing moves"""

_WIDTH, _LEFT, _BOX_WIDTH, _PADDING = 560, 72, 440, 16
_TEXT_WIDTH = _BOX_WIDTH - 2 * _PADDING
_HEAD_HEIGHT = 44
_PAGE, _BOX, _BUTTON, _BLURPLE = "#313338", "#2b2d31", "#4e5058", "#5865f2"
_INK, _BRIGHT, _DIM = "#dbdee1", "#f2f3f5", "#949ba4"
_FONT = "'gg sans', 'Noto Sans', 'Helvetica Neue', Helvetica, Arial, sans-serif"
# As wide as a letter is, of a text of one pixel; emojis are as wide as two.
_LETTER, _BOLD_LETTER = 0.52, 0.56
_BOLD = ' font-weight="600"'


class _Piece(NamedTuple):
    text: str
    color: str = _INK
    bold: bool = False

    def width(self, size: float) -> float:
        letters = sum(2 if ord(letter) > 0x2FFF else letter != "\ufe0f" for letter in self.text)
        return letters * size * (_BOLD_LETTER if self.bold else _LETTER)


_Line = list[_Piece]


def draw() -> str:
    """Return the picture as SVG."""
    drawn = [_state(message, edited=number > 0) for number, message in enumerate(_states())]
    height = max(bottom for _, bottom in drawn) + _PADDING
    states = "\n".join(
        f'<g class="state s{number}">\n{shapes}\n</g>' for number, (shapes, _) in enumerate(drawn)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title">\n'
        '<title id="title">One message shows a party from its beginning to its recap</title>\n'
        f"<style>\n{_style(len(drawn))}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{_PAGE}"/>\n'
        f'<g font-family="{_FONT}" font-size="14" fill="{_INK}" xml:space="preserve">\n'
        f'<circle cx="36" cy="36" r="20" fill="{_BLURPLE}"/>\n'
        f"{_text(25.5, 41.5, [_Piece('🎮', _BRIGHT)], 16)}\n"
        f"{states}\n</g>\n</svg>\n"
    )


def _style(count: int) -> str:
    """Show one state after the other, and one alone where nothing moves."""
    total = count * _SECONDS
    rules = [
        ".state { opacity: 0; animation: turn " + f"{total:g}s infinite step-end }}",
        f".s{_STILL} {{ opacity: 1 }}",
        "@keyframes turn { 0% { opacity: 1 } " + f"{100 / count:g}% {{ opacity: 0 }} }}",
        *(f".s{n} {{ animation-delay: {n * _SECONDS - total:g}s }}" for n in range(1, count)),
        "@media (prefers-reduced-motion: reduce) { .state { animation: none } }",
    ]
    return "".join(f"{rule}\n" for rule in rules)


def _states() -> Iterator[Message]:
    """Yield what is posted first, and what each edit makes of it."""

    def fail(problem: object) -> None:
        raise ValueError(str(problem))

    invite = "https://discord.gg/lanrage"
    renderer = Renderer([builtin_sets()["en"]], invite_url=lambda: invite, report=fail)
    cards, config = CardRenderer(renderer), CardConfig()
    yield cards.card(_party(_NAMES[:1], minutes=1), config)
    yield cards.card(_party(_NAMES[:5], minutes=24), config)
    yield cards.card(_party(_NAMES, minutes=75, game=_GAMES[0][0]), config)
    yield cards.recap(_party((), minutes=207), config)


def _party(names: Iterable[str], *, minutes: float, game: str | None = None) -> Party:
    # Of which previews say how long ago they are.
    now = utc_now()
    since = now - timedelta(minutes=minutes, seconds=5)
    members = tuple(
        Member(name=name, since=since + timedelta(minutes=5.5 * number))
        for number, name in enumerate(names)
    )
    return Party(
        key="id:lan-42",
        id="lan-42",
        name="Friday LAN",
        host=_NAMES[0],
        since=since,
        members=members,
        peak=len(_NAMES),
        game=game,
        game_since=None if game is None else now - timedelta(minutes=12, seconds=5),
        players=(),
        games=_GAMES,
        visitors=len(_NAMES) + 4,
        loyal=(("Ann", 12_420.0), ("Ben", 11_280.0), ("Juno", 9_900.0)),
        last_change=now,
        is_empty=not members,
        is_idle=False,
    )


def _state(message: Message, *, edited: bool) -> tuple[str, int]:
    """Return the shapes of a message, and where they end."""
    [embed] = message.embeds
    name = _Piece("LANrage", _BRIGHT, bold=True)
    shapes = [
        _text(_LEFT, 30, [name], 16),
        f'<rect x="{_LEFT + 72}" y="17" width="32" height="16" rx="3" fill="{_BLURPLE}"/>',
        _text(_LEFT + 78, 29, [_Piece("APP", _BRIGHT, bold=True)], 10.5),
        _text(_LEFT + 112, 30, [_Piece(f"Today at {_POSTED}", _DIM)], 12),
    ]
    y = _HEAD_HEIGHT + 10.0
    inside: list[str] = []
    x = _LEFT + _PADDING
    blocks = [(_lines(embed.title, 16, bold=True), 16, 22), (_lines(embed.description, 14), 14, 20)]
    for lines, size, pace in blocks:
        for line in lines:
            y += pace
            inside.append(_text(x, y, line, size))

        y += 6 if lines else 0

    for row in _rows(embed.fields):
        y += 6
        bottoms: list[float] = []
        for number, field in enumerate(row):
            at, below = x + number * _TEXT_WIDTH / 3, y
            for line in [*_lines(field.name, 14, bold=True), *_lines(field.value, 14)]:
                below += 20
                inside.append(_text(at, below, line, 14))

            bottoms.append(below)

        y = max(bottoms) + 4

    y += 22
    footer = embed.footer + (f"  •  Today at {_ENDED}" if embed.timestamp else "")
    inside.append(_text(x, y, [_Piece(footer, _DIM)], 12))
    y += 14
    top, height = _HEAD_HEIGHT, y - _HEAD_HEIGHT
    bar = f"M{_LEFT + 4} {top} a4 4 0 0 0 -4 4 v{height - 8:g} a4 4 0 0 0 4 4 z"
    shapes += [
        f'<rect x="{_LEFT}" y="{top}" width="{_BOX_WIDTH}" height="{height:g}" rx="4" fill="{_BOX}"/>',
        f'<path d="{bar}" fill="#{embed.color or 0:06x}"/>',
        *inside,
    ]
    if message.buttons:
        label = _Piece(message.buttons[0].label, _BRIGHT)
        width = label.width(14) + 56
        shapes += [
            f'<rect x="{_LEFT}" y="{y + 8:g}" width="{width:g}" height="32" rx="8" fill="{_BUTTON}"/>',
            _text(_LEFT + 16, y + 29, [label], 14),
            _text(_LEFT + width - 28, y + 29, [_Piece("↗", _BRIGHT)], 14),
        ]
        y += 40

    if edited:
        y += 20
        shapes.append(_text(_LEFT, y, [_Piece("(edited)", _DIM)], 11))

    return "\n".join(shapes), round(y)


def _rows(fields: Iterable[EmbedField]) -> list[list[EmbedField]]:
    rows: list[list[EmbedField]] = []
    for field in fields:
        if field.inline and rows and rows[-1][-1].inline and len(rows[-1]) < 3:
            rows[-1].append(field)
        else:
            rows.append([field])

    return rows


def _lines(text: str, size: float, *, bold: bool = False) -> list[_Line]:
    """Break markdown into lines of pieces that are about as wide as the box."""
    lines: list[_Line] = [[]] if text else []
    room = float(_TEXT_WIDTH)
    for span in parse_markdown(text):
        is_time, is_bold = Style.MENTION in span.style, bold or Style.BOLD in span.style
        color = _BRIGHT if is_bold or is_time else _INK
        for number, part in enumerate(span.text.split("\n")):
            if number:
                lines.append([])
                room = _TEXT_WIDTH

            # Words, each with the space before it.
            for word in part.replace(" ", "\n ").split("\n"):
                piece = _Piece(word, color, is_bold)
                room -= piece.width(size)
                if room < 0 and lines[-1]:
                    piece = piece._replace(text=word.lstrip())
                    lines.append([])
                    room = _TEXT_WIDTH - piece.width(size)

                lines[-1].append(piece)

    return lines


def _text(x: float, y: float, pieces: Iterable[_Piece], size: float) -> str:
    merged: list[_Piece] = []
    for piece in pieces:
        if merged and merged[-1][1:] == piece[1:]:
            merged[-1] = piece._replace(text=merged[-1].text + piece.text)
        else:
            merged.append(piece)

    spans = "".join(
        f'<tspan fill="{piece.color}"{_BOLD if piece.bold else ""}>{escape(piece.text)}</tspan>'
        for piece in merged
    )
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}">{spans}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
