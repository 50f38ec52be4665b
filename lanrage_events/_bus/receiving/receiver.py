"""The receiver, through which a bus delivers events to handlers and streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

from ..._events import Event
from ...abc import EventStream, PluginStatistics, Subscription, WhenFull
from ..consumer import Hook
from ..event_loop import EventLoop
from ..fanout import FanOut
from ..instrument import Instruments
from ..lifecycle import Lifecycle
from ..mailbox import Mailbox
from ..supervisor import Supervisor
from ..threads import Worker, is_async
from .stream import MailboxStream, stream_statistics

EventT = TypeVar("EventT", bound=Event)

STREAM = "stream"
"""the name of a stream that was given none"""


class Receiver:
    """The subscriptions and streams of one bus."""

    def __init__(
        self, loop: EventLoop, fanout: FanOut, lifecycle: Lifecycle, instruments: Instruments
    ) -> None:
        self._loop = loop
        self._fanout = fanout
        self._lifecycle = lifecycle
        self._instruments = instruments

    def subscribe(
        self,
        event_class: type[EventT],
        handler: Callable[[EventT], Awaitable[object] | object],
        *,
        name: str | None,
        mailbox_size: int,
        when_full: WhenFull,
        hook_timeout: float | None,
        threaded: bool,
    ) -> Subscription:
        """Call a handler with each event of a class and its subclasses."""
        self._loop.check()
        self._fanout.check_open()
        default = getattr(handler, "__qualname__", type(handler).__name__)
        name = self._lifecycle.free_name(name, default)
        if threaded and is_async(handler):
            raise TypeError(f"'{name}' is async, so it cannot be threaded: omit 'threaded'")

        mailbox = Mailbox(name, mailbox_size, when_full, self._instruments)
        worker = Worker(mailbox) if threaded else None
        hook = cast(Hook, handler if worker is None else worker.threaded(handler))

        def find_hooks(cls: type[Event]) -> tuple[Hook, ...]:
            return (hook,) if issubclass(cls, event_class) else ()

        supervisor = self._lifecycle.supervise(
            mailbox, find_hooks, hook_timeout, worker=worker, forget_at_end=True
        )
        self._lifecycle.add(supervisor, find_hooks)
        self._lifecycle.start(supervisor)
        return Subscription(name, partial(self._unsubscribe, supervisor))

    def _unsubscribe(self, supervisor: Supervisor) -> None:
        self._loop.check_thread()
        self._lifecycle.release(supervisor)

    def stream(
        self,
        event_class: type[EventT],
        *,
        name: str | None,
        mailbox_size: int,
        when_full: WhenFull,
    ) -> EventStream[EventT]:
        """Return an async iterator over the events of a class and its subclasses."""
        self._loop.check()
        mailbox = Mailbox(name or STREAM, mailbox_size, when_full, self._instruments)
        free_name = partial(self._lifecycle.free_name, name, STREAM)
        return MailboxStream(
            mailbox, event_class, self._loop, self._fanout, self._lifecycle.streams, free_name
        )

    def statistics(self) -> dict[str, PluginStatistics]:
        """Return the statistics of the open streams by name."""
        return {name: stream_statistics(m) for name, m in self._lifecycle.streams.items()}
