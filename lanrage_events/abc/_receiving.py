"""What receives events outside of plugins' hooks: subscriptions, streams and decorated functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypedDict, TypeVar, overload

from .._events import Event
from ._options import WhenFull
from ._statistics import PluginStatistics

EventT = TypeVar("EventT", bound=Event)
EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)
PluginT = TypeVar("PluginT")
ResultT = TypeVar("ResultT")

EventClasses = type[Event] | tuple[type[Event], ...]


class StreamOptions(TypedDict, total=False):
    """How a stream is run, see :meth:`Bus.stream`."""

    name: str | None
    mailbox_size: int
    when_full: WhenFull


class SubscriptionOptions(StreamOptions, total=False):
    """How a handler is run, see :meth:`Bus.subscribe`."""

    hook_timeout: float | None
    threaded: bool


class HandlerDecorator(Protocol[EventT]):
    """Decorates a function, or a method, that is called with events of some classes."""

    @overload
    def __call__(self, function: Callable[[EventT], ResultT]) -> Callable[[EventT], ResultT]: ...

    @overload
    def __call__(
        self, function: Callable[[PluginT, EventT], ResultT]
    ) -> Callable[[PluginT, EventT], ResultT]: ...


class Subscription(AbstractContextManager["Subscription"]):
    """A subscription of a handler; as a context manager it unsubscribes at the end of the block."""

    def __init__(self, name: str, remove: Callable[[], None]) -> None:
        self.name = name
        self._remove = remove

    def unsubscribe(self) -> None:
        """Stop receiving events; pending ones are still handled. A second call does nothing."""
        self._remove()

    def __exit__(self, *_: object) -> None:
        self.unsubscribe()


class EventStream(AbstractAsyncContextManager["EventStream[EventT_co]"], AsyncIterator[EventT_co]):
    """The events of some classes and their subclasses in the order of publishing, for ``async for``.

    It receives events while it is entered with ``async with``, and ends when the bus closes.
    """

    @abstractmethod
    def statistics(self) -> PluginStatistics:
        """Return the statistics of the stream."""


class Receiver(ABC):
    """Receives events for the methods of a bus of the same names."""

    @abstractmethod
    def subscribe(
        self,
        event_class: EventClasses,
        handler: Callable[[Any], object],
        where: Callable[[Any], object] | None,
        *,
        name: str | None,
        mailbox_size: int,
        when_full: WhenFull,
        hook_timeout: float | None,
        threaded: bool,
    ) -> Subscription:
        """Call a handler with events."""

    @abstractmethod
    def stream(
        self,
        event_class: EventClasses,
        where: Callable[[Any], object] | None,
        *,
        name: str | None,
        mailbox_size: int,
        when_full: WhenFull,
    ) -> EventStream[Any]:
        """Return an async iterator over events."""

    @abstractmethod
    def wait_for(
        self,
        event_class: EventClasses,
        where: Callable[[Any], object] | None,
        timeout: float | None,
    ) -> Coroutine[Any, Any, Any]:
        """Return what waits for the first event that is published from now on."""
