"""How events are created and changed: as by dataclasses, and quicker."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from functools import wraps
from types import FunctionType
from typing import Any

_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
"""whether giving an object another class stops all threads, which takes longer than it saves"""
_GENERATED = "<string>"
"""the file name of a function that dataclasses has made"""


class _Unset:
    def __repr__(self) -> str:
        return "<unset>"


_UNSET = _Unset()


def construct_quickly(cls: type[Any], base: type[Any]) -> None:
    """Give an event class a quicker ``__init__`` and ``replace``, unless it needs those that it has.

    A frozen dataclass sets each field by ``object.__setattr__``, which is a third of the time that an
    event takes. Until its fields are set, an event is therefore of a class that has the same slots and
    is not frozen: setting one is a single instruction of the interpreter then.

    It gets them with its first event, since compiling them takes as long as the dataclass itself.

    :param cls: a frozen dataclass with slots, or anything else, which is left as it is
    :param base: whose ``replace`` it may have
    """
    if not _is_suitable(cls):
        return

    plain = cls.__init__

    @wraps(plain)
    def first(self: object, **values: object) -> None:
        _compile(cls, plain, base)
        cls.__init__(self, **values)

    cls.__init__ = first  # pyright: ignore[reportAttributeAccessIssue] - that of its instances


def _compile(cls: type[Any], plain: Callable[..., None], base: type[Any]) -> None:
    cls.__init__ = plain
    mutable = type(
        cls.__name__,
        cls.__bases__,
        {
            "__slots__": cls.__slots__,
            "__setattr__": object.__setattr__,
            "__delattr__": object.__delattr__,
        },
    )
    try:
        object.__setattr__(object.__new__(cls), "__class__", mutable)
    except TypeError:  # a base class has a memory layout of its own
        return

    names: dict[str, Any] = {
        "_cls": cls,
        "_given": _given,
        "_mutable": mutable,
        "_new": object.__new__,
        "_plain_init": plain,
        "_plain_replace": replace,
        "_set": object.__setattr__,
        "_unset": _UNSET,
    }
    for field in fields(cls):
        names[f"_default_{field.name}"] = field.default
        names[f"_make_{field.name}"] = field.default_factory

    exec(f"{_init_source(cls)}\n{_replace_source(cls)}", names)  # noqa: S102 - made of names of fields
    cls.__init__ = wraps(plain)(names["__init__"])
    inherited = getattr(cls.replace, "__wrapped__", cls.replace)
    if inherited is base.replace:
        cls.replace = wraps(inherited)(names["replace"])
        cls.replace.__qualname__ = f"{cls.__qualname__}.replace"


def _is_suitable(cls: type[Any]) -> bool:
    """Return whether an event class can be constructed quickly, and nothing would be left out."""
    own, init = vars(cls), cls.__init__
    if (
        _FREE_THREADED
        or type(cls) is not type
        or not {"__dataclass_fields__", "__slots__"} <= own.keys()
    ):
        return False

    if not isinstance(init, FunctionType) or init.__code__.co_filename != _GENERATED:
        return False

    names = tuple(field.name for field in fields(cls))
    code = init.__code__
    hooks = sum("__init_subclass__" in vars(base) for base in cls.__mro__)
    return (
        own["__dataclass_params__"].frozen
        and not hasattr(cls, "__post_init__")
        and hooks <= 2  # those of events and of objects; another one would see a class more
        and code.co_argcount == 1
        and code.co_varnames[1 : 1 + code.co_kwonlyargcount] == names
        and not any(name.startswith("_") or name in {"self", "replace"} for name in names)
    )


def _init_source(cls: type[Any]) -> str:
    parameters, lines = [], []
    for field in fields(cls):
        name = field.name
        if field.default_factory is not MISSING:
            parameters.append(f"{name}=_unset")
            lines.append(f"self.{name} = _make_{name}() if {name} is _unset else {name}")
        else:
            default = "" if field.default is MISSING else f"=_default_{name}"
            parameters.append(f"{name}{default}")
            lines.append(f"self.{name} = {name}")

    given = ", ".join(f"{field.name}={field.name}" for field in fields(cls))
    return "\n    ".join(
        (
            f"def __init__(self, *, {', '.join(parameters)}):",
            "if self.__class__ is not _cls:  # of a class that is no dataclass of its own",
            f"    return _plain_init(self, **_given({given}))",
            "_set(self, '__class__', _mutable)",
            *lines,
            "self.__class__ = _cls",
        )
    )


def _replace_source(cls: type[Any]) -> str:
    names = [field.name for field in fields(cls)]
    return "\n    ".join(
        (
            f"def replace(self, *, {', '.join(f'{name}=_unset' for name in names)}):",
            "if self.__class__ is not _cls:",
            f"    return _plain_replace(self, **_given({', '.join(f'{n}={n}' for n in names)}))",
            "new = _new(_mutable)",
            *(f"new.{name} = self.{name} if {name} is _unset else {name}" for name in names),
            "new.__class__ = _cls",
            "return new",
        )
    )


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not _UNSET}
