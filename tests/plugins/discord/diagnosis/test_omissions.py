"""Parts of messages that Discord rejects: the message goes again without them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanrage_events_discord._client import DiscordError, Outcome, OutcomeKind
from lanrage_events_discord._diagnosis import Omissions
from lanrage_events_discord._embeds import Button, Embed, EmbedField, Message

Running: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]

OLD, NEW = "https://old.example/a.png", "https://new.example/b.png"


def whole() -> Embed:
    return Embed(
        title="t",
        description="d",
        url="https://example.com/u",
        color=1,
        footer="f",
        footer_icon="https://example.com/fi.png",
        author="a",
        author_url="https://example.com/au",
        author_icon="https://example.com/ai.png",
        thumbnail="https://example.com/t.png",
        image="https://example.com/i.png",
        fields=(EmbedField("n", "v"), EmbedField("m", "w")),
    )


def rejection(*paths: str) -> Outcome:
    errors = tuple(DiscordError(path, "CODE", "Not good.") for path in paths)
    return Outcome(OutcomeKind.DEAD, "no", status=400, errors=errors)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("url", "url"),
        ("color", "color"),
        ("footer", "footer"),
        ("footer.text", "footer"),
        ("footer.icon_url", "footer.icon_url"),
        ("author.name", "author"),
        ("author.url", "author.url"),
        ("author.icon_url", "author.icon_url"),
        ("thumbnail", "thumbnail"),
        ("thumbnail.url", "thumbnail"),
        ("image.url", "image"),
        ("fields.1.value", "fields.1"),
        ("fields.0", "fields.0"),
    ],
)
def test_exactly_the_named_part_is_left_out_of_that_embed(path: str, key: str) -> None:
    omissions = Omissions()
    message = Message(entries=2, embeds=(Embed(title="other"), whole()))
    assert [part.name for part in omissions.find(message, rejection(f"embeds.1.{path}"))] == [path]
    expected: Any = whole().to_dict()
    outer, _, inner = key.partition(".")
    if inner.isdigit():
        del expected[outer][int(inner)]
    elif inner:
        del expected[outer][inner]
    else:
        del expected[outer]

    first, second = omissions.apply(message).embeds
    assert first == message.embeds[0]
    assert second.to_dict() == expected
    # What Discord still rejects then is rejected for good.
    assert outer == "fields" or not omissions.find(
        omissions.apply(message), rejection(f"embeds.1.{path}")
    )


@pytest.mark.parametrize(
    "path",
    ["title", "description", "", "fields", "fields.7", "provider", "embeds", "fields.x", "9.url"],
)
def test_what_says_what_happened_or_is_unknown_is_kept(path: str) -> None:
    message = Message(entries=1, embeds=(Embed(title="t", description="d"),))
    assert not Omissions().find(message, rejection(f"embeds.0.{path}".rstrip(".")))
    assert not Omissions().find(message, rejection("thread_name", "embeds.3.url", "content", "x"))


@pytest.mark.parametrize(
    ("embed", "path"),
    [
        (Embed(image=OLD), "image.url"),
        (Embed(thumbnail=OLD, footer="f"), "thumbnail.url"),
        (Embed(author="a", footer="f"), "author.name"),
        (Embed(fields=(EmbedField("n", "v"),)), "fields.0.value"),
        (Embed(image=OLD), ""),
    ],
)
def test_an_embed_does_not_become_empty(embed: Embed, path: str) -> None:
    omissions = Omissions()
    message = Message(entries=1, embeds=(embed,))
    assert not omissions.find(message, rejection(f"embeds.0.{path}".rstrip(".")))
    assert omissions.apply(message) is message


def test_parts_of_the_message_itself_are_left_out() -> None:
    omissions = Omissions()
    mentions = {"parse": [], "roles": ["1"]}
    message = Message(1, (Embed(title="t"),), "<@&1>", mentions, 4096, "bot", NEW)
    paths = ("username", "avatar_url", "flags", "allowed_mentions.roles.0")
    assert len(omissions.find(message, rejection(*paths))) == 4
    assert omissions.apply(message) == Message(1, (Embed(title="t"),))


def test_the_addresses_of_an_embed_that_discord_names_as_a_whole_are_tried() -> None:
    omissions = Omissions()
    message = Message(entries=1, embeds=(Embed(title="t", url=OLD, thumbnail=NEW),))
    [omission] = omissions.find(message, rejection("embeds.0"))
    assert str(omission) == f"addresses '{OLD}, {NEW}' (Not good.)"
    sent = omissions.apply(message)
    assert sent.embeds == (Embed(title="t"),)
    omissions.delivered()
    assert omissions.count == 2
    assert omissions.apply(message).embeds == (Embed(title="t"),)
    # Other embeds may have one of them.
    other = Message(entries=1, embeds=(Embed(title="t", thumbnail=NEW),))
    assert omissions.apply(other) is other


def test_addresses_that_were_not_the_reason_are_shown_again() -> None:
    omissions = Omissions()
    message = Message(entries=1, embeds=(Embed(title="t", thumbnail=NEW),))
    assert omissions.find(message, rejection("embeds.0"))
    assert not omissions.find(omissions.apply(message), rejection("embeds.0"))
    assert omissions.apply(message) is message


_PATHS = st.sampled_from(
    ["url", "thumbnail.url", "image", "footer", "author.url", "fields.0", "", "title", "color"]
)


@pytest.mark.slow
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), _PATHS), min_size=1, max_size=4)))
@example([[(0, "url"), (0, ""), (1, "")]])
def test_no_answers_of_discord_make_it_go_on_for_ever(
    answers: list[list[tuple[int, str]]],
) -> None:
    omissions = Omissions()
    embeds = (whole(), Embed(title="t", thumbnail=NEW), Embed(image=OLD, url=NEW))
    message = Message(entries=3, embeds=embeds)
    endless = [(index, path) for index in range(3) for path in _PATHS.elements]  # type: ignore[attr-defined]
    for named in [*answers, endless]:
        outcome = rejection(*(f"embeds.{i}.{path}".rstrip(".") for i, path in named))
        attempts = 1
        while omissions.find(omissions.apply(message), outcome):
            attempts += 1
            # Each leaves out a part, of which an embed has at most 20.
            assert attempts <= len(embeds) * 20

        for embed in omissions.apply(message).embeds:
            assert embed.to_dict().keys() & {"title", "description", "fields", "image", "author"}


BUTTONS = tuple(Button(f"{n}", f"https://example.org/{n}") for n in range(12))


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("components.1.components.2.url", {7}),
        ("components.0.components.0", {0}),
        ("components.2", {10, 11}),
        ("components.2.components", {10, 11}),
        ("components", set(range(12))),
    ],
)
def test_button_that_discord_names_is_left_out_from_then_on(path: str, missing: set[int]) -> None:
    omissions = Omissions()
    message = Message(entries=1, embeds=(whole(),), buttons=BUTTONS)
    found = omissions.find(message, rejection(path))
    assert [str(one) for one in found] == [
        f"{path} '{n}: https://example.org/{n}' (Not good.)" for n in sorted(missing)
    ]
    left = tuple(one for n, one in enumerate(BUTTONS) if n not in missing)
    assert omissions.apply(message).buttons == left
    omissions.delivered()
    assert omissions.count == len(missing)
    assert omissions.find(omissions.apply(message), rejection("components.4.components.4")) == []


def test_text_and_name_that_discord_names_are_left_out() -> None:
    omissions = Omissions()
    message = Message(
        entries=1, embeds=(whole(),), content="hi", username="Bot", avatar_url=OLD, buttons=BUTTONS
    )
    paths = ("content", "username", "avatar_url", "components.0.components.0.label")
    assert len(omissions.find(message, rejection(*paths))) == 4
    left = omissions.apply(message)
    assert (left.content, left.username, left.avatar_url) == ("", "", "")
    assert left.buttons == BUTTONS[1:]
    assert left.embeds == message.embeds
