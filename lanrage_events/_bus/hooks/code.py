"""The code of a plugin's functions: what they use of the plugin, and what they forget to await."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, partialmethod, singledispatchmethod

_LOOKUPS = frozenset({"getattr", "attrgetter", "methodcaller"})
_ALL_LOOKUPS = frozenset({"getmembers", "vars", "globals"})
_NOT_THE_PLUGIN = frozenset({"event", "events", "bus", "config"})
_AWAITED = frozenset({"publish", "publish_and_wait", "publish_many_and_wait", "drain", "wait_for"})
"""the methods of a bus that do nothing unless they are awaited"""
_BUSES = frozenset({"bus", "_bus"})


def uses(function: types.FunctionType, name: str, owners: Collection[str]) -> bool:
    """Return whether a function uses what its class or module has under a name.

    :param owners: the names of the classes; empty for a function of a module
    """
    code = function.__code__
    first = code.co_varnames[0] if code.co_argcount else ""
    for one in _with_inner(code):
        steps = _steps(one)
        if not owners and any(s.opname in _GLOBALS and s.argval == name for s in steps):
            return True

        if any(_is_use(steps, index, name, {first, *owners}) for index in range(1, len(steps))):
            return True

        if any(_looks_up(steps, index, name) for index in range(len(steps))):
            return True

    return False


def names(function: types.FunctionType) -> set[str]:
    """Return the names of globals and attributes in a function."""
    return {name for code in _with_inner(function.__code__) for name in code.co_names}


def forgotten_await(function: types.FunctionType) -> str | None:
    """Return the method of a bus whose coroutine a function discards, None if it awaits them all."""
    for code in _with_inner(function.__code__):
        if _AWAITED.isdisjoint(code.co_names):
            continue

        steps = _steps(code)
        for index in range(1, len(steps)):
            step, owner = steps[index], steps[index - 1]
            is_of_bus = _last(owner) in _BUSES
            if step.opname in _ATTRIBUTES and step.argval in _AWAITED and is_of_bus:
                after = _after_call(steps, index)
                if after is not None and after.opname == "POP_TOP":
                    return str(step.argval)

    return None


_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            yield from _with_inner(value)


def _steps(code: types.CodeType) -> Sequence[dis.Instruction]:
    return tuple(dis.get_instructions(code))


def _first(step: dis.Instruction) -> object:
    return step.argval[0] if isinstance(step.argval, tuple) else step.argval


def _last(step: dis.Instruction) -> object:
    """Return the name that an instruction loads last; since Python 3.13 one may load two."""
    return step.argval[-1] if isinstance(step.argval, tuple) else step.argval


def _is_use(steps: Sequence[dis.Instruction], index: int, name: str, owners: set[str]) -> bool:
    step, before = steps[index], steps[index - 1]
    if step.opname not in _ATTRIBUTES or step.argval != name:
        return False

    # The second is that of type(self) and super().
    return (_is_load(before) and _last(before) in owners) or before.opname.startswith("CALL")


def _is_load(step: dis.Instruction) -> bool:
    return step.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME"))


def _looks_up(steps: Sequence[dis.Instruction], index: int, name: str) -> bool:
    """Return whether an instruction begins to look up a name, or any."""
    if steps[index].argval in _ALL_LOOKUPS:
        return True

    if steps[index].argval not in _LOOKUPS or index + 2 >= len(steps):
        return False

    inside = []
    for step in steps[index + 1 :]:
        if step.opname.startswith("CALL"):
            break

        inside.append(step)

    texts = [step.argval for step in inside if isinstance(step.argval, str) and _is_text(step)]
    if name in texts:
        return True

    is_of_plugin = steps[index].argval != "getattr" or (
        _is_load(steps[index + 1])
        and _first(steps[index + 1]) not in _NOT_THE_PLUGIN
        and steps[index + 2].opname not in _ATTRIBUTES
    )
    is_composed = any(step.opname.startswith(("BUILD_STRING", "BINARY_OP")) for step in inside)
    return is_of_plugin and (not texts or is_composed)


def _is_text(step: dis.Instruction) -> bool:
    return step.opname == "LOAD_CONST"


def _after_call(steps: Sequence[dis.Instruction], index: int) -> dis.Instruction | None:
    """Return what follows the call of the method that an instruction loads."""
    depth = 0
    for position in range(index, len(steps) - 1):
        step = steps[position]
        depth += dis.stack_effect(step.opcode, step.arg, jump=False)
        if depth == 0 and step.opname.startswith("CALL"):
            return steps[position + 1]

    return None


def inner_functions(value: object) -> Iterator[types.FunctionType]:
    """Yield the functions in what stands in a class or a module, such as a property."""
    insides: Sequence[object] = (value,)
    if isinstance(value, property):
        insides = (value.fget, value.fset)
    elif isinstance(value, cached_property | partialmethod | singledispatchmethod):
        insides = (value.func,)
    elif isinstance(value, staticmethod | classmethod):
        insides = (value.__func__,)

    for inside in insides:
        unwrapped = inspect.unwrap(inside) if isinstance(inside, types.FunctionType) else None
        if isinstance(unwrapped, types.FunctionType):
            yield unwrapped
