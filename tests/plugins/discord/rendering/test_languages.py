"""Everything that is posted can be in another language, as the German set proves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from lanrage_events import Event, GameEnded, PartyCreated, PartyEvent, PeerJoined
from lanrage_events.templates import TemplateError, TemplateLeaf, builtin_sets
from lanrage_events.yaml import read
from lanrage_events_discord._rendering import (
    ALERT_LEAVES,
    DIGEST_LEAVES,
    OWN_MESSAGES,
    Alert,
    Renderer,
)
from lanrage_events_presence import PresenceConfig, PresenceView

from ._everything import (
    INVITES,
    TIME,
    alert_lines,
    classes,
    events_of,
    messages_of,
    own_messages,
    texts_of,
)

SETS = builtin_sets()
ENGLISH, GERMAN = SETS["en"], SETS["de"]
ENVIRONMENT = Environment(extensions=["jinja2.ext.do"])

# Names, and words that German gamers use, too.
SHARED = {
    "LANrage",
    "Party",
    "Host",
    "ID",
    "Voice",
    "Chat",
    "Test",
    "Webhook",
    "Plugin",
    "Server",
    "Discord",
    "UTC",
    "ms",
    "in",
    "In",
    "h",
    "s",
}
# Leaves in which no text for people stands.
NOT_TEXT = re.compile(
    r"(color|timestamp|url|icon_url|start|size|max|large_image|group|subject|effect)$"
)
# Filters whose arguments are shown.
SHOWING = {"plural"}
WORD = re.compile(r"[A-Za-zÄÖÜäöüß]+(?:'[a-z]+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatTaken(PartyEvent):
    """An event of a plugin, without a template."""

    reserved: bool
    since: object = None
    lasts: object = None


def leaves_of(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each leaf of a set: its file, its path and its text."""
    for file in sorted(folder.rglob("*.yaml")):
        name = file.relative_to(folder).as_posix()
        if folder != ENGLISH or name.split("/")[0] not in SETS:
            for path, text in _flatten(read(file).data):
                yield name, path, text


