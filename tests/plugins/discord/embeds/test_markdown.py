from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lanrage_events_discord import limits
from lanrage_events_discord._embeds import (
    code,
    code_text,
    link_text,
    markdown,
    parse_url,
    place_in_markdown,
    place_in_url,
    plain,
    url,
    url_part,
)
from lanrage_events_discord._preview import Style, parse_markdown

# Pieces that mean something to Discord, so that random texts are made of what is dangerous.
PIECES = st.one_of(
    st.sampled_from(
        [
            "*",
            "**",
            "_",
            "__",
            "~",
            "~~",
            "|",
            "||",
            "`",
            "```",
            "[",
            "]",
            "](",
            "(",
            ")",
            "<",
            ">",
            "<@",
            "<@!",
            "<@&",
            "<#",
            "<t:",
            ":",
            ":smile:",
            "@",
            "@everyone",
            "@here",
            "#",
            "##",
            "###",
            "-",
            "-#",
            ">",
            ">>>",
            "1.",
            "12.",
            "+",
            "\\",
            "\\\\",
            "http",
            "://",
            "https://evil.example",
            "steam://",
            "discord.gg/abc",
            "/",
            "!",
            "¯\\_(ツ)_/¯",
            "<:a:1>",
            "</x:1>",
            "<id:guide>",
            "·",
        ]
    ),
    st.sampled_from([" ", "  ", "\n", "\n\n", "1", "a", "12", "é"]),
    st.text(max_size=3),
)
HOSTILE = st.lists(PIECES, max_size=20).map("".join)


def unescape(text: str) -> str:
    """Do what Discord does with a backslash before punctuation."""
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text)


def active_markup(text: str) -> list[str]:
    """Walk over a text as Discord's parser does, and list all that could be markup in it.

    It is stricter than Discord, which wants closing markers too: another value, or the template
    itself, might bring them.
    """
    found: list[str] = []
    position = 0
    line_started = False
    while position < len(text):
        rest = text[position:]
        if rest[0] == "\\" and re.match(r"\\[^0-9A-Za-z\s]", rest):
            position += 2
            line_started = True
            continue

        if not line_started:
            block = re.match(r"(#{1,3}|-#|>|>>>|[-*+]|[0-9]+\.)(\s|$)", rest)
            if block:
                found.append(block.group(1))

        inline = re.match(
            r"\*|_|~~|\|\||`|<[@#:/ait]|\[|:\w+:|@everyone|@here|(?:https?|steam)://"
            r"|discord(?:app)?\.(?:gg|com)/",
            rest,
            re.IGNORECASE,
        )
        if inline:
            found.append(inline.group())

        line_started = rest[0] == "\n" or (line_started or not rest[0].isspace())
        if rest[0] == "\n":
            line_started = False

        position += 1

    return found


@given(HOSTILE)
@example("¯\\_(ツ)_/¯")
@example("\\")
@example("#")
@example("   - x")
@example("a\n# b")
@example("\\*")
@example("https://discord.gg/abc")
def test_an_escaped_text_has_no_markup_and_reads_as_it_was(text: str) -> None:
    escaped = markdown(text)

    assert active_markup(escaped) == []
    assert unescape(escaped) == text


@given(HOSTILE, HOSTILE)
def test_two_escaped_texts_side_by_side_make_no_markup(first: str, second: str) -> None:
    assert active_markup(markdown(first) + markdown(second)) == []


@given(HOSTILE, st.sampled_from(["**{}**", "- {}", "> {}", "{} joined", "x {}", "||{}||", "# {}"]))
def test_an_escaped_text_leaves_the_template_around_it_as_it_is(text: str, around: str) -> None:
    assume(text)

    assert active_markup(around.format(markdown(text))) == active_markup(around.format("Ann"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann", "Ann"),
        ("Half-Life 2: Deathmatch", "Half-Life 2: Deathmatch"),
        ("a - b # c > d", "a - b # c > d"),
        ("名前 👋", "名前 👋"),
        ("**bold**", r"\*\*bold\*\*"),
        ("snake_case", r"snake\_case"),
        ("~~gone~~", r"\~\~gone\~\~"),
        ("||spoiler||", r"\|\|spoiler\|\|"),
        ("`code`", r"\`code\`"),
        ("[free](https://evil.example)", r"\[free](https\://evil.example)"),
        ("[CLAN] Ann", r"\[CLAN] Ann"),
        ("@everyone", r"\@everyone"),
        ("@here", r"\@here"),
        ("<@123456>", r"\<\@123456>"),
        ("<#123456>", r"\<#123456>"),
        ("<t:0:R>", r"\<t\:0\:R>"),
        (":smile:", r"\:smile\:"),
        ("https://evil.example/x", r"https\://evil.example/x"),
        ("steam://run/1", r"steam\://run/1"),
        ("discord.gg/abc", r"discord.gg\/abc"),
        ("DISCORD.com/invite", r"DISCORD.com\/invite"),
        ("diſcord.gg/abc", r"diſcord.gg\/abc"),
        ("Discord.com/invite/abc", r"Discord.com\/invite/abc"),
        ("# heading", r"\# heading"),
        ("-# small", r"\-# small"),
        ("- item", r"\- item"),
        ("> quote", r"\> quote"),
        ("1. one", r"1\. one"),
        ("2nd", "2nd"),
        ("a\n- b\n  2. c", "a\n\\- b\n  2\\. c"),
        ("\\", r"\\"),
        ("", ""),
    ],
)
def test_escaping_examples(text: str, expected: str) -> None:
    assert markdown(text) == expected


