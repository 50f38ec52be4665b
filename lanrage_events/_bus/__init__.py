"""The event bus: fan-out, mailboxes, consumers, and the plugins that it runs."""

from __future__ import annotations

from .bus import EventBus
from .hooks import transformed as transformed
from .logs import Tracer
from .logs import is_wanted as is_trace_wanted
from .registry import Registry as Registry
from .running import BusRunner as BusRunner
from .running import BusThread as BusThread
from .running import run_in_thread as run_in_thread
