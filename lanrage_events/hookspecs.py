"""The hooks of lanrage_events: what a plugin can implement.

Mark an implementation with :data:`lanrage_events.hookimpl`. Each event class has a hook of its
own, named after its event type, with the one argument ``event``; it receives events of the class
and of its subclasses. Implementations of these may be sync or async. All other hooks are sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ._events import (
        Event,
        GameEnded,
        GameStarted,
        Notification,
        PartyCreated,
        PartyEvent,
        PeerJoined,
        PeerLeft,
    )
    from ._reports import Health, Metric
    from .abc import Bus
    from .http import Page, Route
    from .outbox import Outbox

hookspec = pluggy.HookspecMarker("lanrage_events")
hookimpl = pluggy.HookimplMarker("lanrage_events")
"""Marks the implementation of a hook; a plugin's other functions are left alone.

Write ``@hookimpl``, or ``@hookimpl(optionalhook=True)`` for an event of a plugin that may be absent.
"""


@hookspec
def event(event: Event) -> Any:
    """Called for every event, whatever its type, after the hooks of its own classes."""


@hookspec
def party_event(event: PartyEvent) -> Any:
    """Called for every event about a party: created, peers, games, and subclasses by plugins."""


@hookspec
def party_created(event: PartyCreated) -> Any:
    """Called when somebody opened a party."""


@hookspec
def peer_joined(event: PeerJoined) -> Any:
    """Called when a player joined a party."""


@hookspec
def peer_left(event: PeerLeft) -> Any:
    """Called when a player left a party."""


@hookspec
def game_started(event: GameStarted) -> Any:
    """Called when a party started a game."""


@hookspec
def game_ended(event: GameEnded) -> Any:
    """Called when a game ended."""


@hookspec
def notification(event: Notification) -> Any:
    """Called for a message in free text, for whatever has no event type of its own."""


@hookspec
def event_batch(events: Sequence[Event]) -> Any:
    """Called with all the events that wait, in order and at most 128, in place of event hooks.

    It is for plugins that handle many events at once at little more cost than one. It may be async.
    A plugin that implements it has no hooks for single events. It returns None when it has handled
    all of them, or what failed: a mapping from positions in the sequence to exceptions. If it
    raises, or runs too long, all of them failed.
    """


@hookspec
def register_events() -> Iterable[type[Event]]:  # type: ignore[empty-body]
    """Called once when the plugin is registered: returns the event classes that it adds."""


@hookspec
def lifespan(bus: Bus) -> AbstractAsyncContextManager[object]:  # type: ignore[empty-body]
    """Called when the plugin starts: returns an async context manager that it lives in.

    It is entered before the plugin receives its first event and left after its last one, in one
    task. Start background tasks in a task group of it. If it fails later, it is entered anew after
    a pause; if it fails at the first start, the bus does not start.
    """


@hookspec
def health() -> Health:  # type: ignore[empty-body]
    """Called when somebody asks how the plugin is: returns quickly, without waiting."""


@hookspec
def validate(bus: Bus) -> Iterable[str]:  # type: ignore[empty-body]
    """Called when a configuration is checked without running it: returns what is wrong, if anything.

    All plugins are registered, but not started. Each problem is one line that names the thing, the
    place and the remedy, such as a faulty template. Starting the plugin need not repeat it.
    """


@hookspec
def template_folders() -> Iterable[Path]:  # type: ignore[empty-body]
    """Called when templates are looked for: returns folders that hold the plugin's own.

    Each has a folder named after the consumer, such as ``discord``, with one file an event type.
    """


@hookspec
def http_routes() -> Iterable[Route]:  # type: ignore[empty-body]
    """Called when an HTTP API is served: returns the plugin's operations in it.

    It is called once in the life of a plugin, and the handlers only while it runs.
    """


@hookspec
def http_pages() -> Iterable[Page]:  # type: ignore[empty-body]
    """Called when a web page is served: returns the plugin's parts of it."""


@hookspec
def metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """Called when somebody reads the metrics: returns quickly, without waiting.

    Each sample gets the label ``plugin`` with the name of the plugin's instance.
    """


@hookspec
def outbox() -> Outbox | None:
    """Called when somebody looks at what waits: returns the plugin's outbox, None if it is closed.

    It may be read, and dead letters retried and entries dropped, in the bus's event loop.
    """
