from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC

from lanrage_events import Event

_HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# They join emoji and letters of some scripts, and do nothing else.
_JOINERS = "\u200c\u200d"
_PLAIN_VALUE = re.compile(r'[^\s"=\\]+')


def json_line(event: Event) -> str:
    """Return the event as one JSON object that ``lanrage-events run --stdin`` reads."""
    return escape(event.to_json()) + "\n"


def text_line(event: Event) -> str:
    """Return the event as time, type and ``key=value`` pairs; fields without value are left out."""
    fields = event.to_dict()
    for known in ("type", "time", "id"):
        del fields[known]

    time = event.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    pairs = [f"{name}={_value(value)}" for name, value in fields.items() if value is not None]
    return escape(" ".join([time, event.type, *pairs, f"id={_value(event.id)}"])) + "\n"


def _value(value: object) -> str:
    if isinstance(value, str) and _PLAIN_VALUE.fullmatch(value) and value.isprintable():
        return value

    return json.dumps(value, ensure_ascii=False)


def escape(text: str) -> str:
    r"""Write what could forge a line or steer a terminal as JSON's ``\u`` escapes.

    These are control characters, line and paragraph separators, and characters that change the
    direction of text or cannot be seen. In JSON they only occur in strings, so it stays the same.
    """
    if text.isprintable():
        return text

    return "".join(_escape_character(character) for character in text)


def _escape_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character

    return json.dumps(character)[1:-1]
