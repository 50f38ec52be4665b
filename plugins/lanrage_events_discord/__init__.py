"""Post events in Discord: templates, batches, and delivery that obeys Discord's limits.

The way of an event: ``_plugin`` receives it, ``_routing`` finds its webhooks, ``_rendering`` makes
its embed, and its line in a digest; ``_delivery`` keeps a lane for each webhook, which waits,
retries and pauses; ``_client`` sends one request. ``_setup`` changes webhook and invite while the
plugin runs, ``_api`` and ``page/`` are the way to it, ``testing`` is a stand-in for Discord.
"""

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
