"""The configuration of the Discord plugin."""

from __future__ import annotations

from .batch import BatchConfig as BatchConfig
from .batch import FlappingConfig as FlappingConfig
from .batch import SettleConfig as SettleConfig
from .cards import SHOWN_EVENTS as SHOWN_EVENTS
from .cards import CardConfig as CardConfig
from .cards import PollConfig as PollConfig
from .cards import wanted_cards as wanted_cards
from .discord import DEFAULT_WEBHOOK as DEFAULT_WEBHOOK
from .discord import AlertsConfig as AlertsConfig
from .discord import DiscordConfig as DiscordConfig
from .routes import MentionConfig as MentionConfig
from .routes import RouteConfig as RouteConfig
from .threads import is_template as is_template
from .webhook import WebhookConfig as WebhookConfig
