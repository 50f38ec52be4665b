"""The event log plugin: write every event as a line to a file or to stderr."""

from __future__ import annotations

from ._config import Level as Level
from ._config import LogConfig as LogConfig
from ._plugin import LogPlugin as LogPlugin

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
