from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord.testing._form import Form
from lanrage_events_discord.testing._messages.checks import Checked, check_identity, check_message
from lanrage_events_discord.testing._reply import flatten


def check(body: dict[str, Any]) -> tuple[Checked, list[str]]:
    form = Form()
    checked = check_message(form, body, with_components=False)
    check_identity(form, body, checked)
    return checked, list(flatten(form.errors))


def problems(body: dict[str, Any]) -> list[str]:
    return check(body)[1]


def fields(count: int, name: str = "n", value: str = "v") -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for _ in range(count)]


ID = "140000000000000000"

LEGAL: list[dict[str, Any]] = [
    {},
    {"content": "x" * 2000},
    {"content": " \n" + "x" * 2000 + "\t "},
    {"content": "🎮" * 1000},
    {"content": "é" * 2000},
    {"content": None, "embeds": None, "allowed_mentions": None, "username": None, "flags": None},
    {"embeds": [{"title": "x" * 256}] * 10},
    {"embeds": [{"description": "x" * 4096}]},
    {"embeds": [{"fields": fields(25)}]},
    {"embeds": [{"fields": fields(1, "x" * 256, "x" * 1024)}]},
    {"embeds": [{"footer": {"text": "x" * 2048}}]},
    {"embeds": [{"author": {"name": "x" * 256}}]},
    {"embeds": [{"description": "x" * 3000}] * 2},
    {"embeds": [{"title": "x", "color": 0xFFFFFF, "timestamp": "2026-01-02T03:04:05+00:00"}]},
    {"embeds": [{"title": "x", "color": 0, "timestamp": "2026-01-02T03:04:05.678Z"}]},
    {"embeds": [{"title": "x", "url": "https://example.com/"}]},
    {"embeds": [{"image": {"url": "https://example.com/x.png"}}]},
    {"embeds": [{"thumbnail": {"url": "attachment://x.png"}}]},
    {"embeds": [{"title": "x", "fields": None, "footer": None, "author": None, "image": None}]},
    {"username": "x" * 80},
    {"username": "x"},
    {"username": "Here we go, everyone"},
    {"avatar_url": "https://example.com/x.png"},
    {"tts": True},
    {"flags": 1 << 12},
    {"thread_name": "x" * 100, "applied_tags": [ID]},
    {"allowed_mentions": {"parse": []}},
    {"allowed_mentions": {"parse": ["users", "roles", "everyone"], "replied_user": False}},
    {"allowed_mentions": {"parse": ["users"], "users": [], "roles": [ID]}},
    {"allowed_mentions": {"parse": [], "users": [str(number) for number in range(100)]}},
    {"allow_mentions": 1, "wait": "true", "nonsense": [1, 2]},
]

