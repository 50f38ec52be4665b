"""The interfaces of a bus, for plugins and for programs that run plugins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack

from ._events import Event

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from ._exceptions import EventDropped
    from ._redaction import Redactor
    from ._reports import ConfigProblem, Health
    from .events import EventRegistry

WhenFull = Literal["block", "drop_oldest", "drop_newest"]
"""what a mailbox does with an event that does not fit"""

PluginState = Literal["starting", "running", "down", "stopped"]
"""what a plugin does; ``down``: it failed and waits for its restart, or was cancelled and still runs"""

EventT = TypeVar("EventT", bound=Event)
EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)

DEFAULT_MAILBOX_SIZE = 1024
"""events that a mailbox holds by default"""


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

        :param plugins: ``durable`` waits only for plugins that declare themselves durable, so that the
            event survives a crash once this returns; ``all`` waits for all plugins and
            subscriptions
        :raises ExceptionGroup: if hooks raised; it contains their exceptions
        :raises EventDropped: if the event was dropped
        :raises anyio.ClosedResourceError: if the bus is closed
        :raises RuntimeError: inside a hook, which would wait for itself
        """

    @abstractmethod
    async def publish_many_and_wait(
        self, events: Iterable[Event], plugins: Literal["all", "durable"] = "durable"
    ) -> list[Exception | None]:
        """Publish events in order, and wait until plugins have handled them all.

        If it is cancelled, the events up to some point are published and the rest are not.

        :param plugins: as in :meth:`publish_and_wait`
        :returns: for each event None, or what :meth:`publish_and_wait` would have raised; for the
            events after the bus was closed, an :exc:`anyio.ClosedResourceError`
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

    @abstractmethod
    def subscribe(
        self,
        event_class: type[EventT],
        handler: Callable[[EventT], Awaitable[object] | object],
        *,
        name: str | None = None,
        mailbox_size: int = DEFAULT_MAILBOX_SIZE,
        when_full: WhenFull = "drop_oldest",
        hook_timeout: float | None = None,
        threaded: bool = False,
    ) -> Subscription:
        """Call a handler, sync or async, with each event of a class and its subclasses.

        :param name: for statistics and log lines; the default is derived from the handler's name
        :param mailbox_size: how many events may wait for it
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        :param hook_timeout: seconds after which the handler is cancelled
        :param threaded: whether the handler, which must be sync, runs in a thread of its own, one event
            after another; a thread whose call timed out goes on beside the next one
        :raises TypeError: if the handler is async and ``threaded`` is true
        """

    @abstractmethod
    def stream(
        self,
        event_class: type[EventT],
        *,
        name: str | None = None,
        mailbox_size: int = DEFAULT_MAILBOX_SIZE,
        when_full: WhenFull = "drop_oldest",
    ) -> EventStream[EventT]:
        """Return an async iterator over the events of a class and its subclasses.

        Enter it with ``async with``. :meth:`drain`, :meth:`publish_and_wait` and leaving the bus do
        not wait for it.

        :param name: for statistics and log lines; the default is one that is free when it is entered
        :param mailbox_size: how many events may wait for it
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        """

    @abstractmethod
    async def drain(self) -> None:
        """Wait until the events that were published before the call are handled.

        :raises RuntimeError: inside a hook, which would wait for itself
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
    def query(self, hook: str) -> dict[str, Any]:
        """Call a hook by which plugins declare something, and return the answers by plugin.

        Iterables are returned as tuples, whose items are not checked, except that the folders of
        ``template_folders`` are folders and those of ``written_files`` paths or file descriptors. A
        plugin whose hook fails is logged and skipped.

        :param hook: ``http_pages``, ``http_routes``, ``metrics``, ``outbox``, ``template_folders`` or
            ``written_files``
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


class PluginOptions(TypedDict, total=False):
    """How a plugin is run.

    The default of the first four is the plugin's attribute of the same name. Without one it is a
    mailbox of 1024 events that drops the oldest, and the timeouts of the bus.
    """

    mailbox_size: int | None
    """events that its mailbox holds"""
    when_full: WhenFull | None
    """``block``, ``drop_oldest`` or ``drop_newest``"""
    hook_timeout: float | None
    """seconds after which one of its hooks is cancelled"""
    start_timeout: float | None
    """seconds after which its lifespan is cancelled while it starts"""
    distribution: str | None
    """the distribution that the plugin belongs to, for error messages"""
    locations: Mapping[str, str] | None
    """the locations of its configuration keys, for :meth:`PluginRegistry.source_location`"""


class PluginRegistry(Mapping[str, object]):
    """The plugins of a bus by name, for programs that run plugins.

    Add plugins with :meth:`lanrage_events.EventBus.register`.
    """

    @property
    @abstractmethod
    def drain_timeout(self) -> float:
        """Seconds that leaving the bus may take; if set meanwhile, they count from then."""

    @drain_timeout.setter
    @abstractmethod
    def drain_timeout(self, seconds: float) -> None: ...

    @abstractmethod
    def name(self, plugin: object) -> str:
        """Return the name of a plugin.

        :raises LookupError: if it is not registered
        """

    @abstractmethod
    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin to a running bus and wait until it has started.

        If it cannot start, or if the caller is cancelled, it is not registered, and neither are its
        event types. The parameters are those of :meth:`lanrage_events.EventBus.register`, which also
        describes the other errors.

        :raises PluginStartError: if its lifespan fails or does not start within its ``start_timeout``,
            or if an earlier plugin of its name was cancelled and still runs
        :raises anyio.ClosedResourceError: if it is unregistered or the bus is closed meanwhile
        """

    @abstractmethod
    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        """Replace a running plugin; the new one takes over its mailbox with the pending events.

        The old plugin handles its current event and ends; meanwhile events wait in the mailbox. If
        the new one cannot start, or if the caller is cancelled before it has, the old one is started
        again; if that fails, it is restarted like any plugin that failed. Changes of one plugin are
        made one after another.

        If the old plugin ignores that it is cancelled, it is not replaced, and started again once it
        has ended.

        :param name: the name of the old plugin
        :param plugin: the new plugin
        :param timeout: seconds that the old plugin may take to end; the default is the drain timeout
        :raises LookupError: if no plugin has this name
        :raises PluginReplaceError: if the new plugin cannot start, for whatever reason, or the old one
            does not end
        :raises anyio.ClosedResourceError: if the plugin is unregistered or the bus is closed meanwhile
        :raises RuntimeError: inside a hook of this plugin
        """

    @abstractmethod
    def validate(self, *, hooks_only: bool = False) -> list[tuple[str, str]]:
        """Check the hooks of every plugin and call its hook ``validate``, without starting any.

        :param hooks_only: whether to skip the hook ``validate``, as entering the bus does
        :returns: for each problem the name of the plugin and the problem, without the warnings
        """

    @abstractmethod
    def reload_templates(self, *, skip: Collection[str] = ()) -> dict[str, list[ConfigProblem]]:
        """Call the hook ``templates_changed`` of every running plugin.

        A plugin that fails is logged, and goes on with what it has read before.

        :param skip: the names of plugins that have just read them
        :returns: for each plugin that read its templates again what is wrong with them
        """

    @abstractmethod
    def problems(self, plugin: object) -> list[ConfigProblem]:
        """Call the hook ``validate`` of a plugin and return what it finds, the warnings included.

        :param plugin: the plugin or its name
        :raises LookupError: if it is not registered
        """

    @abstractmethod
    async def check_online(self, plugin: object) -> dict[str, Health]:
        """Call the hook ``check_online`` of a plugin, for a minute at most, and return its answer.

        :param plugin: the plugin or its name
        :returns: the health of each service; empty if the plugin does not have the hook
        :raises LookupError: if it is not registered
        """

    @abstractmethod
    def source_location(self, plugin: object, key: str) -> str | None:
        """Return the location of a configuration key, as ``file:line:column``.

        :param plugin: the plugin or its name
        :param key: the keys and list indices below the plugin's name, such as ``routes.0.events``
        :returns: None if the key is in no file
        :raises LookupError: if the plugin is not registered
        """

    @abstractmethod
    def update_locations(self, name: str, locations: Mapping[str, str]) -> None:
        """Set the locations of a plugin's configuration keys.

        :param name: the name of the plugin
        :param locations: by key, as ``file:line:column``
        :raises LookupError: if the plugin is not registered
        """


