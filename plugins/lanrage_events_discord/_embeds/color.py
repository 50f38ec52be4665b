"""Colours of embeds: names and numbers."""

from __future__ import annotations

import re

from lanrage_events.cli import did_you_mean

from ..limits import COLOR_MAX

# The palette of the built-in notifications comes first: Material Design's, in which grey is the
# bluish one. Then Discord's own, then the well-known ones of CSS.
COLORS = {
    "red": 0xF44336,
    "pink": 0xE91E63,
    "purple": 0x9C27B0,
    "indigo": 0x3F51B5,
    "blue": 0x2196F3,
    "cyan": 0x00BCD4,
    "teal": 0x009688,
    "green": 0x4CAF50,
    "lime": 0xCDDC39,
    "yellow": 0xFFEB3B,
    "amber": 0xFFC107,
    "orange": 0xFF9800,
    "brown": 0x795548,
    "grey": 0x607D8B,
    "gray": 0x607D8B,
    "blurple": 0x5865F2,
    "greyple": 0x99AAB5,
    "fuchsia": 0xEB459E,
    "black": 0x000000,
    "white": 0xFFFFFF,
    "silver": 0xC0C0C0,
    "maroon": 0x800000,
    "olive": 0x808000,
    "navy": 0x000080,
    "aqua": 0x00FFFF,
    "magenta": 0xFF00FF,
    "beige": 0xF5F5DC,
    "chocolate": 0xD2691E,
    "coral": 0xFF7F50,
    "crimson": 0xDC143C,
    "gold": 0xFFD700,
    "hotpink": 0xFF69B4,
    "khaki": 0xF0E68C,
    "lavender": 0xE6E6FA,
    "orchid": 0xDA70D6,
    "plum": 0xDDA0DD,
    "salmon": 0xFA8072,
    "skyblue": 0x87CEEB,
    "slategrey": 0x708090,
    "slategray": 0x708090,
    "tan": 0xD2B48C,
    "tomato": 0xFF6347,
    "turquoise": 0x40E0D0,
    "violet": 0xEE82EE,
}

_HEX = re.compile(r"(?:#|0[xX])([0-9a-fA-F]{6})")
# Six digits without any mark are a decimal number, unless no one would write it so.
_BARE_HEX = re.compile(r"(?=0|[0-9]*[a-fA-F])([0-9a-fA-F]{6})")
_SHORT_HEX = re.compile(r"#([0-9a-fA-F]{3})")
_DECIMAL = re.compile(r"[0-9]{1,8}")


def parse_color(value: object) -> int:
    """Read a colour: a name, ``"#4CAF50"``, ``4CAF50``, ``0x4CAF50`` or a number up to 0xFFFFFF.

    :raises ValueError: if it is none of these
    """
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        number = _parse_text(value.strip())

    if number is None or not 0 <= number <= COLOR_MAX:
        raise ValueError(_explain(value))

    return number


def _parse_text(text: str) -> int | None:
    name = re.sub(r"[\s_-]", "", text.lower())
    if name in COLORS:
        return COLORS[name]

    if match := _HEX.fullmatch(text) or _BARE_HEX.fullmatch(text):
        return int(match.group(1), 16)

    if match := _SHORT_HEX.fullmatch(text):
        return int("".join(2 * digit for digit in match.group(1)), 16)

    return int(text) if _DECIMAL.fullmatch(text) else None


def _explain(value: object) -> str:
    shown = str(value)
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    hint = did_you_mean(shown.lower(), COLORS)
    return f"expected a colour such as green or \"#4CAF50\", not '{shown}'{hint}"
