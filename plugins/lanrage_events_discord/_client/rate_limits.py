"""When the next request may be sent: Discord's announced limits, and the hidden ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from .channel_limit import ChannelLimit
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
# Who asks again and again to wait, but for less than this, is asked less and less often.
FIRST_REJECTED_WAIT_SECONDS = 0.5
MAX_REJECTED_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Turn:
    """When a request may be sent, and why not before."""

    at: float
    """on the clock of the event loop; in the past if now"""
    reason: str = ""
    """completes "it waits because ..."; empty if nothing is known that it would have to wait for"""


class AddressLimit:
    """Spaces the requests of all lanes, so that they exceed no limit of this address together."""

    def __init__(self) -> None:
        self._spacing = SPACING_SHARE / REQUESTS_PER_SECOND
        self._turn = anyio.Lock(fast_acquire=True)
        self._next = 0.0
        self.blocked = Turn(0.0)
        """when a block of the whole address ends, and who asked for it"""

    def block(self, seconds: float, reason: str) -> None:
        """Send nothing from this address for a while.

        :param reason: completes "it waits because ..."
        """
        until = anyio.current_time() + seconds
        if until > self.blocked.at:
            self.blocked = Turn(until, reason)

    async def wait(self) -> None:
        """Wait until the next request may leave, and count it; the first caller goes first."""
        async with self._turn:
            due = anyio.current_time()
            while (slot := max(self._next, self.blocked.at)) > anyio.current_time():
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
    left: list[float] = field(default_factory=list)
    """when the requests in flight were sent, the oldest first"""
    overlaps: bool = False
    """whether any of the requests in flight, or answered meanwhile, were so at the same time"""
    blocked: Turn = Turn(0.0)
    rejections: int = 0
    """how many of the last answers asked to wait"""


@dataclass(slots=True)
class Channel:
    """What is known of a channel that several webhooks may post to."""

    limit: ChannelLimit = field(default_factory=ChannelLimit)
    blocked: Turn = Turn(0.0)
    """when Discord takes messages again"""


class RateLimits:
    """The known limits of this address, of webhooks and of channels."""

    def __init__(self) -> None:
        self.address = AddressLimit()
        self.channels: dict[str, Channel] = {}
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
        self._channel = Channel()

    @property
    def channel(self) -> Channel:
        """What is known of the channel that the webhook posts to."""
        return self._channel

    def turn(self, *, is_full: bool = True) -> Turn:
        """Return when the next request may be sent as far as is known, and why not before.

        :param is_full: whether waiting cannot make the message longer. Others wait longer in a
            channel that takes few messages
        """
        now = anyio.current_time()
        bucket, channel = self._bucket, self._channel
        turn = self._address.blocked
        for other in (bucket.blocked, channel.blocked):
            if other.at > turn.at:
                turn = other

        if bucket.remaining is not None and bucket.remaining <= 0 and bucket.resets_at > turn.at:
            turn = Turn(bucket.resets_at, "Discord's limit of the webhook is used up")

        free_at = channel.limit.free_at(now, is_full=is_full)
        if free_at > max(turn.at, now):
            turn = Turn(free_at, f"the channel takes only {channel.limit.limit} messages a minute")

        return turn

    async def wait(self, *, is_full: bool = True) -> None:
        """Wait until a request may be sent, and count it.

        :param is_full: see :meth:`turn`
        """
        bucket = self._bucket
        while True:
            now = anyio.current_time()
            if bucket.resets_at <= now:
                bucket.remaining = None

            if (turn := self.turn(is_full=is_full)).at > now:
                await anyio.sleep_until(turn.at)
            elif bucket.remaining is None and bucket.in_flight >= (bucket.limit or 1):
                # Other lanes have used what it may hold; the next answer says how much is left.
                bucket.answered = bucket.answered or anyio.Event()
                await bucket.answered.wait()
            else:
                break

        if bucket.remaining is not None:
            bucket.remaining -= 1

        bucket.in_flight += 1
        bucket.overlaps |= bucket.in_flight > 1
        bucket.left.append(now)
        # Others that post to this channel see it while this one waits.
        self._channel.limit.leaves(now)
        try:
            await self._address.wait()
        except BaseException:
            self.observe(None)
            raise

    def observe(self, outcome: Outcome | None) -> None:
        """Learn from the outcome of a request that :meth:`wait` counted, None if it was not sent."""
        now = anyio.current_time()
        bucket = self._bucket
        bucket.in_flight -= 1
        left_at = bucket.left.pop(0)
        overlaps, bucket.overlaps = bucket.overlaps, bucket.overlaps and bucket.in_flight > 0
        if bucket.answered is not None:
            bucket.answered.set()
            bucket.answered = None

        self._channel.limit.withdrawn(left_at)
        if outcome is None:
            return

        if outcome.channel_id is not None:
            # Other webhooks may post to the same channel.
            self._channel = self._channels.setdefault(outcome.channel_id, self._channel)

        # Without an answer, Discord may have the message all the same.
        if outcome.kind in (OutcomeKind.DELIVERED, OutcomeKind.RETRY):
            self._channel.limit.answered(now)

        limit = outcome.rate_limit
        if limit.remaining is not None and limit.reset_after is not None:
            remaining = limit.remaining - bucket.in_flight
            resets_at = now + limit.reset_after + MARGIN_SECONDS
            is_same = resets_at - bucket.resets_at < SAME_RESET_SECONDS
            if overlaps and bucket.remaining is not None and is_same:
                # Answers overtake each other; what was counted here since stays counted.
                remaining = min(remaining, bucket.remaining)

            bucket.remaining, bucket.resets_at, bucket.limit = remaining, resets_at, limit.limit
        elif outcome.status is not None and outcome.status >= 500 and bucket.remaining is not None:
            # Without the headers, the request failed before Discord counted it.
            bucket.remaining += 1

        if outcome.kind is not OutcomeKind.RETRY_AFTER or outcome.retry_after is None:
            bucket.rejections = 0
            return

        seconds = outcome.retry_after + MARGIN_SECONDS
        if bucket.rejections:
            # It waited as it was asked, and that was not long enough.
            least = FIRST_REJECTED_WAIT_SECONDS * 2.0 ** min(bucket.rejections, 10)
            seconds = max(seconds, min(least, MAX_REJECTED_WAIT_SECONDS))

        bucket.rejections += 1
        blocked = Turn(now + seconds, outcome.wait_reason)
        if outcome.is_global or outcome.is_blocked:
            self._address.block(seconds, outcome.wait_reason)
        elif outcome.is_about_channel:
            self._channel.blocked = blocked
            self._channel.limit.rejected(now, outcome.retry_after)
        else:
            bucket.blocked = blocked
