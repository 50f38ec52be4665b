"""Whatever values are missing, no text is broken, in no language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

import pytest

from lanrage_events import Event, GameEnded, GameStarted, PartyEvent
from lanrage_events.templates import TemplateError, builtin_sets
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._rendering import COUNT, Renderer, compose

from ._everything import INVITES, TIME, alert_lines, classes, events_of, messages_of, own_messages

SETS = builtin_sets()

BROKEN = {
    "empty brackets": re.compile(r"\(\s*\)|\[\s*\]"),
    "a label without a value": re.compile(r"\*\*[^*\n]+\*\*:\s*(?:$|\n)|:\s*$", re.MULTILINE),
    "two spaces": re.compile(r"[^\n]  +[^\n]"),
    "empty markup": re.compile(r"\*\*[ \t]*\*\*|(?<!`)``(?!`)|____|~~~~"),
    "a separator without something on both sides": re.compile(
        r"^\s*[,·;:×]|[,·;×]\s*$|,\s*,|·\s*·|\(\s*,|,\s*\)", re.MULTILINE
    ),
    "a space before a mark": re.compile(r"\w [,.!?:;](?:\s|$)(?<!\?)", re.MULTILINE),
    "a value of Python": re.compile(r"\b(?:None|nan|inf|True|False|N/A)\b"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundPlayed(Event):
    """An event of a plugin, without a template."""

    map_name: str | None = None
    winners: tuple[str, ...] = ()
    scores: dict[str, int] | None = None
    is_final: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatTaken(PartyEvent):
    """An event about a party, without a template."""

    seat: str | None = None
    friends: tuple[str, ...] = ()


PLUGINS = [RoundPlayed, SeatTaken]


def renderer(language: str, invite: str | None) -> Renderer:
    def fail(problem: TemplateError) -> None:
        raise AssertionError(problem)

    folders = [SETS[language], SETS["en"]]
    made = Renderer(folders, invite_url=lambda: invite, report=fail)
    made.check([*classes(), *PLUGINS])
    return made


def broken(text: str) -> list[str]:
    return [f"{what}: {text!r}" for what, pattern in BROKEN.items() if pattern.search(text)]


def broken_in(embed: Embed) -> list[str]:
    texts = [embed.title, embed.description, embed.footer, embed.author]
    found = [problem for text in texts for problem in broken(text)]
    return found if embed.title or embed.description else [*found, "nothing is shown"]


@pytest.mark.parametrize(
    "text",
    [
        "Minecraft ()",
        "**Players**: ",
        "**Players**:\n**Host**: Ann",
        "Game Started: ",
        "Welcome to ****!",
        "`` is here",
        "Ann , Bob",
        "Ann, , Bob",
        "Minecraft (Ann, )",
        "📢  Pizza",
        "Ann · ",
        "**Avg Latency**: N/A",
    ],
)
def test_broken_texts_are_found(text: str) -> None:
    assert broken(text)


@pytest.mark.parametrize(
    "text", ["👋 **3 joined** Friday LAN", "**Host**: ?", "Quake (Ann, Bob)", "? joined", "a: b"]
)
def test_good_texts_are_not_broken(text: str) -> None:
    assert broken(text) == []


@pytest.mark.slow
@pytest.mark.parametrize(("language", "invite"), [*product(SETS, INVITES)])
def test_no_missing_value_breaks_the_text_of_an_event(language: str, invite: str | None) -> None:
    render = renderer(language, invite).render
    found: dict[str, str] = {}
    for cls in [*classes(), *PLUGINS, *own_messages()]:
        for event in events_of(cls):
            entry = render(event)
            problems = broken_in(entry.embed)
            for text in (entry.digest.heading.replace(COUNT, "1"), entry.digest.item):
                problems += broken(text)

            found |= {problem: repr(event) for problem in problems}

    assert found == {}


@pytest.mark.slow
@pytest.mark.parametrize("language", SETS)
def test_no_missing_value_breaks_a_digest(language: str) -> None:
    made = renderer(language, None)
    found: set[str] = set()
    for cls in [*classes(), *PLUGINS]:
        for event in events_of(cls):
            [message] = compose([made.render(event)] * 2, wording=made.wording)
            found |= {problem for embed in message.embeds for problem in broken_in(embed)}

    assert found == set()


@pytest.mark.slow
@pytest.mark.parametrize("language", SETS)
def test_no_message_of_many_events_is_broken(language: str) -> None:
    made = renderer(language, None)
    entries = [made.render(event) for cls in classes() for event in events_of(cls)][:5]
    found = {
        problem
        for message in messages_of(made, entries)
        for embed in message.embeds
        for problem in broken_in(embed)
        if "nothing" not in problem
    }
    # A heading ends with a colon.
    found |= {
        problem
        for line in alert_lines(made)
        if not line.endswith(":**")
        for problem in broken(line)
    }

    assert found == set()


def test_what_nobody_knows_is_not_mentioned() -> None:
    render = renderer("en", None).render
    ended = render(GameEnded(time=TIME, game_name="Minecraft", duration=90))
    started = render(GameStarted(time=TIME, game_name="Minecraft", players=()))

    assert ended.embed.description == "**Duration**: 1m 30s"
    assert started.embed.description == ""
    assert started.digest.item == "Minecraft"
    measured = render(GameEnded(time=TIME, game_name="Minecraft", duration=90, avg_latency=0.0))
    assert measured.embed.description == "**Duration**: 1m 30s\n**Avg Latency**: 0ms"
