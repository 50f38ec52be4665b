"""The server: connections, hosts, bodies, sessions, and what is kept out."""

from __future__ import annotations

from .connections import Connections as Connections
from .guard import SESSION_COOKIE as SESSION_COOKIE
from .guard import Guard as Guard
from .hosts import HostCheck as HostCheck
from .hosts import HostPort as HostPort
from .hosts import is_loopback as is_loopback
from .hosts import without_brackets as without_brackets
from .server import Server as Server
from .server import address_of as address_of
from .server import addresses_of as addresses_of
from .server import listen as listen
from .server import port_of as port_of
from .sessions import FAILURE_SECONDS as FAILURE_SECONDS
from .sessions import MAX_FAILURES as MAX_FAILURES
from .sessions import SESSION_SECONDS as SESSION_SECONDS
from .sessions import FailureLimit as FailureLimit
from .sessions import Sessions as Sessions
