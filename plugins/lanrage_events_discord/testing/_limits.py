"""Discord's rate limits: those in headers, and the hidden ones."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from ._journal import Action, Scope
from ._reply import Reply, banned, rate_limited, round_up

# https://docs.discord.com/developers/topics/rate-limits#global-rate-limit
_GLOBAL_WINDOW_SECONDS = 1.0

# https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
_INVALID_WINDOW_SECONDS = 600.0
_INVALID_STATUSES = frozenset({401, 403, 429})

OLD_MESSAGE_SECONDS = 3600.0

# All webhooks show one name: https://github.com/discord/discord-api-docs/issues/6753
_BUCKETS: dict[Action, str] = {
    "execute": "4cc7d3b2a7f84c1f9a0e5b6d7c8e9f01",
    "edit": "a3d15f0c2b6e47d8918f0a7b6c5d4e02",
    "delete": "7be0c9d8a1f24356b0c1d2e3f4a5b603",
    "get_message": "5f6e7d8c9b0a41b2a3c4d5e6f7a8b904",
    "get_webhook": "e1d2c3b4a5968778695a4b3c2d1e0f05",
    "modify_webhook": "c9d0e1f2a3b4455667788990a1b2c307",
    "delete_webhook": "0c1b2a39485766758493a2b1c0d9e806",
}

# A client that sleeps until a window's end may wake up a rounding error too early.
_ROUNDING_SECONDS = 1e-6


WindowKind = Literal["fixed", "sliding"]

_Key = TypeVar("_Key")


class Counter(Protocol):
    """Counts the requests that a limit is about."""

    def reset_after(self, now: float) -> float:
        """Return the seconds until there is more room than now."""
        ...

    def take(self, now: float) -> bool:
        """Count a request; return False and count nothing if none is left."""
        ...


class SlidingWindow:
    """A number of requests within any span of some seconds."""

    __slots__ = ("_limit", "_per", "_times")

    def __init__(self, limit: int, per: float) -> None:
        self._limit = limit
        self._per = per
        self._times: deque[float] = deque()

    def reset_after(self, now: float) -> float:
        """Return the seconds until the oldest request is out of the window."""
        return max(self._times[0] + self._per - now, 0.001) if self._times else 0.001

    def take(self, now: float) -> bool:
        """Count a request; return False and count nothing if none is left."""
        while self._times and now >= self._times[0] + self._per - _ROUNDING_SECONDS:
            self._times.popleft()

        if len(self._times) >= self._limit:
            return False

        self._times.append(now)
        return True


class Window:
    """A number of requests within a span that begins with the first of them."""

    __slots__ = ("_ends", "_used", "limit", "per")

    def __init__(self, limit: int, per: float) -> None:
        self.limit = limit
        self.per = per
        self._used = 0
        self._ends = float("-inf")

    def remaining(self, now: float) -> int:
        """Return how many requests are left."""
        return self.limit if self._over(now) else self.limit - self._used

    def reset_after(self, now: float) -> float:
        """Return the seconds until all of them are there again."""
        return self.per if self._over(now) else max(self._ends - now, 0.001)

    def take(self, now: float) -> bool:
        """Count a request; return False and count nothing if none is left."""
        if self._over(now):
            self._used = 0
            self._ends = now + self.per

        if self._used >= self.limit:
            return False

        self._used += 1
        return True

    def _over(self, now: float) -> bool:
        return now >= self._ends - _ROUNDING_SECONDS


@dataclass(slots=True, kw_only=True)
class Limits:
    """The limits of one stand-in and what has been used of them; None switches one off."""

    limit: int | None
    per: float
    channel_limit: int | None
    channel_per: float
    channel_window: WindowKind
    global_limit: int | None
    invalid_limit: int
    ban_seconds: float
    old_edit_limit: int | None
    old_edit_per: float
    _address: Window | None = None
    _invalid: Window = field(default_factory=lambda: Window(0, 0))
    _banned_until: float = float("-inf")
    _webhooks: dict[tuple[str, Action], Window] = field(default_factory=dict)
    _channels: dict[str, Counter] = field(default_factory=dict)
    _old_edits: dict[str, Window] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.global_limit is not None:
            self._address = Window(self.global_limit, _GLOBAL_WINDOW_SECONDS)

        self._invalid = Window(self.invalid_limit, _INVALID_WINDOW_SECONDS)

    def check_address(self, now: float) -> Reply | None:
        """Count a request of the address; return the rejection if it is banned or too fast."""
        if now < self._banned_until - _ROUNDING_SECONDS:
            return banned(self._banned_until - now)

        if self._address is not None and not self._address.take(now):
            return rate_limited(
                self._address.reset_after(now), "global", reason="rate limit of the address"
            )

        return None

    def check_webhook(self, webhook_id: str, action: Action, now: float) -> Reply | None:
        """Return the rejection if the webhook's window is used up; this counts nothing."""
        window = self._window(webhook_id, action)
        if window is None or window.remaining(now) > 0:
            return None

        return rate_limited(window.reset_after(now), "user", reason="rate limit of the webhook")

    def count_webhook(self, webhook_id: str, action: Action, now: float) -> None:
        """Count a request of the webhook."""
        window = self._window(webhook_id, action)
        if window is not None:
            window.take(now)

    def check_channel(self, channel_id: str, now: float) -> Reply | None:
        """Count a message in the channel; return the rejection if its hidden window is used up."""
        if self.channel_limit is None:
            return None

        window = self._channels.get(channel_id)
        if window is None:
            kind = SlidingWindow if self.channel_window == "sliding" else Window
            window = self._channels[channel_id] = kind(self.channel_limit, self.channel_per)

        if window.take(now):
            return None

        return rate_limited(
            window.reset_after(now),
            "shared",
            message="The resource is being rate limited.",
            reason="hidden rate limit of the channel",
        )

    def check_old_edit(self, channel_id: str, now: float) -> Reply | None:
        """Count an edit of a message older than an hour; return the rejection after too many."""
        window = _of(self._old_edits, channel_id, self.old_edit_limit, self.old_edit_per)
        if window is None or window.take(now):
            return None

        message = "Maximum number of edits to messages older than 1 hour reached. Try again later"
        return rate_limited(window.reset_after(now), "shared", message=message, code=30046)

    def count_answer(self, status: int, scope: Scope | None, now: float) -> None:
        """Count an answer that makes a request invalid, and ban the address after too many."""
        if status not in _INVALID_STATUSES or scope == "shared" or now < self._banned_until:
            return

        self._invalid.take(now)
        if self._invalid.remaining(now) == 0:
            self.ban(self.ban_seconds, now)

    def ban(self, seconds: float, now: float) -> None:
        """Reject everything from now on for some seconds."""
        self._banned_until = now + seconds
        self._invalid = Window(self.invalid_limit, _INVALID_WINDOW_SECONDS)

    def unban(self) -> None:
        """End a ban."""
        self._banned_until = float("-inf")

    def headers(
        self, webhook_id: str, action: Action, now: float, epoch: float, *, precise: bool = True
    ) -> dict[str, str]:
        """Return the headers that describe the webhook's window.

        :param epoch: the time in seconds since 1970 at which ``now`` was 0
        :param precise: whether they have milliseconds, as since API version 8; otherwise whole
            seconds, rounded up. https://docs.discord.com/developers/change-log#api-and-gateway-v8
        """
        window = self._window(webhook_id, action)
        if window is None:
            return {}

        reset_after = round_up(window.reset_after(now))
        reset = epoch + now + reset_after
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.remaining(now)),
            "X-RateLimit-Reset": f"{reset:.3f}" if precise else str(math.ceil(reset)),
            "X-RateLimit-Reset-After": (
                f"{reset_after:.3f}" if precise else str(math.ceil(reset_after))
            ),
            "X-RateLimit-Bucket": _BUCKETS[action],
        }

    def _window(self, webhook_id: str, action: Action) -> Window | None:
        return _of(self._webhooks, (webhook_id, action), self.limit, self.per)


def _of(windows: dict[_Key, Window], key: _Key, limit: int | None, per: float) -> Window | None:
    """Return the window of a webhook or a channel, None if it has no limit."""
    return None if limit is None else windows.setdefault(key, Window(limit, per))
