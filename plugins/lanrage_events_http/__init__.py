"""An HTTP API, a web page and a live feed of events for lanrage_events."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._client import AsyncClient as AsyncClient
    from ._client import Client as Client
    from ._client import PublishError as PublishError
    from ._client import Receipt as Receipt
    from ._config import HTTPConfig as HTTPConfig
    from ._plugin import HTTPPlugin as HTTPPlugin

_LAZY = {
    "AsyncClient": "_client",
    "Client": "_client",
    "HTTPConfig": "_config",
    "HTTPPlugin": "_plugin",
    "PublishError": "_client",
    "Receipt": "_client",
}

if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> object:
        # Scripts run the commands for each event, and neither these nor the clients need a server.
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        value.__module__ = __name__  # what tracebacks, documentation and pickles show
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
