"""Bisection: the search for the entry of a message that Discord rejects."""

from __future__ import annotations

from collections.abc import Sequence

from lanrage_events import delivery

from .._client import Outcome
from .._embeds import Message

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
THREAD_NAME_BLOCKED = 200001
TAG_REQUIRED = 40067
CONFIGURED_PARTS = ("username", "avatar_url", "thread_name", "thread_id")
"""the parts of every message that come from the webhook's configuration"""


def is_about_configuration(outcome: Outcome) -> bool:
    """Whether Discord rejects what the next message would have too."""
    if outcome.code == THREAD_NAME_BLOCKED:
        return True

    return bool(outcome.errors) and all(
        error.path.partition(".")[0] in CONFIGURED_PARTS for error in outcome.errors
    )


def is_about_thread(outcome: Outcome) -> bool:
    """Whether Discord does not create a thread as it was asked for."""
    return outcome.code in (THREAD_NAME_BLOCKED, TAG_REQUIRED) or (
        bool(outcome.errors)
        and all(error.path.partition(".")[0] == "thread_name" for error in outcome.errors)
    )


class Bisection(delivery.Bisection):
    """Finds the one entry of a message that Discord rejects, by its answer or by sending halves."""

    def find_in(
        self, shown: Sequence[int], message: Message, outcome: Outcome, *, embed_each: bool
    ) -> set[int]:
        """Return the ids of the rejected entries; none if it takes another message to find them.

        :param shown: the ids of the entries that the message showed
        :param embed_each: whether each entry had an embed of its own
        """
        if embed_each and len(shown) <= len(message.embeds):
            named = {shown[index] for index in outcome.bad_embeds if index < len(shown)}
            if named:
                return named

        return self.find(shown)
