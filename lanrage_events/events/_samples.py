"""Sample values for the fields of events, from their JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from .._events import COMMON_FIELDS
from ._fields import Schema, resolve_schema

# The people and things of a LAN party. Each sample uses the next one.
_PEOPLE = ("Ann", "Ben", "Cy", "Dee", "Eli", "Flo", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo")
_GAMES = ("Quake III Arena", "Trackmania", "Age of Empires II", "Factorio", "Rocket League")
_NAMED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("author", "host", "peer_name", "player", "player_name", "user"), _PEOPLE),
    **dict.fromkeys(("winner", "loser", "sender"), _PEOPLE),
    **dict.fromkeys(("game", "game_name"), _GAMES),
    "map_name": ("q3dm17", "de_dust2", "Summer 2026 - 01"),
    "party_name": ("Friday LAN",),
    "server_name": ("Friday LAN",),
    "party_id": ("lan-42",),
    "peer_id": ("STEAM_0:1:1042", "STEAM_0:0:2057", "STEAM_0:1:3071"),
    "title": ("Pizza is here",),
    "message": ("It is upstairs. First come, first served.",),
}
_NUMBERS = {"count": 4, "visitors": 14, "peak": 9, "duration": 7_800.0}
_LISTS_OF = {"players": "player", "winners": "winner", "games": "game", "peers": "peer_name"}
_START = datetime(2026, 3, 6, 20, 15, tzinfo=UTC)
_FORMATS = {
    "date-time": lambda n: (_START + timedelta(minutes=n)).isoformat(),
    "date": lambda n: (_START + timedelta(days=n)).date().isoformat(),
    "time": lambda n: (_START + timedelta(minutes=n)).time().isoformat(),
    "duration": lambda n: f"PT{n + 1}M",
    "uuid": lambda n: str(UUID(int=n + 1)),
    "uri": lambda n: f"https://lan.example/{n + 1}",
    "ipv4": lambda n: f"192.0.2.{n % 254 + 1}",
    "ipv6": lambda n: f"2001:db8::{n % 9999 + 1}",
    "path": lambda n: f"file-{n + 1}.txt",
}
_NESTING_MAX = 5


def sample_event_fields(
    schema: Mapping[str, Any], number: int = 0, *, optional: bool = False
) -> dict[str, Any]:
    """Make up values for the fields of an event, as values for JSON.

    A value that cannot be made up is ``None``.

    :param schema: the JSON Schema of the event type, see :meth:`EventRegistry.json_schema`
    :param number: each number gives different values, where possible
    :param optional: whether to include optional fields except those that every event has, with their
        default if they have one
    """
    fields = _Sampler(schema, optional).fields(schema, number)
    return {name: value for name, value in fields.items() if name not in COMMON_FIELDS}


@dataclass(frozen=True, slots=True)
class _Sampler:
    root: Schema
    optional: bool

    def fields(self, schema: Schema, number: int, depth: int = 0) -> dict[str, Any]:
        properties: Schema = schema.get("properties", {})
        names = properties if self.optional else schema.get("required", ())
        return {name: self._value(name, properties[name], number, depth) for name in names}

    def _value(self, name: str, schema: Schema, number: int, depth: int) -> Any:
        schema = resolve_schema(schema, self.root)
        if schema.get("default") is not None:
            return schema["default"]

        choices = [schema["const"]] if "const" in schema else schema.get("enum")
        if choices := choices or schema.get("examples"):
            return choices[number % len(choices)]

        if depth > _NESTING_MAX:
            return None

        match schema.get("type"):
            case "string":
                return _text(name, schema, number)
            case "integer":
                return int(_within(schema, _NUMBERS.get(name, 42) + number))
            case "number":
                return _within(schema, _NUMBERS.get(name, 12.5) + number)
            case "boolean":
                return number % 2 == 0
            case "array":
                return self._items(name, schema, number, depth)
            case "object":
                return self.fields(schema, number, depth + 1)

        return None

    def _items(self, name: str, schema: Schema, number: int, depth: int) -> list[Any]:
        items = schema.get("prefixItems")
        if items is None:
            count = max(schema.get("minItems", 0), min(schema.get("maxItems", 2), 2))
            items = [schema.get("items", {"type": "string"})] * count

        one = _LISTS_OF.get(name, name.removesuffix("s"))
        return [self._value(one, item, number + i, depth + 1) for i, item in enumerate(items)]


def _text(name: str, schema: Schema, number: int) -> str:
    make = _FORMATS.get(schema.get("format", ""))
    if make is not None:
        return make(number)

    text = _named(name, number)
    text = text.ljust(schema.get("minLength", 0), ".")
    return text[: schema.get("maxLength")]


def _named(name: str, number: int) -> str:
    known = _NAMED.get(name)
    if known is None:
        words = name.replace("_", " ").capitalize()
        return f"{words} {number + 1}" if number else words

    again, index = divmod(number, len(known))
    return f"{known[index]} {again + 1}" if again and len(known) > 1 else known[index]


def _within(schema: Schema, value: float) -> float:
    """Return the value or, if the field does not allow it, another one that it may allow."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    excluded = (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf")
    if step:
        return float(math.ceil(max(low, 1) / step) * step)

    candidates: tuple[float, ...] = (value, low, high, low + 1, high - 1, (low + high) / 2)
    good = (
        candidate
        for candidate in candidates
        if low <= candidate <= high and candidate not in excluded and math.isfinite(candidate)
    )
    return next(good, value)
