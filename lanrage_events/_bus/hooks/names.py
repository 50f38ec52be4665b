"""The names of the hooks, and what kinds of them there are."""

from __future__ import annotations

from collections.abc import Iterator

from ... import hookspecs
from ..._events import Event, PartyEvent
from ...events import EventRegistry

PROJECT = "lanrage_events"

HOOK_MARK = f"{PROJECT}_impl"
"""the attribute in which pluggy keeps the options of ``hookimpl``"""


def _other_hooks() -> Iterator[str]:
    event_hooks = {cls.type for cls in EventRegistry().types()} | {Event.type, PartyEvent.type}
    for name in vars(hookspecs):
        if hasattr(getattr(hookspecs, name), f"{PROJECT}_spec") and name not in event_hooks:
            yield name


OTHER_HOOKS = frozenset(_other_hooks())
"""the hooks that are not called for single events"""

BATCH_HOOK = "event_batch"
"""the hook that is called with several events at once"""

LIFESPAN = "lifespan"
"""the hook of which the context manager is watched, not the call that returns it"""

ASKED = frozenset({"mention_player"})
"""the hooks with arguments that are queried"""

QUERIES = frozenset(
    {
        "http_pages",
        "http_routes",
        "invite_url",
        "metrics",
        "outbox",
        "replaced_events",
        "template_folders",
        "written_files",
    }
)
"""the hooks without arguments, by which running plugins declare something"""
