"""The HTTP server: connections, hosts, bodies, sessions, and the guard in front of the application."""

from __future__ import annotations

from .access import SESSION_COOKIE, Access, Authentication, access_of
from .addresses import Network, TrustedProxies, parse_network, source_of
from .body import Body
from .connections import SPARE, Connections, Timeouts
from .failures import FAILURE_SECONDS, MAX_FAILURES, FailureLimit
from .guard import JSON_LINES, JSON_TYPE, MAX_HEAD_BYTES, METHODS, Guard
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
from .sessions import MAX_SESSIONS, SESSION_SECONDS, Session, Sessions
from .shares import Shares
from .tokens import ALL_SCOPES, Token, Tokens
