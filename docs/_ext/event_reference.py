"""Describes every built-in event type, from the registry that reads and writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from lanrage_events import Event, EventBus
from lanrage_events._cli.listing import _describe
from lanrage_events.events import COMMON_FIELDS
from lanrage_events.testing import sample

# Where a field may be left out, so that nothing would be made up for it.
_MORE: dict[str, dict[str, Any]] = {
    "peer_joined": {"party_id": "lan-42"},
    "game_ended": {"duration": 3661.0, "avg_latency": 23.4},
    "notification": {"color": 0x4CAF50},
}


def event_classes() -> tuple[type[Event], ...]:
    """Return the built-in event classes."""
    return EventBus().events.types()


def example(cls: type[Event]) -> str:
    """Return an event as a program sends it, in JSON."""
    event = sample(cls, **_MORE.get(cls.type, {})).to_dict()
    shown = {key: value for key, value in event.items() if key not in {*COMMON_FIELDS} - {"type"}}
    return json.dumps({key: value for key, value in shown.items() if value is not None})


def lines() -> Iterator[str]:
    """Yield the description of all built-in event types, in Markdown.

    :raises ValueError: if one has no description
    """
    for cls in event_classes():
        schema = EventBus().events.json_schema(cls.type)
        descriptions = {field.name for field in fields(cls)}
        summary = schema.get("description", "").partition("\n")[0]
        if not summary:
            raise ValueError(f"the event type {cls.type} has no description")

        yield f"### `{cls.type}`"
        yield ""
        yield f"{summary} In Python it is `{cls.__name__}`."
        yield ""
        for name, field in schema["properties"].items():
            if name in descriptions and name not in COMMON_FIELDS:
                yield f"- `{name}`: {_describe(name, field, schema)}"

        yield ""
        yield "```json"
        yield example(cls)
        yield "```"
        yield ""
