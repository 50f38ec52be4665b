from __future__ import annotations

import enum
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.templates._text import (
    ELLIPSIS,
    VALUE_MAX_CHARACTERS,
    as_text,
    clean,
    duration,
    humanize,
    shorten,
)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
SCARY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\u202e\u2066\u200b\u200d\ufe0f\ue000\U000f0000\x1b\n\r\u2028\t\u0301\u3164"
        ),
    )
)


@given(SCARY, st.booleans())
def test_clean_leaves_nothing_that_a_reader_would_not_see(text: str, lines: bool) -> None:
    cleaned = clean(text, lines=lines)

    for character in cleaned.replace("\n", "") if lines else cleaned:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Co", "Zl", "Zp")
        assert not "\u202a" <= character <= "\u202e"
        assert not "\u2066" <= character <= "\u2069"
        assert character not in "\u200b\u200e\u200f\u061c\ufeff\u00ad"


@given(SCARY, st.booleans())
def test_cleaning_twice_changes_nothing_more(text: str, lines: bool) -> None:
    once = clean(text, lines=lines)

    assert clean(once, lines=lines) == once


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_printable_ascii_is_clean(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë 名前 👋", "Zoë 名前 👋"),
        ("a\nb", "a b"),
        ("a\r\n  b\u2028c", "a b c"),
        ("a\tb", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("abc\u202ecba", "abccba"),
        ("x\ue000y", "xy"),
        ("x\ud800y", "xy"),
        (FAMILY, FAMILY),
        (ENGLAND, ENGLAND),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("Z" + "\u0301" * 50 + "o", "Z" + "\u0301" * 3 + "o"),
        ("Quêté", "Quêté"),
        ("", ""),
        ("  ", "  "),
        ("\n", " "),
        ("\u200b", "?"),
        ("\u3164\u3164", "?"),
        ("\u202e", "?"),
        ("\ufe0f\u200d", "?"),
    ],
)
def test_clean_examples(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_lines_are_kept_on_request_but_not_more_than_one_empty_one() -> None:
    assert clean("a\r\nb\u2028c\n\n \n\n\nd\u202e", lines=True) == "a\nb\nc\n\nd"


def test_of_an_endless_text_only_the_beginning_is_looked_at() -> None:
    assert len(clean("é" * 10**6)) == VALUE_MAX_CHARACTERS
    assert len(as_text("a" * 10**6)) == VALUE_MAX_CHARACTERS


class Mode(enum.StrEnum):
    RANKED = "ranked"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ann", "Ann"),
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (Mode.RANKED, "ranked"),
        (Level.HIGH, "3"),
        (("Ann", "Bob"), "Ann, Bob"),
        (["Ann", None, 2.5], "Ann, , 2.5"),
        ({"map": "dust", "round": 3}, "map: dust, round: 3"),
        (timedelta(seconds=90), "1m 30s"),
        (datetime(2026, 1, 31, 20, 15, tzinfo=UTC), "2026-01-31 20:15 UTC"),
        (
            datetime(2026, 1, 31, 22, 15, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-31 20:15 UTC",
        ),
        (datetime(2026, 1, 31, 20, 15), "2026-01-31 20:15 UTC"),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_values_are_written_for_people(value: object, expected: str) -> None:
    assert as_text(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3661, "1h 1m"),
        (90, "1m 30s"),
        (30, "30s"),
        (0, "0s"),
        (-5, "0s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (360_000, "100h 0m"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("map_changed", "Map Changed"),
        ("peer_name", "Peer Name"),
        ("id", "Id"),
        ("LAN_party", "LAN Party"),
        ("", ""),
    ],
)
def test_names_are_written_as_words(name: str, expected: str) -> None:
    assert humanize(name) == expected


@given(st.text(min_size=2), st.integers(min_value=1, max_value=50))
def test_a_shortened_text_is_a_beginning_and_fits(text: str, limit: int) -> None:
    shortened = shorten(text, lambda part: len(part) <= limit)

    assert shortened.endswith(ELLIPSIS)
    assert text.startswith(shortened[:-1])
    assert len(shortened) <= max(limit, 1)


def test_as_much_as_fits_is_kept() -> None:
    assert shorten("abcdefgh", lambda part: len(part) <= 5) == "abcd…"
    assert shorten("ab cdefgh", lambda part: len(part) <= 4) == "ab…"


@pytest.mark.parametrize(
    "letter", [FAMILY, ENGLAND, "e\u0301", "👍\U0001f3fd", "🇩🇪", "❤\ufe0f", "ক\u09bf"]
)
@pytest.mark.parametrize("limit", range(1, 20))
def test_no_letter_is_split(letter: str, limit: int) -> None:
    shortened = shorten(letter * 20, lambda part: len(part) <= limit)

    assert shortened[:-1] == letter * ((limit - 1) // len(letter))


def test_a_letter_without_end_is_split() -> None:
    shortened = shorten("a" + "\u0301" * 500, lambda part: len(part) <= 100)

    assert len(shortened) == 100
