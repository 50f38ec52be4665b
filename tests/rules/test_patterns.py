"""Patterns: an asterisk stands for any characters, and matching takes linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanrage_events._rules import Pattern, fold

_TEXTS = st.text("ab*.\n", max_size=12)


@given(pattern=_TEXTS, text=st.text("ab.\n", max_size=20))
@example(pattern="a*a", text="a")
@example(pattern="ab*ab", text="abab")
def test_it_matches_what_a_regular_expression_would(pattern: str, text: str) -> None:
    wanted = ".*".join(map(re.escape, pattern.split("*")))
    assert Pattern(pattern).matches(text) == bool(re.fullmatch(wanted, text, re.DOTALL))


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("[BOT]*", "[BOT] Bob", True),
        ("[BOT]*", "B", False),
        ("(a+)+$", "(a+)+$", True),
        ("(a+)+$", "aaa", False),
        ("a?c", "abc", False),
        ("", "", True),
        ("*", "", True),
    ],
)
def test_nothing_but_the_asterisk_means_anything(pattern: str, text: str, matches: bool) -> None:
    assert Pattern(pattern).matches(text) is matches


def test_a_hostile_name_does_not_hold_the_loop() -> None:
    # A search that goes back would not end.
    assert not Pattern("*a" * 500 + "*b").matches("a" * 200_000)
    assert Pattern("*a" * 500 + "*b").matches("a" * 200_000 + "b")


def test_folded_patterns_do_not_see_the_case() -> None:
    pattern = Pattern("Zoë*", folded=True)
    assert pattern.matches(fold("ZOË-x"))
    assert pattern.matches(fold(" zoe\u0308 "))
    assert not pattern.matches(fold("Zoe"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë", "zoe\u0308"),
        ("Weiß", "WEISS"),
        ("Ann", "\uff21\uff4e\uff4e"),
        ("Ann", "\u200b A\u00adnn\ufe0f "),
        ("İbo", "i\u0307BO"),
        ("各", "各"),
    ],
)
def test_a_name_is_the_same_however_it_is_written(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    assert fold(fold(one)) == fold(one)
