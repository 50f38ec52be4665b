"""Serve the HTTP API of lanrage_events, its setup page, and a live feed of events."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._config import HTTPConfig as HTTPConfig
    from ._plugin import HTTPPlugin as HTTPPlugin

_LAZY = {"HTTPConfig": "_config", "HTTPPlugin": "_plugin"}

if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> object:
        # The commands need no server, and are called for every event that a script publishes.
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        _make_public(value)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def _make_public(*values: object) -> None:
    """Let tracebacks, documentation and pickles show the module that a user would write."""
    for value in values:
        if getattr(value, "__module__", "").startswith(f"{__name__}."):
            value.__module__ = __name__
