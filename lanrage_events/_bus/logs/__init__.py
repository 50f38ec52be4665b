"""Instruments that write what happens on a bus: errors to the log, and hook calls to stderr."""

from __future__ import annotations

from .error_log import ErrorLog as ErrorLog
from .trace import Tracer as Tracer
from .trace import is_wanted as is_wanted
