"""Suspicion: whether Discord's own errors are about what a lane sends, by looking up its webhook."""

from __future__ import annotations

import logging
from dataclasses import replace

import anyio

from .._client import Action, Outcome, OutcomeKind, RateLimits, WebhookClient, WebhookURL
from .._diagnosis import ServerErrors
from .._embeds import Message
from .batch import Batch

logger = logging.getLogger("lanrage_events.discord")

LOOK_UP_MAX_SECONDS = 20.0
NOTE = 0
"""stands for the note of what expired, where an entry has its id"""
CANDIDATES_MAX = 20
"""how many entries behind a suspect it is worth to know of"""


class Suspicion:
    """Watches the server errors of one lane, and convicts the entry that gets one each time.

    :param name: the lane's
    :param errors: what is known of them
    :param batch: what the lane sends
    :param limits: Discord's limits as far as they are known
    :param failing: the names of all lanes that get server errors now
    """

    def __init__(
        self,
        name: str,
        errors: ServerErrors,
        batch: Batch,
        *,
        client: WebhookClient,
        limits: RateLimits,
        failing: set[str],
    ) -> None:
        self._name = name
        self._errors = errors
        self._batch = batch
        self._client = client
        self._limits = limits
        self._failing = failing
        self._outcome: Outcome | None = None
        """the last server error"""

    @property
    def is_urgent(self) -> bool:
        """Whether the next attempt helps to find the event that causes the errors."""
        return self._errors.is_searching

    @property
    def retries_soon(self) -> bool:
        """Whether the next attempt is made as soon as in a short outage."""
        return self._errors.is_urgent

    @property
    def is_due(self) -> bool:
        """Whether to look up the webhook now."""
        if self._errors.is_note_due:
            return True

        return self._errors.last is not None and self._errors.is_due(self._behind())

    def failed(self, message: Message, outcome: Outcome) -> None:
        """Record a message that is retried."""
        if not outcome.is_server_error:
            self._errors.interrupted()
            return

        self._failing.add(self._name)
        self._outcome = outcome
        self._errors.failed(self._batch.shown(message))

    def ended(self) -> None:
        """Record that the lane is not retrying."""
        self._failing.discard(self._name)

    def reset(self) -> None:
        """Suspect nothing, since the lane has another webhook."""
        self._errors.reset()
        self._errors.note_ended()
        self.ended()

    async def look_up(self, webhook: WebhookURL) -> Outcome:
        """Return whether Discord answers for a webhook."""
        limits = self._limits.of(webhook.id, Action.FETCH)
        outcome: Outcome | None = None
        with anyio.move_on_after(LOOK_UP_MAX_SECONDS):
            await limits.wait()
            try:
                outcome = await self._client.fetch(webhook)
            finally:
                limits.observe(outcome)

        return outcome or Outcome(OutcomeKind.RETRY, "it was not the webhook's turn in time")

    def conclude(self, found: Outcome) -> tuple[int, Outcome] | None:
        """Return what is convicted, and how Discord answers it; None if nothing is yet.

        That is the id of an entry, or :data:`NOTE`.

        :param found: what :meth:`look_up` returned
        """
        works = found.kind is OutcomeKind.DELIVERED
        others_fail = bool(self._failing - {self._name})
        if self._errors.is_note_due:
            self._errors.note_ended()
            is_convicted = works and not others_fail
            return (NOTE, self._outcome) if is_convicted and self._outcome is not None else None

        was_searching = self._errors.is_searching
        convicted = self._errors.found(works, self._behind(), others_fail=others_fail)
        if self._errors.is_searching and not was_searching and self._outcome is not None:
            logger.warning(
                "webhook '%s' works, but its messages do not (%s): looking for the event that causes it",
                self._name,
                self._outcome.reason,
            )

        if convicted is None or self._outcome is None:
            return None

        reason = f"Discord answers this event with an error each time: {self._outcome.reason}"
        return convicted, replace(self._outcome, reason=reason)

    def _behind(self) -> list[int]:
        last = self._errors.last
        return [] if last is None else self._batch.behind(last, CANDIDATES_MAX)
