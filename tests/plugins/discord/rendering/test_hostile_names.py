"""Whatever players call themselves, Discord shows it as they wrote it and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events_discord._preview import Style, parse_markdown
from lanrage_events_discord._rendering import Entry, Renderer, compose

BrokenLimits = Callable[[list[Any]], list[str]]

INVITE = "https://discord.gg/abc123"
RENDERER = Renderer([files("lanrage_events_templates")], invite_url=lambda: INVITE)

HOSTILE_NAMES = [
    "**bold**",
    "__u__ ~~s~~ ||spoiler||",
    "[Free Nitro](https://evil.example)",
    "](https://evil.example)",
    "x)](https://evil.example",
    "@everyone",
    "@here",
    "<@123456789012345678>",
    "<@&123456789012345678>",
    "<#123456789012345678>",
    "<t:0:R>",
    "<:kappa:123456789012345678>",
    ":skull:",
    "https://evil.example/login",
    "<https://evil.example>",
    "discord.gg/evil",
    "`code`",
    "```\nblock\n```",
    "# heading",
    "-# small",
    "- item",
    "* item",
    "> quote",
    ">>> quote",
    "1. one",
    "line\n# two\n> three",
    "\\",
    "\\*",
    "¯\\_(ツ)_/¯",
    "_",
    "#",
    "-",
    "Ann\x1b[31m",
    "\u202egnp.exe",
    "A" * 5000,
    "*" * 5000,
    "🎮" * 5000,
    "\ue000",
]


def events(name: str) -> list[Event]:
    return [
        PartyCreated(party_id=name, party_name=name, host=name),
        PeerJoined(peer_name=name, party_name=name),
        PeerLeft(peer_name=name, party_name=name),
        GameStarted(game_name=name, players=(name, name)),
        GameEnded(game_name=name, duration=30),
        Notification(title=name, message=name),
        PeerJoined(peer_name=name, party_name=name, count=4, first_time=True),
        PeerLeft(peer_name=name, party_name=name, count=0, duration=60.0),
        ServerStarted(server_name=name, game_name="Quake"),
        ServerStopped(server_name="LAN", game_name=name, reason="crashed"),
        ended(name, players=(name, name), games=("Quake",)),
        ended(name, players=(), games=(name, name)),
    ]


def ended(name: str, players: tuple[str, ...], games: tuple[str, ...]) -> PartyEnded:
    return PartyEnded(
        party_name=name,
        since=datetime(2026, 5, 1, 20, 15, tzinfo=UTC),
        duration=60.0,
        peak=1,
        visitors=2,
        players=players,
        games=games,
    )


def active(text: str) -> list[str]:
    """List the markup of a text, by a walk that knows escapes, code spans and links."""
    found: list[str] = []
    position = 0
    while position < len(text):
        is_line_start = not text[text.rfind("\n", 0, position) + 1 : position].strip(" ")
        rest = text[position:]
        escape = re.match(r"\\[^0-9A-Za-z\s]", rest)
        code = re.match(r"(`+)[^`]+\1(?!`)", rest)
        link = re.match(r"\[[^\[\]]*\]\(https?://[^\s()]*\)", rest)
        block = re.match(r"(#{1,3}|-#|>|>>>|[-*+]|[0-9]+\.)(?=\s|$)", rest)
        inline = re.match(
            r"\*\*|\*|__|_|~~|\|\||`|<(?=[@#:t/ia])|\[|:\w+:|@everyone|@here|https?://"
            r"|discord\.gg/",
            rest,
        )
        if escape:
            position += 2
            continue

        if code:
            found.append("code")
        elif link:
            found.append(f"link {link.group()}")
        elif is_line_start and block:
            found.append(f"block {block.group()}")
        elif inline:
            found.append(inline.group())

        match = code or link or inline
        position += len(match.group()) if match else 1

    return found


def texts(entry: Entry) -> list[str]:
    return [entry.embed.title, entry.embed.description, entry.digest.heading, entry.digest.item]


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_adds_no_markup_to_any_leaf(broken_limits: BrokenLimits, name: str) -> None:
    for hostile, harmless in zip(events(name), events("Ann"), strict=True):
        entry = RENDERER.render(hostile)

        assert [active(text) for text in texts(entry)] == [
            active(text) for text in texts(RENDERER.render(harmless))
        ]
        assert broken_limits([entry.embed.to_dict()]) == []


@pytest.mark.slow
@given(st.text(st.one_of(st.sampled_from("*_~|`<>[]()@#:-+.\\ \n1aeh/t"), st.characters())))
def test_no_name_adds_markup_to_any_leaf(name: str) -> None:
    # Markers with nothing between them are no markup, though this test's walk takes them for it.
    # What cannot be seen is left out of a name.
    assume("".join(c for c in name if c.isprintable()).replace("`", "").strip())

    for hostile, harmless in zip(events(name), events("Ann"), strict=True):
        assert [active(text) for text in texts(RENDERER.render(hostile))] == [
            active(text) for text in texts(RENDERER.render(harmless))
        ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (name, name)
        for name in HOSTILE_NAMES
        if "\n" not in name and len(name) < 100 and name.isprintable()
    ]
    + [
        ("line\n# two\n> three", "line # two > three"),
        ("Ann\x1b[31m", "Ann[31m"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_a_hostile_name_is_shown_as_it_is(name: str, shown: str) -> None:
    entry = RENDERER.render(PeerJoined(peer_name=name, party_name=name))

    title = parse_markdown(entry.embed.title)
    assert "".join(span.text for span in title) == f"👋 {shown} joined"
    assert {span.style for span in title} == {Style.PLAIN}
    description = parse_markdown(entry.embed.description)
    assert "".join(span.text for span in description) == f"Welcome to {shown}!"
    assert "".join(span.text for span in description if Style.BOLD in span.style) == shown
    assert {span.style for span in description} == {Style.PLAIN, Style.BOLD}


# Events with longer ones may be shown by their embeds.
@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES if len(name) < 200])
def test_a_hostile_name_stays_harmless_in_a_digest(name: str) -> None:
    def digest(name: str) -> str:
        [message] = compose(
            [RENDERER.render(event) for event in events(name)], wording=RENDERER.wording
        )
        return message.embeds[0].description

    assert active(digest(name)) == active(digest("Ann"))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_footer_and_author_are_plain_text_without_what_cannot_be_seen(
    broken_limits: BrokenLimits, name: str, tmp_path: Path
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "event.yaml").write_text(
        "title: x\nfooter: '{{ title }}'\nauthor: '{{ title }}'", encoding="utf-8"
    )
    embed = (
        Renderer([tmp_path], invite_url=lambda: None)
        .render(Notification(title=name, message=""))
        .embed
    )

    assert embed.footer.isprintable()
    assert embed.author.isprintable()
    assert "\n" not in embed.footer
    assert broken_limits([embed.to_dict()]) == []


@pytest.mark.parametrize(
    "blank", ["", "  ", "\n", "\u2003", "\u17b4", "\u3164", "\u2800", "\u200b", "\ufe0f"]
)
def test_a_name_without_ink_is_a_question_mark_wherever_it_stands(blank: str) -> None:
    created, joined, left, started, ended, _, *more = map(RENDERER.render, events(blank))

    assert created.embed.title == "🎮 Party Created: ?"
    assert created.embed.description.startswith("**Host**: ?\n**Party ID**: `?`")
    assert joined.embed.title == "👋 ? joined"
    assert joined.embed.description == "Welcome to **?**!"
    assert left.embed.description == "Left **?**"
    assert started.embed.description == "**Players**: ?, ?"
    assert ended.digest.item.startswith("? (")
    *_, server_started, server_stopped, with_players, with_games = more
    assert server_started.embed.title == "🟢 Server Started: ?"
    assert server_stopped.embed.description == "**Game**: ?"
    assert with_players.embed.title == "🌙 Party Over: ?"
    assert "**Longest here**: ?, ?" in with_players.embed.description
    assert "**Games**: ?, ?" in with_games.embed.description
    names = ["Ann", blank, "Bob", blank]
    entries = [RENDERER.render(PeerJoined(peer_name=name, party_name="x")) for name in names]
    [message] = compose(entries, wording=RENDERER.wording)
    assert message.embeds[0].description == "👋 **4 joined** x: Ann, ?, Bob, ?"


def test_a_notification_without_a_message_or_a_title_has_none() -> None:
    only_title = RENDERER.render(Notification(title="Hi", message=""))
    only_message = RENDERER.render(Notification(title="", message="Hi"))

    assert (only_title.embed.title, only_title.embed.description) == ("Hi", "")
    assert only_title.digest.item == ""
    assert (only_message.embed.title, only_message.embed.description) == ("", "Hi")
