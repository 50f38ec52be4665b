"""Which webhooks post an event and how, and which routes can never work."""

from __future__ import annotations

from .check import check as check
from .check import check_routes as check_routes
from .check import uncounted as uncounted
from .check import unknown_types as unknown_types
from .explanation import RouteStep as RouteStep
from .explanation import check_event as check_event
from .explanation import explain as explain
from .router import NOT_TAKEN as NOT_TAKEN
from .router import Router as Router
from .router import party_keys as party_keys
from .router import thread_of as thread_of
from .thread_names import ThreadNames as ThreadNames
from .thread_names import thread_problems as thread_problems
from .unrouted import UnroutedEvents as UnroutedEvents
