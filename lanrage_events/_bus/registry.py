"""The plugins of one bus: added, started, replaced and ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypedDict

import anyio
from anyio.abc import TaskGroup

from .._events import Event
from .batch_consumer import BatchConsumer, BatchHook
from .consumer import Consumer, Hook
from .fanout import Doors, FanOut
from .hooks import BATCH_HOOK, Hooks
from .mailbox import DEFAULT_SIZE, Mailbox, WhenFull
from .queries import Questions
from .supervisor import Supervisor

if TYPE_CHECKING:
    from .bus import EventBus

logger = logging.getLogger(__name__)


class PluginOptions(TypedDict, total=False):
    """How a plugin is run; what is missing is taken from the plugin's attributes."""

    mailbox_size: int | None
    when_full: WhenFull | None
    hook_timeout: float | None
    distribution: str | None
    places: Mapping[str, str] | None


class PluginSet:
    """The plugins and the subscriptions of one bus, each with its supervisor.

    :param fanout: gives them their events
    :param hooks: the plugins' hooks, none yet
    :param hook_timeout: seconds after which a hook is cancelled, unless its plugin says otherwise
    """

    def __init__(self, fanout: FanOut, hooks: Hooks, hook_timeout: float) -> None:
        self.hooks = hooks
        self.supervisors: dict[str, Supervisor] = {}
        self.questions = Questions(self.hooks, self.supervisors)
        self._options: dict[str, PluginOptions] = {}
        self._fanout = fanout
        self._hook_timeout = hook_timeout
        self._task_group: TaskGroup | None = None
        self._stop_scope: anyio.CancelScope | None = None
        self._stop_timeout = 0.0
        self._numbers = count(2)

    # Adding and removing

    def add(
        self, plugin: object, name: str | None, options: PluginOptions, bus: EventBus
    ) -> Supervisor:
        """Register a plugin without starting it."""
        if name is not None and name in self.supervisors:
            raise ValueError(f"'{name}' is taken on this bus: give another name")

        name = self.hooks.register(plugin, name, options.get("distribution"))
        try:
            self.hooks.add_events(name)
            if self._task_group is not None:
                self.hooks.check([name])

            supervisor = self._supervise(plugin, name, options, bus)
        except BaseException:
            self.hooks.unregister(name)
            raise

        if not self.hooks.names(name):
            logger.warning("plugin '%s' implements no hook: mark them with @hookimpl", name)

        self.supervisors[name] = supervisor
        self._options[name] = options
        self._fanout.add(supervisor.mailbox, lambda cls: self.hooks.wants(name, cls))
        return supervisor

    def _supervise(
        self,
        plugin: object,
        name: str,
        options: PluginOptions,
        bus: EventBus,
        mailbox: Mailbox | None = None,
    ) -> Supervisor:
        def option(name: str, default: Any) -> Any:
            given = options.get(name)
            return getattr(plugin, name, default) if given is None else given

        size = option("mailbox_size", DEFAULT_SIZE)
        when_full = option("when_full", "drop_oldest")
        if mailbox is None:
            mailbox = Mailbox(name, size, when_full)
        else:
            mailbox.set_policy(size, when_full)

        hook_timeout = option("hook_timeout", None)
        handle_batch = self.hooks.implementation(name, BATCH_HOOK)
        consumer = (
            self._consumer(mailbox, partial(self.hooks.for_event, name), hook_timeout)
            if handle_batch is None
            else self._batch_consumer(mailbox, handle_batch, hook_timeout)
        )
        lifespan = self.hooks.implementation(name, "lifespan")
        return Supervisor(
            mailbox,
            consumer,
            lifespan=None if lifespan is None else partial(_enterable, lifespan, bus),
            durable=bool(getattr(plugin, "durable", False)),
            handles_events=self.hooks.handles_events(name),
            went_down=self._fanout.admit,
        )

    def _consumer(
        self,
        mailbox: Mailbox,
        find_hooks: Callable[[type[Event]], tuple[Hook, ...]],
        hook_timeout: float | None,
    ) -> Consumer:
        fanout = self._fanout
        timeout = self._hook_timeout if hook_timeout is None else hook_timeout
        return Consumer(mailbox, find_hooks, timeout, fanout.waiting, fanout.admit)

    def _batch_consumer(
        self, mailbox: Mailbox, handle: BatchHook, hook_timeout: float | None
    ) -> BatchConsumer:
        fanout = self._fanout
        timeout = self._hook_timeout if hook_timeout is None else hook_timeout
        return BatchConsumer(mailbox, handle, timeout, fanout.waiting, fanout.admit)

    def add_handler(
        self,
        mailbox: Mailbox,
        event_class: type[Event],
        handler: Hook,
        hook_timeout: float | None,
    ) -> Callable[[], None]:
        """Add a handler that is no plugin, start it, and return what removes it."""

        def find_hooks(cls: type[Event]) -> tuple[Hook, ...]:
            return (handler,) if issubclass(cls, event_class) else ()

        supervisor = Supervisor(mailbox, self._consumer(mailbox, find_hooks, hook_timeout))

        def forget() -> None:
            self.supervisors.pop(supervisor.name, None)

        def remove() -> None:
            self._fanout.remove(mailbox)
            supervisor.stop()
            if not supervisor.launched:
                forget()

        self.supervisors[supervisor.name] = supervisor
        self._fanout.add(mailbox, lambda cls: issubclass(cls, event_class))
        self.start(supervisor, first_start_must_succeed=False, ended=forget)
        return remove

    def free_name(self, name: str | None, handler: Callable[..., object]) -> str:
        """Return a name for something that is no plugin.

        :raises ValueError: if the given name is taken
        """
        if name is not None:
            if name in self.supervisors:
                raise ValueError(f"'{name}' is taken on this bus: give another name")

            return name

        wanted = free = getattr(handler, "__qualname__", type(handler).__name__)
        while free in self.supervisors:
            free = f"{wanted}#{next(self._numbers)}"

        return free

    def find(self, plugin: object) -> Supervisor:
        """Return who runs a plugin, given it or its name.

        :raises LookupError: if it is not registered
        """
        name = plugin if isinstance(plugin, str) else self.hooks.name(plugin)
        if name is None or self.hooks.plugin(name) is None:
            raise LookupError(f"no such plugin is registered: {plugin!r}")

        return self.supervisors[name]

    async def remove(self, supervisor: Supervisor, timeout: float) -> tuple[Event, ...]:
        """End a plugin within a time, forget it, and return what it did not handle."""
        self._fanout.remove(supervisor.mailbox)
        supervisor.stop()
        dropped: tuple[Event, ...] = ()
        try:
            with anyio.move_on_after(timeout):
                await supervisor.wait_stopped()
        finally:
            with anyio.CancelScope(shield=True):
                dropped = await self._end(supervisor, timeout)

            del self.supervisors[supervisor.name], self._options[supervisor.name]
            self.hooks.unregister(supervisor.name)

        return dropped

    async def replace(
        self,
        old: Supervisor,
        plugin: object,
        options: PluginOptions,
        bus: EventBus,
        timeout: float,
    ) -> None:
        """Put a plugin into the place of another one, which keeps its mailbox and what is in it.

        If it cannot be started, the old one is started again.
        """
        name = old.name
        old_plugin, old_options = self.hooks.plugin(name), self._options[name]
        old.hand_over()
        try:
            with anyio.move_on_after(timeout):
                await old.wait_stopped()
        finally:
            old.cancel()
            with anyio.CancelScope(shield=True):
                await old.wait_stopped()
                try:
                    await self._take_over(old, plugin, options, bus)
                except BaseException:
                    await self._take_over(old, old_plugin, old_options, bus)
                    raise

    async def _take_over(
        self, old: Supervisor, plugin: object, options: PluginOptions, bus: EventBus
    ) -> None:
        name = old.name
        if self.hooks.plugin(name) is not None:
            self.hooks.unregister(name)

        self.hooks.register(plugin, name, options.get("distribution"))
        self.hooks.add_events(name)
        self.hooks.check([name])
        supervisor = self._supervise(plugin, name, options, bus, old.mailbox)
        self.supervisors[name] = supervisor
        self._options[name] = options
        self._fanout.forget_routes()
        self.start(supervisor, first_start_must_succeed=True)
        await supervisor.started.wait()
        error = supervisor.start_error()
        if error is not None:
            raise error

    # Starting and stopping

    async def start_all(self, task_group: TaskGroup) -> None:
        """Start what was registered, all at once since lifespans may publish to each other.

        :raises PluginStartError: if one cannot start
        """
        self._task_group = task_group
        supervisors = tuple(self.supervisors.values())
        for supervisor in supervisors:
            self.start(supervisor, first_start_must_succeed=True)

        for supervisor in supervisors:
            await supervisor.started.wait()

        errors = [error for s in supervisors if (error := s.start_error()) is not None]
        for error in errors[1:]:
            logger.error("%s", error)

        if errors:
            raise errors[0]

    def start(
        self,
        supervisor: Supervisor,
        *,
        first_start_must_succeed: bool,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a plugin, if the bus is running.

        :param ended: called when it has ended
        """

        async def supervise() -> None:
            await supervisor.run(first_start_must_succeed)
            ended()

        if self._task_group is not None:
            supervisor.launched = True
            self._task_group.start_soon(supervise, name=f"plugin {supervisor.name}")

    async def stop_all(self, timeout: float) -> None:
        """Handle what is pending and end every plugin within a time; tell what was not handled."""
        self._stop_timeout = timeout
        with anyio.move_on_after(timeout) as self._stop_scope:
            await self._drain_and_stop()

        self._fanout.close(Doors.CLOSED)
        for supervisor in tuple(self.supervisors.values()):
            await self._end(supervisor, self._stop_timeout)

    def limit_stop(self, timeout: float) -> None:
        """Let :meth:`stop_all`, if it has begun, end within a time from now."""
        if self._stop_scope is not None:
            self._stop_timeout = timeout
            self._stop_scope.deadline = anyio.current_time() + timeout

    async def _drain_and_stop(self) -> None:
        supervisors = tuple(self.supervisors.values())
        # What only publishes ends first, while the bus still takes its last events.
        await self._stop(supervisor for supervisor in supervisors if not supervisor.handles_events)
        self._fanout.close(Doors.HOOKS_ONLY)
        while not all(supervisor.mailbox.idle for supervisor in supervisors):
            await self.drain()

        self._fanout.close(Doors.CLOSED)
        await self._stop(supervisors)

    @staticmethod
    async def _stop(supervisors: Iterable[Supervisor]) -> None:
        stopping = tuple(supervisors)
        for supervisor in stopping:
            supervisor.stop()

        for supervisor in stopping:
            await supervisor.wait_stopped()

    async def drain(self) -> None:
        """Wait until what is in the mailboxes now has left them."""
        drained = [supervisor.mailbox.drained() for supervisor in self.supervisors.values()]
        for event in drained:
            if event is not None:
                await event.wait()

    @staticmethod
    async def _end(supervisor: Supervisor, timeout: float) -> tuple[Event, ...]:
        supervisor.cancel()
        await supervisor.wait_stopped()
        reason = f"not handled within {timeout:g} seconds"
        dropped = supervisor.mailbox.discard(reason)
        if dropped:
            plural = "" if len(dropped) == 1 else "s"
            what = f"dropped {len(dropped)} event{plural}: {reason}"
            logger.error("plugin '%s' %s", supervisor.name, what)

        return dropped

    # Places

    def place(self, name: str, key: str) -> str | None:
        """Return where a key of a plugin's configuration stands, None if it is not known."""
        return (self._options[name].get("places") or {}).get(key)

    def relocate(self, name: str, places: Mapping[str, str]) -> None:
        """Note where the keys of a plugin's configuration stand now."""
        self._options[name]["places"] = places


def _enterable(
    lifespan: Callable[[EventBus], object], bus: EventBus
) -> AbstractAsyncContextManager[object]:
    result = lifespan(bus)
    if isinstance(result, AbstractAsyncContextManager):
        return result

    if isinstance(result, Coroutine):
        result.close()

    raise TypeError(
        "hook 'lifespan' must return an async context manager: decorate it with "
        f"@asynccontextmanager and let it yield once; it returned {type(result).__name__}"
    )
