"""Answers: what an answer of Discord means for a card."""

from __future__ import annotations

import logging
from enum import Enum, auto

from .._client import Outcome, OutcomeKind
from .card import Card
from .steps import Step

logger = logging.getLogger("lanrage_events.discord")

DELETED_TIMES = 3
"""after which a message that was gone each time is not posted again"""
WITHOUT_ID = "Discord does not say which message it is, so it cannot be edited"
"""why a card stops after it was posted"""

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
_UNKNOWN_CHANNEL = 10003
_UNKNOWN_MESSAGE = 10008
_ARCHIVED = 50083
_ABOUT_PLACE = {
    40058: "the channel is a forum: set 'thread: true' for the card",
    40067: "the forum asks for a tag on each post: give the card applied_tags",
    160005: "the thread of the card is locked: unlock it",
    220001: "the channel is a forum: set 'thread: true' for the card",
    220003: "the channel is no forum: remove 'thread: true' from the card",
    220004: "the webhook cannot post to a forum channel",
}
"""what keeps a card from being shown, and the lane not"""


class Verdict(Enum):
    """How it goes on after an answer."""

    DONE = auto()
    """with the next step"""
    AGAIN = auto()
    """with the same card, as soon as Discord's limits permit it"""
    FAILED = auto()
    """with another attempt, after a back-off"""
    GONE = auto()
    """not until the lane has a webhook that works"""


def judge(card: Card, step: Step, outcome: Outcome) -> Verdict:
    """Return how it goes on after an answer, and change the card if something is gone or rejected."""
    verdict = _judge(card, step, outcome)
    if verdict is Verdict.DONE and step is Step.DELETE:
        card.forget_message()
    elif verdict is Verdict.DONE and step is Step.DELETE_FORMER:
        card.formers = card.formers[1:]

    return verdict


def _judge(card: Card, step: Step, outcome: Outcome) -> Verdict:
    if outcome.kind is OutcomeKind.DELIVERED:
        return Verdict.DONE

    if outcome.kind is OutcomeKind.RETRY_AFTER:
        return Verdict.AGAIN

    if outcome.kind is OutcomeKind.RETRY:
        return _failed(card, step, outcome)

    is_archived = outcome.code == _ARCHIVED and step is Step.EDIT
    is_of_thread = card.owns_thread and (is_archived or outcome.code == _UNKNOWN_CHANNEL)
    if outcome.code == _UNKNOWN_MESSAGE or is_of_thread:
        return _missing(card, step, outcome)

    is_own = outcome.code in _ABOUT_PLACE or (outcome.status == 403 and not step.posts)
    if outcome.kind is OutcomeKind.LANE_DEAD and not is_own:
        return Verdict.GONE

    return _rejected(card, step, outcome)


def _failed(card: Card, step: Step, outcome: Outcome) -> Verdict:
    if step is Step.POLL and outcome.may_be_carried_out:
        logger.warning(
            "webhook '%s': whether the poll of card %s was posted is not known, so it is not posted"
            " again: %s",
            card.webhook,
            card.id,
            outcome.reason,
        )
        return Verdict.DONE

    return Verdict.FAILED


def _missing(card: Card, step: Step, outcome: Outcome) -> Verdict:
    """Post a message again that is gone, unless that has happened too often."""
    if step in (Step.DELETE, Step.DELETE_FORMER):
        return Verdict.DONE

    if step is Step.POLL:
        return _rejected(card, step, outcome)

    if outcome.code == _UNKNOWN_CHANNEL:
        card.forget_thread()
    else:
        if outcome.code == _ARCHIVED and card.message_id is not None:
            # Only another message opens the thread, in which this one can be deleted then.
            card.formers = (*card.formers, card.message_id)

        card.forget_message()

    card.misses += 1
    if card.misses >= DELETED_TIMES:
        stop(
            card,
            f"its message was gone {card.misses} times in a row: find out who deletes it, then post"
            " it again",
        )

    return Verdict.AGAIN


def _rejected(card: Card, step: Step, outcome: Outcome) -> Verdict:
    if step not in (Step.POST, Step.EDIT):
        what = "to post the poll" if step is Step.POLL else "to delete a message"
        logger.error(
            "webhook '%s': Discord rejects %s of card %s: %s",
            card.webhook,
            what,
            card.id,
            outcome.reason,
        )
        return Verdict.DONE

    if card.is_plain or outcome.code in _ABOUT_PLACE:
        stop(card, _ABOUT_PLACE.get(outcome.code or 0, f"Discord rejects it: {outcome.reason}"))
    else:
        simplify(card, outcome)

    return Verdict.AGAIN


def simplify(card: Card, outcome: Outcome) -> None:
    """Show a card with its name, the count and the game only, since Discord does not take more."""
    card.is_plain = True
    logger.warning(
        "webhook '%s': Discord rejects card %s, which shows only the name, the count and the game"
        " from now on: %s",
        card.webhook,
        card.id,
        outcome.reason,
    )


def stop(card: Card, reason: str) -> None:
    """Do nothing more for a card until it is posted again."""
    card.stopped = reason
    logger.error("webhook '%s': card %s is not shown any more: %s", card.webhook, card.id, reason)


def try_again(card: Card) -> None:
    """Show a card as the template has it, now that the channel or the template may be another one.

    What stopped since its message was not to be found waits for the user.
    """
    is_lost = card.misses >= DELETED_TIMES or card.stopped == WITHOUT_ID
    if (card.stopped or card.is_plain) and not is_lost:
        card.stopped, card.is_plain, card.is_due = "", False, True
