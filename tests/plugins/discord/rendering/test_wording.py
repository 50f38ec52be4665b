"""What the plugin itself posts is in the templates' words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from lanrage_events import GameEnded, PeerJoined, PeerLeft
from lanrage_events.events import EventRegistry
from lanrage_events.templates import TemplateError
from lanrage_events_discord import limits
from lanrage_events_discord._embeds import Embed, Message, embed_size
from lanrage_events_discord._rendering import (
    OWN_MESSAGES,
    DigestMessage,
    Entry,
    PlainCard,
    Renderer,
    compose,
)

from ._everything import events_of

TIME = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
GREY = 0x757575


class Texts:
    """A renderer with a user's folder above the built-in one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[TemplateError] = []
        self.invite: str | None = None

    def write(self, name: str, text: str) -> None:
        path = self.folder / "discord" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def renderer(self) -> Renderer:
        folders = [self.folder, files("lanrage_events_templates")]
        renderer = Renderer(folders, invite_url=lambda: self.invite, report=self.problems.append)
        renderer.check(EventRegistry().types())
        return renderer


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    return Texts(tmp_path)


def joins(renderer: Renderer, count: int) -> list[Entry]:
    return [
        renderer.render(PeerJoined(time=TIME, peer_name=f"player {n}", party_name="Friday LAN"))
        for n in range(count)
    ]


def everything(renderer: Renderer) -> Iterator[Message]:
    """Compose each kind of message that is not made of one event alone."""
    entries, wording = joins(renderer, 30), renderer.wording
    yield from compose(entries, wording=wording)
    yield from compose(entries, wording=wording, catch_up=True)
    yield from compose(entries, wording=wording, style="embeds", max_messages=1)
    yield from compose([], wording=wording, expired={"peer_left": 2})
    for cls in OWN_MESSAGES:
        if cls not in (DigestMessage, PlainCard):  # which takes nothing from event.yaml
            event = next(events_of(cls))
            yield Message(entries=0, embeds=(renderer.render(event).embed,))


def test_one_line_changes_the_footer_of_everything(texts: Texts) -> None:
    texts.write("event", "footer: Basement LAN")
    renderer = texts.renderer()
    messages = [*everything(renderer), *compose(joins(renderer, 1), wording=renderer.wording)]

    assert len(messages) >= 6
    assert {message.embeds[-1].footer for message in messages} == {"Basement LAN"}
    assert texts.problems == []


def test_an_own_digest_template_may_have_one_leaf_only(texts: Texts) -> None:
    texts.write("digest", "title: 'News: {{ count }}'")
    renderer = texts.renderer()
    [digest] = compose(joins(renderer, 3), wording=renderer.wording)
    [catch_up] = compose(joins(renderer, 3), wording=renderer.wording, catch_up=True)

    assert [embed.title for embed in digest.embeds] == ["News: 3"]
    assert digest.embeds[0].color == GREY
    assert digest.embeds[0].footer == "LANrage"
    assert catch_up.embeds[0].title == "📋 Catching up: 3 events"
    assert texts.problems == []


def test_an_error_in_the_digest_template_has_its_line_and_the_built_in_text_is_used(
    texts: Texts,
) -> None:
    texts.write("digest", "color: red\ntitle: '{{ cuont }} news'\nmroe: no\nexpired: '{{ no }}'")
    texts.write("peer_left", "digest: {counted: '{{ peer_name }}'}")
    renderer = texts.renderer()
    shown = [str(problem).removeprefix(f"{texts.folder}/discord/") for problem in texts.problems]
    assert shown == [
        "digest.yaml:3:1: mroe: unknown key, did you mean 'more'?",
        "digest.yaml:2: title: 'cuont' is undefined, did you mean 'count'?",
        "peer_left.yaml:1: digest.counted: 'peer_name' is undefined",
        "digest.yaml:4: expired: 'no' is undefined",
    ]
    [digest] = compose(joins(renderer, 2), wording=renderer.wording)
    assert digest.embeds[0].title == "📋 2 events"


@pytest.mark.slow
def test_the_leaves_of_digests_are_in_no_other_template(texts: Texts) -> None:
    texts.write("peer_joined", "more: no")
    texts.write("digest", "description: no")
    texts.renderer()

    assert ["unknown key" in str(problem) for problem in texts.problems] == [True, True]


def test_what_is_not_shown_is_counted_in_the_words_of_each_type(texts: Texts) -> None:
    texts.write("peer_left", "digest: {counted: '{{ count }} gone ({{ type }})'}")
    wording = texts.renderer().wording

    assert wording.more({"peer_joined": 3, "game_ended": 1}) == (
        "… and 4 more events: 3 joined, 1 game ended"
    )
    assert wording.expired({"peer_left": 1}) == (
        "⌛ 1 event expired before it could be posted: 1 gone (peer\\_left)"
    )
    assert wording.more({"bell_rung": 2}) == "… and 2 more events: 2 × Bell Rung"
    assert texts.problems == []


def test_lines_without_a_text_still_have_their_number(texts: Texts) -> None:
    texts.write("digest", "more: ''\ntitle: ''")
    wording = texts.renderer().wording

    assert wording.more({"peer_joined": 3}) == "+3"


@pytest.mark.parametrize("style", ["digest", "embeds"])
def test_a_long_title_and_footer_leave_room_and_stay_within_the_limits(
    texts: Texts, style: str
) -> None:
    texts.write(
        "digest",
        "title: \"{{ 'few' * (1 if count > 40 else 80) }}\"\n"
        "footer: \"{{ 'foot' * (1 if count > 40 else 400) }}\"",
    )
    renderer = texts.renderer()
    entries = [
        Entry(e.event_id, e.type, e.time, Embed(title="t" * 200), e.digest)
        for e in joins(renderer, 50)
    ]
    for entry in entries:
        entry.digest.item = "x" * 500

    messages = list(
        compose(
            entries,
            wording=renderer.wording,
            style="embeds" if style == "embeds" else "digest",
            max_messages=2,
        )
    )

    assert sum(message.entries for message in messages) == 50
    for message in messages:
        size = sum(map(embed_size, message.embeds))
        assert size <= limits.MESSAGE_EMBEDS_MAX_CHARACTERS


def test_templates_of_events_cannot_count_in_words_where_the_number_is_not_known(
    texts: Texts,
) -> None:
    texts.write("game_ended", "digest: {heading: \"{{ count | plural('a', 'b') }}\"}")
    entry = texts.renderer().render(GameEnded(game_name="Quake", duration=1))

    assert "Game Ended" in entry.digest.heading
    [problem] = texts.problems
    assert "game_ended.yaml:1: digest.heading: 'plural' needs a number" in str(problem)


def test_an_event_type_of_a_plugin_is_counted_by_its_name(texts: Texts) -> None:
    renderer = texts.renderer()

    assert renderer.wording.name(PeerLeft.type) == "Peer Left"
