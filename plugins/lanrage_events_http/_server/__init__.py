"""The HTTP server: connections, hosts, bodies, sessions, and the guard in front of the application."""

from __future__ import annotations

from .body import Body
from .connections import Connections, Timeouts
from .guard import JSON_LINES, JSON_TYPE, MAX_HEAD_BYTES, METHODS, SESSION_COOKIE, Guard
from .headers import CONTENT_SECURITY_POLICY, media_type
from .hosts import (
    HostCheck,
    HostPort,
    is_loopback,
    is_same_origin,
    is_unspecified,
    url,
    without_brackets,
)
from .server import Server, address_of, addresses_of, listen, port_of
from .sessions import (
    FAILURE_SECONDS,
    MAX_FAILURES,
    SESSION_SECONDS,
    FailureLimit,
    Sessions,
)
