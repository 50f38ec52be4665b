"""The pace: when the next request for a card may leave, and which card is next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import anyio

from lanrage_events.delivery import LONG_AGO, Outage

from .._client import OLD_EDITS_CODE, OLD_MESSAGE_SECONDS, Limits, Outcome, WebhookURL
from .._delivery import Lanes
from .._memory import from_wall
from .._quiet import Loudness
from .card import Card
from .steps import Step

# The clocks of Discord and of this machine differ a little.
OLD_SECONDS = OLD_MESSAGE_SECONDS - 10.0
REPOST_SECONDS = 60.0
"""between two times that the same card is posted again because its message is gone"""
# However many cards one message pushes up, the lane goes on between them.
BUMP_PACE_SECONDS = 10.0
# In a row, while other requests to the webhook succeed.
MOST_SERVER_ERRORS = 5
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(slots=True)
class Attempt:
    """What is known, in this run, of the requests for a card; on the clock of the event loop."""

    sent_at: float = LONG_AGO
    """when the last request left"""
    posted_at: float | None = None
    """when its message was posted, if that was in this run"""
    reposted_at: float | None = None
    """when it was posted again because it was gone, if that was in this run"""
    retry_at: float = LONG_AGO
    """when the next one may leave after one that failed"""
    waits_because: str = ""
    """why the next request is not sent now; empty if nothing keeps it"""
    failures: int = 0
    """how many times in a row it failed"""
    failing_since: float = math.inf
    is_old: bool = False
    """whether Discord says that its message is old"""


_NONE = Attempt()


class Pace:
    """Says when requests for the cards of a webhook may leave.

    Times are those of the event loop's clock, in seconds; what was in an earlier run is known by the
    time of day.

    :param name: the webhook's name in the configuration
    :param lanes: know Discord's limits, and how quiet the webhook is
    """

    def __init__(self, name: str, lanes: Lanes) -> None:
        self.outage = Outage()
        """the one that all cards of the webhook are in"""
        self.outage_reason = ""
        """why, if it is active"""
        self.is_finishing = False
        """whether cards are brought up to date without waiting for their own pace"""
        self._name = name
        self._lanes = lanes
        self._attempts: dict[Card, Attempt] = {}
        self._bumped_at = LONG_AGO
        self._worked_at = LONG_AGO
        """when a request to the webhook last succeeded"""

    def of(self, card: Card) -> Attempt:
        """Return what is known of the requests for a card, to change it."""
        return self._attempts.setdefault(card, Attempt())

    def known(self, card: Card) -> Attempt:
        """Return what is known of the requests for a card, to look at; most cards need none."""
        return self._attempts.get(card, _NONE)

    def forget(self, card: Card) -> None:
        """Forget what is known of the requests for a card."""
        self._attempts.pop(card, None)

    def limits(self, step: Step, webhook: WebhookURL) -> Limits:
        """Return those of Discord's limits that a step counts towards."""
        return self._lanes.limits.of(webhook.id, step.action)

    def turn(self, card: Card, step: Step, webhook: WebhookURL) -> tuple[float, str]:
        """Return when a step can be done as far as is known, and why not before."""
        now, quiet = anyio.current_time(), self._lanes.quiet
        if step.posts and quiet.at(self._name).loudness.holds:
            return now + quiet.seconds_left(self._name), quiet.at(self._name).why

        attempt = self.known(card)
        if (due := max(self.outage.retry_at, attempt.retry_at)) > now:
            return due, attempt.waits_because or "Discord does not answer"

        if step is Step.EDIT and not self.is_finishing and (due := self.next_edit_at(card)) > now:
            return due, ""

        if step is Step.POST and card.misses:
            due = self._since(card.reposted_at, attempt.reposted_at) + REPOST_SECONDS
            if due > now:
                return due, "its message was gone more than once"

        turn = self.limits(step, webhook).turn(is_old=self.is_old(card, step))
        return turn.at, turn.reason

    def next_edit_at(self, card: Card) -> float:
        """Return when a card may be edited by its configuration."""
        return self.known(card).sent_at + card.config.every

    def is_old(self, card: Card, step: Step) -> bool:
        """Whether a step counts as the edit of an old message."""
        attempt = self.known(card)
        age = anyio.current_time() - self._since(card.posted_at, attempt.posted_at)
        return step is Step.EDIT and (attempt.is_old or age > OLD_SECONDS)

    def bump_at(self, card: Card) -> float:
        """Return when a card is posted again since it is wanted below the newest messages."""
        if card.message_id is None or card.stopped:
            return math.inf

        if card.is_requested:
            return LONG_AGO

        bump = card.config.bump
        if bump is None or not card.is_pushed or card.owns_thread or card.is_over:
            return math.inf

        posted_at = self._since(card.posted_at, self.known(card).posted_at)
        return max(posted_at + bump, self._bumped_at + BUMP_PACE_SECONDS)

    @property
    def drops(self) -> bool:
        """Whether what comes now is not posted, not even later."""
        return self._lanes.quiet.at(self._name).loudness is Loudness.DROP

    def is_loud(self, card: Card) -> bool:
        """Whether a message may call people now."""
        mention, quiet = card.config.mention, self._lanes.quiet
        if quiet.at(self._name).loudness:
            return False

        return mention is None or not mention.calendar.at(quiet.mutes.now())

    # What has happened

    def works(self) -> None:
        """Take it that the webhook works."""
        self._worked_at = anyio.current_time()
        self.outage.end()

    def sent(self, card: Card) -> None:
        """Record that a request for a card leaves."""
        attempt = self.of(card)
        attempt.sent_at, attempt.waits_because = anyio.current_time(), ""

    def succeeded(self, card: Card) -> None:
        """Record that the last request for a card succeeded."""
        attempt = self.of(card)
        attempt.failures, attempt.failing_since, attempt.retry_at = 0, math.inf, LONG_AGO
        self.works()

    def posted(self, card: Card) -> None:
        """Record that the message of a card was posted, for the first time or again."""
        attempt, now = self.of(card), anyio.current_time()
        card.posted_at = self._lanes.quiet.mutes.now().timestamp()
        attempt.posted_at, attempt.is_old = now, False
        if card.misses:
            card.reposted_at, attempt.reposted_at = card.posted_at, now
        elif card.formers:
            self._bumped_at = now

    def rejected(self, card: Card, outcome: Outcome) -> None:
        """Learn from an answer that a message is old."""
        self.of(card).is_old |= outcome.code == OLD_EDITS_CODE

    def failed(self, card: Card, outcome: Outcome) -> bool:
        """Plan another attempt after one that failed, later if only this card fails.

        :return: whether it is to be reported that the webhook does not work
        """
        attempt, now = self.of(card), anyio.current_time()
        attempt.failures += 1
        attempt.failing_since = min(attempt.failing_since, now)
        attempt.waits_because = outcome.reason
        if self._worked_at <= attempt.failing_since:
            self.outage_reason = outcome.reason
            return self.outage.record_failure(outcome.retry_after)

        attempt.retry_at = now + min(2.0**attempt.failures, _LONGEST_WAIT_SECONDS)
        return False

    def suspects(self, card: Card, outcome: Outcome) -> bool:
        """Whether Discord's errors are about what a card shows, since all else is taken."""
        attempt = self.known(card)
        fails_alone = self._worked_at > attempt.failing_since
        return fails_alone and outcome.is_server_error and attempt.failures >= MOST_SERVER_ERRORS

    def _since(self, wall: float | None, at: float | None) -> float:
        """Return when something happened on the clock of the event loop.

        :param wall: when, in seconds since 1970; that clock may have been set since
        :param at: the same on the clock of the event loop, if it was in this run
        """
        if at is not None or wall is None:
            return LONG_AGO if at is None else at

        now = anyio.current_time()
        return from_wall(wall, now, self._lanes.quiet.mutes.now().timestamp())


