"""Requests to Discord's webhooks: URLs, rate limits, and what an answer means."""

from __future__ import annotations

from .client import WebhookClient as WebhookClient
from .outcome import Outcome as Outcome
from .outcome import OutcomeKind as OutcomeKind
from .rate_limits import Limits as Limits
from .rate_limits import RateLimits as RateLimits
from .urls import WebhookURL as WebhookURL
from .urls import validate_invite_url as validate_invite_url
from .urls import validate_webhook_url as validate_webhook_url
