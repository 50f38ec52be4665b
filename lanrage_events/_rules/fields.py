"""The fields of event types, and the values that they can have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from .._events import Event
from .conditions import MANY, condition
from .patterns import WILDCARD

_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
_hints: WeakKeyDictionary[type[Event], Mapping[str, Any]] = WeakKeyDictionary()


def field_types(cls: type[Event]) -> Mapping[str, Any]:
    """Return the fields of an event class with their types; None for one that is not known."""
    found = _hints.get(cls)
    if found is None:
        try:
            hints = get_type_hints(cls, include_extras=True)
        except Exception:  # noqa: BLE001 - such as a name that only type checkers import
            hints = {}

        found = _hints[cls] = {field.name: hints.get(field.name) for field in fields(cls)}

    return found


def field_names(types: Iterable[type[Event]]) -> list[str]:
    """Return the names of the fields of event classes."""
    return sorted({name for cls in types for name in field_types(cls)})


def has_field(cls: type[Event], name: str) -> bool:
    """Return whether the events of a class have a field or another value of a name."""
    return name in field_types(cls) or not callable(getattr(cls, name, callable))


def can_have(cls: type[Event], name: str, wanted: object) -> bool:
    """Return whether a field of an event class can have a value, as far as its type says."""
    kinds = field_types(cls)
    if name in kinds:
        return any(_can_be(kind, wanted) for kind in _flat(kinds[name]))

    value = getattr(cls, name)
    return condition(wanted)(value) if isinstance(value, str | int | float) else True


def kinds_of(types: Iterable[type[Event]], name: str) -> str:
    """Describe the values that a field of event classes has, empty if that is not known."""
    kinds = {_KINDS.get(kind, "") for cls in types for kind in _flat(field_types(cls).get(name))}
    return "" if "" in kinds else " or ".join(sorted(kinds))


def _can_be(kind: Any, wanted: object) -> bool:
    if get_origin(kind) is Literal:
        return any(map(condition(wanted), get_args(kind)))

    if kind is str:
        return not isinstance(wanted, bool)

    if kind is bool:
        return any(map(condition(wanted), (True, False)))

    if kind in (int, float):
        if isinstance(wanted, str) and WILDCARD in wanted:
            return True

        try:
            number = float(wanted) if isinstance(wanted, str | int | float) else 0.5
        except (OverflowError, ValueError):
            return False

        return kind is float or number.is_integer()

    return True


def _flat(annotation: Any) -> Iterable[Any]:
    """Yield the types that a value or, of a field with many, one of its values may have."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _flat(arguments[0])
    elif origin in (Union, UnionType) or (origin in MANY and arguments):
        for one in arguments:
            if one not in (..., NoneType):
                yield from _flat(one)
    else:
        yield annotation
