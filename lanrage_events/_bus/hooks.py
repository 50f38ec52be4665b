"""The hooks of the plugins on a bus, found with pluggy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import pluggy

from .. import hookspecs
from .._events import Event, PartyEvent, lineage
from .._exceptions import PluginHookError, PluginLoadError, format_error
from .._hints import did_you_mean
from .._redaction import error_text
from ..events import EventRegistry
from .containment import call
from .instrument import Instruments
from .threads import Owner, Worker, is_async

PROJECT = "lanrage_events"

Hook = Callable[[Event], Any]


def _other_hooks() -> Iterator[str]:
    event_hooks = {cls.type for cls in EventRegistry().types()} | {Event.type, PartyEvent.type}
    for name in vars(hookspecs):
        if hasattr(getattr(hookspecs, name), f"{PROJECT}_spec") and name not in event_hooks:
            yield name


OTHER_HOOKS = frozenset(_other_hooks())
"""the hooks that are not called for single events"""

BATCH_HOOK = "event_batch"
"""the hook that is called with several events at once"""

LIFESPAN = "lifespan"
"""the hook of which the context manager is watched, not the call that returns it"""

QUERIES = frozenset(
    {"http_pages", "http_routes", "metrics", "outbox", "template_folders", "written_files"}
)
"""the hooks without arguments, by which running plugins declare something"""


@dataclass(frozen=True, slots=True)
class RegisteredPlugin:
    """A plugin as it was registered."""

    name: str
    plugin: object
    distribution: str | None
    event_classes: tuple[type[Event], ...]
    """the event classes that it registered"""
    new_event_classes: tuple[type[Event], ...]
    """those that nothing had registered before"""


class Hooks:
    """The plugins of one bus and their hook implementations.

    :param instruments: called for each hook call
    """

    def __init__(self, instruments: Instruments | None = None) -> None:
        self._instruments = instruments or Instruments()
        self.events = EventRegistry(reserved=OTHER_HOOKS)
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._registered: dict[str, RegisteredPlugin] = {}
        self._workers: dict[str, Worker] = {}

    def register(self, plugin: object, name: str | None, distribution: str | None) -> str:
        """Add a plugin without validating its hooks, and return its name.

        :raises ValueError: if the name or the plugin is already registered
        """
        if isinstance(plugin, type):
            raise TypeError(f"register an instance of {plugin.__name__}, not the class")

        name = name or _default_name(plugin)
        if self._manager.has_plugin(name):
            raise ValueError(f"a plugin named '{name}' is registered: give another name")

        if (known := self.name(plugin)) is not None:
            raise ValueError(_already_registered(name, known))

        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            self._manager.unregister(name=name)
            raise PluginHookError(name, _one_line(error)) from None

        self._registered[name] = RegisteredPlugin(name, plugin, distribution, (), ())
        return name

    def unregister(self, name: str) -> RegisteredPlugin:
        """Remove a plugin, and return it for :meth:`restore`; its event types stay known."""
        self._manager.unregister(name=name)
        self._workers.pop(name, None)
        return self._registered.pop(name)

    def restore(self, registered: RegisteredPlugin) -> None:
        """Add a plugin again."""
        self.register(registered.plugin, registered.name, registered.distribution)
        self._registered[registered.name] = registered

    def unregister_failed(self, name: str) -> None:
        """Remove a plugin that could not be started, and the event types that only it has."""
        failed = self.unregister(name)
        needed = {cls for other in self._registered.values() for cls in other.event_classes}
        for cls in failed.new_event_classes:
            if cls not in needed:
                self.events.unregister(cls)

        known = OTHER_HOOKS.union(self.events.names(), (Event.type, PartyEvent.type))
        for hook, caller in vars(self._manager.hook).items():
            if hook not in known and isinstance(caller, pluggy.HookCaller):
                caller.spec = None

    def check(self, plugin: object, name: str, distribution: str | None) -> None:
        """Check that a plugin could take the name of a registered one; nothing changes.

        :raises ValueError: if the plugin is registered under another name
        :raises PluginError: if its hooks or event types are invalid
        """
        if (known := self.name(plugin)) not in (None, name):
            raise ValueError(_already_registered(name, known))

        trial = Hooks()
        for cls in self.events.types():
            trial.events.register(cls, self.events.distribution(cls.type))
            trial.add_event_hooks(name, cls)

        trial.register(plugin, name, distribution)
        trial.add_events(name)
        trial.validate(name)

    def name(self, plugin: object) -> str | None:
        """Return the name of a registered plugin."""
        return self._manager.get_name(plugin)

    def plugin(self, name: str) -> object:
        """Return the plugin of a name."""
        return self._manager.get_plugin(name)

    def add_events(self, name: str) -> None:
        """Register the event types of a plugin, each with its hook.

        :raises EventTypeConflict: if a type is taken
        :raises PluginLoadError: if the plugin does not return event classes
        """
        register_events = self.implementation(name, "register_events")
        if register_events is None:
            return

        try:
            classes = call(lambda: tuple(register_events()))
        except Exception as error:
            raise PluginLoadError(
                name, f"hook 'register_events' failed: {format_error(error)}"
            ) from error

        for cls in classes:
            registered = self._registered[name]
            known = self.events.types()
            try:
                self.events.register(cls, registered.distribution or f"plugin '{name}'")
            except TypeError as error:
                raise PluginLoadError(
                    name, f"hook 'register_events': {error_text(error)}"
                ) from None

            self._registered[name] = replace(
                registered,
                event_classes=(*registered.event_classes, cls),
                new_event_classes=(*registered.new_event_classes, *{cls}.difference(known)),
            )
            self.add_event_hooks(name, cls)

    def add_event_hooks(self, plugin: str, event_class: type[Event]) -> None:
        """Add the hooks of an event class and of its base classes."""
        for cls in lineage(event_class):
            caller = getattr(self._manager.hook, cls.type, None)
            if caller is not None and caller.has_spec():
                continue

            try:
                self._manager.add_hookspecs(type("Spec", (), {cls.type: staticmethod(_spec(cls))}))
            except pluggy.PluginValidationError as error:
                raise PluginHookError(plugin, _one_line(error)) from None

    def validate(self, name: str) -> None:
        """Check that all hooks of a plugin exist and are implemented correctly.

        :raises PluginHookError: if not; it names the nearest hook
        """
        self._check_batches(name)
        for caller in self._manager.get_hookcallers(self._manager.get_plugin(name)) or ():
            for impl in caller.get_hookimpls():
                if impl.plugin_name == name:
                    self._check_implementation(name, caller, impl)

    def _check_batches(self, name: str) -> None:
        hooks = self.names(name)
        single = [hook for hook in hooks if hook not in OTHER_HOOKS]
        if BATCH_HOOK in hooks and single:
            raise PluginHookError(
                name,
                f"implements both '{BATCH_HOOK}' and '{single[0]}': a plugin gets its events either "
                "in batches or one by one",
            )

    def _check_implementation(
        self, name: str, caller: pluggy.HookCaller, impl: pluggy.HookImpl
    ) -> None:
        if not caller.has_spec():
            if impl.optionalhook:
                return

            known = [
                c for c in vars(self._manager.hook) if getattr(self._manager.hook, c).has_spec()
            ]
            hint = did_you_mean(caller.name, known) or (
                ", register its event class with the hook 'register_events', or mark it "
                "hookimpl(optionalhook=True) if another plugin adds it"
            )
            raise PluginHookError(name, f"implements the unknown hook '{caller.name}'{hint}")

        is_about_events = caller.name not in OTHER_HOOKS or caller.name == BATCH_HOOK
        if is_about_events and (impl.hookwrapper or impl.wrapper or impl.tryfirst or impl.trylast):
            raise PluginHookError(
                name,
                f"hook '{caller.name}' is a wrapper, tryfirst or trylast: each plugin gets events "
                "on its own, so use a plain hookimpl",
            )

        if impl.opts.get("threaded"):
            if not is_about_events:
                events = f"hooks for events and '{BATCH_HOOK}'"
                raise PluginHookError(
                    name, f"hook '{caller.name}' is threaded: only {events} can run in a thread"
                )

            if is_async(impl.function):
                raise PluginHookError(
                    name,
                    f"hook '{caller.name}' is async, so it cannot be threaded: make it a plain "
                    "'def', or omit 'threaded'",
                )

    def add_worker(self, name: str, owner: Owner) -> Worker | None:
        """Create the worker that runs a plugin's threaded hooks, if it has any.

        :param owner: the mailbox of the plugin
        """
        plugin = self._manager.get_plugin(name)
        for caller in self._manager.get_hookcallers(plugin) or ():
            for impl in caller.get_hookimpls():
                if impl.plugin is plugin and impl.opts.get("threaded"):
                    return self._workers.setdefault(name, Worker(owner))

        return None

    def implementation(self, name: str, hook: str) -> Callable[..., Any] | None:
        """Return a plugin's implementation of a hook, None if it has none."""
        plugin = self._manager.get_plugin(name)
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            if impl.plugin is plugin:
                return self._bind(name, hook, impl)

        return None

    def for_event(self, name: str, event_class: type[Event]) -> tuple[Hook, ...]:
        """Return a plugin's hooks for an event class, the most specific first."""
        plugin = self._manager.get_plugin(name)
        hooks = []
        for cls in lineage(event_class):
            caller = getattr(self._manager.hook, cls.type, None)
            if caller is not None and cls.type not in OTHER_HOOKS:
                impls = (impl for impl in caller.get_hookimpls() if impl.plugin is plugin)
                hooks += [self._bind(name, cls.type, impl) for impl in impls]

        return tuple(hooks)

    def _bind(self, plugin: str, hook: str, impl: pluggy.HookImpl) -> Callable[..., Any]:
        function = _bind(impl)
        if plugin in self._workers and impl.opts.get("threaded"):
            function = self._workers[plugin].threaded(function)

        return function if hook == LIFESPAN else self._instruments.watched(plugin, hook, function)

    def wants(self, name: str, event_class: type[Event]) -> bool:
        """Return whether a plugin has a hook for an event class."""
        return BATCH_HOOK in self.names(name) or bool(self.for_event(name, event_class))

    def handles_events(self, name: str) -> bool:
        """Return whether a plugin has a hook for any event."""
        return any(hook not in OTHER_HOOKS or hook == BATCH_HOOK for hook in self.names(name))

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names of the hooks that a plugin implements."""
        callers = self._manager.get_hookcallers(self._manager.get_plugin(name)) or ()
        return tuple(sorted(caller.name for caller in callers))


def _already_registered(name: str, known: str | None) -> str:
    return (
        f"'{name}' is already registered as '{known}', or equals it: "
        "create another one, of a class that compares by identity (a dataclass with eq=False)"
    )


def _default_name(plugin: object) -> str:
    name = getattr(plugin, "__name__", None) or type(plugin).__name__
    return str(name)


def _bind(impl: pluggy.HookImpl) -> Callable[..., Any]:
    """Let an implementation omit the argument, as pluggy does."""
    if impl.argnames:
        return impl.function

    function: Callable[[], Any] = impl.function
    return wraps(function)(lambda *_: function())


def _spec(event_class: type[Event]) -> Callable[[Event], Any]:
    @hookspecs.hookspec
    def spec(event: Event) -> Any: ...

    spec.__name__ = event_class.type
    spec.__doc__ = event_class.__doc__
    return spec


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
