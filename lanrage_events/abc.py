"""The interfaces of a bus: what plugins, and whoever runs them, may rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack

from ._events import Event
from ._reports import State, WhenFull

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from ._exceptions import EventDropped
    from ._redaction import Redactor
    from ._reports import Health
    from .events import EventRegistry

EventT = TypeVar("EventT", bound=Event)
EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)

DEFAULT_SIZE = 1024
"""events that a mailbox holds, unless something else is said"""


class Bus(ABC):
    """What a plugin may use of the bus that it runs on: publishing, receiving and querying.

    Programs make an :class:`lanrage_events.EventBus`, which implements it.
    """

    state_folder: Path | None
    """where plugins may keep files, None if nothing should be kept"""

    redactor: Redactor
    """knows the values that must not be shown"""

    @property
    @abstractmethod
    def events(self) -> EventRegistry:
        """The event types that are known by name, those of the registered plugins among them."""

    @property
    @abstractmethod
    def plugins(self) -> PluginRegistry:
        """The plugins that run on it."""

    # Publishing

    @abstractmethod
    def publish_nowait(self, event: Event) -> None:
        """Publish an event without waiting.

        :raises anyio.WouldBlock: if a ``block`` mailbox is full or other publishers wait; inside a
            hook if such a mailbox holds twice what it should
        :raises anyio.ClosedResourceError: if the bus is closed
        """

    @abstractmethod
    async def publish(self, event: Event) -> None:
        """Publish an event, waiting for room in ``block`` mailboxes.

        Inside a hook it does not wait. If it is cancelled, the event was published everywhere or
        nowhere. It is a checkpoint only every 128 calls and when it has to wait or to drop.

        :raises anyio.WouldBlock: inside a hook if a ``block`` mailbox holds twice what it should
        :raises anyio.ClosedResourceError: if the bus is closed
        """

    @abstractmethod
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

    @abstractmethod
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

    @abstractmethod
    def publish_from_thread(self, event: Event) -> None:
        """Publish an event from a thread other than the bus's, waiting like :meth:`publish`.

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

    @abstractmethod
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

    @abstractmethod
    async def drain(self) -> None:
        """Wait until the events that were published before the call are handled.

        :raises RuntimeError: inside a hook, which would wait for itself
        """

    # Querying

    @abstractmethod
    def query(self, hook: str) -> dict[str, Any]:
        """Call a hook by which plugins declare something, and return the answers by name.

        What can be iterated over is returned as a tuple. A plugin whose hook fails is skipped,
        which is logged.

        :param hook: ``http_pages``, ``http_routes``, ``metrics``, ``outbox`` or
            ``template_folders``
        :raises ValueError: if it is another one
        """

    @abstractmethod
    def template_folders(self) -> tuple[Traversable, ...]:
        """Return where templates are, in search order: the user's, plugins', the bundled ones."""

    @abstractmethod
    def health(self) -> dict[str, Health]:
        """Return the health of each plugin by name: what it reports, unless it failed."""

    @abstractmethod
    def statistics(self) -> BusStatistics:
        """Return what the bus and its plugins have done."""


class PluginOptions(TypedDict, total=False):
    """How a plugin is run.

    What is missing is taken from the plugin's attribute of the same name, and else is a mailbox of
    1024 events that drops the oldest, and the bus's hook timeout.
    """

    mailbox_size: int | None
    """events that its mailbox holds"""
    when_full: WhenFull | None
    """``block``, ``drop_oldest`` or ``drop_newest``"""
    hook_timeout: float | None
    """seconds after which one of its hooks is cancelled"""
    distribution: str | None
    """the distribution that brings it, for error messages"""
    locations: Mapping[str, str] | None
    """where the keys of its configuration stand, for :meth:`PluginRegistry.source_location`"""


