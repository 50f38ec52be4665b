"""Requests to Discord's webhooks: URLs, rate limits, and what an answer means."""

from __future__ import annotations

from .client import ANSWER_MAX_BYTES, WebhookClient
from .outcome import Outcome, OutcomeKind, RateLimit, classify
from .rate_limits import Limits, RateLimits
from .urls import WebhookURL, validate_invite_url, validate_webhook_url
