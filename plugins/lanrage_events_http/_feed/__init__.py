"""The live feed of events."""

from __future__ import annotations

from .feed import HEARTBEAT_SECONDS, RING_SIZE, Feed
from .response import StreamResponse
