"""The state of a lane, and its statistics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    rate_limited: int = 0
    """answers of 429"""
    last_error: str = ""
    """what went wrong last with the URL that it has now, without secrets"""
