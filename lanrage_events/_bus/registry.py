"""The registry of the plugins on one bus."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Unpack

import anyio

from .._events import Event
from .._exceptions import PluginError
from ..abc import DEFAULT_MAILBOX_SIZE, Bus, PluginOptions, PluginRegistry
from .fanout import FanOut
from .hooks import BATCH_HOOK, LIFESPAN, Hooks
from .instrument import Instruments
from .lifecycle import Lifecycle
from .mailbox import Mailbox
from .queries import Queries
from .supervisor import Supervisor


class Registry(PluginRegistry):
    """The plugins of one bus, which their hooks are given."""

    def __init__(
        self, bus: Bus, fanout: FanOut, lifecycle: Lifecycle, instruments: Instruments
    ) -> None:
        self.hooks = Hooks(instruments)
        self.queries = Queries(self.hooks, lifecycle.supervisors, instruments)
        self._bus = bus
        self._fanout = fanout
        self._lifecycle = lifecycle
        self._instruments = instruments
        self._options: dict[str, PluginOptions] = {}

    def __getitem__(self, name: str) -> object:
        plugin = self.hooks.plugin(name)
        if plugin is None:
            raise KeyError(name)

        return plugin

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    @property
    def drain_timeout(self) -> float:
        return self._lifecycle.drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._lifecycle.drain_timeout = seconds

    def name(self, plugin: object) -> str:
        return self._find(plugin).name

    def _find(self, plugin: object) -> Supervisor:
        name = plugin if isinstance(plugin, str) else self.hooks.name(plugin)
        if name is None or name not in self._options:
            raise LookupError(f"no such plugin is registered: {plugin!r}")

        return self._lifecycle.supervisors[name]

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

    # Adding

    def register(self, plugin: object, name: str | None, options: PluginOptions) -> str:
        """Add a plugin, and start it on a running bus."""
        supervisor = self._add(plugin, name, options)
        self._lifecycle.start(supervisor)
        return supervisor.name

    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        if not self._lifecycle.is_running:
            raise RuntimeError("register_and_wait needs a running bus: use register")

        supervisor = self._add(plugin, name, options)
        try:
            await self._lifecycle.start_and_wait(supervisor)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._remove(supervisor, timeout=0)

            raise

        return supervisor.name

    def _add(self, plugin: object, name: str | None, options: PluginOptions) -> Supervisor:
        self._fanout.check_open()
        if name is not None:
            self._lifecycle.check_free(name)

        name = self.hooks.register(plugin, name, options.get("distribution"))
        try:
            self._lifecycle.check_can_start(name)
            self.hooks.add_events(name)
            if self._lifecycle.is_running:
                self.hooks.validate(name)

            supervisor = self._supervise(plugin, name, options)
        except BaseException:
            self.hooks.unregister(name)
            raise

        self._options[name] = options
        self._lifecycle.add(supervisor, partial(self.hooks.wants, name))
        self._instruments.plugin_registered(name, self.hooks.names(name))
        return supervisor

    def _supervise(
        self, plugin: object, name: str, options: PluginOptions, mailbox: Mailbox | None = None
    ) -> Supervisor:
        def option(name: str, default: Any) -> Any:
            given = options.get(name)
            return getattr(plugin, name, default) if given is None else given

        size = option("mailbox_size", DEFAULT_MAILBOX_SIZE)
        when_full = option("when_full", "drop_oldest")
        if mailbox is None:
            mailbox = Mailbox(name, size, when_full, self._instruments)
        else:
            mailbox.set_policy(size, when_full)

        return self._lifecycle.supervise(
            mailbox,
            partial(self.hooks.for_event, name),
            option("hook_timeout", None),
            handle_batch=self.hooks.implementation(name, BATCH_HOOK),
            lifespan=self._lifespan(name),
            durable=bool(getattr(plugin, "durable", False)),
            handles_events=self.hooks.handles_events(name),
        )

    def _lifespan(self, name: str) -> Callable[[], AbstractAsyncContextManager[object]] | None:
        lifespan = self.hooks.implementation(name, LIFESPAN)
        if lifespan is None:
            return None

        return self._instruments.watched_lifespan(name, partial(_enterable, lifespan, self._bus))

    # Removing and replacing

    async def unregister(self, plugin: object, timeout: float | None) -> tuple[Event, ...]:
        """End and remove a plugin within a timeout, and return the events that it did not handle."""
        supervisor = self._find(plugin)
        if supervisor.in_own_hook():
            raise RuntimeError(f"plugin '{supervisor.name}' cannot unregister itself inside a hook")

        return await self._remove(supervisor, self.drain_timeout if timeout is None else timeout)

    async def _remove(self, supervisor: Supervisor, timeout: float) -> tuple[Event, ...]:
        try:
            return await self._lifecycle.remove(supervisor, timeout)
        finally:
            del self._options[supervisor.name]
            self.hooks.unregister(supervisor.name)

    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        self._fanout.check_open()
        old = self._find(name)
        if not self._lifecycle.is_running:
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
        """Start a plugin with the mailbox of another one, which has ended."""
        name = old.name
        if self.hooks.plugin(name) is not None:
            self.hooks.unregister(name)

        self.hooks.register(plugin, name, options.get("distribution"))
        self.hooks.add_events(name)
        self.hooks.validate(name)
        supervisor = self._supervise(plugin, name, options, old.mailbox)
        self._options[name] = options
        self._lifecycle.add(supervisor, partial(self.hooks.wants, name))
        self._instruments.plugin_registered(name, self.hooks.names(name))
        await self._lifecycle.start_and_wait(supervisor)


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
