"""What the operations work with while the plugin runs."""

from __future__ import annotations

from dataclasses import dataclass

from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox

from .._alerts import Alerts
from .._delivery import Lanes
from .._rendering import Renderer
from .._routing import UnroutedEvents
from .._setup import Setup, WebhookDirectory
from .test_message import MessageTest


@dataclass(frozen=True, slots=True)
class Runtime:
    """What exists while the plugin runs."""

    bus: Bus
    setup: Setup
    directory: WebhookDirectory
    lanes: Lanes
    outbox: Outbox
    message_test: MessageTest
    unrouted: UnroutedEvents
    renderer: Renderer
    alerts: Alerts | None = None
    """None if no webhook gets alerts"""
