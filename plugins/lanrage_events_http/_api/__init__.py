"""The operations of the HTTP API."""

from __future__ import annotations

from .event_schemas import EventSchemas as EventSchemas
from .events import EVENT_STREAM as EVENT_STREAM
from .events import JSON_LINES as JSON_LINES
from .events import event_operations as event_operations
from .models import MAX_EVENTS as MAX_EVENTS
from .models import ProblemDetails as ProblemDetails
from .operation import JSON_TYPE as JSON_TYPE
from .operation import Call as Call
from .operation import Operation as Operation
from .outbox import outbox_operations as outbox_operations
from .plugins import PluginRoutes as PluginRoutes
from .status import status_operations as status_operations
