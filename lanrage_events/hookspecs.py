"""The hooks of lanrage_events: what a plugin can implement.

Mark an implementation with :data:`lanrage_events.hookimpl`. Each event class has a hook of its
own, named after its event type, with the one argument ``event``; it receives events of the class
and of its subclasses. Implementations of these may be sync or async. All other hooks are sync.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ._bus import EventBus
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
    from ._health import Health

hookspec = pluggy.HookspecMarker("lanrage_events")
hookimpl = pluggy.HookimplMarker("lanrage_events")


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
def register_events() -> Iterable[type[Event]]:  # type: ignore[empty-body]
    """Called once when the plugin is registered: returns the event classes that it adds."""


@hookspec
def lifespan(bus: EventBus) -> AbstractAsyncContextManager[object]:  # type: ignore[empty-body]
    """Called when the plugin starts: returns an async context manager that it lives in.

    It is entered before the plugin receives its first event and left after its last one, in one
    task. Start background tasks in a task group of it. If it fails later, it is entered anew after
    a pause; if it fails at the first start, the bus does not start.
    """


@hookspec
def health() -> Health:  # type: ignore[empty-body]
    """Called when somebody asks how the plugin is: returns quickly, without waiting."""


@hookspec
def check(bus: EventBus) -> Iterable[str]:  # type: ignore[empty-body]
    """Called when a configuration is checked without running it: returns what is wrong, if anything.

    All plugins are registered, but not started. Each problem is one line that names the thing, the
    place and the remedy, such as a faulty template. Starting the plugin need not repeat it.
    """


@hookspec
def template_folders() -> Iterable[Path]:  # type: ignore[empty-body]
    """Called when templates are looked for: returns folders that hold the plugin's own.

    Each has a folder named after the consumer, such as ``discord``, with one file an event type.
    """
