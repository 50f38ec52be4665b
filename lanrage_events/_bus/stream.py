"""The stream behind ``EventBus.stream``."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, Self, TypeVar, cast

import anyio
from anyio.lowlevel import checkpoint

from .._events import Event
from ..abc import EventStream, PluginStatistics
from .event_loop import EventLoop
from .fanout import FanOut
from .mailbox import Mailbox

EventT = TypeVar("EventT", bound=Event)


class MailboxStream(EventStream[EventT]):
    """A stream that takes its events from a mailbox.

    :param streams: the open streams of the bus by name, among them this one while it is entered
    :param free_name: returns the name of the stream, when it is entered; raises :exc:`ValueError` if
        that is taken on the bus
    """

    def __init__(
        self,
        mailbox: Mailbox,
        event_class: type[EventT],
        loop: EventLoop,
        fanout: FanOut,
        streams: dict[str, MailboxStream[Any]],
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
        if self._mailbox.closed or self._streams.get(self._mailbox.owner) is self:
            raise RuntimeError("a stream can be entered only once: create another one")

        self._fanout.check_open()
        self._mailbox.owner = self._free_name()
        self._streams[self._mailbox.owner] = self
        self._fanout.add(self._mailbox, lambda cls: issubclass(cls, self._event_class))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.check()
        if self._streams.get(self._mailbox.owner) is self:
            del self._streams[self._mailbox.owner]
            self._fanout.remove(self._mailbox)

        self.close()
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

    def close(self) -> None:
        """End the iteration once the mailbox is empty."""
        self._mailbox.close()

    def statistics(self) -> PluginStatistics:
        return self._mailbox.statistics("stopped" if self._mailbox.closed else "running")
