"""The event bus: gives each published event to the hooks of every plugin."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

import anyio
import anyio.from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from .._event_registry import EventRegistry
from .._events import Event
from .._exceptions import EventDropped
from .._redaction import Redactor
from .consumer import Hook
from .fanout import FanOut
from .hooks import Hooks
from .mailbox import DEFAULT_SIZE, Mailbox, Receipt, WhenFull
from .plugin_host import PluginHost
from .registry import PluginSet
from .statistics import BusStatistics
from .subscription import EventStream, Subscription
from .trace import Tracer, is_wanted

EventT = TypeVar("EventT", bound=Event)


class EventBus(PluginHost):
    """Gives each published event to every plugin, each behind a bounded mailbox of its own.

    Register plugins, then enter it with ``async with``; leaving it handles what is pending. A bus
    is entered once, and belongs to the task and the thread that entered it.

    :param drain_timeout: seconds that leaving may take, mailboxes and lifespans together;
        ``math.inf`` to wait without limit
    :param hook_timeout: seconds after which a hook is cancelled, unless its plugin says otherwise
    :param templates: the user's own template folders, searched before all others
    :param state_folder: where plugins may keep files, None if nothing should be kept
    :param redactor: knows the values that must not be shown
    :param trace: whether to print each call of a hook on stderr, with plugin, duration and outcome;
        by default if the environment variable ``LANRAGE_EVENTS_TRACE`` is set
    """

    def __init__(
        self,
        *,
        drain_timeout: float = 10.0,
        hook_timeout: float = 60.0,
        templates: Sequence[Path] = (),
        state_folder: Path | None = None,
        redactor: Redactor | None = None,
        trace: bool | None = None,
    ) -> None:
        self._drain_timeout = drain_timeout
        self.state_folder = state_folder
        self.redactor = redactor or Redactor()
        self.templates = tuple(templates)
        """the user's own template folders, for plugins that start from now on"""
        self._fanout = FanOut()
        self._offer = self._fanout.offer
        is_traced = is_wanted() if trace is None else trace
        tracer = Tracer(self.redactor) if is_traced else None
        self._plugins = PluginSet(self._fanout, Hooks(tracer), hook_timeout)
        self._streams: dict[str, EventStream[Any]] = {}
        self._numbers = count(1)
        self._task_group: TaskGroup | None = None
        self._token: EventLoopToken | None = None
        self._thread: int | None = None
        self._redacted_logs = ExitStack()

    @property
    def events(self) -> EventRegistry:
        """The event types that are known by name, those of the registered plugins among them."""
        return self._plugins.hooks.events

    # Life

    async def __aenter__(self) -> Self:
        if self._task_group is not None:
            raise RuntimeError("an EventBus can be entered only once: make another one")

        self.check_plugins()
        self._token = current_token()
        self._thread = threading.get_ident()
        self._task_group = task_group = await anyio.create_task_group().__aenter__()
        # What plugins raise is logged with its traceback, whose text may be anything.
        self._redacted_logs.enter_context(self.redactor.redacting(["lanrage_events"]))
        try:
            await self._plugins.start_all(task_group)
        except BaseException:
            await self._close(task_group, drain_timeout=0)
            raise

        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task_group is not None:
            await self._close(self._task_group, self.drain_timeout)

    async def _close(self, task_group: TaskGroup, drain_timeout: float) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await self._plugins.stop_all(drain_timeout)

            for stream in tuple(self._streams.values()):
                stream.mailbox.close()
        finally:
            try:
                # Without the body's exception, so that it leaves as it is and not in a group.
                await task_group.__aexit__(None, None, None)
            finally:
                self._redacted_logs.close()

    def statistics(self) -> BusStatistics:
        """Return what the bus and its plugins have done."""
        plugins = {name: s.statistics() for name, s in self._plugins.supervisors.items()}
        streams = {name: s.statistics() for name, s in self._streams.items()}
        return BusStatistics(waiting=len(self._fanout.waiting), plugins={**plugins, **streams})

    # Publishing

    def publish_nowait(self, event: Event) -> None:
        """Publish an event without waiting.

        :raises anyio.WouldBlock: if a ``block`` mailbox is full or other publishers wait; inside a
            hook if such a mailbox holds twice what it should
        :raises anyio.ClosedResourceError: if the bus is closed
        """
        if not self._offer(event):
            self._fanout.put_nowait(event)

    async def publish(self, event: Event) -> None:
        """Publish an event, waiting for room in ``block`` mailboxes.

        Inside a hook it does not wait. If it is cancelled, the event was published everywhere or
        nowhere. It is a checkpoint only every 128 calls and when it has to wait or to drop.

        :raises anyio.WouldBlock: inside a hook if a ``block`` mailbox holds twice what it should
        :raises anyio.ClosedResourceError: if the bus is closed
        """
        # What fanout.offer() does, without the cost of calling it: this is called most of all.
        fanout = self._fanout
        try:
            route = fanout.routes[event.__class__]
        except KeyError:
            await fanout.put(event)
            return

        room = fanout.room
        if not room:
            await fanout.put(event)
            return

        fanout.room = room - 1
        for append in route.appends:
            append(event)

        if fanout.sleepers:
            fanout.wake(route)

    async def publish_and_wait(
        self, event: Event, plugins: Literal["all", "durable"] = "all"
    ) -> None:
        """Publish an event and wait until plugins have handled it.

        :param plugins: ``durable``: only those that declare themselves durable, so that the event
            survives a crash once this returns; ``all``: these, the others and subscriptions
        :raises ExceptionGroup: of what their hooks raised
        :raises EventDropped: if the event left a mailbox without being handled
        :raises anyio.ClosedResourceError: if the bus is closed
        :raises RuntimeError: inside a hook, which would wait for itself
        """
        self._refuse_inside_hook("publish_and_wait", "publish")
        receipt = Receipt()
        await self._fanout.put(event, receipt, self._waited_for(plugins))
        await receipt.wait()
        error = _failure(event, receipt)
        if error is not None:
            raise error

    async def publish_many_and_wait(
        self, events: Iterable[Event], plugins: Literal["all", "durable"] = "durable"
    ) -> list[Exception | None]:
        """Publish events in their order, and wait until plugins have handled them all.

        If it is cancelled, the events up to one of them are published and the others are not.

        :param plugins: as in :meth:`publish_and_wait`
        :returns: for each event None, or what :meth:`publish_and_wait` would have raised for it;
            of those that came when the bus was closed, an :exc:`anyio.ClosedResourceError`
        :raises RuntimeError: inside a hook, which would wait for itself
        """
        self._refuse_inside_hook("publish_many_and_wait", "publish")
        waited_for = self._waited_for(plugins)
        published: list[tuple[Event, Receipt]] = []
        refused: list[Exception | None] = []
        for event in events:
            receipt = Receipt()
            try:
                await self._fanout.put(event, receipt, waited_for)
            except anyio.ClosedResourceError as error:
                refused.append(error)
            else:
                published.append((event, receipt))

        # One wait is one checkpoint, and the last event is mostly the last to be handled.
        for _, receipt in published[-1:] + published:
            if not receipt.is_settled:
                await receipt.wait()

        # A bus that is closed does not open again, so what it refused came last.
        return [_failure(event, receipt) for event, receipt in published] + refused

    def _waited_for(self, plugins: Literal["all", "durable"]) -> Callable[[Mailbox], bool]:
        if plugins not in ("all", "durable"):
            raise ValueError(f"plugins must be 'all' or 'durable', not {plugins!r}")

        return {
            supervisor.mailbox
            for supervisor in self._plugins.supervisors.values()
            if supervisor.durable or plugins == "all"
        }.__contains__

    def publish_from_thread(self, event: Event) -> None:
        """Publish an event from a thread other than the bus's, waiting like :meth:`publish`.

        :raises anyio.ClosedResourceError: if the bus is closed
        :raises RuntimeError: on the bus's own thread
        """
        if self._token is None:
            raise RuntimeError("the bus is not running: enter it with 'async with' first")

        if threading.get_ident() == self._thread:
            raise RuntimeError("publish_from_thread would block the bus's own thread: use publish")

        try:
            anyio.from_thread.run(self.publish, event, token=self._token)
        except anyio.RunFinishedError:
            raise anyio.ClosedResourceError from None

    def _refuse_inside_hook(self, method: str, instead: str) -> None:
        if self._fanout.inside_hook():
            raise RuntimeError(f"{method} inside a hook would wait for the hook itself: {instead}")

    # Receiving

    def subscribe(
        self,
        event_class: type[EventT],
        handler: Callable[[EventT], Awaitable[object] | object],
        *,
        name: str | None = None,
        mailbox_size: int = DEFAULT_SIZE,
        when_full: WhenFull = "drop_oldest",
        hook_timeout: float | None = None,
    ) -> Subscription:
        """Have a handler, sync or async, called with each event of a class and its subclasses.

        :param name: for statistics and log lines; the default is made of the handler's name
        :param mailbox_size: events that wait for it at most
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        :param hook_timeout: seconds after which the handler is cancelled
        """
        self._refuse_closed()
        name = self._plugins.free_name(name, handler)
        mailbox = Mailbox(name, mailbox_size, when_full)
        remove = self._plugins.add_handler(mailbox, event_class, cast(Hook, handler), hook_timeout)
        return Subscription(name, remove)

    def stream(
        self,
        event_class: type[EventT],
        *,
        name: str | None = None,
        mailbox_size: int = DEFAULT_SIZE,
        when_full: WhenFull = "drop_oldest",
    ) -> EventStream[EventT]:
        """Return an async iterator over the events of a class and its subclasses.

        Enter it with ``async with``. Nobody waits for it: :meth:`drain`, :meth:`publish_and_wait`
        and leaving the bus do not mind what it has not taken.

        :param name: for statistics and log lines
        :param mailbox_size: events that wait for it at most
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        """
        mailbox = Mailbox(name or f"stream {next(self._numbers)}", mailbox_size, when_full)
        return EventStream(
            mailbox, event_class, self._open_stream, self._close_stream, self._fanout
        )

    def _open_stream(self, stream: EventStream[Any]) -> None:
        self._refuse_closed()
        self._streams[stream.mailbox.owner] = stream
        self._fanout.add(stream.mailbox, lambda cls: issubclass(cls, stream.event_class))

    def _close_stream(self, stream: EventStream[Any]) -> None:
        self._streams.pop(stream.mailbox.owner, None)
        self._fanout.remove(stream.mailbox)
        stream.mailbox.close()

    async def drain(self) -> None:
        """Wait until the events that were published before the call are handled.

        :raises RuntimeError: inside a hook, which would wait for itself
        """
        self._refuse_inside_hook("drain", "publish and return")
        await checkpoint()
        await self._plugins.drain()


def _failure(event: Event, receipt: Receipt) -> Exception | None:
    """Return what kept an event from being handled, None if nothing did."""
    match receipt.errors:
        case []:
            return None
        case [EventDropped() as dropped]:
            return dropped
        case errors:
            return ExceptionGroup(f"{event.type} {event.id} was not handled", errors)
