"""Descriptions of events and errors for the messages of failing tests."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from .._events import COMMON_FIELDS, Event
from .._exceptions import format_error

"""fields that differ between equal events"""


def fields_of(event: Event) -> dict[str, Any]:
    """Return the fields of an event that are compared."""
    return {f.name: getattr(event, f.name) for f in fields(event) if f.name not in COMMON_FIELDS}


def format_arguments(values: Mapping[str, object]) -> Iterator[str]:
    """Yield keyword arguments, such as ``peer_name='Ann'``."""
    return (f"{name}={value!r}" for name, value in values.items())


def describe_event(event: Event) -> str:
    """Describe an event without id, time and default values."""
    defaults = {f.name: _default(f) for f in fields(event)}
    shown = {
        name: value
        for name, value in fields_of(event).items()
        if defaults[name] is MISSING or value != defaults[name]
    }
    return f"{type(event).__name__}({', '.join(format_arguments(shown))})"


def describe_error(error: BaseException) -> str:
    """Describe an error and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{format_error(error)}{place}"


def _default(field: Field[Any]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()

    return field.default