class PluginRegistry(Mapping[str, object]):
    """The plugins of a bus, by name, and what whoever runs them may do with them.

    Plugins are added with :meth:`lanrage_events.EventBus.register`.
    """

    @property
    @abstractmethod
    def drain_timeout(self) -> float:
        """Seconds that leaving the bus may take; set while it is left, they count from then."""

    @drain_timeout.setter
    @abstractmethod
    def drain_timeout(self, seconds: float) -> None: ...

    @abstractmethod
    def name(self, plugin: object) -> str:
        """Return the name under which a plugin is registered.

        :raises LookupError: if it is not registered
        """

    @abstractmethod
    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin to a running bus and wait until it has started.

        The parameters and what else is raised are those of :meth:`lanrage_events.EventBus.register`.

        :raises PluginStartError: if its lifespan fails; it is not registered then
        """

    @abstractmethod
    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        """Put a plugin into the place of a running one, which keeps its mailbox and what is in it.

        The old one handles the event in hand and ends; meanwhile events gather in the mailbox.

        :param name: of the plugin that goes
        :param plugin: the one that comes
        :param timeout: seconds that ending the old one may take; the default is the drain timeout
        :raises LookupError: if there is no plugin of that name
        :raises PluginError: if the new one cannot be started; the old one is started again then
        """

    @abstractmethod
    def validate(self, *, hooks_only: bool = False) -> list[tuple[str, str]]:
        """Check every plugin, without starting any: its hooks, and what its hook ``validate`` finds.

        :param hooks_only: whether to leave out the hook ``validate``; entering the bus checks this
            much, too
        :returns: the name of a plugin and a problem, for each problem
        """

    @abstractmethod
    def source_location(self, plugin: object, key: str) -> str | None:
        """Return where a key of a plugin's configuration stands, as ``file:line:column``.

        :param plugin: the plugin or its name
        :param key: one of the keys right below the plugin's name
        :returns: None if no file gives it
        :raises LookupError: if the plugin is not registered
        """

    @abstractmethod
    def update_locations(self, name: str, locations: Mapping[str, str]) -> None:
        """Note that the keys of a plugin's configuration stand somewhere else now.

        :param name: of the plugin
        :param locations: each key with its place, as ``file:line:column``
        :raises LookupError: if the plugin is not registered
        """


@dataclass(frozen=True, slots=True)
class PluginStatistics:
    """What one plugin, subscription or stream has done with its events since it was registered."""

    state: State
    """``starting``, ``running``, ``down`` (it died and waits for its restart) or ``stopped``"""
    size: int
    """events that its mailbox holds"""
    when_full: WhenFull
    pending: int
    """events that wait in its mailbox"""
    handled: int
    failed: int
    """events on which a hook raised or ran too long"""
    dropped: int
    """events that left its mailbox without being handled"""
    exceeded: int
    """events that entered beyond the size because a hook published them"""
    restarts: int
    hook_seconds: float = 0.0
    """how long its hooks took for the events that it handled and those that failed, all together,
    waiting included"""


@dataclass(frozen=True, slots=True)
class BusStatistics:
    """What a bus and its plugins have done."""

    waiting: int
    """publishers that wait for room"""
    plugins: Mapping[str, PluginStatistics]
    """by name; subscriptions and streams stand among them"""


@dataclass(slots=True, eq=False)
class HookCall:
    """One call of a plugin's hook."""

    plugin: str
    """the plugin's name"""
    hook: str
    """the hook's name; ``lifespan start`` and ``lifespan end`` are what a lifespan does before and
    after the plugin runs"""
    events: Sequence[Event] = ()
    """the event, or the batch of events, that it is called with; empty for the other hooks"""


class Instrument:
    """Watches a bus: each method is called when something happens, and by default does nothing.

    Give instances to :class:`lanrage_events.EventBus`. Methods that a class does not override cost
    nothing. They are called where it happens, in the thread of the bus, so that they must be quick
    and must not wait; what they raise is logged and goes no further. ``plugin`` is the name of a
    plugin, of a subscription or of a stream.
    """

    def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
        """Called when a plugin was registered or has replaced another one.

        :param hooks: the names of the hooks that it implements; empty is most likely a mistake
        """

    def plugin_failed(self, plugin: str, error: Exception, restart_delay: float | None) -> None:
        """Called when the lifespan of a plugin failed.

        :param restart_delay: seconds until it is started again, None if it was being stopped
        """

    def plugin_restarted(self, plugin: str) -> None:
        """Called when a plugin that failed is about to be started again."""

    def plugin_ended(self, plugin: str) -> None:
        """Called when a plugin or a subscription stopped handling events: it failed or has left."""

    def hook_began(self, call: HookCall) -> None:
        """Called before each call of a plugin's hook."""

    def hook_ended(self, call: HookCall, seconds: float, error: BaseException | None) -> None:
        """Called after each call of a plugin's hook.

        :param call: the object that :meth:`hook_began` was given
        :param seconds: how long the call took, waiting included
        :param error: what it raised, a cancellation too
        """

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        """Called when a hook, or the handler of a subscription, raised or ran too long.

        :param hook: the name of the hook or of the handler
        :param event: what it was called with, once for each event that failed in a batch; None for
            hooks that are not about events
        """

    def event_dropped(self, error: EventDropped) -> None:
        """Called when an event leaves a mailbox without being handled.

        :param error: has the event, the plugin and the reason
        """


class Subscription:
    """A handler's place on a bus; usable in ``with``, which unsubscribes at its end.

    :param name: its name in statistics and log lines
    :param remove: removes the handler, and does nothing if it is gone
    """

    def __init__(self, name: str, remove: Callable[[], None]) -> None:
        self.name = name
        self._remove = remove

    def unsubscribe(self) -> None:
        """Stop receiving events; what is pending is still handled. Doing it again is harmless."""
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unsubscribe()


class EventStream(ABC, Generic[EventT_co]):
    """Events of a class and its subclasses, in the order of publishing, for ``async for``.

    It receives events while it is entered with ``async with``, and ends when the bus closes.
    """

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> EventT_co: ...

    @abstractmethod
    def statistics(self) -> PluginStatistics:
        """Return what the stream has taken."""
