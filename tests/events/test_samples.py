from __future__ import annotations

from dataclasses import dataclass

from lanrage_events import Event
from lanrage_events.events import EventRegistry, sample_event_fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    row: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatTaken(Event):
    peer_name: str
    seat: Seat
    row: int | None = None
    mode: str = "quiet"


def schema() -> dict[str, object]:
    registry = EventRegistry()
    registry.register(SeatTaken)
    return registry.json_schema("seat_taken")


def test_what_an_event_needs_is_made_up() -> None:
    assert sample_event_fields(schema()) == {"peer_name": "Ann", "seat": {"row": "Row"}}


def test_another_number_gives_other_values() -> None:
    assert sample_event_fields(schema(), 1) == {"peer_name": "Ben", "seat": {"row": "Row 2"}}


def test_what_may_be_left_out_is_made_up_if_wanted_or_is_the_default() -> None:
    assert sample_event_fields(schema(), optional=True) == {
        "peer_name": "Ann",
        "seat": {"row": "Row", "note": ""},
        "row": 42,
        "mode": "quiet",
    }


def test_what_is_known_of_a_party_reads_like_an_evening() -> None:
    fields = sample_event_fields(EventRegistry().json_schema("party_ended"))

    assert (fields["duration"], fields["peak"], fields["visitors"]) == (7_800.0, 9, 14)
    schema = EventRegistry().json_schema("peer_left")
    assert sample_event_fields(schema, optional=True)["count"] == 4
    assert sample_event_fields(schema, 1, optional=True)["count"] == 5


def test_a_reference_that_leads_nowhere_is_not_followed() -> None:
    broken = {"properties": {"seat": {"$ref": "#/$defs/gone"}}, "required": ["seat"]}

    assert sample_event_fields(broken) == {"seat": None}
