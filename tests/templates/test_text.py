from __future__ import annotations

import enum
import re
import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.templates import Templates
from lanrage_events.templates._cleaning import VALUE_MAX_CHARACTERS, clean
from lanrage_events.templates._clusters import ELLIPSIS, character_boundary, shorten

WORDS = Templates("none", (), {}).words
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
    assert clean(text) == (text if text.strip() or not text else "?")


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
        ("  ", "?"),
        ("\n", "?"),
        ("\u200b", "?"),
        ("\u3164\u3164", "?"),
        ("\u202e", "?"),
        ("\ufe0f\u200d", "?"),
    ],
)
def test_clean_examples(text: str, expected: str) -> None:
    assert clean(text) == expected


# Default_Ignorable_Code_Point in DerivedCoreProperties.txt of Unicode 15.1, and empty pictures.
IGNORABLE = [
    *map(chr, (0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0)),
    *map(chr, (*range(0x180B, 0x1810), *range(0x200B, 0x2010), *range(0x202A, 0x202F))),
    *map(chr, (*range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9))),
    *map(chr, (*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000))),
    *map(chr, (0x2800, 0x1D159)),
]


@cache
def without_ink() -> frozenset[str]:
    letters = map(chr, range(sys.maxunicode + 1))
    kinds = ("Cc", "Cs", "Co", "Zs", "Zl", "Zp")
    return frozenset([*IGNORABLE, *(one for one in letters if unicodedata.category(one) in kinds)])


@cache
def marks() -> list[str]:
    letters = map(chr, range(sys.maxunicode + 1))
    return [letter for letter in letters if unicodedata.category(letter)[0] == "M"]


@pytest.mark.slow
def test_no_character_without_ink_is_a_name() -> None:
    wrong = [
        hex(ord(blank))
        for blank in without_ink()
        for name in (blank, blank * 3, f" {blank} ", f"\u200d{blank}\ufe0f")
        if clean(name) != "?" or clean(name, lines=True) != "?"
    ]

    assert wrong == []


@pytest.mark.slow
def test_everything_else_has_ink() -> None:
    blank = without_ink()
    wrong = [
        hex(point)
        for point in range(sys.maxunicode + 1)
        if (letter := chr(point)) not in blank
        and unicodedata.category(letter) not in ("Cn", "Cf")
        and clean(letter) != letter
    ]

    assert wrong == []


def marks_of(text: str) -> list[int]:
    """Count the marks of each character, joiners or not."""
    counts = [0]
    for letter in text:
        if unicodedata.category(letter)[0] == "M":
            counts[-1] += 1
        elif letter not in "\u200c\u200d":
            counts.append(0)

    return counts


@pytest.mark.slow
@pytest.mark.parametrize("between", ["", "\u200d", "\u200c", "\u200d\u200c", "\ufe0f", "\u2060"])
def test_no_mark_of_any_script_is_stacked_higher_than_three(between: str) -> None:
    wrong = [
        hex(ord(mark))
        for mark in set(marks()) - without_ink()
        if clean("a" + f"{mark}{between}" * 50).count(mark) > 3
        or not clean(f"a{mark}{mark}").startswith(f"a{mark}{mark}")
    ]

    assert wrong == []


def stacked() -> st.SearchStrategy[str]:
    found = [mark for mark in marks() if unicodedata.category(mark) in ("Mn", "Me")]
    return st.sampled_from([*found[:: len(found) // 200], *"ab\u200d\u200c\u0301\u0e38กम "])


@pytest.mark.slow
@given(st.lists(st.deferred(stacked)))
def test_whatever_is_mixed_no_character_has_more_than_three_stacked_marks(
    pieces: list[str],
) -> None:
    cleaned = clean("".join(pieces))

    assert max(marks_of(cleaned.replace("\ufe0f", ""))) <= 4
    assert max(map(len, re.findall(r"[\u200c\u200d]+", cleaned)), default=0) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "ที่รัก น้ำแข็ง",
        "हिन्दी क्‍ष र्ज़ि श्री",
        "السَّلَامُ عَلَيْكُمْ مُدَرِّسٌ",
        "שָׁלוֹם עֲלֵיכֶם בְּרֵאשִׁית",
        unicodedata.normalize("NFD", "Tiếng Việt Nguyễn Ẩn"),
        unicodedata.normalize("NFD", "Zoë Ångström Čapek ᾧ"),
        unicodedata.normalize("NFD", "한국어"),
        "ကျွေး မြွေး",
        "தமிழ் മലയാളം",
        "བསྒྲུབས་ཧཱུྃ",
        "ខ្មែរ ស្ត្រី",
        "می‌خواهم",
        "ᠮᠣᠩᠭᠣᠯ᠎ᠠ".replace("\u180e", "\u180b"),
        "❤️‍🔥 🏳️‍🌈 👨‍👩‍👧‍👦 👍🏽 1️⃣ #️⃣ 🇩🇪 ☠︎ 🧑🏽‍🤝‍🧑🏾",
        ENGLAND,
    ],
)
def test_what_people_write_stays_whole(text: str) -> None:
    assert clean(text) == text


def test_lines_are_kept_on_request_but_not_more_than_one_empty_one() -> None:
    assert clean("a\r\nb\u2028c\n\n \n\n\nd\u202e", lines=True) == "a\nb\nc\n\nd"
    assert clean("\n \n  a\n  b\n \n", lines=True) == "  a\n  b"


def test_of_an_endless_text_only_the_beginning_is_looked_at() -> None:
    assert len(clean("é" * 10**6)) == VALUE_MAX_CHARACTERS
    assert len(WORDS.as_text("a" * 10**6)) == VALUE_MAX_CHARACTERS


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
        (["Ann", None, 2.5], "Ann, 2.5"),
        ([(), "", ["", "Bob"]], "Bob"),
        ({"map": "dust", "round": 3, "winner": None}, "map: dust, round: 3"),
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
    assert WORDS.as_text(value) == expected


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
    assert WORDS.duration(seconds) == expected


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
    assert WORDS.name(name) == expected


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
    "letter",
    [
        FAMILY,
        ENGLAND,
        "e\u0301",
        "👍\U0001f3fd",
        "🇩🇪",
        "❤\ufe0f",
        "ক\u09bf",
        "1\ufe0f\u20e3",
        "\u1112\u1161\u11ab",
    ],
)
@pytest.mark.parametrize("limit", range(1, 20))
def test_no_letter_is_split(letter: str, limit: int) -> None:
    shortened = shorten(letter * 20, lambda part: len(part) <= limit)

    assert shortened[:-1] == letter * ((limit - 1) // len(letter))


def test_a_boundary_is_never_after_the_position_and_splits_nothing() -> None:
    text = f"a{FAMILY}b"

    boundaries = [character_boundary(text, position) for position in range(len(text) + 1)]

    assert boundaries == [0, 1, 1, 1, 1, 1, 1 + len(FAMILY), len(text)][: len(boundaries)]


def test_a_letter_without_end_is_split() -> None:
    shortened = shorten("a" + "\u0301" * 500, lambda part: len(part) <= 100)

    assert len(shortened) == 100
