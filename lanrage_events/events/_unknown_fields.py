"""The fields of an event's JSON that its type does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

_MAX_PLACES = 1_000
Place: TypeAlias = tuple[str | int, ...]

# https://docs.pydantic.dev/latest/errors/validation_errors/
UNKNOWN_FIELD = frozenset({"unexpected_keyword_argument", "extra_forbidden"})
"""what pydantic calls them, in data classes and in models"""


def unknown_places(error: Exception) -> list[Place]:
    """Return where the unknown fields are; none if something else is wrong, too."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.error_count() > _MAX_PLACES:
        return []

    details = error.errors(include_url=False, include_input=False, include_context=False)
    if any(item["type"] not in UNKNOWN_FIELD for item in details):
        return []

    return [item["loc"] for item in details]


def without(data: Mapping[str, Any], places: Iterable[Place]) -> dict[str, Any] | None:
    """Return a copy of data without what is at some places; None if one of them is not in it."""
    copy: Any = dict(data)
    for place in places:
        value = copy
        for key in place[:-1]:
            if not _has(value, key):
                return None

            # What is shared with the original is copied before it is changed.
            value[key] = dict(value[key]) if isinstance(value[key], Mapping) else list(value[key])
            value = value[key]

        if not (isinstance(value, dict) and place[-1] in value):
            return None

        del value[place[-1]]

    found: dict[str, Any] = copy
    return found


def _has(value: object, key: str | int) -> bool:
    """Return whether a container has another container at a key."""
    if isinstance(value, dict):
        item = value.get(key)
    elif isinstance(value, list) and isinstance(key, int) and key < len(value):
        item = value[key]
    else:
        return False

    return isinstance(item, (Mapping, list, tuple))
