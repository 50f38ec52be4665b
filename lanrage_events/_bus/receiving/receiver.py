"""The receiver, through which a bus delivers events to handlers, streams and tasks that wait for one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ..._events import Event, check_event_classes, check_where
from ..._times import check_seconds
from ...abc import EventStream, PluginStatistics, Receiver, Subscription, WhenFull
from ..consumers import Hook
from ..event_loop import EventLoop
from ..fanout import FanOut
from ..hooks import check_handler, check_name, filtered, handler_name
from ..instrument import Instruments
from ..lifecycle import Lifecycle
from ..mailbox import Mailbox
from ..options import check_kinds
from ..supervisor import Supervisor
from ..threads import Worker
from .stream import MailboxStream, stream_statistics
from .waiter import Waiter

Where = Callable[[Any], object]

STREAM = "stream"
"""the name of a stream that was given none"""


class BusReceiver(Receiver):
    """The subscriptions and streams of one bus, and what waits for an event on it."""

    def __init__(
        self, loop: EventLoop, fanout: FanOut, lifecycle: Lifecycle, instruments: Instruments
    ) -> None:
        self._loop = loop
        self._fanout = fanout
        self._lifecycle = lifecycle
        self._instruments = instruments

    def subscribe(
        self,
        event_class: object,
        handler: Callable[[Any], object],
        where: Where | None,
        *,
        name: str | None,
        mailbox_size: int,
        when_full: WhenFull,
        hook_timeout: float | None,
        threaded: bool,
    ) -> Subscription:
        if isinstance(handler, type) and issubclass(handler, Event):
            raise TypeError(
                f"{handler.__name__} stands where the handler belongs: give the event class first"
            )

        classes = check_event_classes(event_class)
        check_handler(handler, classes, threaded=threaded)
        check_where(where)
        check_name(name)
        check_kinds(mailbox_size=mailbox_size, when_full=when_full)
        check_seconds("hook_timeout", hook_timeout, may_be_none=True)
        self._loop.check()
        self._fanout.check_open()
        name = self._lifecycle.free_name(name, handler_name(handler))
        mailbox = Mailbox(name, mailbox_size, when_full, self._instruments)
        hook: Hook = handler if where is None else filtered(handler, where)
        worker = Worker(mailbox) if threaded else None
        if worker is not None:
            hook = worker.threaded(hook)

        # There may be thousands, so each keeps no more than it needs.
        wanted = classes[0] if len(classes) == 1 else classes

        def find_hooks(cls: type[Event]) -> tuple[Hook, ...]:
            return (hook,) if issubclass(cls, wanted) else ()

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
        event_class: object,
        where: Where | None,
        *,
        name: str | None,
        mailbox_size: int,
        when_full: WhenFull,
    ) -> EventStream[Any]:
        classes = check_event_classes(event_class)
        check_where(where)
        check_name(name)
        check_kinds(mailbox_size=mailbox_size, when_full=when_full)
        self._loop.check()
        mailbox = Mailbox(name or STREAM, mailbox_size, when_full, self._instruments)
        free_name = partial(self._lifecycle.free_name, name, STREAM)
        return MailboxStream(
            mailbox, classes, where, self._loop, self._fanout, self._lifecycle.streams, free_name
        )

    def wait_for(
        self, event_class: object, where: Where | None, timeout: float | None
    ) -> Coroutine[Any, Any, Any]:
        classes = check_event_classes(event_class)
        check_where(where)
        check_seconds("timeout", timeout, may_be_none=True, may_be_zero=True)
        self._loop.check_running()
        self._loop.check()
        self._fanout.check_open()
        waiter = Waiter(classes, where, self._instruments)
        self._fanout.add(waiter.mailbox, lambda cls: issubclass(cls, classes))
        self._lifecycle.waiters.add(waiter.mailbox)
        forget = partial(self._forget, waiter.mailbox)
        return waiter.start(timeout, forget, self._loop.post)

    def _forget(self, mailbox: Mailbox) -> None:
        if mailbox in self._lifecycle.waiters:
            self._lifecycle.waiters.discard(mailbox)
            self._fanout.remove(mailbox)

    def statistics(self) -> dict[str, PluginStatistics]:
        """Return the statistics of the open streams by name."""
        return {name: stream_statistics(m) for name, m in self._lifecycle.streams.items()}