def test_escaping_a_long_hostile_text_takes_no_time() -> None:
    # Patterns that look back and forth would take minutes here, and the test's own limit ends it.
    for text in (" " * 20_000 + "#", "1" * 20_000, "\n" * 20_000, "- " * 10_000, "[" * 20_000):
        markdown(text)


@pytest.mark.parametrize(
    ("text", "between_backticks", "as_code"),
    [
        ("id_1", "id_1", "`id_1`"),
        ("*x*\\", "*x*\\", "`*x*\\`"),
        ("a`b", "aˋb", "``a`b``"),
        ("`a`", "ˋaˋ", "`` `a` ``"),
        ("`", "ˋ", "`` ` ``"),
        (" `", " ˋ", "``  ` ``"),
        ("a`b``c", "aˋbˋˋc", "``a`bˋˋc``"),
        ("```", "ˋˋˋ", "`ˋˋˋ`"),
        ("", "", ""),
    ],
)
def test_code_keeps_a_backtick_as_well_as_it_can(
    text: str, between_backticks: str, as_code: str
) -> None:
    assert code_text(text) == between_backticks
    assert code(text) == as_code


@given(HOSTILE)
@example("` ")
@example("`a")
@example("``\n")
def test_code_is_one_span_that_shows_the_text(text: str) -> None:
    assume(text.strip())

    [span] = parse_markdown(code(text))

    assert span.style is Style.CODE
    # Two backticks end a span, but no block.
    ending = "```+" if "\n" in text else "``+"
    assert span.text.strip("\n") == re.sub(ending, lambda m: "ˋ" * len(m[0]), text).strip("\n")


@given(HOSTILE)
def test_the_text_of_a_link_cannot_end_the_link(text: str) -> None:
    assert not set(link_text(text)) & set("[]\\*_~|`<>:@")
    assert len(link_text(text)) == len(text)


@given(HOSTILE)
def test_a_part_of_an_address_cannot_become_more_than_that(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]*", url_part(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://discord.gg/abc123", "https://discord.gg/abc123"),
        (" https://example.com/a b".replace(" b", ""), "https://example.com/a"),
        ("http://example.com/?a=1&b=2#c", "http://example.com/?a=1&b=2#c"),
        ("https://example.com/a_(b)", "https://example.com/a_%28b%29"),
        ('https://example.com/">*|`\\[x]', "https://example.com/%22%3E%2A%7C%60%5C%5Bx%5D"),
        ("https://example.com/ü", "https://example.com/ü"),
    ],
)
def test_addresses_are_safe_in_a_masked_link(text: str, expected: str) -> None:
    assert url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "javascript:alert(1)",
        "ftp://example.com",
        "//example.com",
        "https://",
        "https:///x",
        "example.com",
        "https://exa mple.com",
        "https://[::1",
        "x" * 100,
        "https://example.com/" + "a" * limits.URL_MAX_CHARACTERS,
    ],
)
def test_what_is_not_an_address_is_rejected(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^expected an address such as https://example.com, not '"
    ) as caught:
        url(text)

    assert len(str(caught.value)) < 130
    with pytest.raises(ValueError, match="expected an address"):
        parse_url(text)


@pytest.mark.slow
@given(st.text(st.characters().filter(lambda c: c.isprintable() and not c.isspace())))
def test_a_written_address_never_breaks_its_link(path: str) -> None:
    assert not re.search(r"[\s()<>\\\[\]]", url(f"https://example.com/{path}"))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Welcome to **", "**!", None),
        ("ID: `", "`", "code_text"),
        ("`a` and ", "", None),
        ("```\n", "\n```", "code_text"),
        ("not code \\` ", " \\`", None),
        ("[Join](", ")", "url"),
        ("[Join](<", ">)", "url"),
        ("[Join](https://example.com/", ")", "urlencode"),
        ("see https://example.com/?q=", " now", "urlencode"),
        ("see https://example.com now ", "", None),
        ("[", "](https://example.com)", "link_text"),
        ("[\ufffc of ", " here](\ufffc)", "link_text"),
        ("[", "] joined", None),
        ("[CLAN] ", " joined", None),
        ("", "", None),
    ],
)
def test_values_are_written_by_where_they_stand(
    before: str, after: str, expected: str | None
) -> None:
    assert place_in_markdown(before, after) == expected


def test_in_an_address_only_the_first_value_may_be_one() -> None:
    assert place_in_url("", "/x") is None
    assert place_in_url("https://example.com/", "") == "urlencode"
    assert place_in_url("\ufffc/", "") == "urlencode"


@given(st.text())
def test_plain_text_and_trusted_markdown_stay_as_they_are(text: str) -> None:
    assert plain(text) == text