MAX = "Must be {} or fewer in length."
SCHEME = "Scheme \"{}\" is not supported. Scheme must be one of ('http', 'https')."
REQUIRED = "This field is required"
FAULTY: list[tuple[dict[str, Any], str]] = [
    ({"content": "x" * 2001}, f"content: {MAX.format(2000)}"),
    ({"content": "🎮" * 1001}, f"content: {MAX.format(2000)}"),
    ({"username": "🎮" * 41}, "username: Must be between 1 and 80 in length."),
    ({"thread_name": "🎮" * 51}, f"thread_name: {MAX.format(100)}"),
    (
        {"embeds": [{"description": "🎮" * 1501}] * 2},
        "embeds: Embed size exceeds maximum size of 6000",
    ),
    ({"content": ["x"]}, "content: Could not interpret \"['x']\" as string."),
    ({"embeds": [{"title": "x"}] * 11}, f"embeds: {MAX.format(10)}"),
    ({"embeds": {"title": "x"}}, "embeds: Only iterables may be used in a ListType"),
    ({"embeds": ["x"]}, "embeds.0: Only dictionaries may be used in a DictType"),
    ({"embeds": [None]}, f"embeds.0: {REQUIRED}"),
    ({"embeds": [{"title": "x" * 257}]}, f"embeds.0.title: {MAX.format(256)}"),
    ({"embeds": [{"description": "x" * 4097}]}, f"embeds.0.description: {MAX.format(4096)}"),
    ({"embeds": [{"fields": fields(26)}]}, f"embeds.0.fields: {MAX.format(25)}"),
    (
        {"embeds": [{"fields": fields(1, "x" * 257)}]},
        f"embeds.0.fields.0.name: {MAX.format(256)}",
    ),
    (
        {"embeds": [{"title": "x"}, {"fields": fields(1, "n", "x" * 1025)}]},
        f"embeds.1.fields.0.value: {MAX.format(1024)}",
    ),
    ({"embeds": [{"fields": fields(1, " ")}]}, f"embeds.0.fields.0.name: {REQUIRED}"),
    ({"embeds": [{"fields": fields(1, "n", "")}]}, f"embeds.0.fields.0.value: {REQUIRED}"),
    ({"embeds": [{"fields": [{"name": "n"}]}]}, f"embeds.0.fields.0.value: {REQUIRED}"),
    ({"embeds": [{"fields": [None]}]}, f"embeds.0.fields.0: {REQUIRED}"),
    (
        {"embeds": [{"fields": [{"name": "n", "value": "v", "inline": "yes"}]}]},
        "embeds.0.fields.0.inline: Must be either true or false.",
    ),
    ({"embeds": [{"footer": {"text": "x" * 2049}}]}, f"embeds.0.footer.text: {MAX.format(2048)}"),
    (
        {"embeds": [{"footer": {"icon_url": "https://a.example/"}}]},
        f"embeds.0.footer.text: {REQUIRED}",
    ),
    ({"embeds": [{"author": {"name": "x" * 257}}]}, f"embeds.0.author.name: {MAX.format(256)}"),
    ({"embeds": [{"author": {"url": "https://a.example/"}}]}, f"embeds.0.author.name: {REQUIRED}"),
    (
        {"embeds": [{"description": "x" * 3000}, {"description": "x" * 3001}]},
        "embeds: Embed size exceeds maximum size of 6000",
    ),
    (
        {"embeds": [{"title": "x", "color": 0x1000000}]},
        "embeds.0.color: int value should be less than or equal to 16777215.",
    ),
    (
        {"embeds": [{"title": "x", "color": -1}]},
        "embeds.0.color: int value should be greater than or equal to 0.",
    ),
    ({"embeds": [{"title": "x", "color": "#fff"}]}, 'embeds.0.color: Value "#fff" is not int.'),
    ({"embeds": [{"title": "x", "color": True}]}, 'embeds.0.color: Value "True" is not int.'),
    (
        {"embeds": [{"title": "x", "timestamp": "yesterday"}]},
        "embeds.0.timestamp: Could not parse yesterday. Should be ISO8601.",
    ),
    (
        {"embeds": [{"title": "x", "url": "ftp://example.com"}]},
        "embeds.0.url: Scheme \"ftp\" is not supported. Scheme must be one of ('http', 'https').",
    ),
    ({"embeds": [{"title": "x", "url": "https://"}]}, "embeds.0.url: Not a well formed URL."),
    ({"embeds": [{"title": "x", "url": "http://["}]}, "embeds.0.url: Not a well formed URL."),
    (
        {"embeds": [{"title": "x", "url": "https://a.example/c d"}]},
        "embeds.0.url: Not a well formed URL.",
    ),
    ({"embeds": [{"image": {"width": 1}}]}, f"embeds.0.image.url: {REQUIRED}"),
    (
        {"embeds": [{"title": "x", "url": "attachment://x.png"}]},
        "embeds.0.url: " + SCHEME.format("attachment"),
    ),
    ({"username": "x" * 81}, "username: Must be between 1 and 80 in length."),
    ({"username": " "}, "username: Must be between 1 and 80 in length."),
    ({"username": "my DisCord bot"}, 'username: Username cannot contain "discord"'),
    ({"username": "CLYDE"}, 'username: Username cannot contain "clyde"'),
    ({"username": "Everyone"}, 'username: Username cannot be "everyone"'),
    (
        {"avatar_url": "x.png"},
        "avatar_url: " + SCHEME.format(""),
    ),
    ({"tts": "yes"}, "tts: Must be either true or false."),
    ({"flags": "four"}, 'flags: Value "four" is not int.'),
    ({"flags": 4.5}, 'flags: Value "4.5" is not int.'),
    ({"flags": True}, 'flags: Value "True" is not int.'),
    (
        {"embeds": [{"title": "x", "color": "#FF0000"}]},
        'embeds.0.color: Value "#FF0000" is not int.',
    ),
    (
        {"attachments": [{"id": 0, "description": "x" * 1025}]},
        f"attachments.0.description: {MAX.format(1024)}",
    ),
    ({"thread_name": "x" * 101}, f"thread_name: {MAX.format(100)}"),
    ({"applied_tags": [ID, "x"]}, 'applied_tags.1: Value "x" is not snowflake.'),
    ({"applied_tags": [ID, ID]}, "applied_tags.1: The set already contains this value"),
    ({"applied_tags": [str(number) for number in range(6)]}, f"applied_tags: {MAX.format(5)}"),
    (
        {"allowed_mentions": {"parse": ["users"], "users": [ID]}},
        'allowed_mentions: parse:["users"] and users: [ids...] are mutually exclusive.',
    ),
    (
        {"allowed_mentions": {"parse": ["roles"], "roles": [ID]}},
        'allowed_mentions: parse:["roles"] and roles: [ids...] are mutually exclusive.',
    ),
    (
        {"allowed_mentions": {"parse": ["user"]}},
        "allowed_mentions.parse.0: Value must be one of ('roles', 'users', 'everyone').",
    ),
    (
        {"allowed_mentions": {"users": [str(number) for number in range(101)]}},
        f"allowed_mentions.users: {MAX.format(100)}",
    ),
    (
        {"allowed_mentions": {"roles": ["@here"]}},
        'allowed_mentions.roles.0: Value "@here" is not snowflake.',
    ),
    (
        {"allowed_mentions": {"replied_user": "no"}},
        "allowed_mentions.replied_user: Must be either true or false.",
    ),
    (
        {"allowed_mentions": []},
        "allowed_mentions: Only dictionaries may be used in a DictType",
    ),
    ({"attachments": [{}] * 11}, f"attachments: {MAX.format(10)}"),
]


