"""Events to test with, whose required fields are made up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from .._event_fields import resolve_schema
from .._event_registry import _field_problem
from .._events import Event, type_adapter
from ._assertions import check_names

if TYPE_CHECKING:
    from pydantic import ValidationError

EventT = TypeVar("EventT", bound=Event)
Schema = Mapping[str, Any]

# Who and what a LAN party has. Each sample takes the next one.
_PEOPLE = ("Ann", "Ben", "Cy", "Dee", "Eli", "Flo", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo")
_GAMES = ("Quake III Arena", "Trackmania", "Age of Empires II", "Factorio", "Rocket League")
_NAMED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("author", "host", "peer_name", "player", "player_name", "user"), _PEOPLE),
    **dict.fromkeys(("winner", "loser", "sender"), _PEOPLE),
    **dict.fromkeys(("game", "game_name"), _GAMES),
    "map_name": ("q3dm17", "de_dust2", "Summer 2026 - 01"),
    "party_name": ("Friday LAN",),
    "party_id": ("lan-42",),
    "title": ("Pizza is here",),
    "message": ("It is upstairs. First come, first served.",),
}
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


def sample(event_class: type[EventT], /, **fields: Any) -> EventT:
    """Return an event whose required fields are made up, but for the ones that are given.

    :param event_class: a built-in event class, or one of a plugin
    :param fields: those that matter to the test; they are checked as if they came from outside
    :raises TypeError: if the class has no such field, or a value for one cannot be made up
    :raises ValueError: if a value that is given is not allowed
    """
    return _sample(event_class, fields, 0)


def samples(event_class: type[EventT], count: int, /, **fields: Any) -> list[EventT]:
    """Return a number of events of a class, such as the arrival of twelve different players.

    :param event_class: a built-in event class, or one of a plugin
    :param count: how many
    :param fields: those that shall be the same in all
    :raises TypeError: as :func:`sample` does
    :raises ValueError: as :func:`sample` does
    """
    return [_sample(event_class, fields, number) for number in range(count)]


def _sample(event_class: type[EventT], given: Mapping[str, Any], number: int) -> EventT:
    from pydantic import ValidationError

    if not (isinstance(event_class, type) and issubclass(event_class, Event)):
        raise TypeError(f"{event_class!r} is not an event class")

    check_names(event_class, given)
    adapter = type_adapter(event_class)
    schema = adapter.json_schema()
    properties: Schema = schema["properties"]
    made = {
        name: _value(name, properties[name], schema, number)
        for name in schema.get("required", ())
        if name not in given
    }
    try:
        event: EventT = adapter.validate_python({**made, **given})
    except ValidationError as error:
        raise _explained(event_class, made, error) from None

    return event


def _explained(
    event_class: type[Event], made: Mapping[str, object], error: ValidationError
) -> Exception:
    names = [*made]
    wrong = {str(details["loc"][0]) for details in error.errors(include_url=False)}
    unknown = sorted(wrong & made.keys())
    if unknown:
        examples = ", ".join(f"{name}=…" for name in unknown)
        return TypeError(
            f"no value for {' and '.join(map(repr, unknown))} of {event_class.__name__} could be "
            f"made up: write sample({event_class.__name__}, {examples})"
        )

    problems = [_field_problem(details, names) for details in error.errors(include_url=False)]
    return ValueError(f"{event_class.__name__}: {'; '.join(map(str, problems))}")


def _value(name: str, schema: Schema, root: Schema, number: int, depth: int = 0) -> Any:
    """Make up a value by the JSON Schema of its field.

    :param number: another one gives another value, where possible
    """
    schema = resolve_schema(schema, root)
    choices = [schema["const"]] if "const" in schema else schema.get("enum", schema.get("examples"))
    if choices:
        return choices[number % len(choices)]

    if depth > _NESTING_MAX:
        return None

    match schema.get("type"):
        case "string":
            return _text(name, schema, number)
        case "integer":
            return int(_within(schema, 42 + number))
        case "number":
            return _within(schema, 12.5 + number)
        case "boolean":
            return number % 2 == 0
        case "array":
            return _items(name, schema, root, number, depth)
        case "object":
            needed = schema.get("required", ())
            return {
                key: _value(key, value, root, number, depth + 1)
                for key, value in schema.get("properties", {}).items()
                if key in needed
            }

    return None


def _items(name: str, schema: Schema, root: Schema, number: int, depth: int) -> list[Any]:
    items = schema.get("prefixItems")
    if items is None:
        count = max(schema.get("minItems", 0), min(schema.get("maxItems", 2), 2))
        items = [schema.get("items", {"type": "string"})] * count

    one = _LISTS_OF.get(name, name.removesuffix("s"))
    return [_value(one, item, root, number + index, depth + 1) for index, item in enumerate(items)]


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
    """Return the value or, if the field does not allow it, one that it may allow."""
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
