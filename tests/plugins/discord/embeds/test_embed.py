from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lanrage_events.templates import utf16_units
from lanrage_events_discord._embeds import (
    Embed,
    EmbedField,
    break_markdown,
    embed_size,
    length,
    shorten,
    shorten_markdown,
)
from lanrage_events_discord._preview import Style, parse_markdown

NOW = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
TOO_LATE = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))
"""cannot be written in UTC"""

# Long texts are made by repeating, so that hypothesis finds the limits.
texts = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.characters(codec=None), max_size=8),
    st.builds(
        lambda piece, times: piece * times,
        st.text(alphabet="ab \\`*_[]()<>\n👋é", min_size=1, max_size=12),
        st.integers(1, 900),
    ),
    st.integers(0, 6100).map(lambda size: "x" * size),
)
urls = st.one_of(
    st.just(""),
    st.sampled_from(["https://example.com/a", "ftp://example.com", "not a url", "http://", "//x"]),
    st.integers(1, 3000).map(lambda size: "https://example.com/" + "p" * size),
)
times = st.one_of(
    st.none(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=14)))),
)
fields = st.lists(st.builds(EmbedField, texts, texts, st.booleans()), max_size=28).map(tuple)
parts: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    title=texts,
    description=texts,
    url=urls,
    color=st.one_of(st.none(), st.integers(-5, 2**25)),
    timestamp=times,
    footer=texts,
    footer_icon=urls,
    author=texts,
    author_url=urls,
    author_icon=urls,
    thumbnail=urls,
    image=urls,
    fields=fields,
)


BrokenLimits = Callable[[list[Any]], list[str]]


@pytest.mark.slow
@settings(deadline=None)
@given(parts)
@example({})
@example({"footer": "only a footer", "color": 7, "timestamp": NOW})
@example({"title": " " * 5000, "image": " "})
@example({"title": " ", "description": "\n", "author": " ", "fields": (EmbedField(" ", "v"),)})
@example({"fields": tuple(EmbedField("n" * 256, "v" * 1024) for _ in range(25))})
@example({"title": "t", "timestamp": TOO_LATE})
def test_embed_is_one_that_discord_takes_whatever_it_is_made_of(
    broken_limits: BrokenLimits, parts: dict[str, Any]
) -> None:
    data = Embed(**parts).to_dict()
    assert broken_limits([data]) == []
    json.dumps(data, ensure_ascii=False).encode()


@pytest.mark.slow
@settings(deadline=None)
@given(parts)
def test_what_is_made_of_an_embed_is_the_same(parts: dict[str, Any]) -> None:
    embed = Embed(**parts)
    assert replace(embed) == embed
    assert replace(embed).to_dict() == embed.to_dict()


