"""The bus, as a plugin may use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from .._events import Event, check_event_classes
from .._hints import hinted
from ._options import DEFAULT_MAILBOX_SIZE, WhenFull
from ._plugins import PluginRegistry
from ._receiving import (
    EventStream,
    HandlerDecorator,
    Receiver,
    StreamOptions,
    Subscription,
    SubscriptionOptions,
)
from ._statistics import BusStatistics

if TYPE_CHECKING:
    from datetime import datetime
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from .._redaction import Redactor
    from .._reports import Health
    from ..events import EventRegistry
    from ..state import Store

EventT = TypeVar("EventT", bound=Event)
EventT2 = TypeVar("EventT2", bound=Event)
EventT3 = TypeVar("EventT3", bound=Event)


class Bus(ABC):
    """What a plugin may use of the bus that it runs on: publishing, receiving and querying.

    :class:`lanrage_events.EventBus` implements it.
    """

    state_folder: Path | None
    """where plugins may keep files, None to keep nothing"""

    redactor: Redactor
    """knows the secrets, which must not be shown"""

    @property
    @abstractmethod
    def events(self) -> EventRegistry:
        """The known event types, including those of the registered plugins."""

    @property
    @abstractmethod
    def plugins(self) -> PluginRegistry:
        """The plugins on the bus."""

    @property
    @abstractmethod
    def closing(self) -> bool:
        """Whether the bus is being left: no other plugin takes over from one that ends now."""

    # Publishing

    @abstractmethod
    def publish_nowait(self, event: Event) -> None:
        """Publish an event without waiting.

        :raises anyio.WouldBlock: if a ``block`` mailbox is full or other publishers wait; inside a
            hook, if such a mailbox holds twice its size
        :raises anyio.ClosedResourceError: if the bus is closed
        """

    @abstractmethod
    async def publish(self, event: Event) -> None:
        """Publish an event, waiting for room in ``block`` mailboxes.

        Inside a hook it does not wait. If it is cancelled, the event was published to all plugins or
        to none. It is a checkpoint only every 128 calls and when it has to wait or to drop.

        :raises anyio.WouldBlock: inside a hook, if a ``block`` mailbox holds twice its size
        :raises anyio.ClosedResourceError: if the bus is closed
        """

    @abstractmethod
    async def publish_and_wait(
        self, event: Event, plugins: Literal["all", "durable"] = "all"
    ) -> None:
        """Publish an event and wait until plugins have handled it.

        :param plugins: ``all`` waits for all plugins and subscriptions; ``durable`` waits only for
            plugins that declare themselves durable, so that the event survives a crash once this
            returns
        :raises ExceptionGroup: if hooks raised; it contains their exceptions
        :raises EventDropped: if the event was dropped
        :raises anyio.ClosedResourceError: if the bus is closed
        :raises TypeError: if it is no event
        :raises RuntimeError: inside a hook, which would wait for itself
        """

    @abstractmethod
    async def publish_many_and_wait(
        self, events: Iterable[Event], plugins: Literal["all", "durable"] = "all"
    ) -> list[Exception | None]:
        """Publish events in order, and wait until plugins have handled them all.

        Each event is published as by :meth:`publish_and_wait`, but none waits until the one before is
        handled, and errors are returned. If it is cancelled, the events up to some point are published
        and the rest are not.

        :param plugins: as in :meth:`publish_and_wait`
        :returns: for each event None, or what :meth:`publish_and_wait` would have raised, such as an
            :exc:`anyio.ClosedResourceError` for the events after the bus was closed
        :raises TypeError: if one is no event; then none is published
        :raises RuntimeError: inside a hook, which would wait for itself
        """

    @abstractmethod
    def publish_from_thread(self, event: Event) -> None:
        """Publish an event from a thread other than the bus's, waiting like :meth:`publish`.

        It also waits while the event loop is stopped and may run again, so close a loop that you stop.

        :raises anyio.ClosedResourceError: if the bus is closed
        :raises RuntimeError: on the bus's own thread
        """

    # Receiving

    @property
    @abstractmethod
    def _receiver(self) -> Receiver: ...

    @overload
    def subscribe(
        self,
        event_class: tuple[type[EventT], type[EventT2]],
        handler: Callable[[EventT | EventT2], object],
        *,
        where: Callable[[EventT | EventT2], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> Subscription: ...

    @overload
    def subscribe(
        self,
        event_class: tuple[type[EventT], type[EventT2], type[EventT3]],
        handler: Callable[[EventT | EventT2 | EventT3], object],
        *,
        where: Callable[[EventT | EventT2 | EventT3], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> Subscription: ...

    @overload
    def subscribe(
        self,
        event_class: type[EventT] | tuple[type[EventT], ...],
        handler: Callable[[EventT], object],
        *,
        where: Callable[[EventT], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> Subscription: ...

    @hinted
    def subscribe(
        self,
        event_class: type[Event] | tuple[type[Event], ...],
        handler: Callable[[Any], object],
        *,
        where: Callable[[Any], object] | None = None,
        name: str | None = None,
        mailbox_size: int = DEFAULT_MAILBOX_SIZE,
        when_full: WhenFull = "drop_oldest",
        hook_timeout: float | None = None,
        threaded: bool = False,
    ) -> Subscription:
        """Call a handler, sync or async, with each event of a class and its subclasses.

        :param event_class: a class, or several of them as a tuple
        :param handler: called with the event
        :param where: returns whether the handler is called with an event; sync, and called where the
            handler is. What it raises counts as raised by the handler
        :param name: for statistics and log lines; the default is derived from the handler's name
        :param mailbox_size: how many events may wait for it
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        :param hook_timeout: seconds after which the handler is cancelled
        :param threaded: whether the handler, which must be sync, runs in a thread of its own, one event
            after another; a thread whose call timed out goes on beside the next one
        :raises TypeError: if it is not an event class, or the handler cannot be called with its events
        """
        return self._receiver.subscribe(
            event_class,
            handler,
            where,
            name=name,
            mailbox_size=mailbox_size,
            when_full=when_full,
            hook_timeout=hook_timeout,
            threaded=threaded,
        )

    @overload
    def stream(
        self,
        event_class: tuple[type[EventT], type[EventT2]],
        *,
        where: Callable[[EventT | EventT2], object] | None = None,
        **options: Unpack[StreamOptions],
    ) -> EventStream[EventT | EventT2]: ...

    @overload
    def stream(
        self,
        event_class: tuple[type[EventT], type[EventT2], type[EventT3]],
        *,
        where: Callable[[EventT | EventT2 | EventT3], object] | None = None,
        **options: Unpack[StreamOptions],
    ) -> EventStream[EventT | EventT2 | EventT3]: ...

    @overload
    def stream(
        self,
        event_class: type[EventT] | tuple[type[EventT], ...],
        *,
        where: Callable[[EventT], object] | None = None,
        **options: Unpack[StreamOptions],
    ) -> EventStream[EventT]: ...

    @hinted
    def stream(
        self,
        event_class: type[Event] | tuple[type[Event], ...],
        *,
        where: Callable[[Any], object] | None = None,
        name: str | None = None,
        mailbox_size: int = DEFAULT_MAILBOX_SIZE,
        when_full: WhenFull = "drop_oldest",
    ) -> EventStream[Any]:
        """Return an async iterator over the events of a class and its subclasses.

        Enter it with ``async with``. :meth:`drain`, :meth:`publish_and_wait` and leaving the bus do
        not wait for it.

        :param event_class: a class, or several of them as a tuple
        :param where: returns whether the iterator returns an event; sync, and called by the reader
        :param name: for statistics and log lines; the default is one that is free when it is entered
        :param mailbox_size: how many events may wait for it
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        :raises TypeError: if it is not an event class
        """
        return self._receiver.stream(
            event_class, where, name=name, mailbox_size=mailbox_size, when_full=when_full
        )

    @overload
    def wait_for(
        self,
        event_class: tuple[type[EventT], type[EventT2]],
        *,
        where: Callable[[EventT | EventT2], object] | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, EventT | EventT2]: ...

    @overload
    def wait_for(
        self,
        event_class: tuple[type[EventT], type[EventT2], type[EventT3]],
        *,
        where: Callable[[EventT | EventT2 | EventT3], object] | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, EventT | EventT2 | EventT3]: ...

    @overload
    def wait_for(
        self,
        event_class: type[EventT] | tuple[type[EventT], ...],
        *,
        where: Callable[[EventT], object] | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, EventT]: ...

    @hinted
    def wait_for(
        self,
        event_class: type[Event] | tuple[type[Event], ...],
        *,
        where: Callable[[Any], object] | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Wait for an event: ``await bus.wait_for(PeerJoined, timeout=60)``.

        It receives events from the call on. So call it before you publish a question, and await what
        it returns afterwards, to miss no answer.

        :param event_class: a class, or several of them as a tuple
        :param where: returns whether to wait for an event; sync and quick, since publishers call it.
            What it raises is raised to the caller
        :param timeout: seconds to wait, from when it is awaited; the default is to wait without limit
        :returns: the first event that matches
        :raises TimeoutError: if there was none in time
        :raises anyio.ClosedResourceError: if the bus closes meanwhile
        :raises RuntimeError: if the bus does not run
        :raises TypeError: if it is not an event class
        """
        return self._receiver.wait_for(event_class, where, timeout)

    @overload
    def on(
        self,
        event_class: tuple[type[EventT], type[EventT2]],
        *,
        where: Callable[[EventT | EventT2], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> HandlerDecorator[EventT | EventT2]: ...

    @overload
    def on(
        self,
        event_class: tuple[type[EventT], type[EventT2], type[EventT3]],
        *,
        where: Callable[[EventT | EventT2 | EventT3], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> HandlerDecorator[EventT | EventT2 | EventT3]: ...

    @overload
    def on(
        self,
        event_class: type[EventT] | tuple[type[EventT], ...],
        *,
        where: Callable[[EventT], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> HandlerDecorator[EventT]: ...

    def on(
        self,
        event_class: type[Event] | tuple[type[Event], ...],
        *,
        where: Callable[[Any], object] | None = None,
        **options: Unpack[SubscriptionOptions],
    ) -> HandlerDecorator[Any]:
        """Return a decorator that subscribes a function, and leaves it as it is.

        The parameters are those of :meth:`subscribe`. Type checkers check the function against the
        event. To unsubscribe later, use :meth:`subscribe`. In a plugin, use :func:`lanrage_events.on`.
        """
        classes = check_event_classes(event_class)

        def decorate(function: Callable[[Any], object]) -> Any:
            self.subscribe(classes, function, where=where, **options)
            return function

        return cast(HandlerDecorator[Any], decorate)

    @abstractmethod
    async def drain(self) -> None:
        """Wait until the events that were published before the call are handled.

        :raises RuntimeError: inside a hook, which would wait for itself
        """

    # Time

    @abstractmethod
    def now(self) -> datetime:
        """Return the current time in UTC, by the machine's clock; any thread may call it.

        In the virtual time of :mod:`lanrage_events.testing` it moves with that. So do the times of new
        events and the clock of an outbox.
        """

    # Keeping

    @abstractmethod
    def store(self, plugin: object) -> Store:
        """Return the small state of a plugin, which outlives restarts; it is the same one each time.

        Ask for it in the plugin's ``lifespan``. It is the file ``<name>.store.json`` in the state folder,
        which a plugin that replaces this one takes over. Without a state folder it is only in memory.
        A file that is damaged is moved aside, which is logged, and the store is empty then.

        :param plugin: the plugin, which is registered
        :raises LookupError: if it is not
        :raises OSError: if the file exists, but cannot be read
        :raises ValueError: if its name can name no file of its own
        :raises RuntimeError: if the bus does not run, or outside of its event loop
        """

    # Watching

    @abstractmethod
    def record_input(self, source: str) -> None:
        """Record that something came in from outside, so that a source that falls silent is noticed.

        Call it for what was taken in, not for each attempt to look.
        :attr:`BusStatistics.seconds_since_input` has how long ago that was.

        :param source: what took it in, such as the name of a plugin
        """

    # Querying

    @abstractmethod
    def query(self, hook: str, *arguments: object) -> dict[str, Any]:
        """Call a hook by which plugins declare or know something, and return the answers by plugin.

        Iterables are returned as tuples, whose items are not checked, except that those of
        ``replaced_events`` are pairs of events, of ``template_folders`` folders, and of
        ``written_files`` paths or file descriptors. A plugin whose hook fails is logged and skipped.

        :param hook: ``http_pages``, ``http_routes``, ``invite_url``, ``metrics``, ``outbox``,
            ``replaced_events``, ``template_folders`` or ``written_files``; with arguments
            ``mention_player``
        :param arguments: what it is called with
        :raises ValueError: if it is any other hook
        """

    @abstractmethod
    async def call(
        self, plugin: str, what: str, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        """Call a function that a plugin has declared, such as a handler of an HTTP route, like a hook.

        If it holds the event loop, it is named as a hook is. It runs in a task of its own, so it cannot
        cancel the caller's.

        :param plugin: the plugin's name
        :param what: what to call the function in the log, such as ``GET /search``
        :param function: a sync or async function
        :returns: what it returns
        :raises Exception: what it raises, or in place of a SystemExit or an unexpected cancellation
        :raises RuntimeError: in another thread than the bus's
        """

    @abstractmethod
    def writer_of(self, file: Path | int) -> str | None:
        """Return the name of a plugin that writes events to a file, None if there is none.

        A plugin that reads events from a file asks before, since they would be written to it again. Links
        and other names of the same file are recognized; a pipe may be read and written.

        :param file: its path, or a file descriptor
        """

    @abstractmethod
    def template_folders(self) -> tuple[Traversable, ...]:
        """Return the template folders in search order: the user's, plugins', the bundled ones."""

    @abstractmethod
    def health(self) -> dict[str, Health]:
        """Return the health of each plugin by name: what the plugin reports, unless it failed.

        It is ``degraded`` while the lifespan of the plugin starts.
        A plugin whose hook fails or returns anything but a valid ``Health`` is ``failed``.
        """

    @abstractmethod
    def statistics(self) -> BusStatistics:
        """Return the statistics of the bus and its plugins."""
