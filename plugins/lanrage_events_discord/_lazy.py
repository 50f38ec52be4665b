"""Public names that are imported when they are first used."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package.

    :param package: its name
    :param names: its public names, each with the module in it that defines it
    """

    def get(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")

        value = getattr(import_module(f"{package}.{names[name]}"), name)
        if getattr(value, "__module__", "").startswith(f"{package}."):
            value.__module__ = package  # what tracebacks, documentation and pickles show

        vars(sys.modules[package])[name] = value
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *names})
