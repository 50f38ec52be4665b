"""The state of a lane, and its statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

ROUNDING_SECONDS = 0.03


class LaneState(StrEnum):
    """What a lane is doing."""

    IDLE = "idle"
    GATHERING = "gathering"
    WAITING = "waiting"
    """for Discord's rate limits"""
    SENDING = "sending"
    RETRYING = "retrying"
    """since an attempt failed, and until one succeeds"""
    DEAD = "dead"
    """the webhook does not work; nothing is sent until it has another URL"""
    UNCONFIGURED = "unconfigured"
    """its URL was removed; nothing is sent until it has one"""


@dataclass(slots=True)
class LaneStatistics:
    """What a lane has done since it was made."""

    sent: int = 0
    """events that Discord accepted"""
    messages: int = 0
    """messages that Discord accepted"""
    requests: int = 0
    failed: int = 0
    """events that became dead letters"""
    expired: int = 0
    """events that were too old when their turn came"""
    shortened: int = 0
    """events of which Discord accepted less text than they have, because of its limits"""
    rate_limited: int = 0
    """answers of 429"""
    last_error: str = ""
    """what went wrong last with the URL that it has now, without secrets"""


def in_words(seconds: float) -> str:
    """Write how long something takes, such as ``0.3 s``, ``42 s`` or ``1 h 5 min``."""
    # Rounded up, but not for the moment that is added to what Discord asks for.
    tenths = max(math.ceil((seconds - ROUNDING_SECONDS) * 10), 0)
    if tenths < 100:
        return f"{tenths / 10:g} s"

    whole = math.ceil(seconds - ROUNDING_SECONDS)
    if whole < 120:
        return f"{whole} s"

    hours, minutes = divmod(round(whole / 60), 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts)
