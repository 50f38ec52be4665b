"""The rule for the ids of events that arrive as JSON, by which repeated ones are recognized."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from .._events import ID_MAX_CHARACTERS
from .._exceptions import FieldProblem

SCHEMA: Mapping[str, Any] = {
    "minLength": 1,
    "maxLength": ID_MAX_CHARACTERS,
    # In the syntax that the dialects of regular expressions share.
    "pattern": r"\S",
    "not": {"pattern": r"[\x00-\x1f\x7f-\x9f]"},
}
"""what the rule adds to the JSON Schema of a text"""


def wrong_id(data: Mapping[str, Any]) -> list[FieldProblem]:
    """Return what is wrong with the ids in the JSON form of an event.

    An id that is missing is right, and that it is a text is checked with the other fields.
    """
    found = {name: _problem_of(data.get(name)) for name in ("id", "parent_id")}
    return [FieldProblem(name, problem) for name, problem in found.items() if problem is not None]


def _problem_of(id: object) -> str | None:
    if not isinstance(id, str):
        return None

    if not id.strip():
        return "it is empty: leave it out, or give a text that no other event has"

    if len(id) > ID_MAX_CHARACTERS:
        return f"it has {len(id):,} characters, and {ID_MAX_CHARACTERS} are the most"

    if not id.isprintable() and any(unicodedata.category(character) == "Cc" for character in id):
        return "it has a control character, such as a line break"

    return None
