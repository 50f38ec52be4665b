from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from pydantic_core import core_schema

from lanrage_events import (
    Event,
    EventDecodeError,
    EventTypeConflict,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
    UnknownEventType,
)
from lanrage_events.events import COMMON_FIELDS, EventRegistry, format_event

# JSON cannot say a lone surrogate.
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
times = st.datetimes(
    min_value=datetime(1970, 1, 2), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)
)
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64).filter(
    str.strip
)
common = {"time": times, "id": ids}
party = {**common, "party_id": st.none() | names}
events = st.one_of(
    st.builds(PartyCreated, **{**party, "party_id": names}, party_name=names, host=names),
    st.builds(
        PeerJoined,
        **party,
        peer_name=names,
        party_name=names,
        first_time=st.none() | st.booleans(),
        count=st.none() | st.integers(0, 1_000),
    ),
    st.builds(
        PeerLeft,
        **party,
        peer_name=names,
        party_name=names,
        duration=st.none() | st.floats(0, 1e9),
        count=st.none() | st.integers(0, 1_000),
    ),
    st.builds(
        GameStarted, **party, game_name=names, players=st.lists(names, max_size=5).map(tuple)
    ),
    st.builds(
        GameEnded,
        **party,
        game_name=names,
        duration=st.floats(0, 1e9),
        avg_latency=st.none() | st.floats(0, 1e6),
    ),
    st.builds(ServerStarted, **party, server_name=names, game_name=names),
    st.builds(
        ServerStopped,
        **party,
        server_name=names,
        game_name=names,
        reason=st.sampled_from(["stopped", "crashed", "restarted", "unknown"]),
    ),
    st.builds(
        PartyEnded,
        **party,
        party_name=names,
        since=times,
        duration=st.floats(0, 1e9),
        peak=st.integers(0, 1_000),
        visitors=st.integers(0, 1_000),
        players=st.lists(names, max_size=5).map(tuple),
        games=st.lists(names, max_size=5).map(tuple),
    ),
    st.builds(
        Notification,
        **common,
        title=names,
        message=names,
        color=st.none() | st.integers(0, 0xFFFFFF),
    ),
)


@pytest.mark.slow
@given(events)
def test_event_survives_json(event: Event) -> None:
    registry = EventRegistry()
    assert registry.from_json(event.to_json()) == event
    assert registry.from_dict(event.to_dict()) == event
    assert registry.from_json(event.to_json().encode()) == event
    assert "\n" not in event.to_json()


def test_json_is_flat_with_the_type_first() -> None:
    event = PeerJoined(
        id="1", time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), peer_name="Änn", party_name="LAN"
    )
    assert event.to_json() == (
        '{"type":"peer_joined","id":"1","time":"2026-01-02T03:04:05Z","party_id":null,'
        '"peer_name":"Änn","party_name":"LAN","peer_id":null,"first_time":null,"count":null}'
    )
    assert event.to_dict() == json.loads(event.to_json())


def test_numbers_and_text_that_json_cannot_say_do_not_stop_an_event() -> None:
    ended = GameEnded(game_name="Quake", duration=float("inf"), avg_latency=float("nan"))
    assert ended.to_dict()["duration"] is None
    broken = GameEnded(game_name="a\ud800b", duration=float("inf"))
    assert broken.to_dict()["game_name"] == "a?b"
    assert broken.to_dict()["duration"] is None


def test_id_and_time_are_optional_on_the_way_in() -> None:
    before = datetime.now(UTC)
    event = EventRegistry().from_json('{"type": "notification", "title": "a", "message": "b"}')
    assert before <= event.time <= datetime.now(UTC)
    assert event.id


def test_time_is_turned_into_utc() -> None:
    data = {
        "type": "peer_left",
        "peer_name": "Ann",
        "party_name": "LAN",
        "time": datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    }
    event = EventRegistry().from_dict(data)
    assert event.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert event.time.tzinfo is UTC


