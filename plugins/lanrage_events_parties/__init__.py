"""The parties plugin: who is in which party, over restarts, and when a party is over."""

from __future__ import annotations

from ._config import PartiesConfig as PartiesConfig
from ._plugin import PartiesPlugin as PartiesPlugin

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
