from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lanrage_events import Event, PartyEvent, hookimpl


@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(PartyEvent):
    """A game server changed its map."""

    map_name: str
    """the name of the map"""


@hookimpl
def register_events() -> Iterable[type[Event]]:
    return [MapChanged]


@hookimpl
def map_changed(event: MapChanged) -> None:
    print(f"Now playing {event.map_name}")
