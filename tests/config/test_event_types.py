from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from lanrage_events import Event, GameStarted, Notification, PeerJoined, PeerLeft
from lanrage_events.config import ConfigModel, EventTypes
from lanrage_events.events import EventRegistry


class Config(ConfigModel):
    events: EventTypes = EventTypes(["event"])
    """which events"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerKicked(PeerLeft):
    pass


@pytest.mark.parametrize(
    ("names", "event_class", "nearest"),
    [
        ([], PeerJoined, None),
        (["peer_joined"], PeerJoined, "peer_joined"),
        (["peer_joined"], PeerLeft, None),
        (["event", "party_event"], PeerJoined, "party_event"),
        (["event", "party_event"], Notification, "event"),
        (["peer_left"], PeerKicked, "peer_left"),
        (["event", "peer_left", "peer_k*", "peer_*"], PeerKicked, "peer_k*"),
        (["peer_*", "peer_kicked"], PeerKicked, "peer_kicked"),
        (["party_*"], PeerJoined, None),
        (["*"], GameStarted, "*"),
        (["Peer_*"], PeerJoined, None),
    ],
)
def test_the_most_specific_name_is_found(
    names: list[str], event_class: type[Event], nearest: str | None
) -> None:
    types = EventTypes(names)
    for _ in range(2):
        assert types.nearest(event_class) == nearest
        assert types.select(event_class) is (nearest is not None)


def test_names_that_no_event_type_answers_to_are_problems() -> None:
    names = ["event", "party_event", "peer_joined", "game_*", "*", "peer_joind", "x_*", "zzz"]
    assert list(EventTypes(names).problems(EventRegistry())) == [
        "no event type is named 'peer_joind', did you mean 'peer_joined'?",
        "no event type is named 'x_*'",
        "no event type is named 'zzz'",
    ]


def test_what_is_registered_later_is_known() -> None:
    registry = EventRegistry()
    types = EventTypes(["peer_kicked"])
    assert len(list(types.problems(registry))) == 1
    registry.register(PeerKicked)
    assert list(types.problems(registry)) == []


def test_it_is_a_list_of_texts_in_the_configuration() -> None:
    assert Config.model_validate({"events": ["peer_*"]}).events.select(PeerJoined)
    assert isinstance(Config.model_validate({"events": ("peer_*",)}).events, EventTypes)
    assert Config().events.select(Notification)
    assert Config().model_dump_json() == '{"events":["event"]}'
    assert Config.model_json_schema()["properties"]["events"] == {
        "title": "Events",
        "description": "which events",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "default": ["event"],
    }


@pytest.mark.parametrize(
    ("value", "kind", "where"),
    [(7, "tuple_type", ("events",)), ([1], "string_type", ("events", 0))],
)
def test_something_else_is_an_error_like_that_of_a_tuple(
    value: object, kind: str, where: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"events": value})

    [error] = caught.value.errors()
    assert (error["type"], error["loc"]) == (kind, where)


def test_one_text_is_a_list_of_one() -> None:
    assert Config.model_validate({"events": "peer_*"}).events == ("peer_*",)


def test_copies_are_equal_and_work() -> None:
    types = EventTypes(["peer_*"])
    assert types.select(PeerJoined)
    for other in (copy.deepcopy(types), pickle.loads(pickle.dumps(types))):
        assert other == types
        assert hash(other) == hash(types)
        assert other.select(PeerLeft)

    adapter = TypeAdapter(EventTypes)
    assert adapter.validate_json('["event"]') == ("event",)
