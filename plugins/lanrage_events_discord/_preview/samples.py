"""Made-up events for previews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lanrage_events.events import EventRegistry, parse_event_fields, sample_event_fields

from .._embeds import parse_color
from .cards import CARD_SAMPLES, card_registry

_CARD_TYPES = frozenset(cls.type for cls in CARD_SAMPLES)
_PARTY = "Friday LAN"
_SAMPLES: Mapping[str, Mapping[str, object]] = {
    "party_created": {"party_id": "lan-42", "party_name": _PARTY, "host": "Ann"},
    "peer_joined": {"peer_name": "Ben", "party_name": _PARTY, "first_time": True, "count": 4},
    "peer_left": {"peer_name": "Ben", "party_name": _PARTY, "duration": 7_800, "count": 3},
    "game_started": {"game_name": "Quake III Arena", "players": ["Ann", "Ben", "Cy"]},
    "game_ended": {"game_name": "Quake III Arena", "duration": 3661, "avg_latency": 23},
    "server_started": {"server_name": _PARTY, "game_name": "Quake III Arena"},
    "server_stopped": {
        "server_name": _PARTY,
        "game_name": "Quake III Arena",
        "reason": "crashed",
    },
    "party_ended": {
        "party_name": _PARTY,
        "since": "2026-03-06T19:00:00Z",
        "duration": 19_620,
        "peak": 9,
        "visitors": 14,
        "players": ["Ann", "Ben", "Cy"],
        "games": ["Quake III Arena", "Trackmania", "Factorio"],
    },
    "notification": {
        "title": "Pizza is here",
        "message": "It is upstairs. First come, first served.",
    },
}


def find_registry(registry: EventRegistry, event_type: str) -> EventRegistry:
    """Return where the event type of a preview is known: cards are previewed like events.

    :param registry: the event types that there are
    """
    is_card = event_type not in registry.names() and event_type in _CARD_TYPES
    return card_registry() if is_card else registry


def sample_event(registry: EventRegistry, event_type: str, values: Sequence[str]) -> dict[str, Any]:
    """Return the JSON form of a sample event.

    :param registry: the event types that there are, besides cards
    :param event_type: which one
    :param values: the fields that matter, each as ``name=value``; the others are made up
    :raises UnknownEventType: if there is no such type
    :raises ValueError: if a value is not written as ``name=value``
    """
    schema = find_registry(registry, event_type).json_schema(event_type)
    given = parse_event_fields(schema, values, {"color": parse_color})
    made = _SAMPLES.get(event_type) or sample_event_fields(schema, optional=True)
    return {"type": event_type, **made, **given}
