"""The operations of the HTTP API."""

from __future__ import annotations

from .event_schemas import EventSchemas
from .events import EVENT_STREAM, JSON_LINES, event_operations
from .models import MAX_EVENTS, ProblemDetails
from .operation import JSON_TYPE, Call, Operation
from .outbox import outbox_operations
from .plugins import PluginRoutes
from .status import status_operations
