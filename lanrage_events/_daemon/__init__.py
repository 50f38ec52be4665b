"""The daemon, which runs the bus of a configuration file until it is stopped."""

from __future__ import annotations

from .check import prepare
from .daemon import Daemon, run
from .logging import LogFormat, LogHandler, logging_to_stderr
from .progress import Progress
from .reload import Reloader, reload_requests
from .signals import stop_signals
from .stdin import LineFeed
from .systemd import notify
