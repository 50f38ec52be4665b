"""The hooks of the plugins on a bus, found with pluggy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import pluggy

from ... import hookspecs
from ..._containment import call
from ..._events import Event, PartyEvent, lineage
from ..._exceptions import PluginHookError, PluginLoadError, format_error
from ..._hints import did_you_mean, is_similar
from ..._redaction import error_text
from ...abc import Bus
from ...events import EventRegistry
from ..instrument import Instruments
from ..threads import TRANSFORM, Owner, Worker
from ..transforms import DeclaredTransform
from .annotations import parameter_classes
from .answers import WrongAnswer, checked_event_classes
from .arguments import argument_problem
from .checks import hook_problems, implementations, plugin_problems
from .handlers import MarkedHandler, check_name, find_handlers
from .names import BATCH_HOOK, LIFESPAN, OTHER_HOOKS, PROJECT
from .transforms import declared

Hook = Callable[[Event], Any]


_NO_PLUGINS = (
    *(type(None), bool, int, float, str, bytes, type(Path()), list, tuple, dict, set),
    *(FunctionType, MethodType, BuiltinFunctionType),
)
"""what has no hooks, and is given by mistake; a class of a plugin may derive from them"""


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
        self._handlers: dict[str, tuple[MarkedHandler, ...]] = {}
        """the methods of each plugin that are marked with ``on``"""
        self._workers: dict[str, Worker] = {}
        self._warnings: dict[str, list[str]] = {}

    def register(self, plugin: object, name: str | None, distribution: str | None) -> str:
        """Add a plugin without validating its hooks, and return its name.

        :raises ValueError: if the name or the plugin is already registered
        """
        if isinstance(plugin, type):
            raise TypeError(f"register an instance of {plugin.__name__}, not the class")

        if type(plugin) in _NO_PLUGINS or isinstance(plugin, Event | Bus):
            raise TypeError(
                f"a {type(plugin).__name__} is no plugin: register an object, or a module, whose "
                "functions are marked with @hookimpl"
            )

        check_name(name)
        name = name or _default_name(plugin)
        if self._manager.has_plugin(name):
            raise ValueError(f"a plugin named '{name}' is registered: give another name")

        if (known := self.name(plugin)) is not None:
            raise ValueError(_already_registered(name, known))

        impls = implementations(self._manager, plugin, name)
        handlers = find_handlers(plugin)
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            self._manager.unregister(name=name)
            self._check(name, plugin, impls, handlers)
            raise PluginHookError(name, _one_line(error)) from None

        self._handlers[name] = handlers
        self._registered[name] = RegisteredPlugin(name, plugin, distribution, (), ())
        return name

    def unregister(self, name: str) -> RegisteredPlugin:
        """Remove a plugin, and return it for :meth:`restore`; its event types stay known."""
        self._manager.unregister(name=name)
        self._workers.pop(name, None)
        self._handlers.pop(name, None)
        self._warnings.pop(name, None)
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
        trial.transforms(name)
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

        for impl in self._implementations(name, self._manager.hook.register_events):
            for problem, _ in hook_problems("register_events", impl, (), ()):
                raise PluginHookError(name, f"hook 'register_events' {problem}")

        try:
            classes = call(lambda: checked_event_classes(register_events()))
        except WrongAnswer as error:
            raise PluginLoadError(name, str(error)) from None
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

            for impl in [] if caller is None else caller.get_hookimpls():
                problem = argument_problem(impl.function, impl.argnames, ("event",))
                if problem is not None:
                    raise PluginHookError(impl.plugin_name, f"hook '{cls.type}' {problem}")

            try:
                self._manager.add_hookspecs(type("Spec", (), {cls.type: staticmethod(_spec(cls))}))
            except pluggy.PluginValidationError as error:
                raise PluginHookError(plugin, _one_line(error)) from None

    def validate(self, name: str) -> None:
        """Check that all hooks of a plugin exist and are implemented correctly.

        :raises PluginHookError: if not; it names the nearest hook
        """
        for caller in self._callers(name):
            if not caller.has_spec():
                self._check_optional(name, caller)

        self.check_known(name)

    def check_known(self, name: str) -> list[str]:
        """Check the hooks of a plugin, but not whether they exist: another plugin may add them.

        :returns: warnings
        :raises PluginHookError: if one is implemented in a way that cannot work
        """
        plugin = self.plugin(name)
        impls = [(c.name, i) for c in self._callers(name) for i in self._implementations(name, c)]
        self._warnings[name] = self._check(name, plugin, impls, self._handlers[name])
        return self._warnings[name]

    def warnings(self, name: str) -> list[str]:
        """Return what the last check of a plugin found that works, but is hardly meant."""
        return self._warnings.get(name, [])

    def _check(
        self,
        name: str,
        plugin: object,
        impls: Iterable[tuple[str, pluggy.HookImpl]],
        handlers: Sequence[MarkedHandler],
    ) -> list[str]:
        known = vars(self._manager.hook).items()
        specs = {hook: c.spec.argnames for hook, c in known if c.has_spec()}
        found = list(plugin_problems(plugin, impls, handlers, specs, self._classes))
        errors = [text for text, works in found if not works]
        if errors:
            raise PluginHookError(name, "\n".join(errors))

        return [text for text, _ in found]

    def _check_optional(self, name: str, caller: pluggy.HookCaller) -> None:
        if all(impl.optionalhook for impl in self._implementations(name, caller)):
            return

        known = [c for c in vars(self._manager.hook) if getattr(self._manager.hook, c).has_spec()]
        hint = did_you_mean(caller.name, known)
        impls = self._implementations(name, caller)
        taken = [cls for impl in impls for cls in parameter_classes(impl.function)]
        own = next((c for c in taken if issubclass(c, Event) and c.type == caller.name), None)
        if own is not None:
            hint = (
                f", since {own.__name__} is not registered: return [{own.__name__}] from the hook "
                f"'register_events', or mark it @on({own.__name__})"
            )
        elif not is_similar(caller.name, known):
            hint = (
                ", register its event class with the hook 'register_events', or mark it "
                f"hookimpl(optionalhook=True) if another plugin adds it{hint and f'; or{hint[1:]}'}"
            )

        raise PluginHookError(name, f"implements the unknown hook '{caller.name}'{hint}")

    def _callers(self, name: str) -> Sequence[pluggy.HookCaller]:
        return self._manager.get_hookcallers(self._manager.get_plugin(name)) or ()

    @staticmethod
    def _implementations(name: str, caller: pluggy.HookCaller) -> list[pluggy.HookImpl]:
        return [impl for impl in caller.get_hookimpls() if impl.plugin_name == name]

    def _classes(self, hook: str) -> list[type[Event]]:
        """Return the event classes whose hook it is, of which there can be several of one name."""
        known = dict.fromkeys(base for cls in self.events.types() for base in lineage(cls))
        return [cls for cls in known if cls.type == hook]

    def add_worker(self, name: str, owner: Owner) -> Worker | None:
        """Create the worker that runs a plugin's threaded hooks, if it has any.

        :param owner: the mailbox of the plugin
        """
        impls = [i for caller in self._callers(name) for i in self._implementations(name, caller)]
        is_threaded = any(impl.opts.get("threaded") for impl in impls)
        if is_threaded or any(handler.threaded for handler in self._handlers[name]):
            return self._workers.setdefault(name, Worker(owner))

        return None

    def implementation(self, name: str, hook: str) -> Callable[..., Any] | None:
        """Return a plugin's implementation of a hook, None if it has none."""
        plugin = self._manager.get_plugin(name)
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            if impl.plugin is plugin:
                return self._bind(name, hook, impl)

        return None

    def transforms(self, name: str) -> tuple[DeclaredTransform, ...]:
        """Return a plugin's transforms.

        :raises PluginHookError: if one is not allowed
        """
        plugin = self._manager.get_plugin(name)
        impls = getattr(self._manager.hook, TRANSFORM).get_hookimpls()
        own = (impl for impl in impls if impl.plugin is plugin)
        return declared(name, own)

    def for_event(self, name: str, event_class: type[Event]) -> tuple[Hook, ...]:
        """Return a plugin's hooks for an event class, the most specific first."""
        plugin = self._manager.get_plugin(name)
        handlers = list(self._handlers[name])
        hooks = []
        for cls in lineage(event_class):
            caller = getattr(self._manager.hook, cls.type, None)
            if caller is not None and cls.type not in OTHER_HOOKS:
                impls = (impl for impl in caller.get_hookimpls() if impl.plugin is plugin)
                hooks += [self._bind(name, cls.type, impl) for impl in impls]

            # One that is marked with a class and a base class of it is still called once.
            for handler in [h for h in handlers if cls in h.event_classes]:
                handlers.remove(handler)
                hooks.append(self._watched(name, cls.type, handler.hook, handler.threaded))

        return tuple(hooks)

    def _bind(self, plugin: str, hook: str, impl: pluggy.HookImpl) -> Callable[..., Any]:
        spec = getattr(self._manager.hook, hook).spec
        arguments = impl.argnames if spec is None else spec.argnames
        return self._watched(plugin, hook, _bind(impl, arguments), bool(impl.opts.get("threaded")))

    def _watched(
        self, plugin: str, hook: str, function: Callable[..., Any], threaded: bool
    ) -> Callable[..., Any]:
        if threaded and plugin in self._workers:
            function = self._workers[plugin].threaded(function)

        return function if hook == LIFESPAN else self._instruments.watched(plugin, hook, function)

    def wants(self, name: str, event_class: type[Event]) -> bool:
        """Return whether a plugin has a hook for an event class."""
        return BATCH_HOOK in self.names(name) or bool(self.for_event(name, event_class))

    def handles_events(self, name: str) -> bool:
        """Return whether a plugin has a hook for any event."""
        about_events = BATCH_HOOK, TRANSFORM
        return any(hook not in OTHER_HOOKS or hook in about_events for hook in self.names(name))

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names of the hooks that a plugin implements."""
        marked = {cls.type for handler in self._handlers[name] for cls in handler.event_classes}
        return tuple(sorted(marked.union(caller.name for caller in self._callers(name))))


def _already_registered(name: str, known: str | None) -> str:
    return (
        f"'{name}' is already registered as '{known}', or equals it: "
        "create another one, of a class that compares by identity (a dataclass with eq=False)"
    )


def _default_name(plugin: object) -> str:
    name = getattr(plugin, "__name__", None) or type(plugin).__name__
    return str(name)


def _bind(impl: pluggy.HookImpl, arguments: Sequence[str]) -> Callable[..., Any]:
    """Let an implementation omit arguments or have them in another order, as pluggy does.

    :param arguments: the names of those that the hook is called with
    """
    if list(impl.argnames) == list(arguments):
        return impl.function

    function: Callable[..., Any] = impl.function
    positions = [arguments.index(name) for name in impl.argnames]
    return wraps(function)(lambda *given: function(*[given[position] for position in positions]))


def _spec(event_class: type[Event]) -> Callable[[Event], Any]:
    @hookspecs.hookspec
    def spec(event: Event) -> Any: ...

    spec.__name__ = event_class.type
    spec.__doc__ = event_class.__doc__
    return spec


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
