"""Post events in Discord: templates, batches, and delivery that obeys Discord's limits.

``_plugin`` receives events, ``_routing`` chooses their webhooks, ``_rendering`` renders embeds and
digests, ``_delivery`` keeps a lane for each webhook, and ``_client`` sends one request. ``_setup``
changes the webhook and the invite while the plugin runs, through ``_api`` and ``page/``.
``markdown`` and ``limits`` are for other plugins that post to Discord. ``testing`` is a stand-in for
Discord.
"""

from __future__ import annotations

from . import _lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._client import WebhookURL as WebhookURL
    from ._client import validate_invite_url as validate_invite_url
    from ._client import validate_webhook_url as validate_webhook_url
    from ._config import BatchConfig as BatchConfig
    from ._config import DiscordConfig as DiscordConfig
    from ._config import FlappingConfig as FlappingConfig
    from ._config import SettleConfig as SettleConfig
    from ._delivery import LaneState as LaneState
    from ._delivery import LaneStatistics as LaneStatistics
    from ._notifier import DiscordNotifier as DiscordNotifier
    from ._notifier import quick_setup as quick_setup
    from ._plugin import DiscordPlugin as DiscordPlugin
    from ._setup import invite_instructions as invite_instructions
    from ._setup import webhook_instructions as webhook_instructions
else:  # type checkers would otherwise accept any name
    # The stand-in, the markdown and the limits need nothing of the plugin.
    __getattr__, __dir__ = _lazy.lazy_names(
        __name__,
        {
            "BatchConfig": "_config",
            "DiscordConfig": "_config",
            "DiscordNotifier": "_notifier",
            "DiscordPlugin": "_plugin",
            "FlappingConfig": "_config",
            "LaneState": "_delivery",
            "LaneStatistics": "_delivery",
            "SettleConfig": "_config",
            "WebhookURL": "_client",
            "invite_instructions": "_setup",
            "quick_setup": "_notifier",
            "validate_invite_url": "_client",
            "validate_webhook_url": "_client",
            "webhook_instructions": "_setup",
        },
    )
