"""The errors that end a command, besides the public errors of lanrage-events."""

from __future__ import annotations

from .._discovery import PluginCommand
from .._exceptions import LanrageEventsError


class UsageError(LanrageEventsError):
    """Raised when the command line is incomplete, or names something that does not exist."""


class CommandError(LanrageEventsError):
    """Raised when a command fails."""


class CommandLoadError(CommandError):
    """Raised when a command of a plugin cannot be used; names its distribution."""

    def __init__(self, command: PluginCommand, reason: str) -> None:
        super().__init__(
            f"the command '{command.name}' of {command.origin} cannot be used: {reason}"
        )
