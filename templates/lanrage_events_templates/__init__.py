"""The templates that come with lanrage-events: one folder a consumer, one file an event type."""

from __future__ import annotations
