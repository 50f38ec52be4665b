"""Steps: what is to be done next for a card, so that Discord shows what it should."""

from __future__ import annotations

from enum import Enum

from lanrage_events import Party

from .._client import Action
from .card import Card


class Step(Enum):
    """One request, or the end of them."""

    POST = Action.EXECUTE
    """post the message"""
    EDIT = Action.EDIT
    """edit it, if it shows anything else"""
    DELETE = Action.DELETE
    """delete it"""
    DELETE_FORMER = "delete former"
    """delete a message that was posted before"""
    POLL = "poll"
    """post the poll"""
    FINISH = "finish"
    """nothing more will be done"""
    REST = "rest"
    """nothing is to be done now"""

    @property
    def action(self) -> Action:
        """Which of Discord's limits a request counts towards."""
        if self is Step.POLL:
            return Action.EXECUTE

        return Action.DELETE if self is Step.DELETE_FORMER else Action(self.value)

    @property
    def posts(self) -> bool:
        """Whether there is a new message afterwards."""
        return self in (Step.POST, Step.POLL)


def next_step(card: Card, *, is_right: bool, is_raised: bool) -> Step:
    """Return what is to be done next.

    :param is_right: whether the message is known to show what it should
    :param is_raised: whether it is to be posted again below the newest messages
    """
    config = card.config
    if card.is_removed or (card.is_over and config.when_over == "delete" and not card.stopped):
        if card.formers:
            return Step.DELETE_FORMER

        if card.message_id is not None:
            return Step.DELETE

        return Step.FINISH if card.is_removed else _last(card)

    if card.stopped:
        return Step.FINISH if card.is_over else Step.REST

    if card.message_id is None or is_raised:
        return Step.POST

    if card.formers:
        return Step.DELETE_FORMER

    if not is_right:
        return Step.EDIT

    return _last(card) if card.is_over and not card.is_requested else Step.REST


def _last(card: Card) -> Step:
    return Step.FINISH if card.is_polled or card.config.poll is None else Step.POLL


def may_call(card: Card, party: Party, *, is_loud: bool) -> bool:
    """Whether a message that is posted now mentions whom the card mentions once."""
    mention = card.config.mention
    if mention is None or card.is_mentioned or card.is_over or not is_loud:
        return False

    return not card.is_announced if mention.when is None else party.size >= mention.when.count


def calls(card: Card, party: Party, *, is_loud: bool) -> bool:
    """Whether a message is posted again to call others, since only now there are enough players."""
    return card.is_announced and may_call(card, party, is_loud=is_loud)