PEER = {"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}
ENDED = {"type": "game_ended", "game_name": "Quake", "duration": 3}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "type: required"),
        ({"type": None}, "type: required"),
        ({"type": 5}, "type: a string was expected"),
        ({"type": "peer_joined"}, "peer_joined: peer_name: required; party_name: required"),
        (
            {**PEER, "peer_nam": "x"},
            "peer_joined: peer_nam: unknown field, did you mean 'peer_name'?",
        ),
        (
            {**PEER, "zzz": "x"},
            "peer_joined: zzz: unknown field, known are id, time, parent_id, party_id, peer_name, party_name, peer_id, first_time, count",
        ),
        ({**PEER, "peer_name": 5}, "peer_joined: peer_name: input should be a valid string"),
        ({**PEER, "id": 5}, "peer_joined: id: input should be a valid string"),
        ({**PEER, "time": 5}, "peer_joined: time: input should be a valid datetime"),
        (
            {**PEER, "time": "2026-01-01T00:00:00"},
            "peer_joined: time: the offset from UTC is missing, such as 2026-01-31T20:15:00Z",
        ),
        ({**ENDED, "duration": True}, "game_ended: duration: input should be a valid number"),
        ({**ENDED, "duration": "3"}, "game_ended: duration: input should be a valid number"),
        (
            {"type": "game_started", "game_name": "Quake", "players": ["Ann", 5]},
            "game_started: players.1: input should be a valid string",
        ),
        (
            {"type": "party_created", "party_id": None, "party_name": "LAN", "host": "Ann"},
            "party_created: party_id: input should be a valid string",
        ),
        (
            {**PEER, "peer_name": object()},
            "peer_joined: cannot be written as JSON: object is not a JSON value",
        ),
    ],
)
def test_decoding_error_names_the_field_and_what_was_expected(
    data: dict[str, Any], message: str
) -> None:
    with pytest.raises(EventDecodeError) as caught:
        EventRegistry().from_dict(data)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON: Expecting property name enclosed in double quotes"),
        ("", "not valid JSON: Expecting value"),
        ("[" * 100_000, "not valid JSON: "),
        ("[]", "a JSON object was expected, not an array"),
        ("null", "a JSON object was expected, not null"),
        ("true", "a JSON object was expected, not a boolean"),
        ("5", "a JSON object was expected, not a number"),
        ('"x"', "a JSON object was expected, not a string"),
        (
            '{"type": "game_ended", "game_name": "x", "duration": NaN}',
            "not valid JSON: NaN is not a JSON number",
        ),
        (b"\xff", "not valid JSON: "),
    ],
)
def test_text_that_is_no_event_is_rejected(text: str | bytes, message: str) -> None:
    with pytest.raises(EventDecodeError) as caught:
        EventRegistry().from_json(text)

    assert str(caught.value).startswith(message)


@given(st.text() | st.binary())
def test_decoding_raises_nothing_else(data: str | bytes) -> None:
    with pytest.raises(EventDecodeError):
        EventRegistry().from_json(data)


def test_unknown_type_names_the_nearest_known_one() -> None:
    with pytest.raises(UnknownEventType, match="did you mean 'peer_joined'") as caught:
        EventRegistry().from_dict({"type": "peer_joind"})

    assert "peer_joined" in caught.value.known
    with pytest.raises(UnknownEventType, match="known types are party_created, peer_joined"):
        EventRegistry().get("zzzzz")


