"""Handlers: functions that are called with events of classes which they name themselves."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from types import CoroutineType
from typing import Any

from ..._events import Event
from ..threads import is_async
from .annotations import check_parameter
from .arguments import argument_problem
from .names import PROJECT

MARK = f"{PROJECT}_on"
"""the attribute in which ``on`` keeps its options"""


@dataclass(frozen=True, slots=True)
class MarkedHandler:
    """A method of a plugin that is marked with ``on``."""

    function: Callable[..., Any]
    event_classes: tuple[type[Event], ...]
    threaded: bool
    where: Callable[[Any], object] | None

    @property
    def hook(self) -> Callable[..., Any]:
        """What is called with the events."""
        return self.function if self.where is None else filtered(self.function, self.where)


def find_handlers(plugin: object) -> tuple[MarkedHandler, ...]:
    """Return the methods of a plugin that are marked with ``on``."""
    found = []
    for name in dir(plugin):
        value = inspect.getattr_static(plugin, name, None)
        options = marked(value, MARK)
        if options is not None and is_function(value):
            found.append(MarkedHandler(getattr(plugin, name), **options))

    return tuple(found)


def marked(value: object, mark: str) -> dict[str, Any] | None:
    """Return the options with which a decorator marked something, None if it did not.

    :param value: as it stands in a class or a module; nothing of it is executed
    """
    options = inspect.getattr_static(value, mark, None)
    if options is None and is_function(value):
        options = inspect.getattr_static(getattr(value, "__func__", None), mark, None)

    return options if isinstance(options, dict) else None


def is_function(value: object) -> bool:
    """Return whether what stands in a class or a module is a function or a method."""
    kinds = types.FunctionType, types.MethodType, staticmethod, classmethod
    return issubclass(type(value), kinds)


def marked_problem(handler: MarkedHandler) -> str | None:
    """Return why a method that is marked with ``on`` cannot be called with the events, None if it can."""
    name = getattr(handler.function, "__name__", handler_name(handler.function))
    problem = argument_problem(handler.function, (), None)
    if problem is not None:
        return f"method '{name}' {problem}"

    try:
        check_handler(handler.function, handler.event_classes, threaded=handler.threaded)
    except TypeError as error:
        return f"method {error}"

    return None


def check_handler(
    handler: object, event_classes: Sequence[type[Event]], *, threaded: bool = False
) -> None:
    """Check that a handler can be called with each event of some classes.

    :raises TypeError: if not
    """
    name = handler_name(handler)
    if not callable(handler):
        if isinstance(handler, types.CoroutineType):
            handler.close()
            raise TypeError(f"the handler '{name}' was called: give the function, without ()")

        raise TypeError(f"a handler must be a function or another callable, not {handler!r}")

    for function in (handler, inspect.getattr_static(type(handler), "__call__", None)):
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"'{name}' is a generator, which would never run: omit 'yield'")

    if threaded and is_async(handler):
        raise TypeError(f"'{name}' is async, so it cannot be threaded: omit 'threaded'")

    try:
        inspect.signature(handler).bind(object())
    except TypeError as error:
        raise TypeError(
            f"'{name}' is called with one argument, the event, but cannot be: {error}"
        ) from None
    except (ValueError, NameError):
        pass  # a builtin may have none; since Python 3.14, annotations are evaluated

    try:
        check_parameter(handler, event_classes, "subscribe to {}")
    except TypeError as error:
        raise TypeError(f"'{name}' {error}") from None


def check_name(name: object) -> None:
    """Check the name of a plugin, a subscription or a stream.

    :raises TypeError: if it is not a text
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"a name must be a text, not {name!r}: omit it to have one made")


def handler_name(handler: object) -> str:
    """Return the name of a handler for log lines and errors."""
    return str(getattr(handler, "__qualname__", type(handler).__name__))


def filtered(
    handler: Callable[[Any], object], where: Callable[[Any], object]
) -> Callable[..., Any]:
    """Return a handler that is called only with the events that a function selects."""

    @wraps(handler, updated=())
    def call(event: Event) -> object:
        wanted = where(event)
        if isinstance(wanted, CoroutineType):
            wanted.close()
            raise TypeError("where is async, and nothing would await it: make it a plain 'def'")

        return handler(event) if wanted else None

    call.__name__ = getattr(handler, "__name__", repr(handler))
    return call
