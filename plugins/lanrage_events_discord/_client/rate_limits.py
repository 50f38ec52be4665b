"""When the next request may be sent: Discord's announced limits, and the hidden ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from weakref import WeakKeyDictionary, WeakMethod

import anyio
import httpx
from anyio.lowlevel import RunVar

from .channel_limit import ChannelLimit
from .old_edits import OldEdits
from .outcome import OLD_EDITS_CODE, Outcome, OutcomeKind

# Without an Authorization header it is counted per IP address.
# https://docs.discord.com/developers/topics/rate-limits#global-rate-limit
REQUESTS_PER_SECOND = 50
# Requests that leave evenly do not arrive evenly.
SPACING_SHARE = 1.1
# A request that leaves exactly when a bucket is full again may arrive a moment before.
MARGIN_SECONDS = 0.01
# Ends of a bucket's window that differ by less are the same, seen in answers of different speed.
SAME_RESET_SECONDS = 1.0
# A shorter wait is over when the next process has started, so it need not know of it.
LONG_WAIT_SECONDS = 2.5
# Who asks again and again to wait, but for less than this, is asked less and less often.
FIRST_REJECTED_WAIT_SECONDS = 0.5
MAX_REJECTED_WAIT_SECONDS = 30.0


class Action(StrEnum):
    """What a request does. A webhook has a bucket for each."""

    EXECUTE = "execute"
    """post a message"""
    EDIT = "edit"
    """edit a message"""
    DELETE = "delete"
    """delete a message"""
    FETCH = "fetch"
    """look up the webhook, which concerns no channel"""


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
        self._watchers: list[WeakMethod[Callable[[float], None]]] = []
        self.blocked = Turn(0.0)
        """when a block of the whole address ends, and who asked for it"""

    def watch(self, watcher: Callable[[float], None]) -> None:
        """Call a method with the seconds of each block, for as long as its object lives."""
        self._watchers.append(WeakMethod(watcher))

    def block(self, seconds: float, reason: str) -> None:
        """Send nothing from this address for a while.

        :param reason: completes "it waits because ..."
        """
        until = anyio.current_time() + seconds
        if until <= self.blocked.at:
            return

        self.blocked = Turn(until, reason)
        living = [(one, watcher) for one in self._watchers if (watcher := one()) is not None]
        self._watchers = [one for one, _ in living]
        for _, watcher in living:
            watcher(seconds)

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


_of_own_clients: RunVar[AddressLimit] = RunVar("lanrage_events_discord_address_limit")
_by_client: WeakKeyDictionary[httpx.AsyncClient, AddressLimit] = WeakKeyDictionary()


def shared_address(http: httpx.AsyncClient | None) -> AddressLimit:
    """Return the limit of the address that all Discord plugins in this event loop share.

    :param http: the client that the plugin was given, if any: its proxies may lead to another
        address, so only plugins with the same client share its limit
    """
    if http is not None:
        return _by_client.setdefault(http, AddressLimit())

    try:
        return _of_own_clients.get()
    except LookupError:
        address = AddressLimit()
        _of_own_clients.set(address)
        return address


@dataclass(slots=True)
class Channel:
    """What is known of a channel that several webhooks may post to."""

    limit: ChannelLimit = field(default_factory=ChannelLimit)
    blocked: Turn = Turn(0.0)
    """when Discord takes messages again"""
    old_edits: OldEdits = field(default_factory=OldEdits)
    old_edits_blocked: Turn = Turn(0.0)
    """when Discord takes edits of old messages again"""


class RateLimits:
    """The known limits of this address, of webhooks and of channels.

    :param address: the limit of the address, if other plugins use it too
    """

    def __init__(self, address: AddressLimit | None = None) -> None:
        self.address = address or AddressLimit()
        self.address.watch(self.waits)
        self.limits: dict[tuple[str, Action], Limits] = {}
        """by the webhook's id and what is done"""
        self.channels: dict[str, Channel] = {}
        """by id; until that is known, by what stands for the channel of one webhook"""
        self.channel_ids: dict[str, str] = {}
        """of the channels that webhooks are known to post to, by the webhook's id"""
        self.on_wait: Callable[[float], None] = ignore_wait
        """called with the seconds of each wait that the next process must know"""

    def of(self, webhook_id: str, action: Action = Action.EXECUTE) -> Limits:
        """Return the limits of an action of a webhook, one object for all lanes that post to it."""
        key = webhook_id, action
        if key not in self.limits:
            self.limits[key] = Limits(self, webhook_id, action)

        return self.limits[key]

    def channel_of(self, webhook_id: str) -> Channel:
        """Return what is known of the channel that a webhook posts to."""
        key = self.channel_ids.get(webhook_id) or _unknown_channel(webhook_id)
        channel = self.channels.get(key)
        if channel is None:
            channel = self.channels[key] = Channel()

        return channel

    def locate(self, webhook_id: str, channel_id: str) -> None:
        """Record which channel a webhook posts to; other webhooks may post to it too."""
        if self.channel_ids.get(webhook_id) != channel_id:
            channel = self.channel_of(webhook_id)
            self.channels.pop(_unknown_channel(webhook_id), None)
            self.channels.setdefault(channel_id, channel)
            self.channel_ids[webhook_id] = channel_id

    def waits(self, seconds: float) -> None:
        """Record that something has to wait for so long."""
        self.on_wait(seconds)


def ignore_wait(seconds: float) -> None:
    """Do nothing about a wait."""


def _unknown_channel(webhook_id: str) -> str:
    """Return what stands for the channel of a webhook, which is not the id of any channel."""
    return f"webhook {webhook_id}"


