from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lanrage_events import EventRegistry, parse_event_fields, resolve_schema

from .._embeds import parse_color

_PARTY = "Friday LAN"
_SAMPLES: Mapping[str, Mapping[str, object]] = {
    "party_created": {"party_id": "lan-42", "party_name": _PARTY, "host": "Ann"},
    "peer_joined": {"peer_name": "Ben", "party_name": _PARTY},
    "peer_left": {"peer_name": "Ben", "party_name": _PARTY},
    "game_started": {"game_name": "Quake III Arena", "players": ["Ann", "Ben", "Cy"]},
    "game_ended": {"game_name": "Quake III Arena", "duration": 3661, "avg_latency": 23},
    "notification": {
        "title": "Pizza is here",
        "message": "It is upstairs. First come, first served.",
    },
}
# Fields that every event has, and what says nothing in a sample.
_NOT_SAMPLED = frozenset({"type", "id", "time"})
_NESTING_MAX = 5

Schema = Mapping[str, Any]


def sample_event(registry: EventRegistry, event_type: str, values: Sequence[str]) -> dict[str, Any]:
    """Return the JSON form of an event to look at.

    :param registry: the event types that there are
    :param event_type: which one
    :param values: the fields that matter, each as ``name=value``; the others are made up
    :raises UnknownEventType: if there is no such type
    :raises ValueError: if a value is not written as ``name=value``
    """
    schema = registry.json_schema(event_type)
    properties: Schema = schema["properties"]
    given = parse_event_fields(schema, values, {"color": parse_color})
    sample = dict(_SAMPLES.get(event_type, {}))
    if not sample:
        for name, field in properties.items():
            if name not in _NOT_SAMPLED:
                sample[name] = _sample(name, field, schema)

    return {"type": event_type, **sample, **given}


def _sample(name: str, schema: Schema, root: Schema, depth: int = 0) -> Any:
    """Make up a value by the JSON Schema of its field."""
    schema = resolve_schema(schema, root)
    if schema.get("default") is not None:
        return schema["default"]

    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]

    if "const" in schema:
        return schema["const"]

    if depth > _NESTING_MAX:
        return None

    match schema.get("type"):
        case "string" if schema.get("format") == "date-time":
            return datetime.now(UTC).replace(microsecond=0).isoformat()
        case "string":
            return name.replace("_", " ").capitalize()
        case "integer":
            return int(_within(schema, 42))
        case "number":
            return _within(schema, 12.5)
        case "boolean":
            return True
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})] * 2
            return [
                _sample(f"{name} {number}", item, root, depth + 1)
                for number, item in enumerate(items, 1)
            ]
        case "object":
            return {
                key: _sample(key, value, root, depth + 1)
                for key, value in schema.get("properties", {}).items()
            }

    return None


def _within(schema: Schema, value: float) -> float:
    """Return the value or, if the field does not allow it, one that it may allow."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    excluded = (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    candidates: tuple[float, ...] = (value, low, high, low + 1, high - 1, (low + high) / 2)
    good = (
        candidate
        for candidate in candidates
        if low <= candidate <= high and candidate not in excluded and math.isfinite(candidate)
    )
    return next(good, value)
