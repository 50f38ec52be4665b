"""The hook that handles an event now, of which the events that it creates are children."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Hook(Protocol):
    """A hook, or the handler of a subscription, that handles an event now."""

    def event_id(self) -> str | None:
        """Return the id of the event, None if this is called by another task."""
        ...


current_hook: ContextVar[Hook | None] = ContextVar("current_hook", default=None)
"""set by whatever calls hooks with events"""


def parent_id() -> str | None:
    """Return the id of the event that this task handles, None outside of a hook."""
    hook = current_hook.get()
    return None if hook is None else hook.event_id()
