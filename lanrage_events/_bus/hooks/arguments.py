"""The arguments of hook implementations, which are given by their names."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from ..._events import Event
from .annotations import parameter_classes


def argument_problem(
    function: Callable[..., Any], declared: Sequence[str], expected: Sequence[str] | None
) -> str | None:
    """Return what is wrong with the arguments of a function, None if it can be called.

    :param declared: the arguments that it needs, without ``self``
    :param expected: those that it can be given; None if it is called with an event in any case
    """
    code = _code(function)
    given = ("event",) if expected is None else expected
    if code is not None and _lacks_self(function, code, given):
        arguments = ", ".join(("self", *given))
        return f"has no 'self': write def {code.co_name}({arguments}), or add @staticmethod"

    if expected is None:
        return None

    if code is not None and (by_name := _needed_by_name(function, code)):
        return f"takes '{by_name}' only by its name: omit the '*' before it"

    unknown = [name for name in declared if name not in expected]
    if not unknown:
        return None

    free = [name for name in expected if name not in declared]
    has = " and ".join(f"'{name}'" for name in expected)
    what = f"has an argument '{unknown[0]}', which it is not called with"
    if free:
        others = (
            f", the arguments of this hook are {has}" if len(expected) > 1 else ", the only one"
        )
        return f"{what}: call it '{free[0]}'{others}"

    rest = f"the hook has only {has}" if has else "the hook has no arguments"
    bus = ", and 'lifespan' gets the bus" if unknown[0] == "bus" else ""
    return f"{what}: omit it, {rest}{bus}"


def _code(function: Callable[..., Any]) -> types.CodeType | None:
    inner = inspect.unwrap(getattr(function, "__func__", function))
    return getattr(inner, "__code__", None)


def _lacks_self(
    function: Callable[..., Any], code: types.CodeType, expected: Sequence[str]
) -> bool:
    if not isinstance(function, types.MethodType) or isinstance(function.__self__, type):
        return False

    if not code.co_argcount:
        return not code.co_flags & inspect.CO_VARARGS

    first = parameter_classes(inspect.unwrap(function.__func__))
    return code.co_varnames[0] in expected or any(issubclass(cls, Event) for cls in first)


def _needed_by_name(function: Callable[..., Any], code: types.CodeType) -> str | None:
    inner = inspect.unwrap(getattr(function, "__func__", function))
    defaults = getattr(inner, "__kwdefaults__", None) or {}
    count = code.co_argcount
    by_name = code.co_varnames[count : count + code.co_kwonlyargcount]
    return next((name for name in by_name if name not in defaults), None)