@pytest.mark.parametrize("name", ["event", "party_event"])
def test_base_classes_are_no_json_types(name: str) -> None:
    with pytest.raises(UnknownEventType):
        EventRegistry().get(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class TournamentOpened(Event):
    name: str
    seats: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class LANParty2Opened(PartyEvent):
    pass


def test_event_type_is_the_class_name_in_snake_case() -> None:
    assert PeerJoined.type == "peer_joined"
    assert PeerJoined(peer_name="a", party_name="b").type == "peer_joined"
    assert Event.type == "event"
    assert LANParty2Opened.type == "lan_party2_opened"


def test_registered_event_is_decoded_with_its_defaults() -> None:
    registry = EventRegistry()
    registry.register(TournamentOpened, "lanrage-events-cup")
    registry.register(TournamentOpened, "lanrage-events-cup")
    assert registry.types()[-1] is TournamentOpened
    assert registry.distribution("tournament_opened") == "lanrage-events-cup"
    event = registry.from_json('{"type": "tournament_opened", "name": "Cup"}')
    assert isinstance(event, TournamentOpened)
    assert event.seats == 8


def test_two_classes_of_one_name_are_rejected_naming_both_distributions() -> None:
    registry = EventRegistry()
    registry.register(TournamentOpened, "lanrage-events-cup")
    other: type[Event] = dataclass(frozen=True, kw_only=True, slots=True)(
        type("TournamentOpened", (Event,), {})
    )
    with pytest.raises(EventTypeConflict, match=r"lanrage-events-cup .* and by other-cup"):
        registry.register(other, "other-cup")

    assert registry.get("tournament_opened") is TournamentOpened


@pytest.mark.parametrize("name", ["Lifespan", "Event", "PartyEvent"])
def test_type_that_would_take_the_name_of_another_hook_is_rejected(name: str) -> None:
    cls: type[Event] = dataclass(frozen=True, kw_only=True, slots=True)(type(name, (Event,), {}))
    with pytest.raises(EventTypeConflict, match="would take the name of the hook"):
        EventRegistry(reserved=["lifespan"]).register(cls)


def test_field_that_every_event_has_for_another_purpose_is_rejected() -> None:
    @dataclass(frozen=True, kw_only=True)
    class DoorOpened(Event):
        to_json: str  # type: ignore[assignment]

    with pytest.raises(EventTypeConflict, match="has a field named 'to_json'"):
        EventRegistry().register(DoorOpened)


@pytest.mark.parametrize("thing", [int, "peer_joined", PeerJoined(peer_name="a", party_name="b")])
def test_only_event_classes_are_registered(thing: Any) -> None:
    with pytest.raises(TypeError, match="is not an event class"):
        EventRegistry().register(thing)


def test_json_schema_names_the_type_and_the_required_fields() -> None:
    schema = EventRegistry().json_schema("game_ended")
    assert schema["properties"]["type"] == {"const": "game_ended", "type": "string"}
    assert schema["required"] == ["type", "game_name", "duration"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["time"]["format"] == "date-time"
    assert schema["description"] == "A game ended."


def test_events_are_frozen_and_small() -> None:
    event = PeerJoined(peer_name="a", party_name="b")
    assert not hasattr(event, "__dict__")
    with pytest.raises(AttributeError):
        event.peer_name = "c"  # type: ignore[misc]


def test_events_can_be_pickled_by_their_public_name() -> None:
    event = GameStarted(game_name="Quake", players=("Ann",))
    assert pickle.loads(pickle.dumps(event)) == event
    assert b"lanrage_events._events" not in pickle.dumps(event)


def test_party_id_is_optional_but_for_created() -> None:
    assert PeerJoined(peer_name="a", party_name="b").party_id is None
    with pytest.raises(TypeError, match="party_id"):
        PartyCreated(party_name="a", host="b")  # type: ignore[call-arg]

    own = {f.name for f in fields(Notification)} - COMMON_FIELDS
    assert own == {"title", "message", "color"}


def test_a_parent_id_is_in_json_only_if_there_is_one() -> None:
    registry = EventRegistry()
    event = PeerJoined(peer_name='a","parent_id":null', party_name="b", parent_id="p")
    assert event.to_dict()["parent_id"] == "p"
    assert registry.from_json(event.to_json()) == event
    orphan = replace(event, parent_id=None)
    assert "parent_id" not in orphan.to_dict()
    assert orphan.to_dict()["peer_name"] == event.peer_name
    assert registry.from_json(orphan.to_json()) == orphan
    schema = registry.json_schema("peer_joined")["properties"]
    assert schema["parent_id"]["anyOf"][0]["maxLength"] == schema["id"]["maxLength"]
    assert "parent_id" not in Event(time=event.time).to_dict()
    other = GameEnded(game_name="q", duration=float("inf"), parent_id=None)
    assert "parent_id" not in other.to_dict()


@pytest.mark.parametrize("wrong", ["", " ", "a" * 65, "a\nb"])
def test_a_parent_id_is_as_an_id(wrong: str) -> None:
    data = {"type": "notification", "title": "", "message": "", "parent_id": wrong}
    with pytest.raises(EventDecodeError, match="parent_id: it "):
        EventRegistry().from_dict(data)


def test_an_event_is_formatted_with_its_parent_before_its_id() -> None:
    event = Notification(id="n", title="a", message="b", parent_id="p")
    assert format_event(event.to_dict()).endswith("title=a message=b parent_id=p id=n")


def test_ids_are_unique() -> None:
    ids = {PeerJoined(peer_name="a", party_name="b").id for _ in range(1000)}
    assert len(ids) == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_makes_other_ids() -> None:
    def send_id(connection: Any) -> None:
        connection.send(Notification(title="a", message="b").id)

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=send_id, args=(theirs,))
    child.start()
    child_id = ours.recv()
    child.join()
    own_id = Notification(title="a", message="b").id
    assert child_id.split("-")[0] != own_id.split("-")[0]


class Lap(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceEnded(Event):
    laps: tuple[Lap, ...]


class WithoutSchema(datetime):
    """A value of which pydantic can make no schema."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(datetime.fromisoformat)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockSet(Event):
    to: WithoutSchema


def test_an_event_class_without_a_schema_has_its_times_checked() -> None:
    registry = EventRegistry()
    registry.register(ClockSet)

    assert registry.from_dict({"type": "clock_set", "to": "2026-01-31T20:15:00Z"})
    with pytest.raises(EventDecodeError, match="clock_set: to: a time from"):
        registry.from_dict({"type": "clock_set", "to": "0001-01-01T00:00:00+01:00"})


def test_unknown_fields_are_dropped_and_named_if_the_caller_wants_that() -> None:
    registry = EventRegistry()
    registry.register(RaceEnded)
    data = {"type": "race_ended", "laps": [{"number": 1}, {"number": 2, "wet": True}], "lap": 3}
    before = json.dumps(data)
    named: list[str] = []

    event = registry.from_dict(data, on_unknown=lambda problem: named.append(str(problem)))

    assert event.to_dict()["laps"] == [{"number": 1}, {"number": 2}]
    assert named == ["laps.1.wet: unknown field", "lap: unknown field, did you mean 'laps'?"]
    assert json.dumps(data) == before
    with pytest.raises(EventDecodeError, match="lap: unknown field"):
        registry.from_dict(data)


def test_unknown_fields_of_an_event_that_is_wrong_otherwise_are_errors() -> None:
    named: list[object] = []
    data = {"type": "peer_joined", "peer_nam": "Ann", "party_name": "LAN"}
    early = {**data, "peer_name": "Ann", "time": "0001-01-01T00:00:00+01:00"}

    with pytest.raises(EventDecodeError, match=r"peer_name: required; peer_nam: unknown field"):
        EventRegistry().from_dict(data, on_unknown=named.append)

    with pytest.raises(EventDecodeError, match="time: a time from"):
        EventRegistry().from_dict(early, on_unknown=named.append)

    assert named == []
