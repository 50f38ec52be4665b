"""When the next request may be sent: Discord's announced limits, and the hidden ones."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from .outcome import Outcome, OutcomeKind

# Without an Authorization header it is counted per IP address.
# https://docs.discord.com/developers/topics/rate-limits#global-rate-limit
REQUESTS_PER_SECOND = 50
# Requests that leave evenly do not arrive evenly.
SPACING_SHARE = 1.1
# A request that leaves exactly when a bucket is full again may arrive a moment before.
MARGIN_SECONDS = 0.01
# Ends of a bucket's window that differ by less are the same, seen in answers of different speed.
SAME_RESET_SECONDS = 1.0
# 30 messages in 60 s per channel, which no header shows, according to Discord's staff:
# https://github.com/discord/discord-api-docs/issues/367
FIRST_SPACING_SECONDS = 1.0
MAX_SPACING_SECONDS = 8.0
QUIET_SECONDS = 60.0


class AddressLimit:
    """Spaces the requests of all lanes, so that they exceed no limit of this address together."""

    def __init__(self) -> None:
        self._spacing = SPACING_SHARE / REQUESTS_PER_SECOND
        self._turn = anyio.Lock(fast_acquire=True)
        self._next = 0.0
        self.blocked_until = 0.0
        """when a block of the whole address ends, on the clock of the event loop"""

    def block(self, seconds: float) -> None:
        """Send nothing from this address for a while."""
        self.blocked_until = max(self.blocked_until, anyio.current_time() + seconds)

    async def wait(self) -> None:
        """Wait until the next request may leave, and count it; the first caller goes first."""
        async with self._turn:
            due = anyio.current_time()
            while (slot := max(self._next, self.blocked_until)) > anyio.current_time():
                due = slot
                await anyio.sleep_until(slot)

            # Turns that were missed while this process stalled are lost: made up for, they would
            # leave all at once.
            self._next = max(due, anyio.current_time() - self._spacing) + self._spacing


@dataclass(slots=True)
class _Bucket:
    remaining: int | None = None
    """requests that are left; None if nothing is known of it since the last reset"""
    limit: int | None = None
    """requests that it holds when it is full; None before the first answer"""
    resets_at: float = 0.0
    in_flight: int = 0
    answered: anyio.Event | None = None
    """set by the next answer, if a task waits for it"""
    blocked_until: float = 0.0


@dataclass(slots=True)
class _Channel:
    spacing: float = 0.0
    """seconds between two messages, learnt from 429s that no header announced"""
    last_sent: float = 0.0
    changed_at: float = 0.0
    blocked_until: float = 0.0


class RateLimits:
    """The known limits of this address, of webhooks and of channels."""

    def __init__(self) -> None:
        self.address = AddressLimit()
        self.channels: dict[str, _Channel] = {}
        self._webhooks: dict[str, Limits] = {}

    def of(self, webhook_id: str) -> Limits:
        """Return the limits of a webhook, the same object for all lanes that post to it."""
        if webhook_id not in self._webhooks:
            self._webhooks[webhook_id] = Limits(self)

        return self._webhooks[webhook_id]


class Limits:
    """The limits of one webhook, shared by the lanes that post to it.

    Times are those of the event loop's clock, in seconds.
    """

    def __init__(self, limits: RateLimits) -> None:
        self._address = limits.address
        self._channels = limits.channels
        self._bucket = _Bucket()
        self._channel = _Channel()

    @property
    def channel_spacing(self) -> float:
        """Seconds that were learnt to lie between two messages to the channel."""
        return self._channel.spacing

    def ready_at(self) -> float:
        """Return when the next request may be sent as far as is known; in the past if now."""
        now = anyio.current_time()
        bucket, channel = self._bucket, self._channel
        ready = max(bucket.blocked_until, channel.blocked_until, self._address.blocked_until)
        if bucket.remaining is not None and bucket.remaining <= 0 and bucket.resets_at > now:
            ready = max(ready, bucket.resets_at)

        self._relax(now)
        if channel.spacing:
            ready = max(ready, channel.last_sent + channel.spacing)

        return ready

    async def wait(self) -> None:
        """Wait until a request may be sent, and count it."""
        bucket = self._bucket
        while True:
            now = anyio.current_time()
            if bucket.resets_at <= now:
                bucket.remaining = None

            if (ready := self.ready_at()) > now:
                await anyio.sleep_until(ready)
            elif bucket.remaining is None and bucket.in_flight >= (bucket.limit or 1):
                # Other lanes have used what it may hold; the next answer says how much is left.
                bucket.answered = bucket.answered or anyio.Event()
                await bucket.answered.wait()
            else:
                break

        if bucket.remaining is not None:
            bucket.remaining -= 1

        bucket.in_flight += 1
        try:
            # Others that post to this channel keep their distance while this one waits.
            self._channel.last_sent = now
            await self._address.wait()
        except BaseException:
            self.observe(None)
            raise

        self._channel.last_sent = anyio.current_time()

    def observe(self, outcome: Outcome | None) -> None:
        """Learn from the outcome of a request that :meth:`wait` counted, None if it was not sent."""
        now = anyio.current_time()
        bucket = self._bucket
        bucket.in_flight -= 1
        if bucket.answered is not None:
            bucket.answered.set()
            bucket.answered = None

        if outcome is None:
            return

        if outcome.channel_id is not None:
            # Other webhooks may post to the same channel.
            self._channel = self._channels.setdefault(outcome.channel_id, self._channel)

        limit = outcome.rate_limit
        if limit.remaining is not None and limit.reset_after is not None:
            remaining = limit.remaining - bucket.in_flight
            resets_at = now + limit.reset_after + MARGIN_SECONDS
            if bucket.remaining is not None and resets_at - bucket.resets_at < SAME_RESET_SECONDS:
                # Answers overtake each other; what was counted here since stays counted.
                remaining = min(remaining, bucket.remaining)

            bucket.remaining, bucket.resets_at, bucket.limit = remaining, resets_at, limit.limit

        if outcome.kind is not OutcomeKind.RETRY_AFTER or outcome.retry_after is None:
            return

        seconds = outcome.retry_after + MARGIN_SECONDS
        if outcome.is_global or outcome.is_blocked:
            self._address.block(seconds)
        elif outcome.status == 429 and (outcome.scope == "shared" or limit.remaining):
            self._channel.blocked_until = now + seconds
            self._slow_down(now)
        else:
            bucket.blocked_until = now + seconds

    def _slow_down(self, now: float) -> None:
        """Double the spacing of a channel that rejected a message while its bucket was not empty."""
        channel = self._channel
        spacing = channel.spacing * 2 or FIRST_SPACING_SECONDS
        channel.spacing = min(spacing, MAX_SPACING_SECONDS)
        channel.changed_at = max(now, channel.blocked_until)

    def _relax(self, now: float) -> None:
        """Halve the spacing for each minute without such a rejection."""
        channel = self._channel
        while channel.spacing and now - channel.changed_at >= QUIET_SECONDS:
            channel.changed_at += QUIET_SECONDS
            channel.spacing /= 2
            if channel.spacing < FIRST_SPACING_SECONDS:
                channel.spacing = 0.0
