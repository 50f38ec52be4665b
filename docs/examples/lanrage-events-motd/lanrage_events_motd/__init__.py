"""A message of the day for lanrage-events."""

from __future__ import annotations

from ._plugin import MotdChanged as MotdChanged
from ._plugin import MotdConfig as MotdConfig
from ._plugin import MotdPlugin as MotdPlugin
