"""The checks of hook implementations and handlers: mistakes are errors before the first event."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, singledispatchmethod
from typing import Any

import pluggy

from ..._events import Event
from ..._exceptions import PluginHookError
from ..threads import TRANSFORM, is_async
from .annotations import check_parameter, parameter_classes, takes_some
from .handlers import MARK, is_function, marked
from .names import BATCH_HOOK, HOOK_MARK, LIFESPAN, OTHER_HOOKS

_MAY_BE_ASYNC = frozenset({BATCH_HOOK, "check_online"})
_RETURN_ONE = frozenset({BATCH_HOOK, "check_online", "health"})
"""the other hooks that are no generators"""
_REQUIRED = "transform_required"
_RETURNED = {"health": "Health", "metrics": "Metric", "outbox": "Outbox", "preview": "Preview"}
"""what hooks return whose name may also be that of a method for another purpose"""


def is_about_events(hook: str) -> bool:
    """Return whether a hook is called for events."""
    return hook not in OTHER_HOOKS or hook == BATCH_HOOK


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
    if hook == LIFESPAN and (is_generator or is_async(function)):
        problem = "is not a context manager: decorate it with @asynccontextmanager"
    elif is_generator and (hook not in OTHER_HOOKS or hook in _RETURN_ONE):
        problem = "is a generator, which would never run: omit 'yield'"
    elif is_async(function) and hook in OTHER_HOOKS - _MAY_BE_ASYNC:
        problem = "is async, and nothing would await it: make it a plain 'def'"
    else:
        return

    raise PluginHookError(plugin, f"hook '{hook}' {problem}")


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

        if _is_marked(value) or _is_marked(inside):
            raise PluginHookError(
                plugin_name,
                f"attribute '{name}' is marked as a hook, but is a {kind.__name__}, which is never "
                "called: mark a method that calls it, written with 'def'",
            )


def check_unmarked(
    name: str, plugin: object, hooks: Mapping[str, Sequence[str]], implemented: Collection[str]
) -> None:
    """Check that no method of a plugin is surely meant as a hook, but was not marked.

    :param hooks: the arguments of each known hook
    :param implemented: the hooks that the plugin implements
    :raises PluginHookError: if there is one
    """
    functions = tuple(_own_functions(plugin))
    for hook, function, arguments in functions:
        if hook not in hooks or hook in implemented or _is_marked(function):
            continue

        if _overrides_marked(plugin, hook):
            what = f"method '{hook}' overrides a hook, but is not marked"
            remedy = "mark it @hookimpl, too"
        elif _is_meant(hook, function, arguments, hooks[hook]) and not any(
            _may_call(other, hook) for _, other, _ in functions if other is not function
        ):
            what = f"method '{hook}' is named like a hook, but not marked, so it is never called"
            remedy = f"mark it @hookimpl, or name it '_{hook}' if it is no hook"
        else:
            continue

        raise PluginHookError(name, f"{what}: {remedy}")


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


def _own_functions(plugin: object) -> Iterator[tuple[str, types.FunctionType, Sequence[str]]]:
    """Yield the functions of a plugin's module, or of its class and its own base classes.

    Each comes with its name there and with the arguments that it needs. What a class inherits from
    another distribution is not its author's.
    """
    if isinstance(plugin, types.ModuleType):
        for name, value in tuple(vars(plugin).items()):
            if isinstance(value, types.FunctionType) and value.__module__ == plugin.__name__:
                yield name, value, _needed(value)

        return

    distribution = type(plugin).__module__.partition(".")[0]
    seen: set[str] = set()
    for owner in type(plugin).__mro__:
        is_own = owner.__module__.partition(".")[0] == distribution
        for name, value in tuple(vars(owner).items()):
            function = getattr(value, "__func__", value)
            if is_own and name not in seen and isinstance(function, types.FunctionType):
                needed = _needed(function)
                yield name, function, needed if isinstance(value, staticmethod) else needed[1:]

        seen.update(vars(owner))


def _needed(function: types.FunctionType) -> Sequence[str]:
    """Return the names of the arguments without which a function cannot be called."""
    inner = inspect.unwrap(function)
    if not isinstance(inner, types.FunctionType):
        return ()

    count = inner.__code__.co_argcount
    return inner.__code__.co_varnames[: count - len(inner.__defaults__ or ())]


def _is_marked(value: object) -> bool:
    return any(marked(value, mark) is not None for mark in (HOOK_MARK, MARK))


def _overrides_marked(plugin: object, name: str) -> bool:
    if isinstance(plugin, types.ModuleType):
        return False

    return any(_is_marked(vars(cls).get(name)) for cls in type(plugin).__mro__)


def _is_meant(
    hook: str, function: types.FunctionType, arguments: Sequence[str], expected: Sequence[str]
) -> bool:
    """Return whether a method that is named like a hook can hardly be anything else."""
    if hook in _RETURNED and _RETURNED[hook] not in str(function.__annotations__.get("return")):
        return False  # a name for many purposes

    return list(arguments) == list(expected)


def _may_call(function: types.FunctionType, name: str) -> bool:
    """Return whether a function may use a method of its plugin: it names it, or looks up any."""
    codes = [inspect.unwrap(function).__code__]
    for code in codes:
        codes += (value for value in code.co_consts if isinstance(value, types.CodeType))
        if not {name, "getattr"}.isdisjoint((*code.co_names, *code.co_consts)):
            return True

    return False
