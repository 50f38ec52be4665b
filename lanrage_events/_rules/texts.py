"""The texts in the values of fields: which are names of people, and how they are replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias, TypeVar, get_args, get_type_hints

from .._events import COMMON_FIELDS, PLAYER_NAME, Event
from .conditions import MANY
from .fields import field_types

Replace: TypeAlias = Callable[[str], str]
"""returns what stands for a text; the text itself if nothing does"""

E = TypeVar("E", bound=Event)

# What events name people by that do not mark their fields.
NAME_FIELDS = frozenset(("host", "peer_name", "player", "player_name", "players"))


def name_fields(cls: type[Event]) -> tuple[str, ...]:
    """Return the fields of an event class that hold names of people.

    Where the types of its fields are not known, any of them may.
    """
    types = field_types(cls)
    return tuple(
        name
        for name, kind in types.items()
        if name not in COMMON_FIELDS
        and name != "peer_id"
        and (name in NAME_FIELDS or kind is None or _has_mark(kind, set()))
    )


def _has_mark(kind: Any, seen: set[Any]) -> bool:
    """Return whether a type, or one in it, is marked as a player's name."""
    if kind is PLAYER_NAME or PLAYER_NAME in getattr(kind, "__metadata__", ()):
        return True

    inner: Iterable[Any] = get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        try:
            inner = get_type_hints(kind, include_extras=True).values()
        except Exception:  # noqa: BLE001 - such as a name that only type checkers import
            return True

    return any(_has_mark(one, seen) for one in inner)


def replaced(value: Any, change: Replace) -> Any:
    """Return a value with other texts in it; the value itself if all stay as they are."""
    if isinstance(value, str):
        return change(value)

    if isinstance(value, MANY):
        items = [replaced(item, change) for item in value]
        if _are_same(items, value):
            return value

        make: Any = getattr(value, "_make", type(value))  # a named tuple has its own
        return make(items)

    if isinstance(value, Mapping):
        pairs = [(replaced(k, change), replaced(v, change)) for k, v in value.items()]
        if _are_same((k for k, _ in pairs), value) and _are_same(
            (v for _, v in pairs), value.values()
        ):
            return value

        changed: dict[Any, Any] = {}
        for key, item in pairs:
            number, unique = 1, key
            while unique in changed:  # two hidden people stay two
                number += 1
                unique = f"{key} {number}"

            changed[unique] = item

        return changed

    if is_dataclass(value) and not isinstance(value, type):
        changed = dict(_changed(value, (field.name for field in fields(value)), change))
        return replace(value, **changed) if changed else value

    return value


def replace_names(event: E, change: Replace) -> E:
    """Return an event with other names of people; the event itself if all stay as they are.

    It finds the names where rules do: in the fields whose type is or has a
    :data:`PlayerName`, and in those called ``peer_name``, ``player``,
    ``player_name``, ``players`` and ``host``. Names within other texts stay.

    :param event: any event
    :param change: called with each name, returns what stands for it, or the name
    """
    changed = changes(event, name_fields(type(event)), change)
    return event.replace(**changed) if changed else event


def changes(event: Event, names: Iterable[str], change: Replace) -> dict[str, Any]:
    """Return the fields of an event that get other values, with these."""
    return dict(_changed(event, names, change))


def _changed(around: Any, names: Iterable[str], change: Replace) -> Iterator[tuple[str, Any]]:
    for name in names:
        value = getattr(around, name)
        new = replaced(value, change)
        if new is not value:
            yield name, new


def _are_same(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))