def _flatten(data: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flatten(value, f"{path}.{key}".removeprefix("."))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _flatten(value, f"{path}[{index}]")
    elif data is not None:
        yield path, str(data)


def words_of(text: str) -> set[str]:
    """Return the words that a leaf shows, whatever its values are."""
    tree = ENVIRONMENT.parse(text)
    texts = [node.data for node in tree.find_all(nodes.TemplateData)]
    texts += _shown(tree)
    return {word for word in WORD.findall(_without_links(" ".join(texts))) if word not in SHARED}


def _without_links(text: str) -> str:
    return re.sub(r"https?://\S+|<t:\d+:\w>", "", text)


def _shown(node: nodes.Node) -> Iterator[str]:
    """Yield the texts within expressions that may be shown."""
    if isinstance(node, nodes.Const):
        if isinstance(node.value, str):
            yield re.sub(r"%[.\d]*[a-z]", "", node.value)
    elif isinstance(node, (nodes.Compare, nodes.Test, nodes.Getitem)):
        return
    elif isinstance(node, nodes.Filter) and node.name not in SHOWING:
        if node.node is not None:
            yield from _shown(node.node)
    else:
        for child in node.iter_child_nodes():
            yield from _shown(child)


@cache
def english_words() -> frozenset[str]:
    """Return the words of the English set."""
    texts = (text for _, path, text in leaves_of(ENGLISH) if not NOT_TEXT.search(path))
    names = (word.title() for cls in named_classes() for word in _identifiers(cls))
    return (
        frozenset().union(*map(words_of, texts))
        | {word for name in names for word in WORD.findall(name.replace("_", " ")) if len(word) > 2}
        - SHARED
    )


def named_classes() -> list[type[Event]]:
    return [Event, PartyEvent, *classes(), *OWN_MESSAGES]


def _identifiers(cls: type[Event]) -> Iterator[str]:
    yield cls.type
    if cls not in OWN_MESSAGES:
        yield from (field.name for field in fields(cls))


def english_in(texts: Iterable[str]) -> dict[str, set[str]]:
    """Return the texts that have English words, with these."""
    found = {text: set(WORD.findall(_without_links(text))) & english_words() for text in texts}
    return {text: words for text, words in found.items() if words}


@pytest.fixture(params=INVITES)
def german(request: pytest.FixtureRequest) -> Renderer:
    problems: list[TemplateError] = []
    invite: str | None = request.param
    renderer = Renderer([GERMAN, ENGLISH], invite_url=lambda: invite, report=problems.append)
    renderer.check([*classes(), SeatTaken])
    assert problems == []
    return renderer


def test_the_words_of_the_english_set_are_found() -> None:
    assert {"joined", "Welcome", "Duration", "event", "events", "more", "yes"} <= english_words()
    assert {"Join", "Party", "party_id", "Peer"} - english_words() == {"Party", "party_id"}
    assert not english_words() & SHARED


@pytest.mark.parametrize("language", sorted(SETS.keys() - {"en"}))
def test_a_set_has_every_text_of_the_english_one(language: str) -> None:
    there = {(file, path) for file, path, _ in leaves_of(SETS[language])}
    missing = [
        f"{file}: {path}: {text!r}"
        for file, path, text in leaves_of(ENGLISH)
        if words_of(text) and not NOT_TEXT.search(path) and (file, path) not in there
    ]

    assert missing == []


@pytest.mark.parametrize("language", sorted(SETS.keys() - {"en"}))
def test_a_set_has_nothing_that_the_english_one_lacks(language: str) -> None:
    known = {(file, path) for file, path, _ in leaves_of(ENGLISH)}
    more = {(file, path) for file, path, _ in leaves_of(SETS[language])} - known

    assert {entry for entry in more if not entry[1].startswith("names.")} == set()


@pytest.mark.parametrize("language", sorted(SETS.keys() - {"en"}))
def test_a_set_names_all_types_and_fields(language: str) -> None:
    there = {path for file, path, _ in leaves_of(SETS[language]) if file == "words.yaml"}
    wanted = {f"names.{name}" for cls in named_classes() for name in _identifiers(cls)}

    assert wanted - there == set()
    assert {path for path in there if path.startswith("names.")} - wanted == set()


@pytest.mark.parametrize(("name", "leaves"), [("digest", DIGEST_LEAVES), ("alert", ALERT_LEAVES)])
def test_every_text_of_digests_and_alerts_is_in_the_english_set(
    name: str, leaves: Mapping[str, TemplateLeaf]
) -> None:
    texts = {path for file, path, _ in leaves_of(ENGLISH) if file == f"discord/{name}.yaml"}

    assert texts >= {path for path, leaf in leaves.items() if leaf.apart}


@pytest.mark.slow
def test_no_event_is_posted_with_an_english_word(german: Renderer) -> None:
    entries = [german.render(event) for cls in classes() for event in events_of(cls)]
    assert len(entries) > 100
    texts = [text for entry in entries for text in texts_of(entry.embed)]
    texts += [text for e in entries for text in (e.digest.heading, e.digest.item)]

    assert english_in(texts) == {}


def test_no_message_of_the_plugins_own_has_an_english_word(german: Renderer) -> None:
    entries = [next(german.render(event) for event in events_of(cls)) for cls in classes()]
    messages = list(messages_of(german, entries))
    texts = [text for message in messages for embed in message.embeds for text in texts_of(embed)]
    own = [german.render(event).embed for cls in own_messages() for event in events_of(cls)]
    texts += [text for embed in own for text in texts_of(embed)]
    texts += alert_lines(german)

    assert english_in(texts) == {}
    assert "Was ihr verpasst habt" in "".join(texts)
    assert "zu alt" in "".join(texts)


def test_an_event_without_a_template_has_german_names_and_values(german: Renderer) -> None:
    event = SeatTaken(
        time=TIME, party_id="7", reserved=True, since=TIME, lasts=timedelta(minutes=135)
    )
    entry = german.render(event)

    assert entry.embed.title == "Seat Taken"
    assert entry.embed.description.splitlines() == [
        "**Reserved**: ja",
        "**Seit**: 01\\.05.2026, 20\\:15 Uhr UTC",
        "**Lasts**: 2 h 15 min",
    ]
    assert german.wording.name("party_created") == "Neue Party"


def test_an_event_that_cannot_be_rendered_has_a_german_name() -> None:
    def fail() -> str | None:
        raise LookupError("no invite")

    renderer = Renderer([GERMAN, ENGLISH], invite_url=fail)
    entry = renderer.render(PeerJoined(peer_name="Zoë", party_name="Øy"))

    assert entry.embed.title == "Neu dabei"
    assert english_in([*texts_of(entry.embed), entry.digest.heading]) == {}


@pytest.mark.parametrize("invite", INVITES)
def test_rich_presence_has_no_english_word(invite: str | None) -> None:
    view = PresenceView(PresenceConfig(invite_url=invite, large_image="logo"), [GERMAN, ENGLISH])
    view.follow(PartyCreated(time=TIME, party_id="1", party_name="Øy", host="Zoë"))
    activity = view.activity
    assert activity is not None
    texts = [activity.details, activity.state, activity.large_text]
    texts += [button.label for button in activity.buttons]

    assert english_in(texts) == {}
    assert activity.state == "In einer Party"


def test_the_german_of_an_evening(german: Renderer) -> None:
    party = german.render(
        PartyCreated(time=TIME, party_id="7", party_name="Freitags-LAN", host="Zoë")
    )
    ended = german.render(GameEnded(time=TIME, game_name="Quake", duration=3661, avg_latency=23.4))
    joined = [
        german.render(PeerJoined(time=TIME, peer_name=name, party_name="Freitags-LAN"))
        for name in ("Jürgen", "Øyvind")
    ]
    [digest, *_] = messages_of(german, [party, *joined, ended])

    assert party.embed.title == "🎮 Neue Party: Freitags-LAN"
    assert ended.embed.description == "**Dauer**: 1 h 1 min\n**Ping im Schnitt**: 23 ms"
    assert digest.embeds[0].title == "📋 4 Neuigkeiten"
    assert digest.embeds[0].description.splitlines()[1:] == [
        "👋 **2 neu bei** Freitags-LAN: Jürgen, Øyvind",
        "🏁 **Spiel beendet** × 1: Quake (1 h 1 min)",
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured(Event):
    size: float


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "title", "more", "number"),
    [
        ("en", "⚠️ Not everything works again yet", "more problem", "1234.5"),
        ("de", "⚠️ Noch nicht alles läuft wieder", "weiteres Problem", "1234,5"),
    ],
)
def test_numbers_and_the_words_around_them_are_those_of_the_language(
    language: str, title: str, more: str, number: str
) -> None:
    sets = builtin_sets()
    made = Renderer([sets[language], sets["en"]], invite_url=lambda: None)
    assert made.render(Alert(over=1, lasting=1)).embed.title == title
    assert made.wording.alert_line("more", count=1).endswith(f"1 {more}")
    text = "".join(made.render(Measured(size=1234.5)).embed.texts())
    assert number in text.replace("\\", "")
