"""A person by a name or an id: what names the person, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from lanrage_events._rules import NamedPerson


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Ann", "ann"),
        ("Ann", "  ANN "),
        ("Ann", "\uff21nn"),
        ("Ann", "A\u200bnn"),
        ("Zoë", "zoe\u0308"),
        ("Al*", "Alfred"),
    ],
)
def test_names_are_compared_however_they_are_written(name: str, value: str) -> None:
    assert NamedPerson(name).is_called(value)
    assert NamedPerson(name).is_in({"text": ["x", f"and {value}, too"]})


@pytest.mark.parametrize("value", ["Anna", "Hann", "", None])
def test_others_have_other_names(value: str | None) -> None:
    person = NamedPerson("Ann")
    assert not person.is_called(value)
    assert not person.is_in(value)
    assert not person.is_in({value: [value, 7, None]})


@pytest.mark.parametrize(
    "value",
    [
        r"**Ann\_K** joined",
        {"ann_k": 3},
        {"scores": {"Ann_K": "first", "bob": "last"}},
        {"players": {"ann_k": "red", "bob": "blue"}},
        {"a": {"b": [{"c": "Hi Ann_K!"}]}},
        ["ANN_K"],
        ("x", {"ann_k"}),
    ],
)
def test_a_name_is_found_anywhere_in_a_value(value: Any) -> None:
    assert NamedPerson("Ann_K").is_in(value)
    assert not NamedPerson("An").is_in(value)


def test_a_pattern_is_for_whole_names() -> None:
    person = NamedPerson("The *")
    assert person.is_in({"peer_name": "the great"})
    assert person.is_in({"players": ["Bob", "The End"]})
    assert not person.is_in({"title": "the last round"})


@pytest.mark.parametrize("name", ["Silent", "Party", "type", "Name", "Peer", "NAME"])
def test_a_player_who_is_called_like_a_field_is_not_in_everything(name: str) -> None:
    person = NamedPerson(name)
    fields = [{"name": "x", "value": "Bob", "inline": True}]
    arrives = {"silent": False, "roles": []}
    event = {"type": "peer_joined", "party_name": "Red", "peer_name": "Bob"}
    assert not person.is_in({"embed": {"fields": fields}, "presentation": arrives, **event})
    assert person.is_in({**event, "peer_name": name})
    assert person.is_in({"embed": {"title": f"{name} joined"}})