@pytest.mark.parametrize("body", LEGAL)
def test_a_body_within_the_limits_is_legal(body: dict[str, Any]) -> None:
    assert problems(body) == []


@pytest.mark.parametrize(("body", "problem"), FAULTY)
def test_a_body_beyond_a_limit_has_one_problem(body: dict[str, Any], problem: str) -> None:
    assert problems(body) == [problem]


def test_every_problem_of_a_body_is_reported() -> None:
    body = {
        "content": "x" * 2001,
        "embeds": [{"title": "x" * 257, "fields": fields(1, "", "")}],
        "username": "discord",
    }
    assert problems(body) == [
        f"content: {MAX.format(2000)}",
        f"embeds.0.title: {MAX.format(256)}",
        f"embeds.0.fields.0.name: {REQUIRED}",
        f"embeds.0.fields.0.value: {REQUIRED}",
        'username: Username cannot contain "discord"',
    ]


def test_every_counted_part_counts_towards_the_total() -> None:
    part = "x" * 1000
    embed = {
        "title": "x" * 250,
        "description": part,
        "fields": [{"name": "x" * 250, "value": part}] * 2,
        "footer": {"text": part},
        "author": {"name": "x" * 250},
    }
    # 250 + 1000 + 2 * 1250 + 1000 + 250 = 5000
    exact = {"embeds": [embed, {"description": part}]}
    assert problems(exact) == []
    assert problems({"embeds": [embed, {"description": part + "x"}]}) == [
        "embeds: Embed size exceeds maximum size of 6000"
    ]
    # The address of an embed is not text.
    addressed = {**embed, "url": "https://example.com/" + "x" * 500}
    assert problems({"embeds": [addressed, {"description": part}]}) == []


@pytest.mark.slow
@given(st.text(max_size=600), st.integers(1, 300))
def test_lengths_are_counted_in_both_ways_without_white_space_at_the_ends(
    text: str, limit: int
) -> None:
    form = Form()
    assert form.text(("title",), text, limit) == text.strip()
    units = len(text.strip().encode("utf-16-le")) // 2
    assert bool(form.errors) == (len(text.strip()) > limit or units > limit)


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["content", "embeds", "title", "fields", "name", "url", "parse", "users"]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    ),
    st.sampled_from(["content", "embeds", "allowed_mentions", "username", "flags", "poll"]),
)
def test_no_body_confuses_the_checks(value: Any, key: str) -> None:
    assert all(isinstance(problem, str) for problem in problems({key: value}))


def test_an_embed_without_anything_to_see_is_left_out() -> None:
    embeds = [{"title": " "}, {"color": 1, "timestamp": "2026-01-01T00:00:00Z"}, {"title": "x"}]
    checked, found = check({"embeds": embeds})
    assert found == []
    assert checked.embeds == [{"title": "x"}]


@pytest.mark.parametrize("value", ["yes", "TRUE", ""])
def test_a_query_boolean_has_few_spellings(value: str) -> None:
    form = Form()
    assert form.switch(("wait",), value) is False
    assert list(flatten(form.errors)) == ["wait: Must be either true or false."]
