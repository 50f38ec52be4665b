"""Event types by name, and events as JSON, words and text, for code that does not know the classes."""

from __future__ import annotations

from .._events import COMMON_FIELDS as COMMON_FIELDS
from .._events import shortened_id as shortened_id
from .._events import utc_now as utc_now
from .._exceptions import FieldProblem as FieldProblem
from .._surrogates import lone_surrogate as lone_surrogate
from .._times import in_utc as in_utc
from .._times import parse_time as parse_time
from .._times import seconds_later as seconds_later
from ._fields import format_event as format_event
from ._fields import parse_event_fields as parse_event_fields
from ._registry import EventRegistry as EventRegistry
from ._samples import sample_event_fields as sample_event_fields

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith("lanrage_events."):
        _value.__module__ = __name__
