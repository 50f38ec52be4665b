"""Halves of characters in JSON: they are found, and called what they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import EventDecodeError
from lanrage_events.events import EventRegistry, lone_surrogate

REMEDY = "which is half of a character: send the whole character"

texts = st.text(st.characters(codec=None), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"\ud83d"', ("", rf"lone surrogate \ud83d, {REMEDY}")),
        (r'{"a": ["x", "b\ude00c"]}', ("a.1", rf"lone surrogate \ude00, {REMEDY}")),
        (r'{"a": "\ud83d\ud83d\ude00"}', ("a", rf"lone surrogate \ud83d, {REMEDY}")),
        (
            r'{"a": {"\ude00": 1}}',
            ("a", rf"the name of a field has a lone surrogate \ude00, {REMEDY}"),
        ),
        (r'{"b": "\ude00", "a": "\ud83d"}', ("b", rf"lone surrogate \ude00, {REMEDY}")),
        (r'{"a": "\ud83d\ude00", "b": [1, null, "é"]}', None),
    ],
)
def test_first_one_is_found(text: str, expected: tuple[str, str] | None) -> None:
    assert lone_surrogate(json.loads(text)) == expected


@pytest.mark.slow
@given(values)
def test_it_is_found_exactly_if_the_values_cannot_be_written_as_utf8(value: object) -> None:
    # Two halves that follow each other are read as one character.
    text = json.dumps(value)
    read = json.loads(text)
    try:
        json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        assert lone_surrogate(read) is not None
    else:
        assert lone_surrogate(read) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            r'{"type": "peer_joined", "peer_name": "a\ud83d", "party_name": "LAN"}',
            rf"peer_joined: peer_name: lone surrogate \ud83d, {REMEDY}",
        ),
        (
            r'{"type": "game_started", "game_name": "Quake", "players": ["a", "\ude00b"]}',
            rf"game_started: players.1: lone surrogate \ude00, {REMEDY}",
        ),
        (
            r'{"type": "peer_joined", "\ud83d": "a"}',
            rf"peer_joined: the name of a field has a lone surrogate \ud83d, {REMEDY}",
        ),
    ],
)
def test_event_that_has_one_is_rejected_with_its_field(text: str, problem: str) -> None:
    with pytest.raises(EventDecodeError) as caught:
        EventRegistry().from_json(text)

    assert str(caught.value) == problem
    assert str(caught.value).isascii()
