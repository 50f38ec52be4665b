"""What receives events outside of plugins: subscriptions and streams."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TypeVar

from .._events import Event
from ._statistics import PluginStatistics

EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)


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
    """The events of a class and its subclasses in the order of publishing, for ``async for``.

    It receives events while it is entered with ``async with``, and ends when the bus closes.
    """

    @abstractmethod
    def statistics(self) -> PluginStatistics:
        """Return the statistics of the stream."""
