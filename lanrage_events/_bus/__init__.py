"""The event bus: fan-out, mailboxes, consumers, and the plugins that it runs."""

from __future__ import annotations

from .bus import EventBus
