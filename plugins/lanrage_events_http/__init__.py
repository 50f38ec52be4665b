"""An HTTP API, a web page and a live feed of events for lanrage_events."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._config import HTTPConfig as HTTPConfig
    from ._plugin import HTTPPlugin as HTTPPlugin

_LAZY = {"HTTPConfig": "_config", "HTTPPlugin": "_plugin"}

if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> object:
        # Scripts run the commands for each event, and these need no server.
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        value.__module__ = __name__  # what tracebacks, documentation and pickles show
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