class Limits:
    """The limits of one action of a webhook, shared by the lanes that post to it.

    Times are those of the event loop's clock, in seconds.
    """

    __slots__ = ("_action", "_all", "_bucket", "_webhook_id")

    def __init__(self, limits: RateLimits, webhook_id: str, action: Action) -> None:
        self._all = limits
        self._webhook_id = webhook_id
        self._action = action
        self._bucket = _Bucket()

    @property
    def channel(self) -> Channel:
        """What is known of the channel that the webhook posts to."""
        if self._action is Action.FETCH:
            return Channel()

        return self._all.channel_of(self._webhook_id)

    @property
    def blocked(self) -> Turn:
        """When the bucket allows the next request, and why not before."""
        bucket = self._bucket
        if bucket.remaining is None or bucket.remaining > 0:
            return bucket.blocked

        used_up = Turn(bucket.resets_at, "Discord's limit of the webhook is used up")
        return max(bucket.blocked, used_up, key=_at)

    def block(self, turn: Turn) -> None:
        """Send nothing before a turn that was known earlier, perhaps by another process."""
        self._bucket.blocked = turn

    def turn(self, *, is_full: bool = True, is_old: bool = False) -> Turn:
        """Return when the next request may be sent as far as is known, and why not before.

        :param is_full: whether waiting cannot make the message longer. Others wait longer in a
            channel that takes few messages
        :param is_old: whether it edits a message older than :data:`OLD_MESSAGE_SECONDS`
        """
        now = anyio.current_time()
        channel = self.channel
        turn = max(self._all.address.blocked, self.blocked, channel.blocked, key=_at)
        if is_old:
            pace = Turn(
                channel.old_edits.free_at(now), "the channel takes few edits of old messages"
            )
            turn = max(turn, channel.old_edits_blocked, pace, key=_at)

        if self._posts:
            free_at = channel.limit.free_at(now, is_full=is_full)
            if free_at > max(turn.at, now):
                turn = Turn(
                    free_at, f"the channel takes only {channel.limit.limit} messages a minute"
                )

        return turn

    @property
    def _posts(self) -> bool:
        """Whether it counts towards the messages that a channel takes, of which an edit is none."""
        return self._action is Action.EXECUTE

    async def wait(self, *, is_full: bool = True, is_old: bool = False) -> None:
        """Wait until a request may be sent, and count it.

        :param is_full: see :meth:`turn`
        :param is_old: see :meth:`turn`
        """
        bucket = self._bucket
        while True:
            now = anyio.current_time()
            if bucket.resets_at <= now:
                bucket.remaining = None

            if (turn := self.turn(is_full=is_full, is_old=is_old)).at > now:
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
        channel = self.channel
        if self._posts:
            channel.limit.leaves(now)

        if is_old:
            channel.old_edits.leaves(now)

        try:
            await self._all.address.wait()
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

        if self._posts:
            self.channel.limit.withdrawn(left_at)

        if outcome is None:
            return

        if outcome.channel_id is not None:
            self._all.locate(self._webhook_id, outcome.channel_id)

        # Without an answer, Discord may have the message all the same.
        if self._posts and outcome.kind in (OutcomeKind.DELIVERED, OutcomeKind.RETRY):
            self.channel.limit.answered(now)

        limit = outcome.rate_limit
        if limit.remaining is not None and limit.reset_after is not None:
            remaining = limit.remaining - bucket.in_flight
            resets_at = now + limit.reset_after + MARGIN_SECONDS
            is_same = resets_at - bucket.resets_at < SAME_RESET_SECONDS
            if overlaps and bucket.remaining is not None and is_same:
                # Answers overtake each other; what was counted here since stays counted.
                remaining = min(remaining, bucket.remaining)

            bucket.remaining, bucket.resets_at, bucket.limit = remaining, resets_at, limit.limit
            if remaining <= 0 and limit.reset_after >= LONG_WAIT_SECONDS:
                self._all.waits(limit.reset_after)
        elif outcome.status is not None and outcome.status >= 500 and bucket.remaining is not None:
            # Without the headers, the request failed before Discord counted it.
            bucket.remaining += 1

        if outcome.kind is not OutcomeKind.RETRY_AFTER:
            bucket.rejections = 0

        is_asked = outcome.kind in (OutcomeKind.RETRY_AFTER, OutcomeKind.RETRY)
        if is_asked and outcome.retry_after is not None:
            self._wait_as_asked(outcome, outcome.retry_after, now)

    def _wait_as_asked(self, outcome: Outcome, retry_after: float, now: float) -> None:
        bucket, channel = self._bucket, self.channel
        seconds = retry_after + MARGIN_SECONDS
        if bucket.rejections:
            # It waited as it was asked, and that was not long enough.
            least = FIRST_REJECTED_WAIT_SECONDS * 2.0 ** min(bucket.rejections, 10)
            seconds = max(seconds, min(least, MAX_REJECTED_WAIT_SECONDS))

        if outcome.kind is OutcomeKind.RETRY_AFTER:
            bucket.rejections += 1

        blocked = Turn(now + seconds, outcome.wait_reason)
        if outcome.is_global or outcome.is_blocked:
            self._all.address.block(seconds, outcome.wait_reason)
            return

        if outcome.code == OLD_EDITS_CODE:
            channel.old_edits_blocked = blocked
            channel.old_edits.rejected(blocked.at)
        elif outcome.is_about_channel and self._posts:
            channel.blocked = blocked
            channel.limit.rejected(now, retry_after)
        else:
            bucket.blocked = blocked

        self._all.waits(seconds)


def _at(turn: Turn) -> float:
    return turn.at
