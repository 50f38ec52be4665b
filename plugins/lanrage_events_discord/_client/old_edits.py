"""The limit of edits of old messages in a channel, which no header shows."""

from __future__ import annotations

# Discord names only the code of this limit, 30046:
# https://github.com/discord/discord-api-docs/issues/4413. The numbers are what others saw:
# https://github.com/discord-userdoccers/discord-userdoccers/pull/551
OLD_MESSAGE_SECONDS = 3600.0
EDITS = 3
WINDOW_SECONDS = 6.0
# After a rejection there are half as many edits for so long.
SLOW_SECONDS = 60.0
# An edit that leaves exactly when the window moves on may arrive a moment before.
MARGIN_SECONDS = 0.05
LONG_AGO = float("-inf")


class OldEdits:
    """How often messages older than :data:`OLD_MESSAGE_SECONDS` are edited in one channel.

    Times are those of the event loop's clock, in seconds.
    """

    __slots__ = ("_times", "slow_until")

    def __init__(self) -> None:
        self._times: tuple[float, ...] = ()
        """when the last edits left, ascending"""
        self.slow_until = LONG_AGO
        """until when there are half as many edits"""

    def leaves(self, now: float) -> None:
        """Count an edit that leaves now."""
        self._times = (*self._times, now)[-EDITS:]

    def rejected(self, until: float) -> None:
        """Edit half as often for a while, since Discord asked to wait.

        :param until: when that wait ends
        """
        self.slow_until = until + SLOW_SECONDS

    def free_at(self, now: float) -> float:
        """Return when the next edit may be sent; in the past if now."""
        if len(self._times) < EDITS:
            return LONG_AGO

        window = WINDOW_SECONDS * (2 if now < self.slow_until else 1)
        return self._times[0] + window + MARGIN_SECONDS
