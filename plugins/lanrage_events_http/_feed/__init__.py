"""The live feed of events."""

from __future__ import annotations

from .feed import (
    CLIENT_BUFFER,
    HEARTBEAT_SECONDS,
    OVERRUN_SECONDS,
    RING_SIZE,
    Feed,
    FeedClient,
)
from .response import StreamResponse
