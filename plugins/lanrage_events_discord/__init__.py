"""Post events in Discord: templates, batches, and delivery that obeys Discord's limits.

``_plugin`` receives events, ``_routing`` chooses their webhooks, ``_rendering`` renders embeds and
digests, ``_delivery`` keeps a lane for each webhook, and ``_client`` sends one request. ``_setup``
changes the webhook and the invite while the plugin runs, through ``_api`` and ``page/``.
``testing`` is a stand-in for Discord.
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

# Tracebacks, documentation and pickles show the module that a user would write.
for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
