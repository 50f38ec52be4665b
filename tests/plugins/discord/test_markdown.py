"""What other plugins that post to Discord use: escaping, shortening and counting."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanrage_events_discord import limits
from lanrage_events_discord._preview import Style, parse_markdown
from lanrage_events_discord.markdown import (
    code,
    embed_length,
    escape,
    fit,
    fit_embed,
    fit_plain,
    length,
    link,
)

# Random texts of what has a meaning for Discord, and of what is long or wide.
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "*",
                "**",
                "_",
                "__",
                "~~",
                "||",
                "`",
                "```",
                "[",
                "](",
                ")",
                "<",
                ">",
                "<@1>",
                "<@&2>",
                "<#3>",
                "<t:1:R>",
                ":",
                ":smile:",
                "@everyone",
                "@here",
                "#",
                "-#",
                "-",
                ">>>",
                "1.",
                "+",
                "\\",
                "https://evil.example",
                "discord.gg/abc",
                "¯\\_(ツ)_/¯",
                "<:a:1>",
                "·",
                "👨\u200d👩\u200d👧",
                "🇩🇪",
                "é",
            ]
        ),
        st.sampled_from([" ", "\n", "a", "12", "word "]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    ),
    max_size=30,
).map("".join)
MAXIMUM = st.integers(1, 60)
PAGE = (Path(__file__).parents[3] / "docs" / "discord.md").read_text("utf-8")
ADDRESS = "https://lan.example/a"
DISCORD_COUNTS = "utf-16-le"


def shown(text: str) -> list[tuple[str, Style]]:
    return [(span.text, span.style) for span in parse_markdown(text)]


@pytest.mark.slow
@given(HOSTILE)
@example("\\")
@example("a\n# b")
def test_an_escaped_value_is_shown_as_it_is(value: str) -> None:
    spans = shown(escape(value))

    assert "".join(text for text, _ in spans) == value
    assert {style for _, style in spans} <= {Style.PLAIN}


@pytest.mark.slow
@given(HOSTILE)
def test_an_escaped_value_does_not_end_the_markdown_around_it(value: str) -> None:
    value = f"x{value}x"
    spans = shown(f"**{escape(value)}** by [us]({ADDRESS})")

    assert "".join(text for text, style in spans if style == Style.BOLD) == value
    assert spans[-2:] == [(" by ", Style.PLAIN), ("us", Style.LINK)]


@given(HOSTILE)
def test_a_link_leads_where_it_says_whatever_its_text_is(value: str) -> None:
    text = link(value, ADDRESS)
    [span] = parse_markdown(text)

    assert (span.style, span.url) == (Style.LINK, ADDRESS)
    assert span.text.strip()


def test_a_link_to_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected an address such as https://example.com"):
        link("click", "javascript:alert(1)")


@given(HOSTILE, MAXIMUM)
def test_shortened_markdown_has_no_more_than_it_may_and_no_markup_that_it_had_not(
    value: str, maximum: int
) -> None:
    fitting = fit(escape(value), maximum)

    assert len(fitting.encode(DISCORD_COUNTS)) // 2 <= maximum
    assert {style for _, style in shown(fitting)} <= {Style.PLAIN}
    text = "".join(text for text, _ in shown(fitting))
    assert text == value.strip() or value.lstrip().startswith(text.removesuffix("…").rstrip())


@given(HOSTILE, st.integers(8, 60))
def test_markdown_of_ones_own_is_closed_when_it_is_shortened(value: str, maximum: int) -> None:
    fitting = fit(f"**{escape('x' + value + 'x')}**", maximum)

    assert {style for _, style in shown(fitting)} == {Style.BOLD}


@given(HOSTILE, MAXIMUM)
def test_shortened_code_stays_code(value: str, maximum: int) -> None:
    fitting = fit(code(f"x{value}x".replace("\n", " ")), maximum)

    assert {style for text, style in shown(fitting) if text != "…"} <= {Style.CODE}


@given(st.text(), MAXIMUM)
def test_shortened_plain_text_is_its_beginning(text: str, maximum: int) -> None:
    fitting = fit_plain(text, maximum)

    assert length(fitting) <= maximum
    assert fitting == text.strip() or text.strip().startswith(fitting.removesuffix("…"))


@pytest.mark.parametrize("shorten", [fit, fit_plain])
def test_nothing_can_be_shortened_to_no_characters(shorten: Any) -> None:
    with pytest.raises(ValueError, match="maximum: expected at least 1 character, not 0"):
        shorten("text", 0)


def test_an_emoji_counts_as_discord_counts_it() -> None:
    assert (length(" Ann "), length("👋"), length("👨‍👩‍👧")) == (3, 2, 8)
    assert fit("👋👋👋", 5) == "👋👋…"


TEXT = st.one_of(HOSTILE, st.integers(0, 7000).map(lambda count: "👋*" * count))
EMBEDS = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXT,
        "description": TEXT,
        "url": st.sampled_from([ADDRESS, "http://lanserver/", "x"]),
        "color": st.integers(-1, 2**25),
        "footer": st.fixed_dictionaries({"text": TEXT}),
        "author": st.fixed_dictionaries({"name": TEXT}),
        "fields": st.lists(st.fixed_dictionaries({"name": TEXT, "value": TEXT}), max_size=30),
        "type": st.just("rich"),
    },
)


@pytest.mark.slow
@given(EMBEDS)
def test_a_fitted_embed_keeps_every_limit(embed: dict[str, Any]) -> None:
    fitted: Any = fit_embed(embed)

    assert embed_length(fitted) == embed_length(embed) <= limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    assert length(fitted.get("title", "")) <= limits.TITLE_MAX_CHARACTERS
    assert length(fitted.get("description", "")) <= limits.DESCRIPTION_MAX_CHARACTERS
    assert len(fitted.get("fields", ())) <= limits.EMBED_MAX_FIELDS
    assert "type" not in fitted
    assert fit_embed(fitted) == fitted
    json.dumps(fitted)


def test_a_wrong_type_in_an_embed_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"^author\.name: expected a text$"):
        fit_embed({"author": {"name": 7}})


def test_the_example_of_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    [(code, output)] = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})

    assert capsys.readouterr().out == output


@pytest.mark.slow
def test_none_of_it_loads_the_plugin() -> None:
    code = "import sys, lanrage_events_discord.markdown, lanrage_events_discord.limits\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    loaded = set(result.stdout.split())

    assert "lanrage_events_discord.markdown" in loaded
    assert loaded.isdisjoint({"httpx", "pydantic", "sqlite3", "lanrage_events._bus"})
    assert not [
        name for name in loaded if re.match(r"lanrage_events_discord\._(?!embeds|lazy)", name)
    ]
