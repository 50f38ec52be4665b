"""The server: connections, hosts, bodies, sessions, and what is kept out."""

from __future__ import annotations
