"""The drops of a mailbox that its plugin's health reports, since they are not old yet."""

from __future__ import annotations

import math

SECONDS_UNTIL_DROPS_ARE_OLD = 60.0
"""how long the health of a plugin reports drops"""


class RecentDrops:
    """Counts the drops of one mailbox that are not old yet.

    :param dropped: how many are old
    """

    __slots__ = ("_at", "_noted", "_old")

    def __init__(self, dropped: int = 0) -> None:
        self._old = self._noted = dropped
        self._at = -math.inf
        """when the last ones were noted, in the time of the event loop"""

    @property
    def count(self) -> int:
        """How many there are without a pause of a minute, 0 a minute after the last."""
        return self._noted - self._old

    def note(self, dropped: int, now: float, *, is_new: bool) -> None:
        """Take over how many there are by now.

        :param is_new: whether those that came since may be new, rather than as old as the last ones
        """
        if self.count and not is_new:
            self._noted = dropped

        if now - self._at >= SECONDS_UNTIL_DROPS_ARE_OLD:
            self._old = self._noted

        if dropped != self._noted:
            self._noted = dropped
            self._at = now
