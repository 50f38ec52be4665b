"""Requests to Discord's webhooks: URLs, rate limits, and what an answer means."""

from __future__ import annotations

from .channel_limit import ChannelLimit
from .client import ANSWER_MAX_BYTES, WebhookClient
from .outcome import Outcome, OutcomeKind, RateLimit, classify
from .rate_limits import Channel, Limits, RateLimits, Turn
from .urls import WebhookURL, validate_invite_url, validate_webhook_url
