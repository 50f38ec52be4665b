"""The reconciler: it brings what Discord shows to what the cards of a webhook should show."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from lanrage_events.delivery import LONG_AGO, Outage

from .._client import (
    OLD_EDITS_CODE,
    OLD_MESSAGE_SECONDS,
    Limits,
    Outcome,
    OutcomeKind,
    WebhookClient,
    WebhookURL,
)
from .._delivery import Lane, Lanes
from .._memory import from_wall
from .agenda import Agenda
from .answers import Verdict, judge, simplify
from .attempt import Attempt
from .card import Card
from .sender import Looks, Sender
from .statistics import CardStatistics
from .steps import Step, calls, next_step
from .store import CardStore

logger = logging.getLogger("lanrage_events.discord")

# The clocks of Discord and of this machine differ a little.
OLD_SECONDS = OLD_MESSAGE_SECONDS - 10.0
REPOST_SECONDS = 60.0
"""between two times that the same card is posted again because its message is gone"""
# However many cards one message pushes up, the lane goes on between them.
BUMP_PACE_SECONDS = 10.0
# In a row, while other requests to the webhook succeed.
MOST_SERVER_ERRORS = 5
# After an error of ours, such as a disk that is full.
ERROR_RETRY_SECONDS = 5.0
# However long the bus waits for its outbox: the next start brings a card up to date.
FINISH_SECONDS = 5.0


class CardStatus(StrEnum):
    """What is true of a card."""

    SHOWN = "shown"
    """Discord shows what it should"""
    WAITING = "waiting"
    """that is still to be done"""
    STOPPED = "stopped"
    """nothing is done for it any more"""


@dataclass(frozen=True, slots=True)
class CardState:
    """What is true of a card, and why."""

    status: CardStatus
    reason: str = ""
    """in one line, without secrets; empty if nothing is wrong"""


class Reconciler:
    """Posts, edits and deletes the messages of a webhook's cards, one request at a time.

    It has a task only while something is to be done. It renders a card when its turn has come, so what
    happens until then costs no request of its own; and it may stop at any time, since what Discord
    should show is in the store.

    :param name: the webhook's name in the configuration
    :param lanes: has the lane of that name, which knows where to and whether that works
    :param store: keeps the cards, and has the parties
    :param renderer: renders them
    :param client: sends
    :param task_group: runs it
    """

    def __init__(
        self,
        name: str,
        *,
        lanes: Lanes,
        store: CardStore,
        renderer: Looks,
        client: WebhookClient,
        task_group: TaskGroup,
    ) -> None:
        self.statistics = CardStatistics()
        self._name = name
        self._lanes = lanes
        self._store = store
        self._sender = Sender(store, renderer, client)
        self._task_group = task_group
        self._agenda = Agenda()
        self._attempts: dict[Card, Attempt] = {}
        """what is known of the requests of cards; without those to which nothing happened in this run"""
        self._lowest: set[Card] = set()
        """those below whose messages there is none of ours, as far as is known"""
        self._unsaved: dict[Card, None] = {}
        self._outage = Outage()
        self._bumped_at = LONG_AGO
        self._changed = anyio.Event()
        """set when something else may be due next"""
        self._turn = anyio.CancelScope()
        self._is_running = False
        self._is_finishing = False
        self._give_up_at = math.inf
        self._worked_at = LONG_AGO
        """when a request to the webhook last succeeded"""

    # What others report

    def dirty(self, cards: Iterable[Card]) -> None:
        """Look at cards whose parties have changed."""
        for card in cards:
            is_first = card not in self._attempts or self._is_finishing
            self._agenda.put(card, anyio.current_time() if is_first else self._next_edit_at(card))

        self._wake()

    def restart(self) -> None:
        """Look at all cards, since something has changed that concerns them all."""
        now = anyio.current_time()
        self._outage.end()
        for card in self._store.cards_of(self._name):
            self._agenda.put(card, now)
            if card.message_id is not None and not card.is_pushed:
                self._lowest.add(card)

        self._wake()

    def posted(self) -> None:
        """Take it that a message of ours stands below those of the cards."""
        self._works()
        pushed, self._lowest = self._lowest, set()
        for card in pushed:
            if card.config.bump is not None and not card.owns_thread:
                card.is_pushed = True
                self._unsaved[card] = None
                self._plan_bump(card)

        self._wake()

    async def post_again(self, card: Card) -> None:
        """Post a card again below the newest messages, and delete its message then.

        A card that was stopped goes on.

        :raises OSError: if that cannot be kept
        """
        if card.message_id is not None:
            card.formers = [*card.formers, card.message_id]

        card.message_id = card.shown = None
        card.stopped, card.misses, card.is_plain = "", 0, False
        card.is_done = False
        await self._look_again(card)

    async def remove(self, card: Card) -> None:
        """Delete the message of a card, whose party gets no other one.

        :raises OSError: if that cannot be kept
        """
        card.is_removed, card.is_done = True, False
        await self._look_again(card)

    async def _look_again(self, card: Card) -> None:
        card.is_due = True
        self._attempts.pop(card, None)
        try:
            await self._store.save(card)
        finally:
            self._agenda.put(card, anyio.current_time())
            self._wake()

    def finish(self, give_up_at: float) -> None:
        """Bring the cards up to date without waiting for their pace, and end.

        :param give_up_at: nothing is sent after this, in the time of the event loop
        """
        now = anyio.current_time()
        self._is_finishing = True
        self._give_up_at = min(give_up_at, now + FINISH_SECONDS)
        self._turn.deadline = self._give_up_at
        self._agenda.hurry(now)
        self._changed.set()

    def hand_over(self) -> None:
        """End once the request under way is answered: another plugin goes on from the store."""
        self.finish(anyio.current_time())

    def state_of(self, card: Card) -> CardState:
        """Return what is true of a card."""
        if card.stopped:
            return CardState(CardStatus.STOPPED, card.stopped)

        if card.is_done or (card.shown is not None and not card.is_due):
            return CardState(CardStatus.SHOWN)

        lane = self._lane
        if lane is None or not lane.is_usable:
            reason = lane.reason if lane is not None else ""
            return CardState(CardStatus.WAITING, reason or "the webhook has no URL")

        attempt = self._attempts.get(card)
        return CardState(CardStatus.WAITING, "" if attempt is None else attempt.waits_because)

    # The task

    def _wait(self, card: Card, at: float, reason: str, since: float | None = None) -> None:
        self._attempt(card).waits_because = reason
        self._agenda.put(card, at, since)

    def _wake(self) -> None:
        self._changed.set()
        is_usable = (lane := self._lane) is not None and lane.is_usable
        if (self._agenda or self._unsaved) and is_usable and not self._is_running:
            self._is_running = True
            self._task_group.start_soon(self._run, name=f"cards of webhook {self._name}")

    async def _run(self) -> None:
        try:
            while await self._is_due():
                card, since = self._agenda.pop()
                try:
                    await self._work(card, since)
                except Exception:
                    # Contained here: it would end the lanes, too.
                    logger.exception(
                        "webhook '%s': card %s is looked at again after an error",
                        self._name,
                        card.id,
                    )
                    card.is_due = True
                    at = anyio.current_time() + ERROR_RETRY_SECONDS
                    self._wait(card, at, "of an internal error, see the log")
        finally:
            self._is_running = False

    async def _is_due(self) -> bool:
        """Wait until a card is due; return False if there is nothing to do any more."""
        await checkpoint()
        while (lane := self._lane) is not None and lane.is_usable:
            self._changed = anyio.Event()
            if self._unsaved:
                await self._save(next(iter(self._unsaved)))
                continue

            at, now = self._agenda.next_at(), anyio.current_time()
            if at is None or at > self._give_up_at or now >= self._give_up_at:
                return False

            if at <= now:
                return True

            with anyio.move_on_after(at - now):
                await self._changed.wait()

        return False

    async def _work(self, card: Card, since: float) -> None:
        """Do the next step for a card, or find out when it can be done."""
        was_due, card.is_due = card.is_due, False
        is_right = False
        while True:
            webhook, step = self._next_step(card, is_right=is_right)
            if webhook is None or step is Step.REST:
                break

            if step is Step.FINISH:
                was_due = card.is_done = True
                break

            due, reason = self._turn_of(card, step, webhook)
            if due > anyio.current_time():
                card.is_due = was_due
                self._wait(card, due, reason, since)
                return

            if step is Step.EDIT and (is_right := self._sender.is_right(card)):
                continue

            await self._request(card, step, webhook, since)
            return

        if card.is_done:
            self._attempts.pop(card, None)
            self._lowest.discard(card)
        else:
            self._plan_bump(card)

        if was_due:
            await self._save(card)

    def _next_step(self, card: Card, *, is_right: bool) -> tuple[WebhookURL | None, Step]:
        lane = self._lane
        webhook = None if lane is None else lane.webhook
        if webhook is None:
            return None, Step.REST

        if card.webhook_id not in ("", webhook.id):
            # Another webhook can neither edit nor delete the message, which is left as it is.
            card.forget_thread()
            card.is_done = card.is_over

        if card.is_done:
            return webhook, Step.FINISH

        is_raised = self._bump_at(card) <= anyio.current_time() or calls(
            card, self._store.party(card), is_loud=self._is_loud(card)
        )
        return webhook, next_step(card, is_right=is_right, is_raised=is_raised)

    def _turn_of(self, card: Card, step: Step, webhook: WebhookURL) -> tuple[float, str]:
        """Return when a step can be done as far as is known, and why not before."""
        now, quiet = anyio.current_time(), self._lanes.quiet
        if step.posts and quiet.at(self._name).loudness.holds:
            return now + quiet.seconds_left(self._name), quiet.at(self._name).why

        attempt = self._attempt(card)
        if (due := max(self._outage.retry_at, attempt.retry_at)) > now:
            return due, attempt.waits_because or "Discord does not answer"

        if step is Step.EDIT and not self._is_finishing and (due := self._next_edit_at(card)) > now:
            return due, ""

        if step is Step.POST and card.misses and (due := self._next_repost_at(card)) > now:
            return due, "its message was gone more than once"

        turn = self._limits(step, webhook).turn(is_old=self._is_old(card, step))
        return turn.at, turn.reason

    async def _request(self, card: Card, step: Step, webhook: WebhookURL, since: float) -> None:
        """Wait until a request may be sent, send it, and act on its answer."""
        limits = self._limits(step, webhook)
        is_turn = False
        with anyio.CancelScope(deadline=self._give_up_at) as self._turn:
            await limits.wait(is_old=self._is_old(card, step))
            is_turn = True

        lane = self._lane
        outcome: Outcome | None = None
        try:
            # If something has changed meanwhile, perhaps it is another step.
            is_same = not card.is_due and lane is not None and lane.webhook is webhook
            if not (is_turn and is_same and lane is not None and lane.is_usable):
                card.is_due = True
                self._agenda.put(card, anyio.current_time(), since)
                return

            attempt = self._attempt(card)
            attempt.sent_at, attempt.waits_because = anyio.current_time(), ""
            self.statistics.requests += 1
            outcome = await self._sender.send(
                card, step, webhook, lane.envelope.copy(), is_loud=self._is_loud(card)
            )
        except BaseException:
            card.is_due = True
            raise
        finally:
            if is_turn:
                limits.observe(outcome)

        # Cancellation must not make us forget what Discord already has.
        with anyio.CancelScope(shield=True):
            await self._answered(card, step, outcome, lane, webhook, since)

    async def _answered(
        self,
        card: Card,
        step: Step,
        outcome: Outcome | None,
        lane: Lane,
        webhook: WebhookURL,
        since: float,
    ) -> None:
        now = anyio.current_time()
        if outcome is not None and outcome.code == OLD_EDITS_CODE:
            self._attempt(card).is_old = True

        verdict = Verdict.DONE if outcome is None else judge(card, step, outcome)
        self.statistics.rejected += bool(card.stopped)
        if outcome is not None and outcome.kind is OutcomeKind.DELIVERED:
            self._succeeded(card, step)

        if verdict is Verdict.GONE and outcome is not None:
            card.is_due = True
            if lane.handle_gone(outcome, webhook, card.thread_id or ""):
                return

            # Only the thread of the lane is gone, which is created again.
            card.forget_message()
            verdict = Verdict.AGAIN
        elif verdict is Verdict.FAILED and outcome is not None:
            self._failed(card, step, outcome)

        if verdict is not Verdict.DONE:
            card.is_due = True
            self._agenda.put(card, now, since)
        elif card.formers or card.is_over or card.is_removed:
            self._agenda.put(card, now)
        else:
            self._plan_bump(card)

        await self._save(card)

    def _succeeded(self, card: Card, step: Step) -> None:
        now, statistics = anyio.current_time(), self.statistics
        attempt = self._attempt(card)
        attempt.succeeded()
        self._works()
        if step is Step.EDIT:
            statistics.edits += 1
        elif not step.posts:
            statistics.deletes += 1
        else:
            statistics.posts += 1

        if step is not Step.POST:
            return

        card.posted_at, attempt.posted_at, attempt.is_old = self._wall_time(), now, False
        if card.misses:
            card.reposted_at, attempt.reposted_at = card.posted_at, now
            statistics.reposts += 1
        elif card.formers:
            self._bumped_at = now
        else:
            # Those that are only posted again would push each other up for ever.
            self.posted()

        self._lowest.add(card)

    def _failed(self, card: Card, step: Step, outcome: Outcome) -> None:
        """Plan another attempt, during an outage or for a card that Discord cannot handle."""
        now, attempt = anyio.current_time(), self._attempt(card)
        attempt.failed(now)
        attempt.waits_because = outcome.reason
        if step is Step.POST and outcome.may_be_carried_out:
            self.statistics.lost_answers += 1
            logger.warning(
                "webhook '%s': whether card %s was posted is not known, so it is posted again, and"
                " there may be two: %s",
                self._name,
                card.id,
                outcome.reason,
            )

        if self._worked_at <= (attempt.failing_since or now):
            if self._outage.record_failure(outcome.retry_after):
                logger.warning(
                    "webhook '%s': its cards wait, and are retried: %s", self._name, outcome.reason
                )

            return

        attempt.back_off(now)
        is_suspect = outcome.is_server_error and attempt.failures >= MOST_SERVER_ERRORS
        if is_suspect and not card.is_plain and step in (Step.POST, Step.EDIT):
            simplify(card, outcome)

    # What is known

    @property
    def _lane(self) -> Lane | None:
        return self._lanes.get(self._name)

    def _attempt(self, card: Card) -> Attempt:
        return self._attempts.setdefault(card, Attempt())

    def _limits(self, step: Step, webhook: WebhookURL) -> Limits:
        return self._lanes.limits.of(webhook.id, step.action)

    def _wall_time(self) -> float:
        return self._lanes.quiet.mutes.now().timestamp()

    def _works(self) -> None:
        """Take it that the webhook works."""
        self._worked_at = anyio.current_time()
        self._outage.end()

    def _is_loud(self, card: Card) -> bool:
        """Whether a message may call people now."""
        mention, quiet = card.config.mention, self._lanes.quiet
        if quiet.at(self._name).loudness:
            return False

        return mention is None or not mention.calendar.at(quiet.mutes.now())

    def _is_old(self, card: Card, step: Step) -> bool:
        """Whether a request counts as the edit of an old message."""
        if step is not Step.EDIT:
            return False

        attempt = self._attempt(card)
        age = anyio.current_time() - self._happened_at(card.posted_at, attempt.posted_at)
        return attempt.is_old or age > OLD_SECONDS

    def _happened_at(self, wall: float | None, at: float | None) -> float:
        """Return when something happened on the clock of the event loop.

        :param wall: when, in seconds since 1970; that clock may have been set since
        :param at: the same on the clock of the event loop, if it was in this run
        """
        if at is not None or wall is None:
            return LONG_AGO if at is None else at

        return from_wall(wall, anyio.current_time(), self._wall_time())

    def _next_edit_at(self, card: Card) -> float:
        return self._attempt(card).sent_at + card.config.every

    def _next_repost_at(self, card: Card) -> float:
        last = self._happened_at(card.reposted_at, self._attempt(card).reposted_at)
        return last + REPOST_SECONDS

    def _bump_at(self, card: Card) -> float:
        """Return when a card is posted again since messages of ours stand below it."""
        bump = card.config.bump
        is_due = card.is_pushed and card.message_id is not None and not card.stopped
        if bump is None or not is_due or card.owns_thread or card.is_over:
            return math.inf

        posted_at = self._happened_at(card.posted_at, self._attempt(card).posted_at)
        return max(posted_at + bump, self._bumped_at + BUMP_PACE_SECONDS)

    def _plan_bump(self, card: Card) -> None:
        at = self._bump_at(card)
        if at < math.inf and not self._is_finishing:
            self._agenda.put(card, at)

    async def _save(self, card: Card) -> None:
        """Keep what is known of a card; the store reports what keeps it from that, and tries again."""
        self._unsaved.pop(card, None)
        with anyio.CancelScope(shield=True), suppress(OSError):
            await self._store.save(card)
