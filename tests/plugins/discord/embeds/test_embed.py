from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanrage_events_discord._embeds import (
    Embed,
    EmbedField,
    embed_size,
    fit,
    length,
    shorten,
    shorten_markdown,
)
from lanrage_events_discord._embeds.embed import problems

NOW = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)

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
embeds = st.builds(
    Embed,
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


def refusals(embed: dict[str, Any]) -> list[str]:
    """Check an embed as Discord's documentation has it, apart from the code that is tested."""
    found = []
    counted = {
        "title": (embed.get("title", ""), 256),
        "description": (embed.get("description", ""), 4096),
        "footer": (embed.get("footer", {}).get("text", ""), 2048),
        "author": (embed.get("author", {}).get("name", ""), 256),
    }
    for number, field in enumerate(embed.get("fields", [])):
        counted[f"name {number}"] = (field["name"], 256)
        counted[f"value {number}"] = (field["value"], 1024)
        if not field["name"].strip() or not field["value"].strip():
            found.append(f"field {number} is not complete")

    for what, (text, maximum) in counted.items():
        if len(text.strip()) > maximum:
            found.append(f"{what} has {len(text)} characters")

    if len(embed.get("fields", [])) > 25:
        found.append("too many fields")

    if sum(len(text.strip()) for text, _ in counted.values()) > 6000:
        found.append("too much text")

    links = [embed.get("url")]
    for part in ("footer", "author", "thumbnail", "image"):
        links += [embed.get(part, {}).get("url"), embed.get(part, {}).get("icon_url")]

    found += [
        f"bad link {link[:50]!r}"
        for link in links
        if link is not None and (not re.match(r"https?://[^/\s]", link) or len(link) > 2048)
    ]

    if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
        found.append("bad color")

    if "timestamp" in embed and datetime.fromisoformat(embed["timestamp"]).utcoffset() is None:
        found.append("naive time")

    if not any(key in embed for key in ("title", "description", "author", "fields", "image")):
        found += [] if "thumbnail" in embed else ["nothing to show"]

    return found


@settings(deadline=None)
@given(embeds)
@example(Embed())
@example(Embed(footer="only a footer", color=7, timestamp=NOW))
@example(Embed(title=" " * 5000, image=" "))
@example(Embed(fields=tuple(EmbedField("n" * 256, "v" * 1024) for _ in range(25))))
@example(Embed(title="t", timestamp=datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))))
def test_fitted_embed_is_one_that_discord_takes(embed: Embed) -> None:
    fitted = fit(embed)
    data: dict[str, Any] = fitted.to_dict()
    assert refusals(data) == []
    assert problems(fitted) == []
    json.dumps(data, ensure_ascii=False).encode()


@settings(deadline=None)
@given(embeds)
def test_problems_are_found_exactly_where_discord_finds_them(embed: Embed) -> None:
    try:
        data = embed.to_dict()
    except OverflowError:
        assert "timestamp" in {problem.path for problem in problems(embed)}
        return

    if refusals(data):
        assert problems(embed)
    elif not any(text.strip() != text for text in (embed.url, embed.image, embed.thumbnail)):
        assert not [problem for problem in problems(embed) if "address" not in problem.message]


@settings(deadline=None)
@given(embeds)
def test_legal_embed_is_left_alone(embed: Embed) -> None:
    if not problems(embed):
        assert fit(embed) is embed
    else:
        assert fit(fit(embed)) == fit(embed)


@settings(deadline=None)
@given(embeds)
def test_size_is_the_number_of_trimmed_code_points_that_are_sent(embed: Embed) -> None:
    data: dict[str, Any] = replace(embed, timestamp=None).to_dict()
    sent = [
        data.get("title", ""),
        data.get("description", ""),
        data.get("footer", {}).get("text", ""),
        data.get("author", {}).get("name", ""),
        *(field[key] for field in data.get("fields", []) for key in ("name", "value")),
    ]
    # Two halves of one character that stand apart in the text are sent as one.
    assert sum(map(len, sent)) <= embed_size(embed)
    if not re.search("[\ud800-\udfff]", "".join(map(str, [embed]))):
        assert sum(map(len, sent)) == embed_size(embed)


def test_length_counts_code_points_without_outer_white_space() -> None:
    assert length(" \n👋 Ann\t ") == 5
    assert length("👨‍👩‍👧") == 5
    assert length("   ") == 0


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
    assert Embed(color=0).to_dict() == {"color": 0}


def test_halves_of_characters_are_joined_or_replaced() -> None:
    embed = Embed(title="\ud83d\udc4b Ann", description="lone \ud83d half")
    assert embed.to_dict() == {"title": "👋 Ann", "description": "lone � half"}


