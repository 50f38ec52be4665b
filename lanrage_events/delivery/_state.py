"""The state of a lane, and how long a wait is in words."""

from __future__ import annotations

import math
from enum import StrEnum

ROUNDING_SECONDS = 0.03


class LaneState(StrEnum):
    """What a lane is doing."""

    IDLE = "idle"
    GATHERING = "gathering"
    WAITING = "waiting"
    """because the receiver asked for it, or until the next request may be sent"""
    SENDING = "sending"
    RETRYING = "retrying"
    """since an attempt failed, and until one succeeds"""
    DEAD = "dead"
    """the receiver takes nothing; nothing is sent until the lane is enabled again"""
    UNCONFIGURED = "unconfigured"
    """there is no address to send to"""


def in_words(seconds: float) -> str:
    """Write how long something takes, such as ``0.3 s``, ``42 s`` or ``1 h 5 min``."""
    # Rounded up, but not for the moment that may be added to what a server asks for.
    tenths = max(math.ceil((seconds - ROUNDING_SECONDS) * 10), 0)
    if tenths < 100:
        return f"{tenths / 10:g} s"

    whole = math.ceil(seconds - ROUNDING_SECONDS)
    if whole < 120:
        return f"{whole} s"

    hours, minutes = divmod(round(whole / 60), 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts)
