"""The log sink of lanrage_events: every event as a line in a file or on stderr."""

from __future__ import annotations

from ._config import Level as Level
from ._config import LogConfig as LogConfig
from ._plugin import LogPlugin as LogPlugin

for _value in (LogConfig, LogPlugin):
    _value.__module__ = __name__

del _value
