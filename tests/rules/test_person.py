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
