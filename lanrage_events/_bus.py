"""The event bus: gives each published event to the hooks of every plugin."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, cast

import anyio
import anyio.from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from ._consumer import Hook
from ._events import Event, EventRegistry
from ._exceptions import EventDropped
from ._fanout import Doors, FanOut
from ._health import Health
from ._mailbox import DEFAULT_SIZE, Mailbox, Receipt, WhenFull
from ._plugin_set import PluginOptions, PluginSet
from ._secrets import Redactor
from ._statistics import BusStatistics
from ._subscription import EventStream, Subscription

EventT = TypeVar("EventT", bound=Event)

# As many as a consumer handles at once, so that it sleeps once for each such burst.
PUBLISHES_BETWEEN_CHECKPOINTS = 128


class EventBus:
    """Gives each published event to every plugin, each behind a bounded mailbox of its own.

    Register plugins, then enter it with ``async with``; leaving it handles what is pending. A bus
    is entered once, and belongs to the task and the thread that entered it.

    :param drain_timeout: seconds that leaving may take, mailboxes and lifespans together;
        ``math.inf`` to wait without limit
    :param hook_timeout: seconds after which a hook is cancelled, unless its plugin says otherwise
    :param templates: the user's own template folders, searched before all others
    :param state_folder: where plugins may keep files, None if nothing should be kept
    :param redactor: knows the values that must not be shown
    """

    def __init__(
        self,
        *,
        drain_timeout: float = 10.0,
        hook_timeout: float = 60.0,
        templates: Sequence[Path] = (),
        state_folder: Path | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._drain_timeout = drain_timeout
        self.state_folder = state_folder
        self.redactor = redactor or Redactor()
        self.templates = tuple(templates)
        """the user's own template folders, for plugins that start from now on"""
        self._fanout = FanOut()
        self._offer = self._fanout.offer
        self._plugins = PluginSet(self._fanout, hook_timeout)
        self._streams: dict[str, EventStream[Any]] = {}
        self._publishes = 0
        self._numbers = count(1)
        self._task_group: TaskGroup | None = None
        self._token: EventLoopToken | None = None
        self._thread: int | None = None
        self._redacted_logs = ExitStack()

    @property
    def drain_timeout(self) -> float:
        """Seconds that leaving may take; one that is set while the bus is left counts from then."""
        return self._drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._drain_timeout = seconds
        self._plugins.limit_stop(seconds)

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

    # Plugins

    def register(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin: an object or a module with hook implementations.

        The options that are not given are taken from the plugin's attributes of the same name, and
        else are a mailbox of 1024 events that drops the oldest, and the bus's hook timeout. On a
        running bus the plugin starts at once, and is started again if that fails.

        :param name: unique on this bus; the default is the name of its class or module
        :param mailbox_size: events that its mailbox holds
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        :param hook_timeout: seconds after which one of its hooks is cancelled
        :param distribution: who brings it, for error messages
        :param places: where the keys of its configuration stand, for :meth:`place`
        :returns: its name
        :raises PluginHookError: if it implements a hook in a way that is not allowed; on a running
            bus also if there is no such hook
        :raises EventTypeConflict: if it brings an event type whose name is taken
        :raises ValueError: if the name or the plugin is registered
        :raises anyio.ClosedResourceError: if the bus is closed
        """
        self._refuse_closed()
        supervisor = self._plugins.add(plugin, name, options, self)
        self._plugins.start(supervisor, first_start_must_succeed=False)
        return supervisor.name

    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin to a running bus and wait until it has started.

        The parameters are those of :meth:`register`.

        :raises PluginStartError: if its lifespan fails; it is not registered then
        """
        if self._task_group is None:
            raise RuntimeError("register_and_wait needs a running bus: use register")

        self._refuse_closed()
        supervisor = self._plugins.add(plugin, name, options, self)
        self._plugins.start(supervisor, first_start_must_succeed=True)
        try:
            await supervisor.started.wait()
            error = supervisor.start_error()
            if error is not None:
                raise error
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._plugins.remove(supervisor, timeout=0)

            raise

        return supervisor.name

    async def unregister(self, plugin: object, timeout: float | None = None) -> tuple[Event, ...]:
        """Remove a plugin, given it or its name; what is pending is handled first.

        :param timeout: seconds that handling what is pending and ending its lifespan may take; the
            default is the bus's drain timeout
        :returns: the events that it did not handle in time, which are also logged
        :raises LookupError: if it is not registered
        :raises RuntimeError: inside a hook of this plugin
        """
        supervisor = self._plugins.find(plugin)
        if supervisor.is_current():
            raise RuntimeError(f"plugin '{supervisor.name}' cannot unregister itself inside a hook")

        return await self._plugins.remove(
            supervisor, self.drain_timeout if timeout is None else timeout
        )

    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        """Put a plugin into the place of a running one, which keeps its mailbox and what is in it.

        The old one handles the event in hand and ends; meanwhile events gather in the mailbox. The
        options are those of :meth:`register`.

        :param name: of the plugin that goes
        :param plugin: the one that comes
        :param timeout: seconds that ending the old one may take; the default is the bus's drain
            timeout
        :raises LookupError: if there is no plugin of that name
        :raises PluginError: if the new one cannot be started; the old one is started again then
        """
        self._refuse_closed()
        supervisor = self._plugins.find(name)
        if self._task_group is None:
            raise RuntimeError("replace needs a running bus: use unregister and register")

        if supervisor.is_current():
            raise RuntimeError(f"plugin '{name}' cannot replace itself inside a hook")

        await self._plugins.replace(
            supervisor, plugin, options, self, self.drain_timeout if timeout is None else timeout
        )

    def check_plugins(self) -> None:
        """Check that every hook that a plugin implements exists; entering the bus does it too.

        :raises PluginHookError: if one does not, with the nearest that does
        """
        hooks = self._plugins.hooks
        hooks.check(name for name in self._plugins.supervisors if hooks.plugin(name) is not None)

    def problems(self) -> list[tuple[str, str]]:
        """Ask every plugin what is wrong with its configuration, and return names and problems."""
        return [
            (name, problem)
            for name in self._plugins.supervisors
            for problem in self._plugins.problems(name, self)
        ]

    def name(self, plugin: object) -> str:
        """Return the name under which a plugin is registered.

        :raises LookupError: if it is not registered
        """
        return self._plugins.find(plugin).name

    def plugins(self) -> dict[str, object]:
        """Return the registered plugins by name."""
        hooks = self._plugins.hooks
        found = ((name, hooks.plugin(name)) for name in self._plugins.supervisors)
        return {name: plugin for name, plugin in found if plugin is not None}

    def ask(self, hook: str) -> dict[str, Any]:
        """Call a hook by which plugins declare something, and return the answers by name.

        What can be iterated over is returned as a tuple. A plugin whose hook fails is left out,
        which is logged.

        :param hook: ``http_pages``, ``http_routes``, ``metrics``, ``outbox`` or
            ``template_folders``
        :raises ValueError: if it is another one
        """
        return self._plugins.ask(hook)

    def place(self, plugin: object, key: str) -> str | None:
        """Return where a key of a plugin's configuration stands, as ``file:line:column``.

        :param plugin: the plugin or its name
        :param key: one of the keys right below the plugin's name
        :returns: None if no file gives it
        :raises LookupError: if the plugin is not registered
        """
        return self._plugins.place(self._plugins.find(plugin).name, key)

    def relocate(self, name: str, places: Mapping[str, str]) -> None:
        """Note that the keys of a plugin's configuration stand somewhere else now.

        :param name: of the plugin
        :param places: each key with its place, as ``file:line:column``
        :raises LookupError: if the plugin is not registered
        """
        self._plugins.relocate(self._plugins.find(name).name, places)

    def template_folders(self) -> tuple[Traversable, ...]:
        """Return where templates are, in search order: the user's, plugins', those that came along."""
        bundled = files("lanrage_events_templates")
        return (*self.templates, *self._plugins.template_folders(), bundled)

    def health(self) -> dict[str, Health]:
        """Return how each plugin is, by name: what it says, unless it failed."""
        health = {name: self._plugins.health(name) for name in self._plugins.supervisors}
        return {
            name: replace(h, detail=self.redactor.redact(h.detail)) for name, h in health.items()
        }

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
        self._publishes += 1
        if self._publishes >= PUBLISHES_BETWEEN_CHECKPOINTS:
            self._publishes = 0
            await checkpoint()

        if not self._offer(event):
            await self._fanout.put(event)

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
        outcomes: list[Exception | None] = []
        refused: list[Exception | None] = []
        for event in events:
            receipt = Receipt()
            try:
                await self._fanout.put(event, receipt, waited_for)
            except anyio.ClosedResourceError as error:
                refused.append(error)
            else:
                published.append((event, receipt))

        for event, receipt in published:
            await receipt.wait()
            outcomes.append(_failure(event, receipt))

        # A bus that is closed does not open again, so what it refused came last.
        return outcomes + refused

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

    def _refuse_closed(self) -> None:
        if self._fanout.doors is not Doors.OPEN:
            raise anyio.ClosedResourceError


def _failure(event: Event, receipt: Receipt) -> Exception | None:
    """Return what kept an event from being handled, None if nothing did."""
    match receipt.errors:
        case []:
            return None
        case [EventDropped() as dropped]:
            return dropped
        case errors:
            return ExceptionGroup(f"{event.type} {event.id} was not handled", errors)
