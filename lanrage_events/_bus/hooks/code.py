"""The code of a plugin's functions: what they use of the plugin, and what they forget to await."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, partialmethod, singledispatchmethod

_LOOKUPS = frozenset({"attrgetter", "methodcaller", "getmembers", "vars", "globals"})
_AWAITED = frozenset({"publish", "publish_and_wait", "publish_many_and_wait", "drain", "wait_for"})
"""the methods of a bus that do nothing unless they are awaited"""
_BUSES = frozenset({"bus", "_bus"})


def uses(function: types.FunctionType, name: str, owners: Collection[str]) -> bool:
    """Return whether a function uses what its class or module has under a name.

    :param owners: the names of the classes; empty for a function of a module
    """
    code = function.__code__
    all_owners = {*code.co_varnames[: min(code.co_argcount, 1)], *owners}
    for one in _with_inner(code):
        steps = _steps(one)
        if not owners and any(s.opname in _GLOBALS and s.argval == name for s in steps):
            return True

        for index in range(len(steps)):
            if any(is_one(steps, index, name, all_owners) for is_one in (_is_use, _looks_up)):
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


def _looks_up(steps: Sequence[dis.Instruction], index: int, name: str, owners: set[str]) -> bool:
    """Return whether an instruction begins to look up a name, or any."""
    if steps[index].argval in _LOOKUPS:
        return True

    if steps[index].argval != "getattr" or index + 2 >= len(steps):
        return False

    owner, wanted = steps[index + 1], steps[index + 2]
    # Of an f-string, the first part.
    is_other = wanted.opname == "LOAD_CONST" and str(wanted.argval) not in name
    return _is_load(owner) and _first(owner) in owners and not is_other


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
