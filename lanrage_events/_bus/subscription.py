"""Two ways to receive events without a plugin: a handler that is called, a stream to iterate."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from anyio.lowlevel import checkpoint

from .._events import Event
from .fanout import FanOut
from .mailbox import Mailbox
from .statistics import PluginStatistics

EventT = TypeVar("EventT", bound=Event)


class Subscription:
    """A handler's place on a bus; usable in ``with``, which unsubscribes at its end.

    :param name: its name in statistics and log lines
    """

    def __init__(self, name: str, unsubscribe: Callable[[], None]) -> None:
        self.name = name
        self._unsubscribe: Callable[[], None] | None = unsubscribe

    def unsubscribe(self) -> None:
        """Stop receiving events; what is pending is still handled. Doing it again is harmless."""
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unsubscribe()


class EventStream(Generic[EventT]):
    """Events of a class and its subclasses, in the order of publishing, for ``async for``.

    It receives events while it is entered with ``async with``, and ends when the bus closes.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        event_class: type[EventT],
        open_: Callable[[EventStream[EventT]], None],
        close: Callable[[EventStream[EventT]], None],
        fanout: FanOut,
    ) -> None:
        self.mailbox = mailbox
        self.event_class = event_class
        self._open = open_
        self._close = close
        self._fanout = fanout

    async def __aenter__(self) -> Self:
        self._open(self)
        await checkpoint()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close(self)
        await checkpoint()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        mailbox = self.mailbox
        await checkpoint()
        while not mailbox.items:
            if mailbox.closed:
                raise StopAsyncIteration

            await mailbox.wait()

        event = mailbox.items.popleft()
        mailbox.taken += 1
        if self._fanout.waiting:
            self._fanout.admit()

        return cast(EventT, event)

    def statistics(self) -> PluginStatistics:
        """Return what the stream has taken."""
        return PluginStatistics.of(self.mailbox, "stopped" if self.mailbox.closed else "running")