@pytest.mark.slow
@settings(deadline=None)
@given(parts)
def test_size_is_the_length_of_the_trimmed_texts_that_are_sent(parts: dict[str, Any]) -> None:
    embed = Embed(**parts)
    data: dict[str, Any] = embed.to_dict()
    sent = [
        data.get("title", ""),
        data.get("description", ""),
        data.get("footer", {}).get("text", ""),
        data.get("author", {}).get("name", ""),
        *(field[key] for field in data.get("fields", []) for key in ("name", "value")),
    ]
    assert sum(len(text.encode("utf-16-le")) // 2 for text in sent) == embed_size(embed)


def test_length_counts_utf16_units_without_outer_white_space() -> None:
    assert length(" \n👋 Ann\t ") == 6
    assert length("👨‍👩‍👧") == 8
    assert length("äöü…") == 4
    assert length("\ud83d") == 1
    assert length("   ") == 0


PICTURE = Embed(image="https://example.org/x.png")


@pytest.mark.parametrize(
    ("part", "most"), [("title", 256), ("author", 256), ("footer", 2048), ("description", 4096)]
)
@pytest.mark.parametrize("character", ["x", "é", "🎮"])
def test_text_is_cut_only_if_one_reading_of_the_limit_asks_for_it(
    part: str, most: int, character: str
) -> None:
    fits = most // len(character.encode("utf-16-le")) * 2
    text: dict[str, Any] = {part: character * fits}
    embed = replace(PICTURE, **text)
    assert getattr(embed, part) == character * fits
    text = {part: character * (fits + 1)}
    embed = replace(PICTURE, **text)
    assert getattr(embed, part) == character * (fits - 1) + "…"


def test_json_form_has_discords_names_and_utc() -> None:
    embed = Embed(
        title=" Party ",
        description="text",
        url="https://example.com",
        color=0x4CAF50,
        timestamp=datetime(2026, 5, 1, 22, 15, tzinfo=timezone(timedelta(hours=2))),
        footer="LANrage",
        footer_icon="https://example.com/f.png",
        author="Ann",
        author_url="https://example.com/ann",
        author_icon="https://example.com/a.png",
        thumbnail="https://example.com/t.png",
        image="https://example.com/i.png",
        fields=(EmbedField("a", "1", inline=True), EmbedField("", "x"), EmbedField("y", " ")),
    )
    assert embed.to_dict() == {
        "title": "Party",
        "description": "text",
        "url": "https://example.com",
        "color": 0x4CAF50,
        "timestamp": "2026-05-01T20:15:00+00:00",
        "footer": {"text": "LANrage", "icon_url": "https://example.com/f.png"},
        "author": {
            "name": "Ann",
            "url": "https://example.com/ann",
            "icon_url": "https://example.com/a.png",
        },
        "thumbnail": {"url": "https://example.com/t.png"},
        "image": {"url": "https://example.com/i.png"},
        "fields": [{"name": "a", "value": "1", "inline": True}],
    }


def test_empty_parts_are_left_out() -> None:
    embed = Embed(title="t", footer=" ", footer_icon="https://example.com/f.png", author_url="x")
    assert embed.to_dict() == {"title": "t"}
    assert Embed(title="t", color=0).to_dict() == {"title": "t", "color": 0}


def test_halves_of_characters_are_joined_or_replaced() -> None:
    embed = Embed(title="\ud83d\udc4b Ann", description="lone \ud83d half")
    assert embed.to_dict() == {"title": "👋 Ann", "description": "lone � half"}


def test_naive_time_is_taken_for_utc() -> None:
    sent = Embed(title="t", timestamp=datetime(2026, 5, 1, 20, 15)).to_dict()
    assert sent == {"title": "t", "timestamp": "2026-05-01T20:15:00+00:00"}


@pytest.mark.slow
@settings(deadline=None)
@given(parts)
def test_json_form_can_be_read_again(parts: dict[str, Any]) -> None:
    embed = Embed(**parts)
    again = Embed.from_dict(json.loads(json.dumps(embed.to_dict())))
    assert again.to_dict() == embed.to_dict()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"title": 3}, "title: expected a text"),
        ({"color": "red"}, "color: expected a whole number"),
        ({"color": True}, "color: expected a whole number"),
        ({"footer": "LANrage"}, "footer: expected an object"),
        ({"fields": {}}, "fields: expected an object"),
        ({"fields": [7]}, "fields: expected an object"),
        ({"timestamp": "yesterday"}, "Invalid isoformat string"),
        ({"timestamp": None}, "timestamp: expected a text"),
        ({"author": {"name": 7}}, "author.name: expected a text"),
    ],
)
def test_reading_something_else_reports_what_was_expected(
    data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Embed.from_dict(data)


@pytest.mark.parametrize(
    ("parts", "fitted"),
    [
        ({"title": "x" * 257}, {"title": "x" * 255 + "…"}),
        ({"description": "x" * 4097}, {"description": "x" * 4095 + "…"}),
        ({"footer": "x" * 2049, "title": "t"}, {"footer": "x" * 2047 + "…", "title": "t"}),
        ({"author": "x" * 257}, {"author": "x" * 255 + "…"}),
        (
            {"fields": (EmbedField("x" * 257, "b"),)},
            {"fields": (EmbedField("x" * 255 + "…", "b"),)},
        ),
        (
            {"fields": (EmbedField("a", "x" * 1025),)},
            {"fields": (EmbedField("a", "x" * 1023 + "…"),)},
        ),
        ({"fields": (EmbedField("a", "b"),) * 26}, {"fields": (EmbedField("a", "b"),) * 25}),
        (
            {"description": "x" * 4096, "footer": "y" * 1905},
            {"description": "x" * 4094 + "…", "footer": "y" * 1905},
        ),
        ({"title": "t", "url": "ftp://example.com"}, {"title": "t"}),
        ({"title": "t", "image": "http://[broken"}, {"title": "t"}),
        ({"title": "t", "image": "https://example.com/a b"}, {"title": "t"}),
        ({"title": "t", "timestamp": TOO_LATE}, {"title": "t"}),
        ({"title": "t", "color": 0x1000000}, {"title": "t"}),
        ({}, {"description": "…"}),
    ],
)
def test_each_limit_is_kept(parts: dict[str, Any], fitted: dict[str, Any]) -> None:
    embed = Embed(**parts)
    assert {name: getattr(embed, name) for name in fitted} == fitted
    assert embed == Embed(**fitted)


def test_embed_at_every_limit_is_left_alone() -> None:
    parts = {
        "title": "t" * 256,
        "description": "d" * 4096,
        "footer": "f" * (6000 - 256 - 4096 - 256),
        "author": "a" * 256,
        "url": "https://u.example/" + "u" * (2048 - 18),
        "color": 0xFFFFFF,
    }
    whole = Embed(**parts)  # type: ignore[arg-type]
    assert embed_size(whole) == 6000
    assert {name: getattr(whole, name) for name in parts} == parts
    fields = (EmbedField("n" * 16, "v" * 224),) * 25
    assert Embed(fields=fields).fields == fields


def test_only_the_longest_texts_are_cut_for_the_sum() -> None:
    fitted = Embed(
        title="short",
        description="d" * 4096,
        fields=(*(EmbedField("name", "v" * 1024) for _ in range(10)), EmbedField("last", "tiny")),
    )
    assert fitted.title == "short"
    assert fitted.fields[-1] == EmbedField("last", "tiny")
    assert len(fitted.fields) == 11
    assert all(field.value.endswith("…") for field in fitted.fields[:10])
    assert 5980 < embed_size(fitted) <= 6000


def test_what_discord_would_reject_is_left_out_and_the_rest_kept() -> None:
    fitted = Embed(title="t", url="javascript:alert(1)", color=-1, image="https://i.example")
    assert fitted == Embed(title="t", image="https://i.example")


def test_embed_without_anything_to_show_says_so() -> None:
    assert Embed(footer="LANrage") == Embed(footer="LANrage", description="…")


@settings(deadline=None)
@given(st.text(), st.integers(1, 30))
def test_plain_text_is_cut_to_the_maximum(text: str, maximum: int) -> None:
    cut = shorten(text, maximum)
    assert utf16_units(cut) <= maximum
    if utf16_units(text.strip()) <= maximum:
        assert cut == text.strip()
    else:
        assert cut.endswith("…")
        assert text.strip().startswith(cut[:-1])


# What a template writes: escaped values between its own marks.
values = st.text(alphabet="ab*_`[]()\\<>: @", max_size=20)
markdown = st.lists(
    st.one_of(
        values.map(lambda value: re.sub(r"([\\*_~|`<>\[\]()@:])", r"\\\1", value)),
        values.map(lambda value: f"`{value.replace('`', '')}`"),
        st.sampled_from(["**", "__", "<t:1700000000:R>", "[Join](https://discord.gg/abc)", "\n"]),
    ),
    max_size=30,
).map("".join)


@settings(deadline=None)
@given(st.one_of(markdown, st.text(alphabet="`ab\\*"), texts), st.integers(1, 120))
def test_markdown_is_cut_to_the_maximum(text: str, maximum: int) -> None:
    cut = shorten_markdown(text, maximum)
    assert utf16_units(cut) <= maximum
    assert bool(cut) == bool(text.strip())
    if utf16_units(text.strip()) <= maximum:
        assert cut == text.strip()
    else:
        assert "…" in cut


def seen(text: str) -> list[tuple[str, Style]]:
    """Return each visible character of markdown with its style."""
    return [
        (character, span.style)
        for span in parse_markdown(text)
        for character in span.text
        if not character.isspace()
    ]


escaped = values.map(lambda value: re.sub(r"([\\*_~|`<>\[\]()@:])", r"\\\1", f"x{value}x"))
well_formed = st.lists(
    st.one_of(
        escaped,
        *(escaped.map(f"{mark}{{}}{mark}".format) for mark in ("**", "__", "~~", "||")),
        values.map(lambda value: f"`x{value.replace('`', '')}x`"),
        st.sampled_from(["<t:1700000000:R>", "[Join](https://discord.gg/abc)", "\n", " "]),
    ),
    max_size=30,
).map(" ".join)


@pytest.mark.slow
@settings(deadline=None)
@given(well_formed, st.integers(10, 200))
def test_what_is_broken_in_two_looks_like_the_whole(text: str, maximum: int) -> None:
    assume(utf16_units(text) > maximum)
    first, rest = break_markdown(text, maximum)

    assert utf16_units(first) <= maximum
    assert (first + rest).replace("\n", "").replace(" ", "") == re.sub(r"\s", "", text)
    assert [*seen(first), *seen(rest)] == seen(text)


@pytest.mark.parametrize(
    ("text", "maximum", "expected"),
    [
        ("one two\nthree four", 14, ("one two", "three four")),
        ("one two three", 9, ("one two", "three")),
        ("abcdefgh", 5, ("abcde", "fgh")),
        (r"abcd\*fgh", 5, ("abcd", r"\*fgh")),
        ("abc **de fg hi** jk", 12, ("", "abc **de fg hi** jk")),
        ("abcdef `gh ij`", 9, ("abcdef", "`gh ij`")),
        ("abcd https://x.example/abc", 20, ("", "abcd https://x.example/abc")),
        ("**bold and long**", 8, ("", "**bold and long**")),
        ("a\n" + "b" * 20, 15, ("a\n" + "b" * 13, "b" * 7)),
    ],
)
def test_markdown_is_broken_where_nothing_is_open(
    text: str, maximum: int, expected: tuple[str, str]
) -> None:
    assert break_markdown(text, maximum) == expected


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["\\*", "\\`", "\\\\", "\\[", "a"]), min_size=1), st.integers(1, 60)
)
def test_cut_is_never_inside_an_escape(pieces: list[str], maximum: int) -> None:
    cut = shorten_markdown("".join(pieces), maximum)
    backslashes = len(cut.removesuffix("…")) - len(cut.removesuffix("…").rstrip("\\"))
    assert backslashes % 2 == 0


