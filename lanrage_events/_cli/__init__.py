"""The command line: its own commands, and those that plugins add."""

from __future__ import annotations

from .app import main, make_app
from .errors import CommandLoadError, UsageError
from .plugin_commands import load_command, summary
