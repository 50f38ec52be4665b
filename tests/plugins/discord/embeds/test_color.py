from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord import limits
from lanrage_events_discord._embeds import COLORS, parse_color


@given(st.integers(min_value=0, max_value=limits.COLOR_MAX))
def test_every_colour_can_be_written_in_every_way(color: int) -> None:
    assert parse_color(color) == color
    assert parse_color(str(color)) == color
    assert parse_color(f"#{color:06x}") == color
    assert parse_color(f"#{color:06X}") == color
    assert parse_color(f"0x{color:06x}") == color
    if color < 0x100000 or not f"{color:06x}".isdecimal():
        assert parse_color(f"{color:06x}") == color


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("green", 0x4CAF50),
        ("blue", 0x2196F3),
        ("orange", 0xFF9800),
        ("purple", 0x9C27B0),
        ("grey", 0x607D8B),
        ("gray", 0x607D8B),
        ("blurple", 0x5865F2),
        (" Hot-Pink ", 0xFF69B4),
        ("#fa0", 0xFFAA00),
        ("0X4caf50", 0x4CAF50),
        ("ff0000", 0xFF0000),
        ("4CAF50", 0x4CAF50),
        ("00ff00", 0x00FF00),
        ("1e1000", 0x1E1000),
        ("008000", 0x008000),
        ("112233", 112233),
    ],
)
def test_colour_examples(text: str, expected: int) -> None:
    assert parse_color(text) == expected


def test_every_name_is_a_colour() -> None:
    for name, color in COLORS.items():
        assert parse_color(name) == color
        assert 0 <= color <= limits.COLOR_MAX


@pytest.mark.parametrize(
    "value",
    [
        -1,
        0x1000000,
        True,
        None,
        1.5,
        "",
        "4CAF50x",
        "#12345",
        "ff000",
        "0xABC",
        "99999999",
        "rgb(1,2,3)",
    ],
)
def test_what_is_not_a_colour_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match='^expected a colour such as green or "#4CAF50", not '):
        parse_color(value)


def test_a_misspelt_colour_gets_a_hint_and_a_long_one_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="did you mean 'purple'"):
        parse_color("purpel")

    with pytest.raises(ValueError, match="…'$"):
        parse_color("x" * 500)
