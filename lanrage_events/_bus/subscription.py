"""Two ways to receive events without a plugin: a handler that is called, a stream to iterate."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar, cast

from anyio.lowlevel import checkpoint

from .._events import Event
from .._reports import PluginStatistics
from ..abc import EventStream, Subscription
from .fanout import FanOut
from .mailbox import Mailbox

EventT = TypeVar("EventT", bound=Event)


class HandlerSubscription(Subscription):
    """The subscription of a handler that has a mailbox.

    :param name: its name in statistics and log lines
    :param unsubscribe: what removes the handler from the bus
    """

    def __init__(self, name: str, unsubscribe: Callable[[], None]) -> None:
        self.name = name
        self._unsubscribe: Callable[[], None] | None = unsubscribe

    def unsubscribe(self) -> None:
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()


class MailboxStream(EventStream[EventT]):
    """A stream that is the only consumer of a mailbox."""

    def __init__(
        self,
        mailbox: Mailbox,
        event_class: type[EventT],
        open_: Callable[[MailboxStream[EventT]], None],
        close: Callable[[MailboxStream[EventT]], None],
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
        return self.mailbox.statistics("stopped" if self.mailbox.closed else "running")
