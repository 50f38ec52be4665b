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
    """Return what is wrong with the id in the JSON form of an event.

    An id that is missing is right, and that it is a text is checked with the other fields.
    """
    id = data.get("id")
    if not isinstance(id, str):
        return []

    if not id.strip():
        message = "it is empty: leave it out, or give a text that no other event has"
    elif len(id) > ID_MAX_CHARACTERS:
        message = f"it has {len(id):,} characters, and {ID_MAX_CHARACTERS} are the most"
    elif not id.isprintable() and any(unicodedata.category(character) == "Cc" for character in id):
        message = "it has a control character, such as a line break"
    else:
        return []

    return [FieldProblem("id", message)]
