"""The stream behind ``EventBus.stream``."""

from __future__ import annotations

from typing import Any, Self, TypeVar, cast

from anyio.lowlevel import checkpoint

from .._events import Event
from ..abc import EventStream, PluginStatistics
from .fanout import FanOut
from .mailbox import Mailbox

EventT = TypeVar("EventT", bound=Event)


class MailboxStream(EventStream[EventT]):
    """A stream that takes its events from a mailbox.

    :param streams: the open streams of the bus by name, among them this one while it is entered
    """

    def __init__(
        self,
        mailbox: Mailbox,
        event_class: type[EventT],
        fanout: FanOut,
        streams: dict[str, MailboxStream[Any]],
    ) -> None:
        self._mailbox = mailbox
        self._event_class = event_class
        self._fanout = fanout
        self._streams = streams

    async def __aenter__(self) -> Self:
        self._fanout.check_open()
        self._streams[self._mailbox.owner] = self
        self._fanout.add(self._mailbox, lambda cls: issubclass(cls, self._event_class))
        await checkpoint()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._streams.pop(self._mailbox.owner, None)
        self._fanout.remove(self._mailbox)
        self.close()
        await checkpoint()

    async def __anext__(self) -> EventT:
        mailbox = self._mailbox
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

    def close(self) -> None:
        """End the iteration once the mailbox is empty."""
        self._mailbox.close()

    def statistics(self) -> PluginStatistics:
        return self._mailbox.statistics("stopped" if self._mailbox.closed else "running")
