"""Where: the values that an event's fields must have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lanrage_events import Event, GameStarted, Notification, PeerJoined
from lanrage_events.config import Where

ANN = PeerJoined(peer_name="Ann", party_name="2026")
GAME = GameStarted(game_name="Quake", players=("Ann", "mod_bob"))


@pytest.mark.parametrize(
    ("where", "event", "matches"),
    [
        ({}, ANN, True),
        ({"peer_name": "Ann"}, ANN, True),
        ({"peer_name": "ann"}, ANN, False),
        ({"peer_name": "A*"}, ANN, True),
        ({"peer_name": "*n"}, ANN, True),
        ({"peer_name": "B*"}, ANN, False),
        ({"peer_name": ["Bob", "A*"]}, ANN, True),
        ({"peer_name": {"not": "A*"}}, ANN, False),
        ({"peer_name": {"not": ["Bob", "Cleo"]}}, ANN, True),
        ({"party_name": 2026}, ANN, True),
        ({"party_name": "20*"}, ANN, True),
        ({"party_id": "*"}, ANN, False),
        ({"party_id": {"not": "*"}}, ANN, True),
        ({"players": "mod_*"}, GAME, True),
        ({"players": {"not": "mod_*"}}, GAME, False),
        ({"players": {"not": "x*"}}, GAME, True),
        ({"peer_name": {"not": "Ann"}}, GAME, False),
        ({"type": "game_*"}, GAME, True),
        ({"color": "2*"}, Notification(title="", message="", color=255), True),
        ({"peer_name": "A*", "party_name": {"not": "Test*"}}, ANN, True),
    ],
)
def test_it_selects_events(where: dict[str, Any], event: Event, matches: bool) -> None:
    found = TypeAdapter(Where).validate_python(where)
    assert found.matches(event) is matches
    assert (found.mismatch(event) is None) is matches
    assert found.can_match([type(event)]) or not matches


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"peer_name": "B*"}, "peer_name is 'Ann', not 'B*'"),
        ({"peer_name": ["B*", 5]}, "peer_name is 'Ann', not 'B*' or 5"),
        ({"peer_name": {"not": "A*"}}, "peer_name is 'Ann', which is excluded"),
        ({"game_name": "Quake"}, "peer_joined has no field 'game_name'"),
    ],
)
def test_it_says_why_an_event_does_not_match(where: dict[str, Any], reason: str) -> None:
    assert Where(where).mismatch(ANN) == (next(iter(where)), reason)


def test_what_no_event_can_have_is_a_warning() -> None:
    where = Where(
        {"peer_nam": "x", "peer_name": [], "party_id": {"not": [True, "x"]}, "party_name": "*"}
    )
    assert {problem.path: problem.message for problem in where.problems([PeerJoined])} == {
        ("peer_nam",): "no event matches, since none of its types has this field, did you mean "
        "'peer_name'?",
        ("peer_name",): "the list is empty, so no event matches",
        ("party_id", "not", 0): "the field is a text, never true (without quotes)",
    }
    assert not where.can_match([PeerJoined])


@pytest.mark.parametrize("wrong", [{"peer_name": {"nto": "Ann"}}, {"peer_name": None}, [], "Ann"])
def test_other_values_are_errors(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Where).validate_python(wrong)
