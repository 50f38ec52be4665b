"""The methods of a plugin that are named like a hook, but not marked as one."""

from __future__ import annotations

import inspect
import types
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial, singledispatchmethod

from ..._events import Event
from .annotations import parameter_classes
from .code import inner_functions, names, uses
from .handlers import MARK, marked
from .names import HOOK_MARK, OTHER_HOOKS

_RETURNED = {
    "health": ("Health",),
    "metrics": ("Metric",),
    "outbox": ("Outbox", "Storage"),
    "preview": ("Preview",),
}
"""what hooks return whose name may also be that of a method for another purpose"""


def unmarked_problems(
    plugin: object, hooks: Mapping[str, Sequence[str]], implemented: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with methods of a plugin that are named like a hook, but are not marked.

    What the plugin itself calls, or looks up by its name, is a method of its own.

    :param hooks: the arguments of each known hook
    :param implemented: the hooks that the plugin implements
    :returns: each with whether it may have another purpose
    """
    for hook, function, arguments in own_functions(plugin):
        if hook not in hooks or hook in implemented or is_marked(function):
            continue

        if _overrides_marked(plugin, hook):
            remedy = "mark it @hookimpl, too"
            yield f"method '{hook}' overrides a hook, but is not marked: {remedy}", False
            continue

        is_meant = _is_meant(hook, function, plugin)
        if (
            is_meant is None
            or not _fits(hook, function, arguments, hooks[hook])
            or _is_used(plugin, hook, function)
        ):
            continue

        problem = f"method '{hook}' is named like a hook, but not marked, so it is never called"
        yield f"{problem}: mark it @hookimpl, or name it '_{hook}' if it is no hook", not is_meant


def own_functions(plugin: object) -> Iterator[tuple[str, types.FunctionType, Sequence[str]]]:
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


def is_marked(value: object) -> bool:
    """Return whether something is marked with ``hookimpl`` or ``on``."""
    return any(marked(value, mark) is not None for mark in (HOOK_MARK, MARK))


def _overrides_marked(plugin: object, name: str) -> bool:
    if isinstance(plugin, types.ModuleType):
        return False

    return any(is_marked(vars(cls).get(name)) for cls in type(plugin).__mro__)


def _fits(
    hook: str, function: types.FunctionType, arguments: Sequence[str], expected: Sequence[str]
) -> bool:
    """Return whether a method could be called as the hook is."""
    if list(arguments) == list(expected):
        return True

    if hook in OTHER_HOOKS or len(arguments) != 1:
        return False

    annotations = function.__annotations__
    if arguments[0] not in annotations:
        return False

    is_method = function.__code__.co_varnames[0] != arguments[0]
    taken = parameter_classes(partial(function, None) if is_method else function)
    return any(issubclass(cls, Event) for cls in taken)


def _is_meant(hook: str, function: types.FunctionType, plugin: object) -> bool | None:
    """Return whether what is named like a hook can hardly be anything else; None: it is."""
    returned = _RETURNED.get(hook)
    if returned is None or (hook == "outbox" and getattr(plugin, "durable", False) is True):
        return True

    if "return" in function.__annotations__:
        annotation = str(function.__annotations__["return"])
        return True if any(name in annotation for name in returned) else None

    inner = next(inner_functions(function), function)
    return not names(inner).isdisjoint(returned)


def _is_used(plugin: object, hook: str, function: types.FunctionType) -> bool:
    """Return whether a plugin uses a method of its own."""
    own = next(inner_functions(function), function)
    owners: tuple[str, ...] = ()
    if isinstance(plugin, types.ModuleType):
        values = [v for v in tuple(vars(plugin).values()) if _is_of(v, plugin)]
        values += [v for cls in values if isinstance(cls, type) for v in tuple(vars(cls).values())]
    else:
        classes = type(plugin).__mro__[:-1]
        owners = tuple(cls.__name__ for cls in classes)
        values = [value for cls in classes for value in tuple(vars(cls).values())]

    return any(
        _holds(value, function)
        or any(uses(other, hook, owners) for other in inner_functions(value) if other is not own)
        for value in values
    )


def _is_of(value: object, module: types.ModuleType) -> bool:
    is_defined = isinstance(value, type | types.FunctionType)
    return not is_defined or value.__module__ == module.__name__


def _holds(value: object, function: types.FunctionType) -> bool:
    """Return whether a value of a class or a module is a table that has a function."""
    items: Iterable[object] = ()
    if isinstance(value, singledispatchmethod):
        items = value.dispatcher.registry.values()
    elif isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        items = value

    return any(item is function for item in items)
