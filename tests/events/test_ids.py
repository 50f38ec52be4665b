from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanrage_events import Event, EventDecodeError, PeerJoined
from lanrage_events.events import EventRegistry

ANN = {"type": "peer_joined", "peer_name": "Ann", "party_name": "Friday LAN"}
EMPTY = "it is empty: leave it out, or give a text that no other event has"
CONTROL = "it has a control character, such as a line break"
BAD = [
    ("", EMPTY),
    ("  ", EMPTY),
    ("\u2003", EMPTY),
    ("x" * 65, "it has 65 characters, and 64 are the most"),
    ("x" * 100_000, "it has 100,000 characters, and 64 are the most"),
    ("a\n", CONTROL),
    ("a\x00b", CONTROL),
    ("a\x7fb", CONTROL),
    ("a\x9fb", CONTROL),
]
GOOD = ["0", "lobby-7-4711", "a b", " a", "x" * 64, "\N{DRAGON}" * 64, "Jürgen 👩‍💻", "\u200b"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreCounted(Event):
    """Makes its own ids."""

    id: str = field(default_factory=lambda: "made up")


def from_dict(data: dict[str, Any], registry: EventRegistry) -> Event:
    return registry.from_dict(data)


def from_json(data: dict[str, Any], registry: EventRegistry) -> Event:
    return registry.from_json(json.dumps(data))


def lenient(data: dict[str, Any], registry: EventRegistry) -> Event:
    return registry.from_dict(data, on_unknown=lambda _: None)


WAYS = [from_dict, from_json, lenient]


@pytest.fixture
def registry() -> EventRegistry:
    registry = EventRegistry()
    registry.register(ScoreCounted)
    return registry


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize(("id", "message"), BAD, ids=[ascii(id[:70]) for id, _ in BAD])
def test_an_id_that_is_not_as_documented_is_named(
    read: Callable[[dict[str, Any], EventRegistry], Event],
    id: str,
    message: str,
    registry: EventRegistry,
) -> None:
    for data in (ANN, {"type": "score_counted"}):
        with pytest.raises(EventDecodeError) as caught:
            read({**data, "id": id}, registry)

        assert [(p.field, p.message) for p in caught.value.problems] == [("id", message)]


@pytest.mark.parametrize("id", GOOD)
def test_other_ids_are_taken_as_they_are(id: str, registry: EventRegistry) -> None:
    for read in WAYS:
        assert read({**ANN, "id": id}, registry).id == id


@pytest.mark.parametrize("id", [None, 5, [], {}, True])
def test_an_id_that_is_no_text_is_named(id: object, registry: EventRegistry) -> None:
    with pytest.raises(EventDecodeError) as caught:
        registry.from_dict({**ANN, "id": id})

    assert [p.field for p in caught.value.problems] == ["id"]


def test_it_is_named_beside_what_else_is_wrong(registry: EventRegistry) -> None:
    for more, paths in (
        ({"peer_name": 5}, ["id", "peer_name"]),
        ({"unknown": 5}, ["id", "unknown"]),
        ({"time": "2026-03-06T19:30:00"}, ["id", "time"]),
        ({"time": "0001-01-01T00:00:00Z"}, ["id", "time"]),
    ):
        for read in WAYS:
            with pytest.raises(EventDecodeError) as caught:
                read({**ANN, "id": "", **more}, registry)

            assert [p.field for p in caught.value.problems] == paths


def test_as_many_problems_are_named_as_wanted(registry: EventRegistry) -> None:
    with pytest.raises(EventDecodeError) as caught:
        registry.from_dict({"type": "peer_joined", "id": ""}, max_problems=1)

    assert [str(p) for p in caught.value.problems] == [f"id: {EMPTY}", "2 more are not shown"]


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=70) | st.text("\n\x1c\x85 a"))
@example("a\n")
@example("\x1c")
def test_the_json_schema_takes_what_is_taken(id: str) -> None:
    registry = EventRegistry()
    registry.register(ScoreCounted)
    for data in (ANN, {"type": "score_counted"}):
        try:
            taken = registry.from_dict({**data, "id": id}).id == id
        except EventDecodeError:
            taken = False

        schema = registry.json_schema(data["type"])
        assert jsonschema.Draft202012Validator(schema).is_valid({**data, "id": id}) == taken


def test_inside_the_process_an_id_is_not_checked_like_every_value() -> None:
    assert PeerJoined(id="", peer_name="Ann", party_name="LAN").id == ""
