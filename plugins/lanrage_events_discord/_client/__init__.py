"""Requests to Discord's webhooks: URLs, rate limits, and what an answer means."""

from __future__ import annotations

from .channel_limit import ChannelLimit
from .client import ANSWER_MAX_BYTES, WebhookClient
from .limit_memory import LimitMemory
from .old_edits import OLD_MESSAGE_SECONDS
from .outcome import OLD_EDITS_CODE, DiscordError, Outcome, OutcomeKind, RateLimit, classify
from .rate_limits import Action, Channel, Limits, RateLimits, Turn, shared_address
from .urls import WebhookURL, validate_invite_url, validate_webhook_url