class Agenda:
    """Cards with the times at which they are due, each at most once.

    Times are those of the event loop's clock, in seconds.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, float, int, Card]] = []
        """when each is due and since when; those that were put again are outdated"""
        self._due: dict[Card, tuple[float, float]] = {}
        self._ordinals = count()

    def __bool__(self) -> bool:
        return bool(self._due)

    def put(self, card: Card, at: float, since: float | None = None) -> None:
        """Make a card due, unless it is so earlier.

        :param since: since when it has been due, which says who goes first of those that are due at the
            same time; since ``at`` by default
        """
        if card in self._due and self._due[card][0] <= at:
            return

        since = at if since is None else since
        self._due[card] = at, since
        heappush(self._heap, (at, since, next(self._ordinals), card))

    def next_at(self) -> float | None:
        """Return when the next card is due, None if none is."""
        while self._heap and self._due.get(self._heap[0][3]) != self._heap[0][:2]:
            heappop(self._heap)

        if not self._due:
            self._due = {}  # one that had many takes as much when they are gone

        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[Card, float]:
        """Remove the card that is due next, and return it with since when it has been due."""
        self.next_at()
        _, since, _, card = heappop(self._heap)
        del self._due[card]
        return card, since

    def hurry(self, at: float) -> None:
        """Let all cards be due at a time at the latest."""
        for card, (due, since) in list(self._due.items()):
            self.put(card, min(due, at), since)