def test_naive_time_is_taken_for_utc() -> None:
    sent = Embed(timestamp=datetime(2026, 5, 1, 20, 15)).to_dict()
    assert sent == {"timestamp": "2026-05-01T20:15:00+00:00"}


@settings(deadline=None)
@given(embeds)
def test_json_form_can_be_read_again(embed: Embed) -> None:
    fitted = fit(embed)
    again = Embed.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again.to_dict() == fitted.to_dict()


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
def test_reading_something_else_tells_what_was_expected(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Embed.from_dict(data)


@pytest.mark.parametrize(
    ("embed", "path", "message"),
    [
        (Embed(title="x" * 257), "title", "257 characters, at most 256 are allowed"),
        (Embed(description="x" * 4097), "description", "4097 characters, at most 4096"),
        (Embed(title="t", footer="x" * 2049), "footer.text", "2049 characters, at most 2048"),
        (Embed(author="x" * 257), "author.name", "257 characters, at most 256"),
        (
            Embed(fields=(EmbedField("a", "b"), EmbedField("x" * 257, "b"))),
            "fields.1.name",
            "257 characters, at most 256",
        ),
        (
            Embed(fields=(EmbedField("a", "x" * 1025),)),
            "fields.0.value",
            "1025 characters, at most 1024",
        ),
        (Embed(fields=(EmbedField("a", "b"),) * 26), "fields", "26 fields, at most 25"),
        (Embed(description="x" * 4096, footer="y" * 1905), "", "6001 characters, at most 6000"),
        (Embed(title="t", url="ftp://example.com"), "url", "expected an http or https address"),
        (Embed(title="t", image="http://[broken"), "image.url", "expected an http or https"),
        (Embed(title="t", image="https://example.com/a b"), "image.url", "expected an http or"),
        (
            Embed(title="t", timestamp=datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))),
            "timestamp",
            "cannot be written in UTC",
        ),
        (Embed(title="t", color=0x1000000), "color", "16777216 is not between 0 and 16777215"),
        (Embed(), "", "has neither text nor picture"),
    ],
)
def test_broken_limit_is_told_with_its_place(embed: Embed, path: str, message: str) -> None:
    (problem,) = problems(embed)
    assert problem.path == path
    assert message in problem.message
    assert str(problem) == (f"{path}: {problem.message}" if path else problem.message)


def test_embed_at_every_limit_is_legal() -> None:
    whole = Embed(
        title="t" * 256,
        description="d" * 4096,
        footer="f" * (6000 - 256 - 4096 - 256),
        author="a" * 256,
        url="https://" + "u" * 2040,
        color=0xFFFFFF,
    )
    assert embed_size(whole) == 6000
    assert problems(whole) == []
    assert problems(Embed(fields=(EmbedField("n" * 16, "v" * 224),) * 25)) == []


def test_only_the_longest_texts_are_cut_for_the_sum() -> None:
    embed = Embed(
        title="short",
        description="d" * 4096,
        fields=(*(EmbedField("name", "v" * 1024) for _ in range(10)), EmbedField("last", "tiny")),
    )
    fitted = fit(embed)
    assert fitted.title == "short"
    assert fitted.fields[-1] == EmbedField("last", "tiny")
    assert len(fitted.fields) == 11
    assert all(field.value.endswith("…") for field in fitted.fields[:10])
    assert 5980 < embed_size(fitted) <= 6000


def test_what_discord_would_refuse_is_left_out_and_the_rest_kept() -> None:
    fitted = fit(Embed(title="t", url="javascript:alert(1)", color=-1, image="https://i.example"))
    assert fitted == Embed(title="t", image="https://i.example")


def test_embed_without_anything_to_show_says_so() -> None:
    assert fit(Embed(footer="LANrage")) == Embed(footer="LANrage", description="(no text)")


@settings(deadline=None)
@given(st.text(), st.integers(1, 30))
def test_plain_text_is_cut_to_the_maximum(text: str, maximum: int) -> None:
    cut = shorten(text, maximum)
    assert len(cut) <= maximum
    if len(text.strip()) <= maximum:
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
    assert len(cut) <= maximum
    assert bool(cut) == bool(text.strip())
    if len(text.strip()) <= maximum:
        assert cut == text.strip()
    else:
        assert "…" in cut


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
    cut = fit(Embed(title="t", description=f"**Party ID**: `{hostile}`")).description
    assert len(cut) <= 4096
    assert cut.endswith("…`")
    assert cut.count("`") == 2


def test_endless_unmatched_marks_are_cut_in_linear_time() -> None:
    for mark in ("`", "``a", "[", "<", "**", "[a]("):
        assert len(shorten_markdown(mark * 200_000, 4096)) <= 4096
