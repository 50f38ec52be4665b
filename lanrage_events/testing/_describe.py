"""How events and errors are written in the messages of failing tests."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from .._events import Event
from .._exceptions import format_error

NOT_COMPARED = frozenset({"id", "time"})
"""what is made anew for each event"""


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of an event that are about what happened."""
    return {f.name: getattr(event, f.name) for f in fields(event) if f.name not in NOT_COMPARED}


def call(name: str, arguments: Mapping[str, object]) -> str:
    """Write a call, such as ``PeerJoined(peer_name='Ann')``."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def describe_event(event: Event) -> str:
    """Write an event without id and time, and without what is as it is by default."""
    defaults = {f.name: _default(f) for f in fields(event)}
    shown = {
        name: value
        for name, value in fields_of(event).items()
        if defaults[name] is MISSING or value != defaults[name]
    }
    return call(type(event).__name__, shown)


def describe_error(error: BaseException) -> str:
    """Write what was raised, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{format_error(error)}{place}"


def _default(field: Field[Any]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()

    return field.default
