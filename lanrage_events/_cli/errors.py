"""What a command can be ended by, besides the errors of lanrage-events itself."""

from __future__ import annotations

from .._discovery import PluginCommand
from .._exceptions import LanrageEventsError


class UsageError(LanrageEventsError):
    """Raised when the command line does not say enough, or names what is not there."""


class CommandLoadError(LanrageEventsError):
    """Raised when a command of a plugin cannot be used; names the distribution that brings it."""

    def __init__(self, command: PluginCommand, reason: str) -> None:
        self.command = command
        self.reason = reason
        origin = f"{command.distribution or 'an unnamed distribution'} {command.version or ''}"
        super().__init__(
            f"the command '{command.name}' of {origin.strip()} cannot be used: {reason}"
        )
