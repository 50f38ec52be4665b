"""The ids of events."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from itertools import count


def _make_ids() -> Callable[[], str]:
    """Return what makes ids that are unique across processes: a random prefix of each and a counter."""
    prefix, numbers = "", count(1)

    def reset() -> None:
        nonlocal prefix, numbers
        prefix, numbers = os.urandom(8).hex(), count(1)

    def new_id() -> str:
        return f"{prefix}-{next(numbers):x}"

    reset()
    # A forked child would otherwise continue with its parent's prefix and counter.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)

    return new_id


new_id = _make_ids()

ID_MAX_CHARACTERS = 64
"""of the ids of events that arrive as JSON, and so of those that we make"""


def shortened_id(id: str) -> str:
    """Return an id as it is, or its beginning and a hash of it if it is too long."""
    if len(id) <= ID_MAX_CHARACTERS:
        return id

    digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{id[: ID_MAX_CHARACTERS - 1 - len(digest)]}.{digest}"


def derived_id(id: str, number: int) -> str:
    """Return the id of an event that was made from another one, the same each time.

    :param number: which one of those that were made from it
    """
    return shortened_id(f"{id}.{number}")
