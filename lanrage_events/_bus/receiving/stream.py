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
        event_class: type[EventT],
        loop: EventLoop,
        fanout: FanOut,
        streams: dict[str, Mailbox],
        free_name: Callable[[], str],
    ) -> None:
        self._mailbox = mailbox
        self._event_class = event_class
        self._loop = loop
        self._fanout = fanout
        self._streams = streams
        self._free_name = free_name
        self._sleeping = anyio.Lock()
        """held by the reader that sleeps until there is an event: a mailbox wakes only one"""

    async def __aenter__(self) -> Self:
        self._loop.check()
        # First, since a caller that is cancelled here does not leave the stream.
        await checkpoint()
        if self._mailbox.closed or self._streams.get(self._mailbox.owner) is self._mailbox:
            raise RuntimeError("a stream can be entered only once: create another one")

        self._fanout.check_open()
        self._mailbox.owner = self._free_name()
        self._streams[self._mailbox.owner] = self._mailbox
        self._fanout.add(self._mailbox, lambda cls: issubclass(cls, self._event_class))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.check()
        if self._streams.get(self._mailbox.owner) is self._mailbox:
            del self._streams[self._mailbox.owner]
            self._fanout.remove(self._mailbox)

        self._mailbox.close()
        await checkpoint()

    async def __anext__(self) -> EventT:
        if get_ident() != self._loop.thread:
            self._loop.check_thread()

        mailbox = self._mailbox
        await checkpoint()
        while not mailbox.items:
            if mailbox.closed:
                raise StopAsyncIteration

            async with self._sleeping:
                if not mailbox.items and not mailbox.closed:
                    await mailbox.wait()

        event = mailbox.items.popleft()
        mailbox.taken += 1
        if self._fanout.waiting:
            self._fanout.admit()

        return cast(EventT, event)

    def statistics(self) -> PluginStatistics:
        return stream_statistics(self._mailbox)


def stream_statistics(mailbox: Mailbox) -> PluginStatistics:
    """Return the statistics of the stream that takes its events from a mailbox."""
    return mailbox.statistics("stopped" if mailbox.closed else "running")
