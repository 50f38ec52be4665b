"""A bus that runs in a task or in a thread of its own, for programs that cannot enter it."""

from __future__ import annotations

from .runner import BusRunner as BusRunner
from .thread import BusThread as BusThread
from .thread import run_in_thread as run_in_thread
