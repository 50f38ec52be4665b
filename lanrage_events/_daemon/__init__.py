"""The daemon, which runs the bus of a configuration file until it is stopped."""

from __future__ import annotations

from .._exit import ExitGuard, StopRequested
from .check import CheckedConfig, check, check_again
from .daemon import Daemon, run
from .deadline import StopDeadline
from .input_end import INPUT_TIMEOUT
from .instance import Instance, RunningDaemon, find_daemon, instance_path
from .logging import LogFormat, LogHandler, logging_to_stderr
from .progress import Progress
from .reload import Reloader
from .requests import reload_requests
from .seen_ids import SeenIds
from .signals import Signals
from .stdin import LineFeed
from .systemd import notify
