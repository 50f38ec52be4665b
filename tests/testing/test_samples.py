from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from lanrage_events import Event, GameEnded, GameStarted, PartyEvent, PeerJoined
from lanrage_events.events import EventRegistry
from lanrage_events.testing import sample, samples

EVENT = dataclass(frozen=True, kw_only=True, slots=True)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Seat(BaseModel):
    number: int
    note: str = ""


@dataclass
class Rack:
    seats: list[Seat]


@EVENT
class EverythingHappened(Event):
    """It has a field of each kind."""

    what: str
    count: int
    share: Annotated[float, Field(ge=0, le=1)]
    port: Annotated[int, Field(gt=1023, lt=1026)]
    dozens: Annotated[int, Field(multiple_of=12)]
    code: Annotated[str, Field(min_length=8)]
    tag: Annotated[str, Field(max_length=3)]
    is_new: bool
    when: datetime
    day: date
    wait: timedelta
    which: UUID
    where: Path
    color: Color
    mode: Literal["ffa", "tdm"]
    maybe: str | None
    either: int | str
    pair: tuple[int, str]
    players: tuple[str, ...]
    names: frozenset[str]
    three: Annotated[list[int], Field(min_length=3)]
    seat: Seat
    rack: Rack
    anything: Any
    extra: dict[str, int] = field(default_factory=dict)


@pytest.mark.parametrize("event_class", [*EventRegistry().types(), Event, PartyEvent])
def test_a_sample_of_a_built_in_event_needs_nothing(event_class: type[Event]) -> None:
    event = sample(event_class)
    assert type(event) is event_class
    assert event.time.tzinfo is not None


@pytest.mark.parametrize("event_class", [*EventRegistry().types(), EverythingHappened])
def test_a_sample_can_be_sent_as_json(event_class: type[Event]) -> None:
    registry = EventRegistry()
    registry.register(EverythingHappened)
    for event in samples(event_class, 20):
        assert registry.from_json(event.to_json()) == event


def test_an_event_of_a_plugin_gets_values_of_the_right_kinds() -> None:
    event = sample(EverythingHappened)
    assert event.what == "What"
    assert 0 <= event.share <= 1
    assert event.port in (1024, 1025)
    assert event.dozens % 12 == 0
    assert len(event.code) == 8
    assert len(event.tag) == 3
    assert event.is_new is True
    assert event.when.tzinfo is not None
    assert (event.color, event.mode) == (Color.RED, "ffa")
    assert event.players == ("Ann", "Ben")
    assert len(event.three) == 3
    assert isinstance(event.seat, Seat)
    assert event.rack.seats
    assert event.extra == {}


def test_fields_that_are_given_are_taken() -> None:
    seat = Seat(number=7)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    event = sample(EverythingHappened, seat=seat, what="pizza", time=moment, id="one")
    assert (event.seat, event.what, event.time, event.id) == (seat, "pizza", moment, "one")


def test_a_sample_names_people_and_parties_as_one_would() -> None:
    event = sample(PeerJoined)
    assert (event.peer_name, event.party_name, event.party_id) == ("Ann", "Friday LAN", None)


def test_samples_differ_where_it_matters() -> None:
    joined = samples(PeerJoined, 30)
    assert len({event.peer_name for event in joined}) == 30
    assert len({event.id for event in joined}) == 30
    assert {event.party_name for event in joined} == {"Friday LAN"}
    assert samples(PeerJoined, 0) == []


def test_lists_become_tuples() -> None:
    assert sample(GameStarted, players=["Zoe"]).players == ("Zoe",)


def test_a_field_that_does_not_exist_is_rejected_with_the_nearest() -> None:
    with pytest.raises(TypeError, match="PeerJoined has no field 'name', did you mean"):
        sample(PeerJoined, name="Ann")


def test_a_value_that_is_not_allowed_is_rejected() -> None:
    with pytest.raises(ValueError, match="GameEnded: duration: "):
        sample(GameEnded, duration="long")


def test_what_is_nested_very_deeply_is_left_to_the_test() -> None:
    @EVENT
    class Nested(Event):
        """It holds lists in lists."""

        lists: list[list[list[list[list[list[list[list[int]]]]]]]]

    with pytest.raises(TypeError, match="no value for 'lists' of Nested"):
        sample(Nested)

    assert sample(Nested, lists=[]).lists == []


def test_what_cannot_be_made_up_must_be_given() -> None:
    @EVENT
    class CodeIssued(Event):
        """A code was issued."""

        code: Annotated[str, Field(pattern="^[0-9]{6}$")]

    with pytest.raises(TypeError, match=r"no value for 'code' of CodeIssued .*code=…\)"):
        sample(CodeIssued)

    assert sample(CodeIssued, code="123456").code == "123456"


@pytest.mark.parametrize("something", [int, PeerJoined(peer_name="Ann", party_name="x")])
def test_what_is_no_event_class_is_rejected(something: Any) -> None:
    with pytest.raises(TypeError, match="is not an event class"):
        sample(something)
