"""The event loop of a bus, as another thread reaches it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
from anyio.lowlevel import current_token

MAX_CLOCK_ERROR = 1.0
"""seconds by which the clock of an event loop may be behind, because it keeps a reading"""


def current_post() -> Callable[..., object]:
    """Return a function by which other threads let the current event loop call something.

    It takes a function and its arguments, and does not wait. It raises a :exc:`RuntimeError` if the
    loop has ended.
    """
    native: Any = current_token().native_token
    is_trio = hasattr(native, "run_sync_soon")
    post: Callable[..., object] = native.run_sync_soon if is_trio else native.call_soon_threadsafe
    return post


def is_in_virtual_time() -> bool:
    """Return whether the clock of the current event loop jumps, as it may in tests."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        mock_clock = getattr(sys.modules.get("trio.testing"), "MockClock", None)
        return mock_clock is not None and isinstance(trio.lowlevel.current_clock(), mock_clock)

    # The real clock of asyncio is this one.
    return abs(anyio.current_time() - time.monotonic()) > MAX_CLOCK_ERROR
