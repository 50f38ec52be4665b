"""The statistics of a lane."""

from __future__ import annotations

from dataclasses import dataclass

from lanrage_events import delivery


@dataclass(slots=True)
class LaneStatistics(delivery.LaneStatistics):
    """What a lane has done since it was made, in events and messages."""

    shortened: int = 0
    """events of which Discord accepted less text than they have, because of its limits"""
    reconnects: int = 0
    """how often someone left and came back in time, so that neither was posted"""
    reconnects_uncounted: int = 0
    """those of them that no message has counted, because none came in time"""
    rate_limited: int = 0
    """answers of 429"""
    dropped: int = 0
    """events that quiet hours or a mute dropped"""
