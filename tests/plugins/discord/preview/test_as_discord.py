"""What the preview shows is what an independent implementation of Discord's markdown makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from lanrage_events_discord._preview import Span, Style, parse_markdown

Pieces = list[tuple[str, frozenset[str]]]

# Made by make_table.js, with discord-markdown-parser 1.3.1 from npm. The texts are those of Discord's
# own pages, https://support.discord.com/hc/en-us/articles/210298617 and
# https://docs.discord.com/developers/reference#message-formatting, and combinations of them.
TABLE: list[tuple[str, list[tuple[str, list[str]]]]] = json.loads(
    Path(__file__).with_name("markdown.json").read_text("utf-8")
)
QUOTE_BAR = "│ "
# Where Discord does something else than that implementation.
BETTER_KNOWN: dict[str, list[tuple[str, set[str]]]] = {
    # It knows no lists, which Discord draws with dots.
    "* a*": [("• a*", set())],
    "* *": [("• *", set())],
    "* * *": [("• * *", set())],
    "> - item": [("• item", {"QUOTE"})],
    # Discord links only addresses with a scheme, and draws no link without a text.
    "[text](example.com)": [("[text](example.com)", set())],
    "[](https://example.com)": [
        ("[](", set()),
        ("https://example.com", {"LINK"}),
        (")", set()),
    ],
    "[a](https://x.example/\\(b\\))": [("a", {"LINK"}), (")", set())],
    # Headings and quotes begin where a line begins, also within other marks.
    "**# not a heading**": [("# not a heading", {"BOLD"})],
    "-# > a": [("> a", {"SMALL"})],
    "# > a": [("> a", {"HEADING"})],
    # The names of people and emoji are not looked up here.
    "<@!12345678901234567>": [("<@!12345678901234567>", {"MENTION"})],
    "<:n:1>": [(":n:", set())],
    "a <:n:12345678901234567> b": [("a :n: b", set())],
}


@pytest.mark.parametrize(("text", "theirs"), TABLE, ids=[repr(text) for text, _ in TABLE])
def test_markdown_is_drawn_as_discord_draws_it(
    text: str, theirs: list[tuple[str, list[str]]]
) -> None:
    wanted = BETTER_KNOWN.get(text, [(piece, set(styles)) for piece, styles in theirs])

    assert _joined(map(_named, parse_markdown(text))) == _joined(
        (piece, frozenset(styles)) for piece, styles in wanted
    )


def test_each_exception_is_one() -> None:
    theirs = dict(TABLE)
    for text, pieces in BETTER_KNOWN.items():
        assert _joined((p, frozenset(s)) for p, s in pieces) != _joined(
            (p, frozenset(s)) for p, s in theirs[text]
        )


@pytest.mark.parametrize(
    "text",
    ["# a", "## a", "-# a", "> a", ">>> a", "- a", "https://x.example", "[a](https://x.example)"],
)
def test_titles_and_names_of_fields_have_no_headings_quotes_lists_and_links(text: str) -> None:
    assert _joined(map(_named, parse_markdown(text, is_name=True))) == [(text, frozenset())]
    assert _joined(map(_named, parse_markdown(text))) != [(text, frozenset())]


def test_each_line_of_a_quote_has_a_bar() -> None:
    shown = "".join(span.text for span in parse_markdown(">>> one\n**two\nthree**"))

    assert shown == "│ one\n│ two\n│ three"


def _named(span: Span) -> tuple[str, frozenset[str]]:
    styles = frozenset(style.name for style in Style if style in span.style and style.name)
    if span.text == QUOTE_BAR and "QUOTE" in styles:
        return "", styles

    # Times are written as the reader's own.
    is_time = "MENTION" in styles and not span.text.startswith(("<", "@"))
    return ("<t>" if is_time else span.text), styles


def _joined(pieces: Iterable[tuple[str, frozenset[str]]]) -> Pieces:
    """Join neighbours of one style, without line breaks at the edges of what stands by itself."""
    joined: Pieces = []
    for text, styles in pieces:
        if joined and joined[-1][1] == styles:
            joined[-1] = (joined[-1][0] + text, styles)
        elif text:
            joined.append((text, styles))

    # Whether the line break after a quote is within it cannot be seen.
    stripped = [(text.strip("\n"), styles) for text, styles in joined]
    return [(text, styles) for text, styles in stripped if text]
