"""The hidden limit of a channel: learnt from a rejection, then kept without another one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

# How many messages a channel takes a minute from all its webhooks, which no header shows,
# according to Discord's staff: https://github.com/discord/discord-api-docs/issues/367
MESSAGES_PER_WINDOW = 30
WINDOW_SECONDS = 60.0
# What is counted here may lack or include a message at the edge of Discord's window.
COUNTING_ERROR = 3
# However many others post to the channel, a lane does not stand still.
FEWEST_MESSAGES = 5
# This share of the limit may be used at once; the rest is spread over the window.
BURST_SHARE = 1 / 3
# A limit is forgotten if nothing has shown it for so long.
FORGET_SECONDS = 86400.0
# A request that leaves exactly when the window moves on may arrive a moment before.
MARGIN_SECONDS = 0.05


class ChannelLimit:
    """How many messages a channel takes within a minute, and how many it has had.

    Whether Discord counts in windows that follow each other or in the last minute is not known.
    So there are never more messages within any minute than the limit.

    Times are those of the event loop's clock, in seconds.
    """

    __slots__ = ("_changed_at", "_learnt_at", "_limit", "_sent")

    def __init__(self) -> None:
        self._limit: int | None = None
        self._learnt_at = 0.0
        self._changed_at = 0.0
        self._sent: list[float] = []
        """when the messages of the last minute were sent or answered, ascending"""

    @property
    def limit(self) -> int | None:
        """How many messages a minute the channel takes; None if no limit is known."""
        return self._limit

    @property
    def learnt_at(self) -> float:
        """When the limit was last seen; 0 if it never was."""
        return self._learnt_at

    @property
    def sent(self) -> tuple[float, ...]:
        """When the messages of the last minute were sent or answered, ascending."""
        return tuple(self._sent)

    def restore(self, limit: int, learnt_at: float, sent: Iterable[float] = ()) -> None:
        """Know a limit that was learnt earlier, perhaps by another process.

        :param limit: messages a minute
        :param learnt_at: when it was last seen
        :param sent: when messages of the last minute were sent
        """
        self._limit = max(limit, FEWEST_MESSAGES)
        self._learnt_at = self._changed_at = learnt_at
        self._sent = sorted(sent)

    def leaves(self, now: float) -> None:
        """Count a message that leaves now."""
        self._trim(now)
        insort(self._sent, now)

    def answered(self, now: float) -> None:
        """Count a message that Discord took, at the latest now."""
        insort(self._sent, now)

    def withdrawn(self, left_at: float) -> None:
        """Forget a message that was not sent, or that Discord did not take."""
        index = bisect_left(self._sent, left_at)
        if index < len(self._sent) and self._sent[index] == left_at:
            del self._sent[index]

    def rejected(self, now: float, retry_after: float) -> None:
        """Learn from a rejection that no header announced.

        :param retry_after: seconds until the channel takes messages again
        """
        if retry_after > WINDOW_SECONDS + MARGIN_SECONDS:
            # This is another limit, of which nothing is known but its end.
            return

        # That ends the window, so what was sent since it began is what the channel takes.
        began = now + min(retry_after, WINDOW_SECONDS) - WINDOW_SECONDS
        count = len(self._sent) - bisect_left(self._sent, began)
        if abs(count - MESSAGES_PER_WINDOW) <= COUNTING_ERROR:
            # Nearer to it than can be counted. But a second rejection shows that it is less.
            known = self._limit or MESSAGES_PER_WINDOW + 1
            count = min(MESSAGES_PER_WINDOW, max(known - 1, count))

        self._limit = max(count, FEWEST_MESSAGES)
        self._learnt_at = self._changed_at = now

    def free_at(self, now: float, *, is_full: bool) -> float:
        """Return when the next message may be sent; in the past if now.

        :param is_full: whether waiting cannot make the message longer. Others are spread over the
            minute, so that none of them has to wait until it is over
        """
        self._update(now)
        if self._limit is None:
            return 0.0

        self._trim(now)
        sent = self._sent
        free = 0.0
        if len(sent) >= self._limit:
            free = sent[-self._limit] + WINDOW_SECONDS + MARGIN_SECONDS

        burst = int(self._limit * BURST_SHARE)
        if not is_full and len(sent) >= burst > 0:
            free = max(free, sent[-1] + WINDOW_SECONDS / (self._limit - burst))

        return free

    def _trim(self, now: float) -> None:
        """Forget what was sent longer ago than a window, its margin included."""
        del self._sent[: bisect_left(self._sent, now - WINDOW_SECONDS - MARGIN_SECONDS)]

    def _update(self, now: float) -> None:
        """Forget an old limit; raise one that others had a share in, minute by minute."""
        if self._limit is None:
            return

        if now - self._learnt_at >= FORGET_SECONDS:
            self._limit = None
            return

        while self._limit < MESSAGES_PER_WINDOW and now - self._changed_at >= WINDOW_SECONDS:
            self._changed_at += WINDOW_SECONDS
            self._limit = min(MESSAGES_PER_WINDOW, self._limit + max(1, self._limit // 4))
