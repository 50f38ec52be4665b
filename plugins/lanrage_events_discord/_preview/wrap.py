from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby

from .spans import Span, Style

Cell = tuple[str, Style]
"""what stands in one place of a terminal, a letter with all that belongs to it, and its style"""

# One letter as a reader sees it, near enough: a flag, a keycap, an emoji with skin tone and
# joined to others, or a letter with its combining marks.
_EXTENSION = (
    "[\u0300-\u036f\u200d\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
_LETTER = re.compile(
    f"[\U0001f1e6-\U0001f1ff]{{2}}|.(?:\u200d[^\\s]|{_EXTENSION})*",
    re.DOTALL,
)
_EMOJI_SHAPE = "\ufe0f"


def display_width(text: str) -> int:
    """Count the columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)

    return sum(map(_letter_width, letters(text)))


def letters(text: str) -> list[str]:
    """Split a text into what a reader takes for one letter."""
    return list(text) if text.isascii() else _LETTER.findall(text)


def wrap(spans: Iterable[Span], width: int) -> list[list[Span]]:
    """Break spans into lines, between words where that is possible.

    :param spans: the text, in which line breaks are kept
    :param width: columns, at least 2
    """
    cells = [(letter, span.style) for span in spans for letter in letters(span.text)]
    return [_join(line) for paragraph in _paragraphs(cells) for line in _break(paragraph, width)]


def _paragraphs(cells: Iterable[Cell]) -> list[list[Cell]]:
    paragraphs: list[list[Cell]] = [[]]
    for cell in cells:
        if cell[0] == "\n":
            paragraphs.append([])
        else:
            paragraphs[-1].append(cell)

    return paragraphs


def _break(cells: list[Cell], width: int) -> Iterator[list[Cell]]:
    line: list[Cell] = []
    used = 0
    for is_space, group in groupby(cells, key=lambda cell: cell[0].isspace()):
        word = list(group)
        size = sum(_letter_width(letter) for letter, _ in word)
        if used + size > width and line:
            yield _without_trailing_space(line)
            line, used = [], 0
            if is_space:
                continue

        for cell in word:
            size = _letter_width(cell[0])
            if used + size > width:
                yield line
                line, used = [], 0

            line.append(cell)
            used += size

    yield line


def _without_trailing_space(line: list[Cell]) -> list[Cell]:
    end = len(line)
    while end and line[end - 1][0].isspace():
        end -= 1

    return line[:end]


def _join(cells: Iterable[Cell]) -> list[Span]:
    return [
        Span("".join(letter for letter, _ in group), style)
        for style, group in groupby(cells, key=lambda cell: cell[1])
    ]


def _letter_width(letter: str) -> int:
    if len(letter) > 1 and (_EMOJI_SHAPE in letter or "\u200d" in letter):
        return 2

    first = letter[0]
    if unicodedata.east_asian_width(first) in "WF" or "\U0001f1e6" <= first <= "\U0001f1ff":
        return 2

    return 0 if unicodedata.category(first) in ("Mn", "Me", "Cf") else 1
