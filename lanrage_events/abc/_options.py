"""How a plugin is run: its mailbox, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

WhenFull = Literal["block", "drop_oldest", "drop_newest"]
"""what a mailbox does with an event that does not fit"""

DEFAULT_MAILBOX_SIZE = 1024
"""events that a mailbox holds by default"""


class PluginOptions(TypedDict, total=False):
    """How a plugin is run.

    The default of the first four is the plugin's attribute of the same name. Without one it is a
    mailbox of 1024 events that drops the oldest, and the timeouts of the bus.
    """

    mailbox_size: int | None
    """events that its mailbox holds"""
    when_full: WhenFull | None
    """``block``, ``drop_oldest`` or ``drop_newest``"""
    hook_timeout: float | None
    """seconds after which one of its hooks is cancelled"""
    start_timeout: float | None
    """seconds after which its lifespan is cancelled while it starts"""
    distribution: str | None
    """the distribution that the plugin belongs to, for error messages"""
    locations: Mapping[str, str] | None
    """the locations of its configuration keys, for :meth:`PluginRegistry.source_location`"""
