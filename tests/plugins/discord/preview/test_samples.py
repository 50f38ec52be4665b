from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from lanrage_events import Event
from lanrage_events.events import EventRegistry
from lanrage_events_discord._preview import sample_event


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    row: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundEnded(Event):
    map_name: str
    round: Annotated[int, Field(ge=100, le=200)]
    score: Annotated[float, Field(gt=0, lt=1)]
    mode: Literal["ranked", "fun"]
    is_final: bool
    began: datetime
    players: tuple[str, ...]
    points: dict[str, int]
    seat: Seat
    pair: tuple[int, str]
    seats: list[Seat] | None = None
    kind: Literal["final"]
    label: str = "round"
    version: Literal[2] = 2
    tag: Annotated[str, Field(examples=["eu1"])]
    extra: object = field(default=None)


def test_a_type_of_a_plugin_gets_sample_data_by_its_fields() -> None:
    registry = EventRegistry()
    registry.register(RoundEnded)

    sample = sample_event(registry, "round_ended", ["extra=x", 'seat={"row": "A", "number": 7}'])
    began = sample.pop("began")

    assert datetime.fromisoformat(began).tzinfo is not None
    assert sample == {
        "type": "round_ended",
        "map_name": "q3dm17",
        "round": 100,
        "score": 0.5,
        "mode": "ranked",
        "is_final": True,
        "players": ["Ann", "Ben"],
        "points": {},
        "seat": {"row": "A", "number": 7},
        "pair": [42, "Pair 2"],
        "seats": [{"row": "Row", "number": 42}, {"row": "Row 2", "number": 43}],
        "kind": "final",
        "label": "round",
        "version": 2,
        "tag": "eu1",
        "extra": "x",
    }
    event = registry.from_dict(sample_event(registry, "round_ended", ["is_final=no"]))
    assert isinstance(event, RoundEnded)
    assert event.is_final is False


def test_a_recursive_field_ends_somewhere() -> None:
    sample = sample_event(_registry_with_tree(), "tree_grown", [])

    depth = 0
    node = sample["root"]
    while node is not None:
        node = node["child"]
        depth += 1

    assert depth < 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    child: Node | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeGrown(Event):
    root: Node


def _registry_with_tree() -> EventRegistry:
    registry = EventRegistry()
    registry.register(TreeGrown)
    return registry