@dataclass(frozen=True, slots=True)
class PluginStatistics:
    """What happened to the events of one plugin, subscription or stream since it was registered."""

    state: PluginState
    size: int
    """events that its mailbox holds"""
    when_full: WhenFull
    pending: int
    """events that wait in its mailbox"""
    handled: int
    failed: int
    """events on which a hook raised or ran too long"""
    dropped: int
    """events that left its mailbox unhandled"""
    exceeded: int
    """events that entered beyond the size because a hook published them"""
    restarts: int
    hook_seconds: float = 0.0
    """total time that its hooks took for handled and failed events, waiting included"""
    loop_blocks: int = 0
    """how often a hook held the event loop for longer than the bus's ``blocked_after``"""
    loop_blocked_seconds: float = 0.0
    """total time for which hooks held the event loop for longer than that"""
    abandoned_threads: int = 0
    """calls of threaded hooks that timed out or were cancelled while their thread went on"""
    last_failure: str = ""
    """why its lifespan failed last, without secrets; empty if it never did"""


@dataclass(frozen=True, slots=True)
class BusStatistics:
    """The statistics of a bus and its plugins."""

    waiting: int
    """publishers that wait for room"""
    plugins: Mapping[str, PluginStatistics]
    """by name, including subscriptions and streams"""
    seconds_since_input: Mapping[str, float] = field(default_factory=dict)
    """by source, how long ago it last took something in, see :meth:`Bus.record_input`; a source that
    has taken in nothing yet is missing, and all are while the bus does not run"""


