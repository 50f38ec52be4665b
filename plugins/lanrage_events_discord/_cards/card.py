"""A card: what is known of the message that shows a party through one webhook, and its state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from sys import intern
from typing import Any

from .._config import CardConfig

_ELSEWHERE = {"id", "webhook", "party", "is_due", "config"}
"""what has a column of its own, or is in the configuration"""
_COMMON = {"webhook_id", "channel_id"}


@dataclass(slots=True, eq=False, kw_only=True)
class Card:
    """What is known of the message that shows a party through one webhook.

    Change it, then await :meth:`CardStore.save`.
    """

    id: str
    """for the API and the commands; a party that begins again has another card"""
    webhook: str
    """the name of the webhook"""
    party: str
    """the id of the party in the store"""
    config: CardConfig = field(default_factory=CardConfig)
    """what the configuration says of it now"""
    webhook_id: str = ""
    """Discord's id of the webhook that posted the message; empty before"""
    message_id: str | None = None
    thread_id: str | None = None
    """the thread that the message is in"""
    owns_thread: bool = False
    """whether that thread was created for the card"""
    channel_id: str | None = None
    posted_at: float | None = None
    """when the message was posted, in seconds since 1970"""
    shown: str | None = None
    """the hash of what Discord shows, None if that is not known"""
    is_due: bool = True
    """whether something may be otherwise in Discord. It is set when the party changes, so clear it before
    you look at the party"""
    is_plain: bool = False
    """whether Discord rejected the card as the template has it"""
    is_over: bool = False
    """whether its party is over"""
    is_announced: bool = False
    """whether it was posted before, so that it is posted again without a notification"""
    is_mentioned: bool = False
    """whether it has mentioned whom it mentions"""
    is_polled: bool = False
    """whether the poll was posted, or may have been"""
    is_removed: bool = False
    """whether the user has removed it, so that the party has no card through this webhook"""
    is_pushed: bool = False
    """whether later messages of the webhook stand below it"""
    is_requested: bool = False
    """whether the user wants it posted again, which is not done yet"""
    is_done: bool = False
    """whether all is done that follows the end of its party, or its removal"""
    pictures: tuple[str, ...] | None = ()
    """the names of the pictures that its message has, None if that is not known"""
    mention: str = ""
    """the text by which its message mentions someone"""
    formers: tuple[str, ...] = ()
    """the ids of its former messages that are still to be deleted"""
    misses: int = 0
    """how many times in a row its message was gone"""
    reposted_at: float | None = None
    """when it was last posted again since its message was gone, in seconds since 1970"""
    stopped: str = ""
    """why nothing is done for it any more, empty if that is not so"""

    def forget_message(self) -> None:
        """Forget the message, which is not there any more, so that another one is posted."""
        self.message_id = self.channel_id = self.posted_at = self.shown = None
        self.webhook_id = self.mention = ""
        self.pictures = ()
        self.is_pushed = False
        if not self.owns_thread:
            self.thread_id = None

    def forget_thread(self) -> None:
        """Forget the thread of the card, which is not there any more, with all that was in it."""
        self.owns_thread, self.formers = False, ()
        self.forget_message()

    def row(self) -> tuple[str, str, str, bool, str]:
        """Return the row that keeps it: id, webhook, party, whether it is due, and the rest as JSON."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return self.id, self.webhook, self.party, self.is_due, json.dumps(kept)

    @classmethod
    def load(cls, id: str, webhook: str, party: str, is_due: int, content: str) -> Card:
        """Return a card from its row; what a later version has added is left out.

        :raises ValueError: if it is not one
        """
        try:
            data = json.loads(content)
            kept = {name: _loaded(name, data[name]) for name in _KEPT if name in data}
            return cls(id=id, webhook=intern(webhook), party=party, is_due=bool(is_due), **kept)
        except TypeError as error:
            raise ValueError(f"this is no card: {error}") from None


def _loaded(name: str, value: Any) -> Any:
    """Return a value from the file; what all cards of a webhook have is in memory once."""
    if isinstance(value, list):
        return tuple(value)

    return intern(value) if name in _COMMON and isinstance(value, str) else value


_KEPT = [one.name for one in fields(Card) if one.name not in _ELSEWHERE]


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
