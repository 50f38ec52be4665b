"""The webhooks that Discord does not know any more."""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any

import anyio

from .._client import WebhookURL
from .._memory import Memory, from_wall, to_wall

# Discord restricts senders that keep requesting a webhook that does not exist, but the answer may
# have been wrong: once a day is not too often.
# https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
FORGET_SECONDS = 86400.0
MAX_REMEMBERED = 1000
FINGERPRINT_CHARACTERS = 16


class GoneWebhooks:
    """Remembers over restarts which webhooks are gone, so that they are not requested again.

    The file names a webhook by its id and a fingerprint of its token, since another token may work.

    :param memory: remembers it over restarts; None to remember it as long as this object lives
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory(None, "")
        self._known: dict[str, tuple[float, str]] = self._memory.read(self._parse, {})
        """when it was said and why, on the clock of the event loop, the latest at the end"""

    def find(self, webhook: WebhookURL) -> str | None:
        """Return why a webhook is gone, None if it is not known to be."""
        said_at, reason = self._known.get(_key(webhook), (-math.inf, ""))
        return reason if anyio.current_time() - said_at < FORGET_SECONDS else None

    def add(self, webhook: WebhookURL, reason: str) -> None:
        """Remember that Discord says that a webhook is gone."""
        key = _key(webhook)
        self._known.pop(key, None)
        self._known[key] = anyio.current_time(), reason
        self._write()

    def discard(self, webhook: WebhookURL) -> None:
        """Forget that a webhook was gone, since it is to be used again."""
        if self._known.pop(_key(webhook), None) is not None:
            self._write()

    def _write(self) -> None:
        now, wall_now = anyio.current_time(), self._memory.wall_time()
        latest = list(self._known.items())[-MAX_REMEMBERED:]
        self._memory.write(
            {
                key: {"time": to_wall(said_at, now, wall_now), "reason": reason}
                for key, (said_at, reason) in latest
            }
        )

    def _parse(self, data: Any) -> dict[str, tuple[float, str]]:
        now, wall_now = anyio.current_time(), self._memory.wall_time()
        known = {}
        for key, one in data.items():
            reason = str(one["reason"])
            if not reason.isprintable():
                raise ValueError("expected a reason")

            known[key] = from_wall(one["time"], now, wall_now), reason

        return known


def _key(webhook: WebhookURL) -> str:
    fingerprint = sha256(webhook.token.encode()).hexdigest()[:FINGERPRINT_CHARACTERS]
    return f"{webhook.id}/{fingerprint}"
