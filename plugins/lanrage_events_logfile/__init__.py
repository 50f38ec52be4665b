"""The log files plugin: turn the log lines of game servers into events."""

from __future__ import annotations

from ._config import FileConfig as FileConfig
from ._config import FileSettings as FileSettings
from ._config import LogfileConfig as LogfileConfig
from ._plugin import LogfilePlugin as LogfilePlugin
from ._presets import load_preset as load_preset
from ._presets import preset_names as preset_names

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
