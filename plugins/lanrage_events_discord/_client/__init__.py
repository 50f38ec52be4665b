"""Requests to Discord's webhooks: URLs, rate limits, and what an answer means."""

from __future__ import annotations

from .client import WebhookClient
from .outcome import Outcome, OutcomeKind
from .rate_limits import Limits, RateLimits
from .urls import WebhookURL, validate_invite_url, validate_webhook_url
