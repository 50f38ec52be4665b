"""The demo: an evening at a LAN party, in the terminal."""

from __future__ import annotations

from .demo import LATENCY_SECONDS as LATENCY_SECONDS
from .demo import Summary as Summary
from .demo import play as play
from .scenes import load_parts as load_parts
