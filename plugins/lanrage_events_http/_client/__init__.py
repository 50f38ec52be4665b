"""A client of a running daemon, for the commands."""

from __future__ import annotations
