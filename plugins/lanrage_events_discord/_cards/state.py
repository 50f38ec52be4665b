"""The state of a card, and what was done for those of a webhook."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CardStatus(StrEnum):
    """What is true of a card."""

    SHOWN = "shown"
    """Discord shows what it should"""
    WAITING = "waiting"
    """that is still to be done"""
    STOPPED = "stopped"
    """nothing is done for it any more"""


@dataclass(frozen=True, slots=True)
class CardState:
    """What is true of a card, and why."""

    status: CardStatus
    reason: str = ""
    """in one line, without secrets; empty if nothing is wrong"""


@dataclass(slots=True)
class CardStatistics:
    """What was done for the cards of a webhook in this run."""

    posts: int = 0
    """messages that were posted, polls included"""
    edits: int = 0
    deletes: int = 0
    reposts: int = 0
    """messages that were posted since their card was gone from Discord"""
    lost_answers: int = 0
    """messages that may be in Discord although nothing is known of them, since the answer was lost"""
