"""The code of a plugin's functions: what they use of the plugin, and what they forget to await."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, lru_cache, partialmethod, singledispatchmethod

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


def forgotten_await(function: types.FunctionType, plugin: object) -> str | None:
    """Return what a function of a plugin calls without awaiting it, None if it awaits everything.

    That is a method of a bus, and each coroutine function that is found from the function's own
    globals or from the plugin as it is now, such as ``anyio.sleep`` and ``self.delivery.put``.
    """
    for code in _with_inner(function.__code__):
        own = code.co_varnames[:1] if code is function.__code__ and code.co_argcount else ()
        steps = _steps(code)
        for index, step in enumerate(steps):
            begin = index
            while begin and steps[begin].opname in _ATTRIBUTES:
                begin -= 1

            if begin < index and step.argval in _AWAITED:
                called = f"bus.{step.argval}" if _last(steps[index - 1]) in _BUSES else None
            else:
                called = _coroutine_function(steps[begin : index + 1], function, plugin, own)

            if called is not None:
                after = _after_call(steps, begin)
                if after is not None and after.opname == "POP_TOP":
                    return called

    return None


def _coroutine_function(
    steps: Sequence[dis.Instruction],
    function: types.FunctionType,
    plugin: object,
    own: Sequence[str],
) -> str | None:
    """Return the name of the coroutine function that instructions load, None if they load none.

    :param steps: load a name and then its attributes
    :param own: the name of the argument that is the plugin
    """
    first, *attributes = steps
    name = str(_last(first))
    if first.opname in _GLOBALS:
        value = function.__globals__.get(name)
    elif attributes and name in own and _is_load(first):
        value = plugin
    else:
        return None

    for step in attributes:
        if isinstance(value, types.ModuleType):  # it may import what it offers only now
            try:
                value = getattr(value, str(step.argval), None)
            except Exception:  # noqa: BLE001 - what it imports may raise anything
                return None
        else:
            # Nothing of the plugin's runs here, such as a property.
            value = inspect.getattr_static(value, str(step.argval), None)

    called = [name, *(str(step.argval) for step in attributes)]
    return ".".join(called) if inspect.iscoroutinefunction(value) else None


_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            yield from _with_inner(value)


@lru_cache(2_000)  # a plugin is looked at several times, and so are the hooks that plugins share
def _steps(code: types.CodeType) -> Sequence[dis.Instruction]:
    return tuple(dis.get_instructions(code))


def _first(step: dis.Instruction) -> object:
    return step.argval[0] if isinstance(step.argval, tuple) else step.argval


def _last(step: dis.Instruction) -> object:
    """Return the name that an instruction loads last; since Python 3.13 one may load two."""
    return step.argval[-1] if isinstance(step.argval, tuple) and step.argval else step.argval


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


def _after_call(steps: Sequence[dis.Instruction], begin: int) -> dis.Instruction | None:
    """Return what follows the call of what instructions load.

    :param begin: the first of them
    """
    first = steps[begin]
    # What else the first one leaves on the stack, or takes from it.
    others = len(first.argval) - 1 if isinstance(first.argval, tuple) else 0
    depth = 0 if _is_load(first) else 1 - dis.stack_effect(first.opcode, first.arg, jump=False)
    for position in range(begin, len(steps) - 1):
        step = steps[position]
        depth += dis.stack_effect(step.opcode, step.arg, jump=False)
        if depth < 1 + others:
            return None  # it is not called, but is an argument of something that is

        if position > begin and depth == 1 + others and step.opname.startswith("CALL"):
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
