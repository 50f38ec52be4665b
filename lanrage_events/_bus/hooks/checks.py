"""The checks of hook implementations and handlers: mistakes are errors before the first event."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property, partial, singledispatchmethod
from typing import Any

import pluggy

from ..._events import Event
from ..._exceptions import PluginHookError
from ..threads import TRANSFORM, is_async
from .annotations import check_parameter, parameter_classes, takes_some
from .arguments import argument_problem
from .code import forgotten_await, inner_functions
from .handlers import MarkedHandler, check_marked, is_function
from .names import BATCH_HOOK, LIFESPAN, OTHER_HOOKS
from .unmarked import check_unmarked, is_marked, own_functions

_MAY_BE_ASYNC = frozenset({BATCH_HOOK, "check_online"})
_RETURN_ONE = frozenset({BATCH_HOOK, "check_online", "health"})
"""the other hooks that are no generators"""
_REQUIRED = "transform_required"


@asynccontextmanager
async def _async_manager() -> AsyncIterator[None]:
    yield


@contextmanager
def _manager() -> Iterator[None]:
    yield


def is_about_events(hook: str) -> bool:
    """Return whether a hook is called for events."""
    return hook not in OTHER_HOOKS or hook == BATCH_HOOK


def implementations(
    manager: pluggy.PluginManager, plugin: object, name: str
) -> list[tuple[str, pluggy.HookImpl]]:
    """Return what a plugin marks with ``hookimpl``, each with the name of its hook."""
    found = []
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            function = getattr(plugin, attribute)
            impl = pluggy.HookImpl(plugin, name, function, options)
            found.append((options.get("specname") or attribute, impl))

    return found


def check_plugin(
    name: str,
    plugin: object,
    impls: Iterable[tuple[str, pluggy.HookImpl]],
    handlers: Iterable[MarkedHandler],
    hooks: Mapping[str, Sequence[str]],
    classes_of: Callable[[str], Sequence[type[Event]]],
) -> list[str]:
    """Check a plugin, but not whether its hooks exist: another plugin may add them.

    :param impls: its implementations, each with the name of its hook
    :param handlers: its methods that are marked with ``on``
    :param hooks: the arguments of each known hook
    :param classes_of: returns the event classes whose hook one is
    :returns: warnings
    :raises PluginHookError: with everything that cannot work, each in a line
    """
    errors: list[str] = []
    warnings: list[str] = []
    implemented = {event_class.type for h in handlers for event_class in h.event_classes}
    for hook, impl in impls:
        implemented.add(hook)
        try:
            problem = argument_problem(impl.function, impl.argnames, hooks.get(hook, impl.argnames))
            if problem is not None:
                raise PluginHookError(name, f"hook '{hook}' {problem}")

            if hook in hooks:
                warnings += filter(None, [check_implementation(name, hook, impl, classes_of(hook))])
        except PluginHookError as error:
            errors.append(error.reason)

    unmarked, perhaps_unmarked = check_unmarked(plugin, hooks, implemented)
    checks = [
        *(partial(check_marked, name, handler) for handler in handlers),
        partial(check_marks, name, plugin),
    ]
    if not any("'transform'" in text for text in unmarked):
        checks.append(partial(check_required, name, plugin, implemented))

    for check in checks:
        try:
            check()
        except PluginHookError as error:
            errors.append(error.reason)

    single = sorted(hook for hook in implemented if hook not in OTHER_HOOKS)
    if BATCH_HOOK in implemented and single:
        errors.append(
            f"implements both '{BATCH_HOOK}' and '{single[0]}': a plugin gets its events either in "
            "batches or one by one"
        )

    errors += unmarked
    if errors:
        raise PluginHookError(name, "\n".join(errors))

    return [*warnings, *perhaps_unmarked, *_forgotten_awaits(plugin)]


def _forgotten_awaits(plugin: object) -> Iterator[str]:
    for name, function, _ in own_functions(plugin):
        inner = next(inner_functions(function), function)
        method = forgotten_await(inner)
        if method is None:
            continue

        is_async = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
        instead = "use bus.publish_nowait, or " if method == "publish" else ""
        remedy = "await it" if is_async else f"{instead}make it 'async def' and await it"
        yield f"'{name}' calls bus.{method} without 'await', so that nothing happens: {remedy}"


def check_implementation(
    plugin: str, hook: str, impl: pluggy.HookImpl, event_classes: Sequence[type[Event]]
) -> str | None:
    """Check that a hook is implemented in a way that can work.

    :param event_classes: those whose hook it is; only one of them has to fit
    :returns: a warning if its annotation excludes some of the events, which it may sort out itself
    :raises PluginHookError: if it cannot work
    """
    if is_about_events(hook) and (
        impl.hookwrapper or impl.wrapper or impl.tryfirst or impl.trylast
    ):
        raise PluginHookError(
            plugin,
            f"hook '{hook}' is a wrapper, tryfirst or trylast: each plugin gets events on its own, "
            "so use a plain hookimpl",
        )

    _check_kind(plugin, hook, impl.function)
    if impl.opts.get("threaded"):
        _check_threaded(plugin, hook, impl.function)

    if is_about_events(hook) and not impl.argnames and _takes_any(impl.function):
        return (
            f"hook '{hook}' takes any arguments, and so gets none: name the one that it needs, or use "
            "functools.wraps in what decorates it"
        )

    if hook == BATCH_HOOK and all(
        issubclass(cls, Event) for cls in parameter_classes(impl.function)
    ):
        raise PluginHookError(
            plugin,
            f"hook '{hook}' is called with several events, but its parameter is annotated with one: "
            "annotate it Sequence[Event]",
        )

    problem = None
    for event_class in event_classes if impl.argnames else ():
        try:
            check_parameter(impl.function, [event_class], "mark it @on({}) instead")
            return None
        except TypeError as error:
            problem = f"hook '{hook}' {error}"

    if problem is not None and not takes_some(impl.function, event_classes):
        raise PluginHookError(plugin, problem)

    return problem


def _takes_any(function: Callable[..., Any]) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_VARARGS)


def _check_threaded(plugin: str, hook: str, function: Callable[..., Any]) -> None:
    if not is_about_events(hook):
        events = f"hooks for events and '{BATCH_HOOK}'"
        raise PluginHookError(
            plugin, f"hook '{hook}' is threaded: only {events} can run in a thread"
        )

    if is_async(function):
        raise PluginHookError(
            plugin,
            f"hook '{hook}' is async, so it cannot be threaded: make it a plain 'def', or omit "
            "'threaded'",
        )


def _check_kind(plugin: str, hook: str, function: Callable[..., Any]) -> None:
    """Check that a hook is no generator that nobody iterates, nor async if nobody awaits it."""
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if hook == LIFESPAN:
        _check_lifespan(plugin, function, is_generator)

    if is_generator and (hook not in OTHER_HOOKS or hook in _RETURN_ONE):
        problem = "is a generator, which would never run: omit 'yield'"
    elif is_async(function) and hook in OTHER_HOOKS - _MAY_BE_ASYNC - {LIFESPAN}:
        problem = "is async, and nothing would await it: make it a plain 'def'"
    else:
        return

    raise PluginHookError(plugin, f"hook '{hook}' {problem}")


def _check_lifespan(plugin: str, function: Callable[..., Any], is_generator: bool) -> None:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    inner = getattr(function, "__wrapped__", None)
    if is_generator or is_async(function):
        problem = "is not a context manager: decorate it with @asynccontextmanager"
    elif code is _manager.__code__:
        problem = (
            "is decorated with @contextmanager, which is sync: decorate it with "
            "@asynccontextmanager, and write 'async def'"
        )
    elif code is _async_manager.__code__ and inspect.iscoroutinefunction(inner):
        problem = "has no 'yield': yield once, where the plugin is to run"
    elif code is _async_manager.__code__ and inspect.isgeneratorfunction(inner):
        problem = "is not async: write 'async def'"
    else:
        return

    raise PluginHookError(plugin, f"hook '{LIFESPAN}' {problem}")


def check_marks(plugin_name: str, plugin: object) -> None:
    """Check that all that a plugin marks as a hook is a function, since nothing else is called.

    :raises PluginHookError: if something else is marked
    """
    for name in dir(plugin):
        value = inspect.getattr_static(plugin, name, None)
        if is_function(value):
            continue

        inside, kind = None, type(value)
        if issubclass(kind, property | cached_property | singledispatchmethod):
            inside = getattr(value, "fget" if issubclass(kind, property) else "func")

        if is_marked(value) or is_marked(inside):
            raise PluginHookError(
                plugin_name,
                f"attribute '{name}' is marked as a hook, but is a {kind.__name__}, which is never "
                "called: mark a method that calls it, written with 'def'",
            )


def check_required(name: str, plugin: object, implemented: Collection[str]) -> None:
    """Check that a plugin whose transform is required has one, or events would pass unchanged.

    :param implemented: the hooks that the plugin implements
    :raises PluginHookError: if it has none, or says so in a constant that nothing reads
    """
    if not hasattr(plugin, _REQUIRED):
        if getattr(plugin, _REQUIRED.upper(), None) is not True:
            return

        problem = (
            f"has the constant {_REQUIRED.upper()}, which nothing reads: write {_REQUIRED} = True"
        )
        raise PluginHookError(name, problem)

    if getattr(plugin, _REQUIRED) is True and TRANSFORM not in implemented:
        remedy = "mark its function 'transform' with @hookimpl, or omit the attribute"
        raise PluginHookError(
            name, f"declares {_REQUIRED} = True, but has no hook '{TRANSFORM}': {remedy}"
        )
