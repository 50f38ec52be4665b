"""The server: connections, hosts, bodies, sessions, and what is kept out."""

from __future__ import annotations

from .connections import Connections
from .guard import SESSION_COOKIE, Guard
from .hosts import HostCheck, HostPort, is_loopback, without_brackets
from .server import Server, address_of, addresses_of, listen, port_of
from .sessions import FAILURE_SECONDS, MAX_FAILURES, SESSION_SECONDS, FailureLimit, Sessions
