"""The registry of the plugins on one bus."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Unpack

import anyio

from .._events import Event
from .._exceptions import PluginError, PluginReplaceError, PluginStartError, format_error
from .._hints import did_you_mean
from .._reports import ConfigProblem, Health, Preview
from ..abc import Bus, Person, PluginOptions, PluginRegistry
from ..state._store import Stores
from .changes import Change
from .fanout import FanOut
from .hooks import BATCH_HOOK, LIFESPAN, Hooks, RegisteredPlugin
from .instrument import Instruments
from .lifecycle import Lifecycle
from .mailbox import Mailbox
from .options import PluginSettings
from .outboxes import Outboxes
from .queries import Queries
from .supervisor import Supervisor
from .threads import LoopWatch
from .transforms import Transforms, Trial, attempt, explain

logger = logging.getLogger(__name__)


class Registry(PluginRegistry):
    """The plugins of one bus, which their hooks are given."""

    def __init__(
        self,
        bus: Bus,
        fanout: FanOut,
        lifecycle: Lifecycle,
        transforms: Transforms,
        instruments: Instruments,
        watch: LoopWatch,
    ) -> None:
        self.hooks = Hooks(instruments)
        self.stores = Stores()
        lifecycle.outboxes = outboxes = Outboxes(self.hooks)
        self.queries = Queries(
            self.hooks, lifecycle.supervisors, lifecycle.lingering, outboxes, instruments, watch
        )
        self._bus = bus
        self._fanout = fanout
        self._lifecycle = lifecycle
        self._transforms = transforms
        self._instruments = instruments
        self._settings: dict[str, PluginSettings] = {}

    def __getitem__(self, name: str) -> object:
        plugin = self.hooks.plugin(name)
        if plugin is None:
            raise KeyError(self._unknown(name))

        return plugin

    def __iter__(self) -> Iterator[str]:
        # A hook that is called for each plugin may register another one.
        return iter(tuple(self._settings))

    def __len__(self) -> int:
        return len(self._settings)

    @property
    def drain_timeout(self) -> float:
        return self._lifecycle.drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._lifecycle.loop.check_thread()
        self._lifecycle.drain_timeout = seconds

    def name(self, plugin: object) -> str:
        return self._find(plugin).name

    def _find(self, plugin: object) -> Supervisor:
        name = plugin if isinstance(plugin, str) else self.hooks.name(plugin)
        if name is None or name not in self._settings:
            raise LookupError(self._unknown(plugin))

        return self._lifecycle.supervisors[name]

    def _unknown(self, plugin: object) -> str:
        if not isinstance(plugin, str):
            return f"no such plugin is registered: {plugin!r}; register it first, or give its name"

        hint = did_you_mean(plugin, self._settings)
        known = ", ".join(self._settings) or "none"
        return f"no plugin is registered as '{plugin}'{hint or f', registered are {known}'}"

    def validate(self, *, hooks_only: bool = False) -> list[tuple[str, str]]:
        self._lifecycle.loop.check_thread()
        problems: list[tuple[str, str]] = []
        for name in self:
            try:
                self.hooks.validate(name)
            except PluginError as error:
                problems += [(name, reason) for reason in error.reason.splitlines()]

            if not hooks_only:
                found = (str(problem) for problem in self.problems(name) if not problem.warning)
                problems += [(name, problem) for problem in found]

        return problems

    def reload_templates(self, *, skip: Collection[str] = ()) -> dict[str, list[ConfigProblem]]:
        self._lifecycle.loop.check_thread()
        # A plugin that starts later reads them then.
        running = [
            name for name in self if name not in skip and self._find(name).state == "running"
        ]
        found = {name: self.queries.templates_changed(name, self._bus) for name in running}
        return {name: problems for name, problems in found.items() if problems is not None}

    def problems(self, plugin: object) -> list[ConfigProblem]:
        self._lifecycle.loop.check_thread()
        return self.queries.validate(self.name(plugin), self._bus)

    def preview(self, event: Event) -> dict[str, list[Preview]]:
        self._lifecycle.loop.check_thread()
        events, _ = attempt((event,), self._transforms.rules)
        problems: list[ConfigProblem] = []
        for trial in self.explain(events[0], with_details=False) if events else ():
            events = trial.events
            if not trial.is_known:
                text = f"the transform of plugin '{trial.plugin}' {trial.outcome}"
                problems.append(ConfigProblem(text, warning=True))

        found = self.queries.preview(None, self._bus)
        for one in events:
            for name, previews in self.queries.preview(one, self._bus).items():
                found[name] += [replace(p, problems=[*p.problems, *problems]) for p in previews]

        return found

    def explain(self, event: Event, *, with_details: bool = True) -> Iterator[Trial]:
        """Yield what the transforms of the plugins make of an event that the rules have passed.

        :param with_details: whether to yield those that are not called and only fill in fields
        """
        self._lifecycle.loop.check_thread()
        for trial in explain(self._transforms, event, is_running=self._lifecycle.is_running):
            fills_in = getattr(self[trial.plugin], "transform_fills_in", False)
            if with_details or trial.is_known or not fills_in:
                yield trial

    def handles_events(self, name: str) -> bool:
        """Return whether a plugin has a hook for any event."""
        return self.hooks.handles_events(name)

    def is_source(self, name: str) -> bool:
        """Return whether a plugin runs and gets no events, as one does that only publishes."""
        return not self.handles_events(name) and LIFESPAN in self.hooks.names(name)

    async def check_online(self, plugin: object) -> dict[str, Health]:
        self._lifecycle.loop.check_thread()
        return await self.queries.check_online(self.name(plugin), self._bus)

    async def forget(self, plugin: object, person: Person) -> dict[str, int] | None:
        self._lifecycle.loop.check_thread()
        return await self.queries.forget(self.name(plugin), person, self._bus)

    def source_location(self, plugin: object, key: str) -> str | None:
        return (self._settings[self.name(plugin)].options.get("locations") or {}).get(key)

    def update_locations(self, name: str, locations: Mapping[str, str]) -> None:
        self._lifecycle.loop.check_thread()
        self._settings[self.name(name)].options["locations"] = locations

    def sort(self, names: Iterable[str]) -> None:
        self._lifecycle.loop.check_thread()
        self._transforms.sort(names)

    # Adding

    def register(self, plugin: object, name: str | None, options: PluginOptions) -> str:
        """Add a plugin, and start it on a running bus."""
        supervisor = self._add(plugin, name, options)
        self._lifecycle.start(supervisor)
        return supervisor.name

    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        self._lifecycle.loop.check()
        if not self._lifecycle.is_running:
            raise RuntimeError("register_and_wait needs a running bus: use register")

        self._lifecycle.changes.check_open()
        supervisor = self._add(plugin, name, options)
        start = partial(self._lifecycle.start_and_wait, supervisor)
        try:
            await self._lifecycle.changes.run(supervisor.name, start)
        except BaseException:
            # Also if it was cancelled just when the plugin had started.
            await self._remove(supervisor, timeout=0, failed=True)
            raise

        return supervisor.name

    def _add(self, plugin: object, name: str | None, options: PluginOptions) -> Supervisor:
        self._lifecycle.loop.check()
        self._fanout.check_open()
        name = self.hooks.register(plugin, name, options.get("distribution"))
        try:
            self._lifecycle.check_free(name)
            self.hooks.add_events(name)
            warnings = self.hooks.check_known(name)
            if self._lifecycle.is_running:
                self.hooks.validate(name)

            settings = PluginSettings(plugin, options)
            supervisor = self._supervise(name, settings)
            self._add_transforms(name, settings, runs=supervisor.has_begun)
        except BaseException:
            self.hooks.unregister_failed(name)
            raise

        # Who gives locations reads a configuration, and reports them with their place in it.
        for warning in warnings if options.get("locations") is None else ():
            logger.warning("plugin '%s': %s", name, warning)

        self._deliver_to(supervisor, settings)
        return supervisor

    def _deliver_to(self, supervisor: Supervisor, settings: PluginSettings) -> None:
        name = supervisor.name
        self._settings[name] = settings
        self._lifecycle.add(supervisor, partial(self.hooks.wants, name))
        self._instruments.plugin_registered(name, self.hooks.names(name))

    def _supervise(
        self, name: str, settings: PluginSettings, mailbox: Mailbox | None = None
    ) -> Supervisor:
        if mailbox is None:
            mailbox = Mailbox(name, settings.size, settings.when_full, self._instruments)
        else:
            mailbox.set_policy(settings.size, settings.when_full)
            mailbox.forget_drops()  # the plugin, or the size, is another one now

        worker = self.hooks.add_worker(name, mailbox)
        return self._lifecycle.supervise(
            mailbox,
            partial(self.hooks.for_event, name),
            settings.hook_timeout,
            settings.start_timeout,
            handle_batch=self.hooks.implementation(name, BATCH_HOOK),
            worker=worker,
            lifespan=self._lifespan(name),
            durable=settings.durable,
            handles_events=self.hooks.handles_events(name),
            starts_first=bool(self.hooks.transforms(name)),
            on_begin=partial(self._add_transforms, name, settings, runs=True),
        )

    def _add_transforms(self, name: str, settings: PluginSettings, *, runs: bool) -> None:
        required = settings.transform_required
        self._transforms.add(name, self.hooks.transforms(name), required=required, runs=runs)

    def _lifespan(self, name: str) -> Callable[[], AbstractAsyncContextManager[object]] | None:
        lifespan = self.hooks.implementation(name, LIFESPAN)
        if lifespan is None:
            return None

        return self._instruments.watched_lifespan(name, partial(_enterable, lifespan, self._bus))

    # Removing and replacing

    async def unregister(self, plugin: object, timeout: float | None) -> tuple[Event, ...]:
        """End and remove a plugin within a timeout, and return the events that it did not handle."""
        self._lifecycle.loop.check()
        supervisor = self._find(plugin)
        if supervisor.in_own_hook():
            raise RuntimeError(
                f"plugin '{supervisor.name}' cannot unregister itself inside a hook: let a task do it"
            )

        return await self._remove(supervisor, self.drain_timeout if timeout is None else timeout)

    async def _remove(
        self,
        supervisor: Supervisor,
        timeout: float,
        *,
        failed: bool = False,
    ) -> tuple[Event, ...]:
        """Remove what uses the mailbox of a supervisor, if anything does.

        :param failed: whether its registration failed, so that its event types are unknown again
        """
        name, mailbox = supervisor.name, supervisor.mailbox

        async def remove(change: Change) -> tuple[Event, ...]:
            current = self._lifecycle.supervisors.get(name)
            if current is None or current.mailbox is not mailbox:
                return ()

            current.when_stopped(None)
            self._lifecycle.release(current)
            if current.launched:
                await change.wait(current.stopped, timeout)

            await self._lifecycle.end([current])
            reason = change.abandoned or f"not handled within {timeout:g} seconds"
            dropped = self._lifecycle.discard(current, reason)
            self._lifecycle.forget(current)
            del self._settings[name]
            self._transforms.remove(name)
            self.stores.release(name)
            if failed:
                self.hooks.unregister_failed(name)
            else:
                self.hooks.unregister(name)

            return dropped

        final = f"plugin '{name}' was unregistered: register it"
        return await self._lifecycle.changes.run(name, remove, final=final)

    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        self._lifecycle.loop.check()
        self._fanout.check_open()
        supervisor = self._find(name)
        if not self._lifecycle.is_running:
            raise RuntimeError("replace needs a running bus: use unregister and register")

        if supervisor.in_own_hook():
            raise RuntimeError(
                f"plugin '{name}' cannot replace itself inside a hook: let a task do it"
            )

        async def replace(change: Change) -> None:
            current = self._lifecycle.supervisors.get(name)
            if current is None or current.mailbox is not supervisor.mailbox:
                raise anyio.ClosedResourceError(f"plugin '{name}' was unregistered: register it")

            seconds = self.drain_timeout if timeout is None else timeout
            await self._replace(current, plugin, options, seconds, change)

        await self._lifecycle.changes.run(name, replace)

    async def _replace(
        self,
        old: Supervisor,
        plugin: object,
        options: PluginOptions,
        timeout: float,
        change: Change,
    ) -> None:
        if change.abandoned is not None:
            raise anyio.ClosedResourceError(change.abandoned)

        name = old.name
        try:
            self._lifecycle.check_ended(name)
            settings = self._check(name, plugin, options)
        except (Exception, SystemExit) as error:
            if old.lingers:
                raise _not_ended(name, error) from error

            raise _replace_error(name, error, "the old one continues unchanged") from error

        old.detach()
        await change.wait(old.stopped, timeout)
        await self._lifecycle.end([old])
        old_settings = self._settings[name]
        if old.lingers:
            # Its mailbox has one consumer at a time, and its object one lifespan.
            old.when_stopped(partial(self._restart, settings=old_settings))
            raise _not_ended(name, old.error or TimeoutError())

        registered = self.hooks.unregister(name)
        try:
            new = self._take_over(old, plugin, settings)
            await self._lifecycle.start_and_wait(new, change)
        except (Exception, SystemExit) as error:
            restored = self._restore(old, registered, old_settings)
            await change.wait(restored.started)
            if isinstance(error, anyio.ClosedResourceError):
                raise

            old_error = restored.start_error()
            if old_error is None:
                raise _replace_error(name, error, "the old one runs again") from error

            why = format_error(old_error.__cause__ or old_error)
            outcome = f"the old one does not start again either, and is retried: {why}"
            raise _replace_error(name, error, outcome, old_error) from error

    def _restart(self, old: Supervisor, settings: PluginSettings) -> None:
        """Start a plugin again that has ended at last, though nothing replaced it."""
        if not self._lifecycle.is_stopping:
            self._restore(old, self.hooks.unregister(old.name), settings)

    def _check(self, name: str, plugin: object, options: PluginOptions) -> PluginSettings:
        """Check what can be checked before a plugin replaces another one."""
        self.hooks.check(plugin, name, options.get("distribution"))
        settings = PluginSettings(plugin, options)
        mailbox = Mailbox(name, settings.size, settings.when_full, self._instruments)
        self._lifecycle.supervise(
            mailbox, lambda _: (), settings.hook_timeout, settings.start_timeout
        )
        return settings

    def _take_over(self, old: Supervisor, plugin: object, settings: PluginSettings) -> Supervisor:
        """Register a plugin with the mailbox of another one, which has ended."""
        name = old.name
        self.hooks.register(plugin, name, settings.options.get("distribution"))
        self.hooks.add_events(name)
        self.hooks.validate(name)
        supervisor = self._supervise(name, settings, old.mailbox)
        self._deliver_to(supervisor, settings)
        return supervisor

    def _restore(
        self, old: Supervisor, registered: RegisteredPlugin, settings: PluginSettings
    ) -> Supervisor:
        """Start a plugin again that could not be replaced; if it fails, it is restarted."""
        name = old.name
        if self.hooks.plugin(name) is not None:
            self.hooks.unregister_failed(name)

        self.hooks.restore(registered)
        self._add_transforms(name, settings, runs=old.has_begun)
        supervisor = self._supervise(name, settings, old.mailbox)
        self._deliver_to(supervisor, settings)
        self._lifecycle.start(supervisor)
        return supervisor


def _replace_error(
    name: str, error: BaseException, outcome: str, old_error: PluginStartError | None = None
) -> PluginReplaceError:
    reason = error.reason if isinstance(error, PluginError) else format_error(error)
    return PluginReplaceError(name, f"is not replaced: {reason}; {outcome}", old_error)


def _not_ended(name: str, error: BaseException) -> PluginReplaceError:
    outcome = "the old one starts again once it has ended"
    old_error = PluginStartError(name, "still runs, although it was cancelled")
    return _replace_error(name, error, outcome, old_error)


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
