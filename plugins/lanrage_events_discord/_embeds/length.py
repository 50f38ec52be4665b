"""How long a text is for Discord.

Its pages say "characters", but not whether these are code points or, as in its clients, which are
written in JavaScript, UTF-16 units. There are never more code points than units, so what keeps a
limit in units keeps it in both.
"""

from __future__ import annotations

from lanrage_events.templates import character_boundary, utf16_units


def length(text: str) -> int:
    """Count as Discord does, which ignores white space at both ends."""
    text = text.strip()
    # One call less, for each text of each embed.
    return len(text) if text.isascii() else utf16_units(text)


def cut(text: str, maximum: int) -> str:
    """Return the longest beginning of a text that has at most so many units and splits no emoji."""
    if text.isascii():
        return text[:maximum]

    used = 0
    for position, character in enumerate(text):
        used += 1 + (character > "\uffff")
        if used > maximum:
            return text[: character_boundary(text, position)]

    return text
