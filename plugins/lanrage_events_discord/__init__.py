"""Tell events in Discord: templates, batches, and delivery that obeys Discord's limits."""

from __future__ import annotations

from ._config import BatchConfig as BatchConfig
from ._config import DiscordConfig as DiscordConfig
from ._instructions import invite_instructions as invite_instructions
from ._instructions import webhook_instructions as webhook_instructions
from ._lane_state import LaneState as LaneState
from ._lane_state import LaneStatistics as LaneStatistics
from ._plugin import DiscordPlugin as DiscordPlugin
from ._quick import DiscordNotifier as DiscordNotifier
from ._quick import quick_setup as quick_setup
from ._urls import WebhookURL as WebhookURL
from ._urls import validate_invite_url as validate_invite_url
from ._urls import validate_webhook_url as validate_webhook_url


def _make_public(*values: object) -> None:
    """Let tracebacks, documentation and pickles show the module that a user would write."""
    for value in values:
        if getattr(value, "__module__", "").startswith(f"{__name__}."):
            value.__module__ = __name__


_make_public(*globals().values())
