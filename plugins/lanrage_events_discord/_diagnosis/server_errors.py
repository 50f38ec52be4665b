"""Server errors: whether they are an outage, or the answer to one entry that Discord cannot take."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

# Some messages get an error of Discord's own each time, for years:
# https://github.com/discord/discord-api-docs/issues/8554
SUSPICIOUS_FAILURES = 5
SUSPICIOUS_SECONDS = 10.0
FAILURES_OF_A_HALF = 2
FAILURES_OF_ONE = 3
# How often another entry is accepted, and the suspect fails again, before it is convicted. Whatever
# share of all requests fails, that is by chance in fewer than one of ten thousand searches.
ROUNDS_TO_CONVICT = 5
# So that a candidate is not skipped for a single failure, which would change the order.
FAILURES_OF_A_CANDIDATE = 4
CANDIDATES_MAX = 8
"""entries behind the suspect that are tried; if all of them fail, it is an outage"""
OUTAGE_SECONDS = 60.0
"""how long nothing is suspected after the webhook did not answer"""
FRUITLESS_SECONDS = 300.0
"""how long nothing is suspected after everything failed, and twice as long each further time"""
FRUITLESS_MAX_SECONDS = 3600.0
LONE_SECONDS = 180.0
"""how long the only entry of a lane is tried"""
LONG_AGO = float("-inf")


class ServerErrors:
    """Finds the entry that Discord answers with an error of its own each time.

    It suspects the content once the same entries failed for a while although the webhook answers,
    and sends halves, as :class:`Bisection` does. The one that is left is convicted only if entries
    behind it are accepted and it fails again after each. An outage is recognized by the webhook, which does not
    answer, or by the other entries, which fail as well; it convicts nothing.

    Times are those of the event loop's clock. A restart begins the search again.
    """

    def __init__(self) -> None:
        self.at_most: int | None = None
        """how many entries the next message may show; None if there is no search"""
        self.set_aside: frozenset[int] = frozenset()
        """the ids of entries that the next message skips, to try what is behind them"""
        self._shown: Sequence[int] = ()
        """what failed last"""
        self._failures = 0
        self._began = LONG_AGO
        self._through = 0
        """the id of the last entry that may be the one"""
        self._ahead = 1
        """how far behind the suspect the candidate is"""
        self._candidate_failures = 0
        self._proven: frozenset[int] = frozenset()
        """the ids of suspects behind which something was accepted"""
        self._rounds = 0
        """how often that was so at the first attempt"""
        self._quiet_until = LONG_AGO
        self._fruitless = 0
        """how many searches in a row found that everything fails"""
        self._exhausted: tuple[int, float] | None = None
        """the last candidate, and when a later one may be tried, if there were too few"""
        self._is_lone = False
        """whether nothing waits behind the suspect"""
        self._has_convicted_lone = False
        """whether a lone suspect was convicted since the last delivery"""

    @property
    def is_searching(self) -> bool:
        """Whether the content of the messages is suspected, and something waits for the result."""
        return self.at_most is not None and not self._is_lone

    @property
    def last(self) -> int | None:
        """The id of the last entry of the message that failed last, None if none did."""
        return self._shown[-1] if self._shown else None

    def failed(self, shown: Sequence[int]) -> None:
        """Count a message that was answered with a server error.

        :param shown: the ids of the entries that it showed
        """
        if not shown:
            return

        if self.set_aside:
            # A candidate. The suspect comes first again before the candidate, or the next one, does.
            self.set_aside = frozenset()
            self._candidate_failures += 1
            if self._candidate_failures >= FAILURES_OF_A_CANDIDATE:
                self._ahead, self._candidate_failures = self._ahead + 1, 0

            return

        is_same = self._shown[:1] == (shown[0],)
        if not is_same or (self.at_most is not None and len(shown) != len(self._shown)):
            self._failures = 0
            if self.at_most is None:
                self._began = anyio.current_time()

        self._shown = tuple(shown)
        self._failures += 1

    def interrupted(self) -> None:
        """Record that a message failed for another reason, so that the suspect comes first again."""
        self.set_aside = frozenset()

    def is_due(self, behind: Sequence[int]) -> bool:
        """Return whether to look up the webhook now, and to call :meth:`found` with the result.

        :param behind: the ids of what waits behind what failed last, as far as it is known
        """
        now = anyio.current_time()
        if not self._shown or self.set_aside:
            return False

        if now < self._quiet_until and not self._has_new_candidate(behind, now):
            return False

        if self._is_lone and not behind and now - self._began < LONE_SECONDS:
            return False

        return self._failures >= self._needed(now)

    def _has_new_candidate(self, behind: Sequence[int], now: float) -> bool:
        if self._exhausted is None:
            return False

        last, at = self._exhausted
        return max((*self._shown, *behind)) > last and now >= at

    def _needed(self, now: float) -> int | float:
        if self.at_most is None:
            is_long = now - self._began >= SUSPICIOUS_SECONDS
            return SUSPICIOUS_FAILURES if is_long else float("inf")

        if len(self._shown) > 1:
            return FAILURES_OF_A_HALF

        return FAILURES_OF_ONE if (self._ahead, self._candidate_failures) == (1, 0) else 1

    def found(self, works: bool, behind: Sequence[int], *, others_fail: bool) -> int | None:
        """Go on with the search, now that it is known whether the webhook answers.

        :param works: whether it does
        :param behind: the ids of what waits behind what failed last, as far as it is known
        :param others_fail: whether other webhooks fail in the same way
        :return: the id of the entry that is convicted, None if there is none yet
        """
        if not works:
            self.give_up(OUTAGE_SECONDS)
            return None

        self._failures, self._is_lone = 0, False
        suspect = self._shown[0]
        self._through = max(self._through, self._shown[-1])
        if len(self._shown) > 1:
            self.at_most, self._through = len(self._shown) // 2, self._shown[-1]
            return None

        self.at_most = 1
        rounds = self._rounds if suspect in self._proven else 0
        # The more entries fail, the more it looks like an outage.
        if rounds >= ROUNDS_TO_CONVICT + len(self._proven) - 1:
            return suspect

        candidates = [one for one in behind if one not in self._proven]
        now = anyio.current_time()
        if self._ahead <= min(len(candidates), CANDIDATES_MAX):
            skipped = candidates[: self._ahead - 1]
            self.set_aside = frozenset((suspect, *self._proven, *skipped))
        elif candidates:
            self._is_fruitless()
            if len(candidates) < CANDIDATES_MAX:
                self._exhausted = candidates[-1], now + OUTAGE_SECONDS

        elif now - self._began < LONE_SECONDS:
            self._is_lone = True
        elif not rounds and (others_fail or self._has_convicted_lone):
            self._is_fruitless()
            self._exhausted = suspect, now
        else:
            self._has_convicted_lone = not rounds
            return suspect

        return None

    def delivered(self, shown: Sequence[int] = ()) -> None:
        """Record that a message was accepted.

        :param shown: the ids of the entries that it showed, if there is a search
        """
        self._has_convicted_lone = False
        self._shown, self._failures = (), 0
        self._quiet_until, self._fruitless = LONG_AGO, 0
        if self.set_aside:
            self._proven, self.set_aside = self.set_aside, frozenset()
            # What fails and is accepted then shows that Discord fails now and then.
            self._rounds = 0 if self._candidate_failures else self._rounds + 1
            self._ahead, self._candidate_failures = 1, 0
            self._through = max(self._through, *self._proven)
        elif self._proven.intersection(shown):
            self._proven, self._rounds = self._proven.difference(shown), 0

    def removed(self, first_id: int | None) -> None:
        """End the search once no suspect waits any more.

        :param first_id: the id of the first entry that still waits, None if none does
        """
        if first_id is None or first_id > self._through:
            self.reset()

    def _is_fruitless(self) -> None:
        seconds = min(FRUITLESS_SECONDS * 2.0**self._fruitless, FRUITLESS_MAX_SECONDS)
        self._fruitless = min(self._fruitless + 1, 10)
        self.give_up(seconds)

    def give_up(self, seconds: float) -> None:
        """Suspect nothing for a while: it is an outage."""
        self._end()
        self._quiet_until = anyio.current_time() + seconds

    def reset(self) -> None:
        """End the search, and forget what failed."""
        self._end()
        self._shown, self._failures = (), 0

    def _end(self) -> None:
        self.at_most, self.set_aside, self._proven = None, frozenset(), frozenset()
        self._through, self._ahead, self._candidate_failures, self._rounds = 0, 1, 0, 0
        self._is_lone, self._exhausted = False, None
