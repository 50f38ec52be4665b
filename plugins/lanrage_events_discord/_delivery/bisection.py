"""A refusal: what of a message Discord does not take."""

from __future__ import annotations

from collections.abc import Sequence

from .._client import Outcome
from .._embeds import Message
from .queue import Waiting

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
THREAD_NAME_BLOCKED = 200001
CONFIGURED_PARTS = ("username", "avatar_url", "thread_name", "thread_id")
"""what every message has from the webhook's configuration"""


def is_about_configuration(outcome: Outcome) -> bool:
    """Whether Discord refuses what the next message would have just the same."""
    if outcome.code == THREAD_NAME_BLOCKED:
        return True

    return bool(outcome.errors) and all(
        error.path.partition(".")[0] in CONFIGURED_PARTS for error in outcome.errors
    )


class Bisection:
    """The search for the one entry that Discord refuses among those of a message, by halves."""

    def __init__(self) -> None:
        self.at_most: int | None = None
        """how many entries the next message may tell; None if nothing is looked for"""
        self._through = 0
        """the number of the last entry that may be the one"""

    def find(
        self, told: Sequence[Waiting], message: Message, outcome: Outcome, *, embed_each: bool
    ) -> set[int]:
        """Return the numbers of the refused entries; none if the next message will show more.

        :param told: what the message told
        :param embed_each: whether each of them had an embed of its own
        """
        if embed_each and len(told) <= len(message.embeds):
            named = {told[index].id for index in outcome.bad_embeds if index < len(told)}
            if named:
                return named

        if len(told) == 1:
            return {told[0].id}

        self._through = told[-1].id
        self.at_most = len(told) // 2
        return set()

    def settled(self, first_left: int | None) -> None:
        """Go on with whole messages once all that were suspects are told or given up.

        :param first_left: the number of the first entry that waits, None if none does
        """
        if first_left is None or first_left > self._through:
            self.at_most = None
