from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.events import utc_now
from lanrage_events_discord._preview import Span, Style, format_time, parse_markdown

PLAIN, BOLD, ITALIC, UNDERLINE = Style.PLAIN, Style.BOLD, Style.ITALIC, Style.UNDERLINE
LINK, CODE, MENTION, SMALL = Style.LINK, Style.CODE, Style.MENTION, Style.SMALL


@pytest.fixture
def two_hours_east() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "EAST-2")
        time.tzset()
        yield

    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("plain, 2 * 3 * 4 and snake_case_name", [("plain, 2 * 3 * 4 and snake_case_name", PLAIN)]),
        ("a **b** c", [("a ", PLAIN), ("b", BOLD), (" c", PLAIN)]),
        ("*a* _b_", [("a", ITALIC), (" ", PLAIN), ("b", ITALIC)]),
        ("__a__", [("a", UNDERLINE)]),
        ("~~a~~||b||", [("a", Style.STRIKE), ("b", Style.SPOILER)]),
        ("**a *b* c**", [("a ", BOLD), ("b", BOLD | ITALIC), (" c", BOLD)]),
        (r"\*\*a\*\*", [("*", PLAIN), ("*", PLAIN), ("a", PLAIN), ("*", PLAIN), ("*", PLAIN)]),
        (r"**a\*\***", [("a", BOLD), ("*", BOLD), ("*", BOLD)]),
        (r"\a", [("\\a", PLAIN)]),
        (r"`a\*b`", [(r"a\*b", CODE)]),
        ("```py\nx = 1\n```", [("x = 1", CODE)]),
        ("[a **b**](https://x.example)", [("a ", LINK), ("b", LINK | BOLD)]),
        ("[a](<https://x.example>)", [("a", LINK)]),
        ("[a](x)", [("[a](x)", PLAIN)]),
        (
            "see https://x.example/y.",
            [("see ", PLAIN), ("https://x.example/y", LINK), (".", PLAIN)],
        ),
        ("@everyone <@1> <@&2> <#3>", None),
        ("<a:dance:12>", [(":dance:", PLAIN)]),
        ("# Big\nsmall", [("Big", Style.HEADING), ("\nsmall", PLAIN)]),
        ("a # b", [("a # b", PLAIN)]),
        ("-# note", [("note", SMALL)]),
        ("- a\n  * b", [("• ", PLAIN), ("a\n", PLAIN), ("  • ", PLAIN), ("b", PLAIN)]),
        ("> a", [("│ ", SMALL | Style.QUOTE), ("a", Style.QUOTE)]),
        (r"\# a", [("#", PLAIN), (" a", PLAIN)]),
        ("**# a**", [("# a", BOLD)]),
    ],
)
def test_markdown_is_split_as_discord_does(
    text: str, expected: list[tuple[str, Style]] | None
) -> None:
    spans = parse_markdown(text)

    if expected is None:
        assert [span.text for span in spans if span.style == MENTION] == text.split()
    else:
        assert [(span.text, span.style) for span in spans] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<t:1769890500:t>", "22:15"),
        ("<t:1769890500:T>", "22:15:00"),
        ("<t:1769890500:d>", "2026-01-31"),
        ("<t:1769890500:D>", "31 January 2026"),
        ("<t:1769890500>", "31 January 2026 22:15"),
        ("<t:1769890500:F>", "Saturday, 31 January 2026 22:15"),
        ("<t:9999999999999>", "<t:9999999999999>"),
    ],
)
@pytest.mark.usefixtures("two_hours_east")
def test_times_are_shown_in_the_readers_time_zone(text: str, expected: str) -> None:
    assert parse_markdown(text) == [Span(expected, MENTION)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (90, "1 minute ago"),
        (2 * 3600 + 300, "2 hours ago"),
        (40 * 86_400, "1 month ago"),
        (-150, "in 2 minutes"),
    ],
)
def test_how_long_ago_a_time_is_is_counted(seconds: float, expected: str) -> None:
    time = int(utc_now().timestamp() - seconds)

    assert parse_markdown(f"<t:{time}:R>") == [Span(expected, MENTION)]


@pytest.mark.usefixtures("two_hours_east")
def test_a_time_that_no_calendar_has_is_shown_in_utc() -> None:
    last = datetime.max.replace(tzinfo=UTC)

    assert format_time(last) == str(last)


@given(st.text(st.one_of(st.sampled_from("*_~|`<>[]()@#:-\\ \nab1"), st.characters()), max_size=60))
def test_every_text_can_be_split_and_no_letter_is_lost(text: str) -> None:
    shown = "".join(span.text for span in parse_markdown(text))

    assert (
        [c for c in shown if c.isalnum()] == [c for c in text if c.isalnum()]
        or "<" in text
        or "](" in text
        or "```" in text
    )
