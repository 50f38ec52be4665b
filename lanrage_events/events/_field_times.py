"""The times in the fields of an event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from weakref import WeakKeyDictionary

from .._events import Event, type_adapter
from .._exceptions import FieldProblem
from .._times import EXPECTED, in_utc

_names: WeakKeyDictionary[type[Event], tuple[str, ...]] = WeakKeyDictionary()


def wrong_times(event: Event) -> list[FieldProblem]:
    """Return a problem for each time in an event's fields that is not valid."""
    cls = type(event)
    names = _names.get(cls)
    if names is None:
        names = _names[cls] = tuple(_fields_with_times(cls))

    problems: list[FieldProblem] = []
    # In any time zone, a time in other years is valid.
    if not MINYEAR < event.time.year < MAXYEAR:
        for problem in _wrong_within(event.time, "time"):
            message = f"{problem.message}; leave it out if it is not known"
            problems.append(FieldProblem("time", message))

    for name in names:
        problems.extend(_wrong_within(getattr(event, name), name))

    return problems


def _fields_with_times(cls: type[Event]) -> Iterator[str]:
    """Yield the fields besides ``time`` that may hold a time."""
    names = [item.name for item in fields(cls) if item.name != "time"]
    try:
        schema = type_adapter(cls).json_schema()
        shared = _has_time(schema.get("$defs", {}))
        properties: Mapping[str, object] = schema["properties"]
    except Exception:  # noqa: BLE001 - a class of a plugin may have no schema, so any field may
        yield from names
        return

    for name in names:
        text = json.dumps(properties.get(name, {}))
        if _has_time(text) or (shared and '"$ref"' in text):
            yield name


def _has_time(schema: object) -> bool:
    return "date-time" in (schema if isinstance(schema, str) else json.dumps(schema))


def _wrong_within(value: object, path: str) -> Iterator[FieldProblem]:
    if isinstance(value, datetime):
        try:
            in_utc(value)
        except ValueError:
            yield FieldProblem(path, EXPECTED)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _wrong_within(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, item in enumerate(value):
            yield from _wrong_within(item, f"{path}.{index}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from _wrong_within(getattr(value, field.name), f"{path}.{field.name}")
