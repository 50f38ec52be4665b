"""The stream behind ``EventBus.stream``."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Self, TypeVar, cast

import anyio
from anyio.lowlevel import checkpoint

from ..._events import Event
from ...abc import EventStream, PluginStatistics
from ..event_loop import EventLoop
from ..fanout import FanOut
from ..mailbox import Mailbox

NOT_ENTERED = (
    "enter the stream first: async with bus.stream(…) as events: async for event in events"
)

EventT = TypeVar("EventT", bound=Event)


class MailboxStream(EventStream[EventT]):
    """A stream that takes its events from a mailbox.

    :param streams: the mailboxes of the bus's open streams by name, among them its own while it is
        entered
    :param free_name: returns the name of the stream, when it is entered; raises :exc:`ValueError` if
        that is taken on the bus
    """

    def __init__(
        self,
        mailbox: Mailbox,
        event_classes: tuple[type[EventT], ...],
        where: Callable[[EventT], object] | None,
        loop: EventLoop,
        fanout: FanOut,
        streams: dict[str, Mailbox],
        free_name: Callable[[], str],
    ) -> None:
        self._mailbox = mailbox
        self._event_classes = event_classes
        self._where = where
        self._loop = loop
        self._fanout = fanout
        self._streams = streams
        self._free_name = free_name
        self._entered = self._left = False
        self._sleeping = anyio.Lock()
        """held by the reader that sleeps until there is an event: a mailbox wakes only one"""

    async def __aenter__(self) -> Self:
        self._loop.check()
        # First, since a caller that is cancelled here does not leave the stream.
        await checkpoint()
        if self._entered:
            raise RuntimeError("a stream can be entered only once: create another one")

        self._fanout.check_open()
        self._mailbox.owner = self._free_name()
        self._streams[self._mailbox.owner] = self._mailbox
        self._entered = True
        self._fanout.add(self._mailbox, lambda cls: issubclass(cls, self._event_classes))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.check()
        if self._streams.get(self._mailbox.owner) is self._mailbox:
            del self._streams[self._mailbox.owner]
            self._fanout.remove(self._mailbox)

        self._left = True
        self._mailbox.close()
        await checkpoint()

    def __aiter__(self) -> Self:
        if not self._entered:
            raise RuntimeError(NOT_ENTERED)

        if self._left:
            raise RuntimeError("the stream was left: iterate it inside its 'async with'")

        return self

    async def __anext__(self) -> EventT:
        if get_ident() != self._loop.thread:
            self._loop.check_thread()

        mailbox, where = self._mailbox, self._where
        if not self._entered:
            raise RuntimeError(NOT_ENTERED)

        await checkpoint()
        while True:
            while not mailbox.items:
                if mailbox.closed:
                    raise StopAsyncIteration("the stream has ended: it was left, or its bus closed")

                async with self._sleeping:
                    if not mailbox.items and not mailbox.closed:
                        await mailbox.wait()

            event = cast(EventT, mailbox.items.popleft())
            mailbox.taken += 1
            if self._fanout.waiting:
                self._fanout.admit()

            if where is None or where(event):
                return event

    def statistics(self) -> PluginStatistics:
        return stream_statistics(self._mailbox)


def stream_statistics(mailbox: Mailbox) -> PluginStatistics:
    """Return the statistics of the stream that takes its events from a mailbox."""
    return mailbox.statistics("stopped" if mailbox.closed else "running")
