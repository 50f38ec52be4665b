"""An event bus for gaming communities and LAN parties: typed events in, plugins that act on them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._exports import *
else:
    # Nothing is imported until a name is used, so that commands start quickly; then everything is,
    # since the bus needs it anyway.
    def __getattr__(name: str) -> object:
        from importlib.util import find_spec

        # For a module, Python imports it after this error.
        if name.startswith("_") or find_spec(f"{__name__}.{name}") or name not in _import_names():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *_import_names()})

    def _import_names() -> dict[str, object]:
        from importlib import import_module

        exports = vars(import_module(f"{__name__}._exports"))
        names = {name: value for name, value in exports.items() if not name.startswith("_")}
        globals().update(names)
        return names
