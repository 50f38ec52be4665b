"""The errors that end a command, besides the public errors of lanrage-events."""

from __future__ import annotations

from inspect import signature

from cyclopts import CoercionError, UnusedCliTokensError

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


def usage_text(error: Exception) -> str:
    """Return what is wrong with a command line, and the remedy."""
    if isinstance(error, CoercionError) and error.target_type is int and error.token is not None:
        name = f"{error.argument.name}: " if error.argument is not None else ""
        return f"{name}expected a whole number, not '{error.token.value}'"

    if not isinstance(error, UnusedCliTokensError) or not error.unused_tokens:
        return str(error)

    word, *_ = error.unused_tokens
    options = "" if error.target is None else str(signature(error.target))
    takes_file = word.endswith((".yaml", ".yml")) and ("config" in options or "Place" in options)
    remedy = f"a configuration is given as --config {word}" if takes_file else "see --help"
    return f"unexpected argument '{word}': {remedy}"
