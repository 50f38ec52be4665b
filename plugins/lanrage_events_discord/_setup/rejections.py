"""A cache of webhooks that Discord rejected a moment ago."""

from __future__ import annotations

import math
from dataclasses import dataclass

import anyio

from .._client import WebhookURL

# Discord blocks addresses that keep asking for a webhook that does not exist.
# https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why Discord rejected a webhook a moment ago."""

    reason: str
    until: float
    """when it may be asked again, on the clock of the event loop"""

    @property
    def seconds_left(self) -> float:
        """Seconds until it may be asked again."""
        return max(0.0, self.until - anyio.current_time())

    def __str__(self) -> str:
        seconds = math.ceil(self.seconds_left)
        return f"{self.reason}; Discord was asked a moment ago, so wait {seconds} s or change it"


class RejectionCache:
    """Remembers for some seconds which webhooks do not work, so that Discord is not asked again.

    A restart forgets it: what Discord does not know at all is in :class:`GoneWebhooks`.
    """

    def __init__(self) -> None:
        self._by_webhook: dict[WebhookURL, Rejection] = {}

    def add(self, webhook: WebhookURL, reason: str) -> None:
        """Remember that a webhook does not work."""
        self._forget_old()
        self._by_webhook[webhook] = Rejection(reason, anyio.current_time() + PAUSE_SECONDS)

    def find(self, webhook: WebhookURL) -> Rejection | None:
        """Return why a webhook is not to be asked again right now, None if it may be."""
        self._forget_old()
        return self._by_webhook.get(webhook)

    def _forget_old(self) -> None:
        now = anyio.current_time()
        for webhook in [w for w, rejection in self._by_webhook.items() if rejection.until <= now]:
            del self._by_webhook[webhook]
