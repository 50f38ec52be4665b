"""Server errors: whether they are an outage, or the answer to one entry that Discord cannot take."""

from __future__ import annotations

import math
from collections import deque
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
LONE_SECONDS = 270.0
"""how long the only entry of a lane, or a note without entries, is tried"""
PROVEN_SECONDS = 180.0
"""the same, if others were accepted meanwhile"""
LONE_URGENT_SECONDS = 300.0
"""how long it is tried as often as in a short outage"""
# Nothing shows whether others would be accepted now: 19 of 20 failing is an outage still.
LONE_FAILURES = 60
CHANCE = 1e-4
"""how probable it may be that entries of which nothing is wrong fail as often as a lone one did"""
COMPARED_DELIVERIES = 30
COMPARED_SECONDS = 1800.0
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
        self._lone_began = LONG_AGO
        self._has_convicted_lone = False
        """whether a lone suspect was convicted since the last delivery"""
        self._tried: tuple[int, int] = (0, 0)
        """the entry that was sent last in a message of its own, and how often that failed"""
        self._failed_requests = 0
        """since the last delivery or conviction"""
        self._compared: deque[tuple[float, int]] = deque(maxlen=COMPARED_DELIVERIES)
        """the last deliveries: when, and how many requests failed before"""
        self._note_failures = 0
        """how often the note without entries failed"""
        self._note_began = LONG_AGO

    @property
    def holds_note(self) -> bool:
        """Whether entries are shown without the note that may be with them."""
        return self.at_most is not None or self._note_failures >= SUSPICIOUS_FAILURES

    @property
    def is_note_due(self) -> bool:
        """Whether the note failed so often that it is given up if the webhook works."""
        if not self._note_failures:
            return False

        is_long = anyio.current_time() - self._note_began >= LONE_SECONDS
        return is_long and self._note_failures >= self._needed_of_lone()

    @property
    def is_urgent(self) -> bool:
        """Whether the next attempt may show what causes the errors, so that it is made soon."""
        if self.is_searching:
            return True

        now = anyio.current_time()
        if self._note_failures:
            return now - self._note_began < LONE_URGENT_SECONDS

        return self._is_lone and now - self._lone_began < LONE_URGENT_SECONDS

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

        :param shown: the ids of the entries that it showed; none if it was a note alone
        """
        if not shown:
            if not self._note_failures:
                self._note_began = anyio.current_time()

            self._note_failures += 1
            return

        self._failed_requests += 1
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
        if len(shown) == 1:
            number, failures = self._tried
            self._tried = shown[0], failures + 1 if number == shown[0] else 1

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

        is_lone = self._is_lone and self._proven.issuperset(behind)
        if is_lone and self._is_tried_too_little(now):
            return False

        return self._failures >= self._needed(now)

    def _has_new_candidate(self, behind: Sequence[int], now: float) -> bool:
        if self._exhausted is None:
            return False

        last, at = self._exhausted
        return max((*self._shown, *behind)) > last and now >= at

    def _is_tried_too_little(self, now: float) -> bool:
        """Whether a lone entry may still fail by chance."""
        rounds = self._rounds_of(self._shown[0])
        seconds = PROVEN_SECONDS if rounds else LONE_SECONDS
        return now - self._began < seconds or self._tried[1] < self._needed_of_lone(rounds)

    def _rounds_of(self, suspect: int) -> int:
        return self._rounds if suspect in self._proven else 0

    def _needed_of_lone(self, rounds: int = 0) -> int:
        """How often something must fail alone: the more often, the more of the others failed."""
        since = anyio.current_time() - COMPARED_SECONDS
        recent = [failures for time, failures in self._compared if time >= since]
        failed = sum(recent)
        share = (failed + 1) / (failed + len(recent) + 2)
        needed = max(LONE_FAILURES, math.ceil(math.log(CHANCE) / math.log(share)))
        return max(1, needed * (ROUNDS_TO_CONVICT - rounds) // ROUNDS_TO_CONVICT)

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

        was_lone, self._failures, self._is_lone = self._is_lone, 0, False
        suspect = self._shown[0]
        self._through = max(self._through, self._shown[-1])
        if len(self._shown) > 1:
            self.at_most, self._through = len(self._shown) // 2, self._shown[-1]
            return None

        self.at_most = 1
        rounds = self._rounds_of(suspect)
        # The more entries fail, the more it looks like an outage.
        if rounds >= ROUNDS_TO_CONVICT + len(self._proven) - 1:
            self._failed_requests = 0
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

        elif self._is_tried_too_little(now):
            self._is_lone = True
            if not was_lone:
                self._lone_began = now

        elif not rounds and (others_fail or self._has_convicted_lone):
            self._is_fruitless()
            self._exhausted = suspect, now
        else:
            self._has_convicted_lone = not rounds
            self._failed_requests = 0
            return suspect

        return None

    def delivered(self, shown: Sequence[int] = ()) -> None:
        """Record that a message was accepted.

        :param shown: the ids of the entries that it showed, if there is a search
        """
        self._has_convicted_lone = False
        # The failures of a suspect count only once it is delivered after all.
        if not self.set_aside:
            self._compared.append((anyio.current_time(), self._failed_requests))
            self._failed_requests = 0

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

    def note_ended(self) -> None:
        """Record that the note was delivered or given up."""
        self._note_failures = 0

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
