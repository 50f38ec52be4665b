"""The event loop of a bus, as another thread reaches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio.lowlevel import current_token


def current_post() -> Callable[..., object]:
    """Return a function by which other threads let the current event loop call something.

    It takes a function and its arguments, and does not wait. It raises a :exc:`RuntimeError` if the
    loop has ended.
    """
    native: Any = current_token().native_token
    is_trio = hasattr(native, "run_sync_soon")
    post: Callable[..., object] = native.run_sync_soon if is_trio else native.call_soon_threadsafe
    return post