@pytest.mark.parametrize(
    ("text", "maximum", "expected"),
    [
        (r"a\*b", 3, "a…"),
        ("Welcome to **Friday LAN**!", 20, "Welcome to **Frid…**"),
        ("**bold** and more", 12, "**bold** an…"),
        ("**Party ID**: `[click](http://evil.example)`", 23, "**Party ID**: `[click…`"),
        ("`` a`b`` and so on", 9, "`` a`b``…"),
        ("a `b c d e f", 6, "a `b…"),
        ("now [Join Voice Chat](https://discord.gg/abc)", 30, "now…"),
        ("see https://example.com/a/long/path", 20, "see…"),
        ("at <t:1700000000:R> it was", 12, "at…"),
        ("`abcdef`", 3, "…"),
        ("**x**y", 4, "…"),
    ],
)
def test_markdown_that_is_cut_keeps_its_meaning(text: str, maximum: int, expected: str) -> None:
    assert shorten_markdown(text, maximum) == expected


def test_code_that_is_cut_stays_code() -> None:
    hostile = "[free](https://evil.example) @everyone " * 200
    cut = Embed(title="t", description=f"**Party ID**: `{hostile}`").description
    assert len(cut) <= 4096
    assert cut.endswith("…`")
    assert cut.count("`") == 2


def test_endless_unmatched_marks_are_cut_in_linear_time() -> None:
    for mark in ("`", "``a", "[", "<", "**", "[a]("):
        assert len(shorten_markdown(mark * 200_000, 4096)) <= 4096
