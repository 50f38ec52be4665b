"""The operations of the HTTP API."""

from __future__ import annotations

from .event_schemas import EventSchemas as EventSchemas
from .events import event_routes as event_routes
from .ingest import JSON_LINES as JSON_LINES
from .models import MAX_EVENTS as MAX_EVENTS
from .models import ProblemDetails as ProblemDetails
from .operation import JSON_TYPE as JSON_TYPE
from .operation import Operation as Operation
from .outbox import outbox_routes as outbox_routes
from .plugins import plugin_routes as plugin_routes
from .route_table import Pattern as Pattern
from .route_table import PluginRoutes as PluginRoutes
from .status import status_routes as status_routes
