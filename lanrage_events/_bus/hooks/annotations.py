"""The annotations of event parameters: which classes a function says that it takes."""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import getattr_static, unwrap
from typing import Annotated, Any, ForwardRef, Optional, TypeVar, Union, get_args, get_origin

from ..._events import Event

_UNKNOWN = (object,)
"""of an annotation that says nothing, or cannot be resolved: it may be anything"""


def parameter_classes(function: Callable[..., Any]) -> tuple[type, ...]:
    """Return the classes with which the first parameter of a function is annotated.

    Nothing is executed but what Python itself does to read annotations: names in a text are looked up
    where the function was defined, and a name that is only imported for type checkers is unknown.

    :param function: a function, a method of an object, or an object that can be called
    :returns: more than one for a union; ``object`` for an annotation that is missing or unknown
    """
    position = 0
    while isinstance(function, partial):
        position += len(function.args)
        function = function.func

    if isinstance(function, types.MethodType):
        position += 1
        function = function.__func__
    elif not isinstance(function, types.FunctionType):
        position += 1
        function = getattr_static(type(function), "__call__", function)

    function = unwrap(function)
    if not isinstance(function, types.FunctionType):
        return _UNKNOWN

    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    try:
        annotation = function.__annotations__[parameters[position]]
    except Exception:  # noqa: BLE001 - also since Python 3.14 evaluates it, and names may be missing
        return _UNKNOWN

    return _classes(annotation, function.__globals__)


def check_parameter(
    function: Callable[..., Any], event_classes: Sequence[type[Event]], remedy: str = ""
) -> None:
    """Check that a function takes every event of some classes, as far as its annotation says.

    :param remedy: what to do if the annotation is what was meant, with ``{}`` for its classes
    :raises TypeError: if not
    """
    taken = parameter_classes(function)
    for event_class in event_classes:
        if not any(_is_base(cls, event_class) for cls in taken):
            expected = " | ".join(cls.__name__ for cls in event_classes)
            events = [cls.__name__ for cls in taken if issubclass(cls, Event)]
            instead = f", or {remedy.format(', '.join(events))}" if events and remedy else ""
            raise TypeError(
                f"is called with every {event_class.__name__}, but its parameter is annotated "
                f"{' | '.join(cls.__name__ for cls in taken)}: annotate it {expected}{instead}"
            )


def takes_some(function: Callable[..., Any], event_classes: Sequence[type[Event]]) -> bool:
    """Return whether a function takes some events of some classes, as far as its annotation says."""
    return any(issubclass(cls, (*event_classes,)) for cls in parameter_classes(function))


def _is_base(cls: type, event_class: type[Event]) -> bool:
    # Only plain classes: what else counts as a subclass of others is known only to their code.
    if type(cls) is not type:
        return True

    # A class that was reloaded is another one of the same name.
    return any(
        cls is base or (cls.__module__, cls.__qualname__) == (base.__module__, base.__qualname__)
        for base in event_class.__mro__
    )


def _classes(annotation: object, names: Mapping[str, Any]) -> tuple[type, ...]:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__

    if isinstance(annotation, str):
        try:
            return _resolved(ast.parse(annotation, mode="eval").body, names)
        except (SyntaxError, ValueError, RecursionError):
            return _UNKNOWN

    if isinstance(annotation, TypeVar):
        bounds = annotation.__constraints__ or (annotation.__bound__,)
        return _union(bounds, names)

    if get_origin(annotation) is Annotated:
        return _classes(get_args(annotation)[0], names)

    if get_origin(annotation) in (Union, types.UnionType):
        return _union(get_args(annotation), names)

    return (annotation,) if isinstance(annotation, type) and not get_args(annotation) else _UNKNOWN


def _union(annotations: tuple[object, ...], names: Mapping[str, Any]) -> tuple[type, ...]:
    return tuple(cls for annotation in annotations for cls in _classes(annotation, names))


def _resolved(node: ast.expr, names: Mapping[str, Any]) -> tuple[type, ...]:
    """Resolve the text of an annotation without evaluating it."""
    match node:
        case ast.Constant(value=str(text)):
            return _classes(text, names)
        case ast.Constant(value=None):
            return (type(None),)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return (*_resolved(left, names), *_resolved(right, names))
        case ast.Subscript(value=generic, slice=inside):
            items = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            kind = _value(generic, names)
            wanted = items if kind in (Union, Optional) else items[:1] if kind is Annotated else ()
            return tuple(cls for item in wanted for cls in _resolved(item, names)) or _UNKNOWN
        case _:
            value = _value(node, names)
            return _UNKNOWN if isinstance(value, str) else _classes(value, names)


def _value(node: ast.expr, names: Mapping[str, Any]) -> object:
    """Return what a name with dots stands for, None if it is unknown."""
    match node:
        case ast.Name(id=name):
            return names.get(name, vars(builtins).get(name))
        case ast.Attribute(value=owner, attr=name):
            module = _value(owner, names)
            return vars(module).get(name) if isinstance(module, types.ModuleType) else None
        case _:
            return None
