"""The state of a lane."""

from __future__ import annotations

from enum import StrEnum


class LaneState(StrEnum):
    """What a lane is doing."""

    IDLE = "idle"
    GATHERING = "gathering"
    WAITING = "waiting"
    """because the receiver asked for it, or until the next request may be sent"""
    HOLDING = "holding"
    """by choice, such as in quiet hours, until a time that the reason says"""
    SENDING = "sending"
    RETRYING = "retrying"
    """since an attempt failed, and until one succeeds"""
    DEAD = "dead"
    """the receiver takes nothing; nothing is sent until the lane is enabled again"""
    UNCONFIGURED = "unconfigured"
    """there is no address to send to"""
