"""The plugins of one bus: added, started, replaced and ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import count
from typing import Any, Unpack

import anyio
from anyio.abc import TaskGroup

from .._events import Event
from .._exceptions import PluginError
from ..abc import DEFAULT_SIZE, Bus, PluginOptions, PluginRegistry
from .batch_consumer import BatchConsumer, BatchHook
from .consumer import Consumer, Hook
from .fanout import BusState, FanOut
from .hooks import BATCH_HOOK, Hooks
from .mailbox import Mailbox
from .queries import Queries
from .supervisor import Supervisor

logger = logging.getLogger(__name__)


class Registry(PluginRegistry):
    """The plugins and the subscriptions of one bus, each with its supervisor.

    :param bus: what they are given
    :param fanout: gives them their events
    :param hooks: the plugins' hooks, none yet
    :param hook_timeout: seconds after which a hook is cancelled, unless its plugin says otherwise
    :param drain_timeout: seconds that leaving may take
    """

    def __init__(
        self, bus: Bus, fanout: FanOut, hooks: Hooks, hook_timeout: float, drain_timeout: float
    ) -> None:
        self.hooks = hooks
        self.supervisors: dict[str, Supervisor] = {}
        self.queries = Queries(self.hooks, self.supervisors)
        self._bus = bus
        self._drain_timeout = drain_timeout
        self._options: dict[str, PluginOptions] = {}
        self._fanout = fanout
        self._hook_timeout = hook_timeout
        self._task_group: TaskGroup | None = None
        self._stop_scope: anyio.CancelScope | None = None
        self._stop_timeout = 0.0
        self._numbers = count(2)

    def __getitem__(self, name: str) -> object:
        plugin = self.hooks.plugin(name)
        if plugin is None:
            raise KeyError(name)

        return plugin

    def __iter__(self) -> Iterator[str]:
        # Subscriptions have supervisors too, but are no plugins.
        return (name for name in self.supervisors if self.hooks.plugin(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def drain_timeout(self) -> float:
        return self._drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._drain_timeout = seconds
        self.limit_stop(seconds)

    def name(self, plugin: object) -> str:
        return self._find(plugin).name

    def validate(self, *, hooks_only: bool = False) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        for name in self:
            try:
                self.hooks.validate(name)
            except PluginError as error:
                problems.append((name, error.reason))

            if not hooks_only:
                problems += [(name, problem) for problem in self.queries.validate(name, self._bus)]

        return problems

    def source_location(self, plugin: object, key: str) -> str | None:
        return (self._options[self.name(plugin)].get("locations") or {}).get(key)

    def update_locations(self, name: str, locations: Mapping[str, str]) -> None:
        self._options[self.name(name)]["locations"] = locations

    # Adding and removing

    def register(self, plugin: object, name: str | None, options: PluginOptions) -> str:
        """Add a plugin, and start it on a running bus."""
        self._fanout.check_open()
        supervisor = self._add(plugin, name, options)
        self.start(supervisor, first_start_must_succeed=False)
        return supervisor.name

    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        if self._task_group is None:
            raise RuntimeError("register_and_wait needs a running bus: use register")

        self._fanout.check_open()
        supervisor = self._add(plugin, name, options)
        self.start(supervisor, first_start_must_succeed=True)
        try:
            await supervisor.started.wait()
            error = supervisor.start_error()
            if error is not None:
                raise error
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._remove(supervisor, timeout=0)

            raise

        return supervisor.name

    def _add(self, plugin: object, name: str | None, options: PluginOptions) -> Supervisor:
        if name is not None and name in self.supervisors:
            raise ValueError(f"'{name}' is taken on this bus: give another name")

        name = self.hooks.register(plugin, name, options.get("distribution"))
        try:
            self.hooks.add_events(name)
            if self._task_group is not None:
                self.hooks.validate(name)

            supervisor = self._supervise(plugin, name, options)
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
            lifespan=None if lifespan is None else partial(_enterable, lifespan, self._bus),
            durable=bool(getattr(plugin, "durable", False)),
            handles_events=self.hooks.handles_events(name),
            on_failure=self._fanout.admit,
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

    def _find(self, plugin: object) -> Supervisor:
        """Return what runs a plugin, given it or its name."""
        name = plugin if isinstance(plugin, str) else self.hooks.name(plugin)
        if name is None or self.hooks.plugin(name) is None:
            raise LookupError(f"no such plugin is registered: {plugin!r}")

        return self.supervisors[name]

    async def unregister(self, plugin: object, timeout: float | None) -> tuple[Event, ...]:
        """End a plugin within a time, forget it, and return what it did not handle."""
        supervisor = self._find(plugin)
        if supervisor.in_own_hook():
            raise RuntimeError(f"plugin '{supervisor.name}' cannot unregister itself inside a hook")

        return await self._remove(supervisor, self.drain_timeout if timeout is None else timeout)

    async def _remove(self, supervisor: Supervisor, timeout: float) -> tuple[Event, ...]:
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
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        self._fanout.check_open()
        old = self._find(name)
        if self._task_group is None:
            raise RuntimeError("replace needs a running bus: use unregister and register")

        if old.in_own_hook():
            raise RuntimeError(f"plugin '{name}' cannot replace itself inside a hook")

        old_plugin, old_options = self[name], self._options[name]
        old.detach()
        try:
            with anyio.move_on_after(self.drain_timeout if timeout is None else timeout):
                await old.wait_stopped()
        finally:
            old.cancel()
            with anyio.CancelScope(shield=True):
                await old.wait_stopped()
                try:
                    await self._take_over(old, plugin, options)
                except BaseException:
                    await self._take_over(old, old_plugin, old_options)
                    raise

    async def _take_over(self, old: Supervisor, plugin: object, options: PluginOptions) -> None:
        name = old.name
        if name in self:
            self.hooks.unregister(name)

        self.hooks.register(plugin, name, options.get("distribution"))
        self.hooks.add_events(name)
        self.hooks.validate(name)
        supervisor = self._supervise(plugin, name, options, old.mailbox)
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
        """Validate and start what was registered, all at once since lifespans may publish to each other.

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

        self._fanout.close(BusState.CLOSED)
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
        self._fanout.close(BusState.HOOKS_ONLY)
        while not all(supervisor.mailbox.idle for supervisor in supervisors):
            await self.drain()

        self._fanout.close(BusState.CLOSED)
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


def _enterable(lifespan: Callable[[Bus], object], bus: Bus) -> AbstractAsyncContextManager[object]:
    result = lifespan(bus)
    if isinstance(result, AbstractAsyncContextManager):
        return result

    if isinstance(result, Coroutine):
        result.close()

    raise TypeError(
        "hook 'lifespan' must return an async context manager: decorate it with "
        f"@asynccontextmanager and let it yield once; it returned {type(result).__name__}"
    )
