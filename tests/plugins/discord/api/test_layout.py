"""Embeds as pieces of text for a page, compared with what Discord shows."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord._api import EmbedLayout, lay_out
from lanrage_events_discord._embeds import Embed, EmbedField, Message
from lanrage_events_discord._preview import measure, parse_markdown

STYLES = {
    *("bold", "italic", "underline", "strike", "code", "spoiler", "link", "mention"),
    *("small", "heading", "quote"),
}


def spans(markdown: str) -> list[tuple[str, list[str], str | None]]:
    layout = lay_out(Embed(description=markdown))
    return [(span.text, list(span.styles), span.url) for span in layout.description]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("plain", [("plain", [], None)]),
        ("**a** b", [("a", ["bold"], None), (" b", [], None)]),
        ("***a***", [("a", ["bold", "italic"], None)]),
        ("# Big", [("Big", ["heading"], None)]),
        ("-# small", [("small", ["small"], None)]),
        ("`<b>`", [("<b>", ["code"], None)]),
        ("a\\*b", [("a*b", [], None)]),
        (
            "[join **now**](https://discord.gg/abc)",
            [
                ("join ", ["link"], "https://discord.gg/abc"),
                ("now", ["bold", "link"], "https://discord.gg/abc"),
            ],
        ),
        (
            "see https://example.org/x.",
            [
                ("see ", [], None),
                ("https://example.org/x", ["link"], "https://example.org/x"),
                (".", [], None),
            ],
        ),
        ("[x](javascript:alert)", [("[x](javascript:alert)", [], None)]),
        ("<@123>", [("<@123>", ["mention"], None)]),
    ],
)
def test_markdown_becomes_pieces_with_styles(
    markdown: str, expected: list[tuple[str, list[str], str | None]]
) -> None:
    assert spans(markdown) == expected


def test_every_part_of_an_embed_is_laid_out() -> None:
    time = datetime(2026, 3, 6, 20, tzinfo=UTC)
    layout = lay_out(
        Embed(
            title="**T**",
            description="d",
            url="https://example.org",
            color=0x00FF0A,
            timestamp=time,
            footer="*not markdown*",
            footer_icon="https://example.org/f.png",
            author="Ann",
            author_url="https://example.org/ann",
            author_icon="https://example.org/a.png",
            thumbnail="https://example.org/t.png",
            image="https://example.org/i.png",
            fields=(EmbedField("n", "v", inline=True),),
        )
    )
    assert layout.color == "#00ff0a"
    assert layout.title[0].styles == ("bold",)
    assert layout.url == "https://example.org"
    assert layout.timestamp == time
    assert layout.footer is not None
    assert (layout.footer.text, layout.footer.icon_url) == (
        "*not markdown*",
        "https://example.org/f.png",
    )
    assert layout.author is not None
    assert layout.author.model_dump() == {
        "name": "Ann",
        "url": "https://example.org/ann",
        "icon_url": "https://example.org/a.png",
    }
    assert (layout.thumbnail, layout.image) == (
        "https://example.org/t.png",
        "https://example.org/i.png",
    )
    (field,) = layout.fields
    assert (field.name[0].text, field.value[0].text, field.inline) == ("n", "v", True)


def test_what_an_embed_lacks_is_null() -> None:
    assert lay_out(Embed(title="t")).model_dump(exclude={"title"}) == {
        "color": None,
        "author": None,
        "url": None,
        "description": (),
        "fields": (),
        "footer": None,
        "timestamp": None,
        "image": None,
        "thumbnail": None,
    }


MARKDOWN = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.lists(
        st.sampled_from(
            [
                *("**", "*", "__", "_", "~~", "||", "`", "```", "\n", "# ", "-# ", "> ", "- "),
                *("[a](https://b.c)", "[", "](", ")", "https://d.e/f", "<t:0:R>", "<@1>", "\\"),
                *("Ann", " ", "é", "👋"),
            ]
        ),
        max_size=40,
    ).map("".join),
)


@given(MARKDOWN)
def test_no_text_is_lost_and_neighbours_differ(markdown: str) -> None:
    found = lay_out(Embed(title="t", description=markdown)).description
    assert "".join(span.text for span in found) == "".join(
        span.text for span in parse_markdown(markdown)
    )
    assert all(a.styles != b.styles or a.url != b.url for a, b in itertools.pairwise(found))
    for span in found:
        assert set(span.styles) <= STYLES
        assert span.text
        assert (span.url is not None) == ("link" in span.styles)
        assert span.url is None or span.url.startswith(("http://", "https://"))


@given(MARKDOWN, MARKDOWN)
def test_layout_is_json_and_comes_back(title: str, value: str) -> None:
    layout = lay_out(Embed(title=title, fields=(EmbedField("n", value),)))
    assert EmbedLayout.model_validate_json(layout.model_dump_json()) == layout


def test_meters_measure_the_fullest_of_each_kind() -> None:
    embeds = [
        Embed(title="abc", fields=(EmbedField("name", "value!"),)),
        Embed(title="a", description="de", footer="f", author="someone"),
    ]
    assert [
        (meter.label, meter.used, meter.limit)
        for meter in measure(Message(entries=0, embeds=tuple(embeds)))
    ] == [
        ("title", 3, 256),
        ("description", 2, 4096),
        ("author", 7, 256),
        ("field name", 4, 256),
        ("field value", 6, 1024),
        ("footer", 1, 2048),
        ("fields", 1, 25),
        ("message", 3 + 10 + 1 + 2 + 1 + 7, 6000),
    ]
