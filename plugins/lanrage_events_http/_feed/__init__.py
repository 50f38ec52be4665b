"""The live feed of events."""

from __future__ import annotations

from .feed import HEARTBEAT_SECONDS as HEARTBEAT_SECONDS
from .feed import RING_SIZE as RING_SIZE
from .feed import Feed as Feed
from .response import StreamResponse as StreamResponse
