"""The messages of cards: the card, the recap and the poll of a party."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lanrage_events import Member, Party
from lanrage_events.events import EventRegistry
from lanrage_events.templates import builtin_sets
from lanrage_events_discord import limits
from lanrage_events_discord._cards import CardRenderer
from lanrage_events_discord._config import CardConfig
from lanrage_events_discord._rendering import Renderer

SINCE = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)
PARTY = Party(
    key="id:lan-42",
    id="lan-42",
    name="Friday LAN",
    host="Ann",
    since=SINCE,
    members=(Member(name="Ann", since=SINCE),),
    peak=1,
    game="Quake",
    game_since=SINCE,
    players=(),
    games=(("Quake", 60.0, 1), ("Factorio", 30.0, 1)),
    visitors=1,
    loyal=(("Ann", 60.0),),
    last_change=SINCE + timedelta(minutes=1),
    is_empty=False,
    is_idle=False,
)
POLL = {"question": "Best game tonight?", "hours": 48}


def renderer(folder: Path | None = None) -> CardRenderer:
    def fail(problem: object) -> None:
        raise AssertionError(problem)

    folders = [*([folder] if folder else []), builtin_sets()["en"]]
    made = Renderer(folders, invite_url=lambda: "https://discord.gg/abc123", report=fail)
    made.check(EventRegistry().types())
    return CardRenderer(made)


def config(**settings: object) -> CardConfig:
    return CardConfig.model_validate(settings)


def test_the_same_party_has_the_same_body_whenever_it_is_rendered() -> None:
    first, second = renderer(), renderer()
    moved = replace(PARTY, last_change=SINCE + timedelta(hours=1))

    card = first.card(PARTY, config()).body()
    assert card == first.card(PARTY, config()).body() == second.card(PARTY, config()).body()
    # An event that changes nothing that is shown needs no edit.
    assert card == first.card(moved, config()).body()
    assert first.recap(PARTY, config()).body() == second.recap(PARTY, config()).body()
    assert json.loads(json.dumps(card)) == card


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("others", [3, 29])
def test_a_long_name_leaves_room_for_the_others(language: str, others: int) -> None:
    names = ["L" * 1_000, *(f"Player {number}" for number in range(others))]
    members = tuple(Member(name=name, since=SINCE) for name in names)
    card = renderer(Path(str(builtin_sets()[language]))).card(
        replace(PARTY, members=members), config()
    )

    [embed] = card.embeds
    [field] = embed.fields
    assert f"{'L' * 39}…" in field.value
    assert "L" * 40 not in field.value
    assert all(name in field.value for name in names[1:])


def test_time_and_id_are_those_of_the_party(tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    for name in ("party_card", "party_recap"):
        path = tmp_path / "discord" / f"{name}.yaml"
        path.write_text('footer: "{{ id }} {{ time }} {{ parent_id }}"')

    made = renderer(tmp_path)
    for message in (made.card(PARTY, config()), made.recap(PARTY, config())):
        assert message.embeds[0].footer == "id:lan-42 2026-03-06 19:01 UTC"


def test_a_card_mentions_nobody_by_itself() -> None:
    for message in (renderer().card(PARTY, config()), renderer().recap(PARTY, config())):
        assert message.body()["allowed_mentions"] == {"parse": []}
        assert message.entries == 0


def test_a_card_in_a_forum_has_a_title_and_tags_by_its_template(tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    path = tmp_path / "discord" / "party_card.yaml"
    path.write_text(
        'thread_name: "{{ party.name }} of {{ party.host }}"\n'
        "applied_tags: \"{{ '111111111111111111, 222222222222222222' if party.game }}\"\n"
    )
    made = renderer(tmp_path)

    body = made.card(PARTY, config(thread=True)).body()
    assert body["thread_name"] == "Friday LAN of Ann"
    assert body["applied_tags"] == ["1" * 18, "2" * 18]
    without = made.card(PARTY, config()).body()
    assert not {"thread_name", "applied_tags"} & without.keys()
    assert (
        not {"thread_name", "applied_tags"} & made.recap(PARTY, config(thread=True)).body().keys()
    )
    long = replace(PARTY, name="x" * 5_000)
    name = made.card(long, config(thread=True)).thread_name
    assert len(name) == limits.THREAD_NAME_MAX_CHARACTERS
    assert name.endswith(" of Ann")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("general", "found 'general'"), (" ".join(f"{n}" * 18 for n in "123456"), "at most 5 tags")],
)
def test_wrong_tags_are_reported(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "party_card.yaml").write_text(f"applied_tags: '{text}'")
    found: list[str] = []
    folders = [tmp_path, builtin_sets()["en"]]
    made = Renderer(folders, invite_url=lambda: None, report=lambda e: found.append(str(e)))
    made.check(EventRegistry().types())

    assert CardRenderer(made).card(PARTY, config(thread=True)).applied_tags == ()
    assert problem in found[0]


@pytest.mark.parametrize("ended", [None, SINCE + timedelta(hours=1)])
def test_a_plain_card_has_name_count_and_game_only(ended: datetime | None) -> None:
    party = replace(PARTY, ended=ended)
    made = renderer()
    message = (made.recap if ended else made.card)(party, config(), plain=True)

    assert message.body() == {
        "embeds": [
            {"title": "Friday LAN", "description": "Over" if ended else "1 here · Quake"},
        ],
        "allowed_mentions": {"parse": []},
    }


def test_a_poll_asks_about_what_was_played() -> None:
    poll = renderer().poll(PARTY, config(poll=POLL))

    assert poll is not None
    assert poll.body() == {
        "embeds": [],
        "allowed_mentions": {"parse": []},
        "poll": {
            "question": {"text": "Best game tonight?"},
            "answers": [
                {"poll_media": {"text": "Quake"}},
                {"poll_media": {"text": "Factorio"}},
            ],
            "duration": 48,
        },
    }


def test_a_poll_has_two_to_ten_different_answers() -> None:
    made, wanted = renderer(), config(poll=POLL)

    def answers(*games: str) -> list[str]:
        party = replace(PARTY, games=tuple((game, 1.0, 1) for game in games))
        message = made.poll(party, wanted)
        poll: Any = None if message is None else message.body()["poll"]
        return [one["poll_media"]["text"] for one in poll["answers"]] if poll else []

    assert answers() == answers("Quake") == answers("Quake", "Quake\u200b") == []
    assert answers("Quake\u202e", "**Doom**\n") == ["Quake", "**Doom**"]
    assert answers(*(f"Game {n}" for n in range(12))) == [f"Game {n}" for n in range(10)]
    long = answers("x" * 500, "y" * 500)
    assert [len(answer) for answer in long] == [limits.POLL_ANSWER_MAX_CHARACTERS] * 2
    assert made.poll(PARTY, config()) is None
