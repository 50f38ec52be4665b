"""The fields of event types, and the values that they can have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from lanrage_events import Event

from .router import has_value

_MANY = (tuple, list, set, frozenset)
_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


class EventFields:
    """Knows the fields of event classes."""

    def __init__(self) -> None:
        self._types: dict[type[Event], Mapping[str, Any]] = {}

    def names(self, types: Iterable[type[Event]]) -> list[str]:
        """Return the names of the fields of event classes."""
        return sorted({name for cls in types for name in self._of(cls)})

    def has(self, cls: type[Event], name: str) -> bool:
        """Return whether the events of a class have a field or another value of a name."""
        return name in self._of(cls) or not callable(getattr(cls, name, callable))

    def can_have(self, cls: type[Event], name: str, wanted: object) -> bool:
        """Return whether a field of an event class can have a value, as far as its type says."""
        kinds = self._of(cls)
        if name in kinds:
            return any(_can_be(kind, wanted) for kind in _flat(kinds[name]))

        value = getattr(cls, name)
        return has_value(value, wanted) if isinstance(value, str | int | float) else True

    def kinds(self, types: Iterable[type[Event]], name: str) -> str:
        """Describe the values that a field of event classes has, empty if that is not known."""
        kinds = {_KINDS.get(kind, "") for cls in types for kind in _flat(self._of(cls).get(name))}
        return "" if "" in kinds else " or ".join(sorted(kinds))

    def _of(self, cls: type[Event]) -> Mapping[str, Any]:
        """Return the types of the fields of an event class, where they are known."""
        if cls not in self._types:
            try:
                hints = get_type_hints(cls, include_extras=True)
            except Exception:  # noqa: BLE001 - such as a name that only type checkers import
                hints = {}

            self._types[cls] = {field.name: hints.get(field.name) for field in fields(cls)}

        return self._types[cls]


def _can_be(kind: Any, wanted: object) -> bool:
    if get_origin(kind) is Literal:
        return any(has_value(value, wanted) for value in get_args(kind))

    if kind is str:
        return not isinstance(wanted, bool)

    if kind is bool:
        return has_value(True, wanted) or has_value(False, wanted)

    if kind in (int, float):
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
    elif origin in (Union, UnionType) or (origin in _MANY and arguments):
        for one in arguments:
            if one not in (..., NoneType):
                yield from _flat(one)
    else:
        yield annotation
