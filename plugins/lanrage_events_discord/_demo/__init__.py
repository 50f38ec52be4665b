"""The demo: an evening at a LAN party, in the terminal."""

from __future__ import annotations

from .demo import LATENCY_SECONDS, Summary, play
from .scenes import GROUP, Moment, evening, load_parts