@dataclass(slots=True, eq=False)
class HookCall:
    """One call of a plugin's hook."""

    plugin: str
    """the plugin's name"""
    hook: str
    """the hook's name; ``lifespan start`` and ``lifespan end`` are the parts of a lifespan before and
    after the plugin runs"""
    events: Sequence[Event] = ()
    """the event or the batch of events that it is called with; empty for other hooks"""


class Instrument:
    """Watches a bus: each method is called when something happens, and does nothing by default.

    Pass instances to :class:`lanrage_events.EventBus`. Methods that a class does not override cost
    nothing. They run in the thread of the bus, so they must be quick and must not wait. What they
    raise is only logged. ``plugin`` is the name of a
    plugin, of a subscription or of a stream.
    """

    def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
        """Called when a plugin was registered or has replaced another one.

        :param hooks: the hooks that it implements; an empty sequence is most likely a mistake
        """

    def plugin_failed(self, plugin: str, error: Exception, restart_delay: float | None) -> None:
        """Called when the lifespan of a plugin failed.

        :param restart_delay: seconds until it is restarted, None if it was being stopped
        """

    def plugin_restarted(self, plugin: str) -> None:
        """Called when a plugin that failed is about to restart."""

    def plugin_ended(self, plugin: str) -> None:
        """Called when a plugin or a subscription stopped handling events: it failed or was removed."""

    def hook_began(self, call: HookCall) -> None:
        """Called before each call of a plugin's hook."""

    def hook_ended(self, call: HookCall, seconds: float, error: BaseException | None) -> None:
        """Called after each call of a plugin's hook.

        :param call: the object that :meth:`hook_began` received
        :param seconds: how long the call took, waiting included
        :param error: what it raised, including cancellation
        """

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        """Called when a hook, or the handler of a subscription, raised or ran too long.

        :param hook: the name of the hook or of the handler
        :param event: its event, one call for each failed event of a batch; None for hooks that are not
            about events
        """

    def event_dropped(self, error: EventDropped) -> None:
        """Called when an event is dropped."""


class Subscription(AbstractContextManager["Subscription"]):
    """A subscription of a handler; as a context manager it unsubscribes at the end of the block."""

    def __init__(self, name: str, remove: Callable[[], None]) -> None:
        self.name = name
        self._remove = remove

    def unsubscribe(self) -> None:
        """Stop receiving events; pending ones are still handled. A second call does nothing."""
        self._remove()

    def __exit__(self, *_: object) -> None:
        self.unsubscribe()


class EventStream(AbstractAsyncContextManager["EventStream[EventT_co]"], AsyncIterator[EventT_co]):
    """The events of a class and its subclasses in the order of publishing, for ``async for``.

    It receives events while it is entered with ``async with``, and ends when the bus closes.
    """

    @abstractmethod
    def statistics(self) -> PluginStatistics:
        """Return the statistics of the stream."""
