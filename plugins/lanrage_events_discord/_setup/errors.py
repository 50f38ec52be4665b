"""Errors of the setup: why a setting cannot be changed."""

from __future__ import annotations


class SetupError(Exception):
    """Raised when a setting cannot be changed; nothing has changed then."""


class SetInConfiguration(SetupError):
    """Raised when the configuration gives the value, so that it must be changed there."""


class NameTaken(SetupError):
    """Raised when another webhook has the name."""


class UnknownWebhook(SetupError):
    """Raised when no webhook has the name."""


class InvalidSetting(SetupError):
    """Raised when the value is not valid, or when Discord rejects it.

    :param reason: what is wrong
    :param field: the name of the value in a request
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


class SetupUnavailable(SetupError):
    """Raised when the value cannot be saved, or when Discord cannot be asked about it."""
