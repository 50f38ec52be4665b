"""What was done for the cards of a webhook."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CardStatistics:
    """What was done for the cards of a webhook in this run."""

    requests: int = 0
    """requests that were sent, whatever the answer"""
    posts: int = 0
    """messages that were posted, polls included"""
    edits: int = 0
    deletes: int = 0
    reposts: int = 0
    """messages that were posted since their card was gone from Discord"""
    lost_answers: int = 0
    """messages that may be in Discord although nothing is known of them, since the answer was lost"""
    rejected: int = 0
    """cards that were stopped"""
