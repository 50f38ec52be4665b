"""The operations of the HTTP API."""

from __future__ import annotations

from .deduplication import DEFAULT_SIZE, Deduplicator, InFlight
from .event_schemas import EventSchemas
from .events import EVENT_STREAM, event_operations
from .forgetting import forget_operation
from .models import (
    MAX_EVENTS,
    Count,
    EntriesQuery,
    EventsProblem,
    EventsTaken,
    ProblemDetails,
    Readiness,
)
from .operation import Call, Operation
from .outbox import outbox_operations
from .plugins import PluginRoutes
from .sessions import session_operations
from .status import status_operations
from .taken_ids import TakenIds
from .values import MAX_PARTS, MAX_VALUE_BYTES
