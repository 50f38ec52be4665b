"""Tell events in Discord: templates, batches, and delivery that obeys Discord's limits."""

from __future__ import annotations

from ._client import WebhookURL as WebhookURL
from ._client import validate_invite_url as validate_invite_url
from ._client import validate_webhook_url as validate_webhook_url
from ._config import BatchConfig as BatchConfig
from ._config import DiscordConfig as DiscordConfig
from ._delivery import LaneState as LaneState
from ._delivery import LaneStatistics as LaneStatistics
from ._notifier import DiscordNotifier as DiscordNotifier
from ._notifier import quick_setup as quick_setup
from ._plugin import DiscordPlugin as DiscordPlugin
from ._setup import invite_instructions as invite_instructions
from ._setup import webhook_instructions as webhook_instructions


def _make_public(*values: object) -> None:
    """Let tracebacks, documentation and pickles show the module that a user would write."""
    for value in values:
        if getattr(value, "__module__", "").startswith(f"{__name__}."):
            value.__module__ = __name__


_make_public(*globals().values())
