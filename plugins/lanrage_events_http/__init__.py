"""Serve the HTTP API of lanrage_events, its setup page, and a live feed of events."""

from __future__ import annotations

from ._config import HTTPConfig as HTTPConfig
from ._plugin import HTTPPlugin as HTTPPlugin


def _make_public(*values: object) -> None:
    """Let tracebacks, documentation and pickles show the module that a user would write."""
    for value in values:
        if getattr(value, "__module__", "").startswith(f"{__name__}."):
            value.__module__ = __name__


_make_public(*globals().values())
