"""Requests to Discord's webhooks: URLs, rate limits, and what an answer means."""

from __future__ import annotations
