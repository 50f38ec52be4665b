"""Cuts text and markdown to a length."""

from __future__ import annotations

import re

from lanrage_events.templates import character_boundary, utf16_units

from .length import cut

ELLIPSIS = "…"

# What must stay whole: an escape, a time or mention, a masked link, an address, a marker.
_TOKEN = re.compile(
    r"""\\.
    | <[^<>\s]{1,64}>
    | \[ (?: \\. | [^\[\]\\\n] )* \] \( (?: \\. | [^()\[\\\s] )* \)
    | https?://[^\s<>()\\*`|~]+
    | \*\* | __ | ~~ | \|\| | `+
    | .""",
    re.DOTALL | re.VERBOSE,
)
_PAIRS = frozenset({"**", "__", "~~", "||"})
_BACKTICKS = re.compile("`+")
_TOKEN_MAX_CHARACTERS = 4096


def shorten(text: str, maximum: int) -> str:
    """Cut plain text to at most ``maximum`` characters, the last of which is then an ellipsis.

    :param text: text in which no character has a special meaning
    :param maximum: UTF-16 units, at least 1
    """
    text = text.strip()
    if 2 * len(text) <= maximum or utf16_units(text) <= maximum:
        return text

    return cut(text, maximum - len(ELLIPSIS)).rstrip() + ELLIPSIS


def shorten_markdown(text: str, maximum: int) -> str:
    r"""Cut markdown to at most ``maximum`` characters so that what is left means the same.

    Escapes, times, addresses and masked links are kept whole or dropped, open markers such as bold
    are closed, and a code span is closed after the ellipsis, so that its text stays harmless.

    :param text: Discord's markdown, in which hostile characters are escaped
    :param maximum: UTF-16 units, at least 1
    """
    text = text.strip()
    if 2 * len(text) <= maximum or utf16_units(text) <= maximum:
        return text

    kept: list[str] = []
    used = 0
    open_pairs: list[str] = []
    unmatched: set[str] = set()
    position = 0
    while position < len(text):
        room = maximum - used - len(ELLIPSIS) - 2 * len(open_pairs)
        span = _code_span(text, position, unmatched)
        if span is not None:
            fence, end = span
            token = text[position:end]
            if utf16_units(token) > room:
                inside = text[position + len(fence) : end - len(fence)]
                inside = cut(inside, max(0, room - 2 * len(fence))).rstrip()
                if inside:
                    kept += [fence, inside, ELLIPSIS, fence, *reversed(open_pairs)]
                    return "".join(kept)

                break
        else:
            match = _TOKEN.match(text, position, position + _TOKEN_MAX_CHARACTERS)
            token = match.group() if match is not None else text[position]
            closes = token in _PAIRS and token in open_pairs
            if token in _PAIRS and not closes:
                if len(token) * 2 > room:
                    break

                open_pairs.append(token)
            elif closes:
                open_pairs.remove(token)
                room += 2

            if utf16_units(token) > room:
                break

        kept.append(token)
        used += utf16_units(token)
        position += len(token)

    boundary = character_boundary(text, position)
    while position > boundary:
        position -= len(kept.pop())

    return "".join(kept).rstrip() + ELLIPSIS + "".join(reversed(open_pairs))


def break_markdown(text: str, maximum: int) -> tuple[str, str]:
    """Break markdown into what fits and the rest, between lines if possible, else between words.

    It is broken only where no marker is open, and in no code, address or link. The first part is
    empty if there is no such place.

    :param text: Discord's markdown, which is longer
    :param maximum: UTF-16 units of the first part
    """
    line = word = position = used = 0
    anywhere = [0]
    open_pairs: set[str] = set()
    unmatched: set[str] = set()
    while used <= maximum and position < len(text):
        piece = _token(text, position, unmatched)
        if not open_pairs:
            anywhere.append(position)
            if piece == "\n":
                line = position
            elif piece.isspace():
                word = position

        if piece in _PAIRS:
            open_pairs ^= {piece}

        used += utf16_units(piece)
        position += len(piece)

    while anywhere[-1] != character_boundary(text, anywhere[-1]):
        anywhere.pop()

    # Not so early that most of the room stays empty.
    places = (line, word, anywhere[-1])
    place = next((one for one in places if 2 * utf16_units(text[:one]) >= maximum), 0)
    return text[:place].rstrip(), text[place:].lstrip("\n" if place == line else None)


def _token(text: str, position: int, unmatched: set[str]) -> str:
    """Return what must stay whole at a place: a code span with its backticks, or another token."""
    span = _code_span(text, position, unmatched)
    if span is not None:
        return text[position : span[1]]

    match = _TOKEN.match(text, position, position + _TOKEN_MAX_CHARACTERS)
    return match.group() if match is not None else text[position]


def _code_span(text: str, position: int, unmatched: set[str]) -> tuple[str, int] | None:
    """Find the code span or block that begins here: its backticks and where it ends."""
    opening = _BACKTICKS.match(text, position)
    if opening is None or opening.group() in unmatched:
        return None

    fence = opening.group()
    for closing in _BACKTICKS.finditer(text, opening.end()):
        if closing.group() == fence:
            return fence, closing.end()

    unmatched.add(fence)
    return None
