from __future__ import annotations

import json
import re
from datetime import UTC

from lanrage_events import Event, escape_controls

_PLAIN_VALUE = re.compile(r'[^\s"=\\]+')


def json_line(event: Event) -> str:
    """Return the event as one JSON object that ``lanrage-events run --stdin`` reads."""
    return escape_controls(event.to_json()) + "\n"


def text_line(event: Event) -> str:
    """Return the event as time, type and ``key=value`` pairs; fields without value are left out."""
    fields = event.to_dict()
    for known in ("type", "time", "id"):
        del fields[known]

    time = event.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    pairs = [f"{name}={_value(value)}" for name, value in fields.items() if value is not None]
    return escape_controls(" ".join([time, event.type, *pairs, f"id={_value(event.id)}"])) + "\n"


def _value(value: object) -> str:
    if isinstance(value, str) and _PLAIN_VALUE.fullmatch(value) and value.isprintable():
        return value

    return json.dumps(value, ensure_ascii=False)
