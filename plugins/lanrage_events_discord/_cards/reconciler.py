"""The reconciler: it brings what Discord shows to what the cards of a webhook should show."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from .._client import Outcome, OutcomeKind, WebhookClient, WebhookURL
from .._delivery import Lane, Lanes
from .answers import Verdict, judge, simplify, try_again
from .card import Card, CardState, CardStatistics, CardStatus
from .pace import Agenda, Pace
from .render import CardRenderer
from .sender import Sender
from .steps import Step, calls, next_step
from .store import CardStore

logger = logging.getLogger("lanrage_events.discord")

# After an error of ours, such as a disk that is full.
ERROR_RETRY_SECONDS = 5.0
# However long the bus waits for its outbox: the next start brings a card up to date.
FINISH_SECONDS = 5.0


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
        renderer: CardRenderer,
        client: WebhookClient,
        task_group: TaskGroup,
    ) -> None:
        self.statistics = CardStatistics()
        self._name = name
        self._lanes = lanes
        self._store = store
        self._sender = Sender(store, renderer, client, lanes.pictures)
        self._task_group = task_group
        self._agenda = Agenda()
        self._pace = Pace(name, lanes)
        self._unsaved: dict[Card, None] = {}
        self._changed = anyio.Event()
        """set when something else may be due next"""
        self._turn = anyio.CancelScope()
        self._is_running = False
        self._give_up_at = math.inf

    # What others report

    def dirty(self, cards: Iterable[Card]) -> None:
        """Look at cards whose parties have changed."""
        for card in cards:
            now = anyio.current_time()
            self._agenda.put(
                card, now if self._pace.is_finishing else self._pace.next_edit_at(card)
            )

        self._wake()

    def restart(self) -> None:
        """Look at all cards, since something has changed that concerns them all."""
        now = anyio.current_time()
        self._pace.outage.end()
        for card in self._store.cards_of(self._name):
            try_again(card)
            self._agenda.put(card, now)

        self._wake()

    def posted(self, lowest: Card | None = None) -> None:
        """Take it that a message of ours stands below those of the cards, but for the one that it is of."""
        self._pace.works()
        for card in self._store.cards_of(self._name):
            stays = card is lowest or card.config.bump is None or card.owns_thread or card.is_over
            if card.message_id is not None and not (stays or card.is_pushed):
                card.is_pushed = True
                self._unsaved[card] = None
                self._plan_bump(card)

        self._wake()

    async def post_again(self, card: Card) -> None:
        """Post a card again below the newest messages, and delete its message then.

        A card that was stopped goes on.

        :raises OSError: if that cannot be kept
        """
        card.stopped, card.misses, card.is_plain = "", 0, False
        card.is_requested, card.is_done = True, False
        await self._look_again(card)

    async def remove(self, card: Card) -> None:
        """Delete the message of a card, whose party gets no other one.

        :raises OSError: if that cannot be kept
        """
        card.is_removed, card.is_done = True, False
        await self._look_again(card)

    async def _look_again(self, card: Card) -> None:
        card.is_due = True
        self._pace.forget(card)
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
        self._pace.is_finishing = True
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

        is_wanted = card.is_due or card.is_requested
        if card.is_done or (card.shown is not None and not is_wanted):
            return CardState(CardStatus.SHOWN)

        lane = self._lane
        if lane is None or not lane.is_usable:
            reason = lane.reason if lane is not None else ""
            return CardState(CardStatus.WAITING, reason or "the webhook has no URL")

        return CardState(CardStatus.WAITING, self._pace.known(card).waits_because)

    @property
    def outage(self) -> str:
        """Why all requests fail at the moment, empty if they do not."""
        return self._pace.outage_reason if self._pace.outage.active else ""

    # The task

    def _wait(self, card: Card, at: float, reason: str, since: float | None = None) -> None:
        self._pace.of(card).waits_because = reason
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
                except Exception as error:
                    # Contained here: it would end the lanes, too.
                    reason = f"what is known of it cannot be kept: {error}"
                    if not isinstance(error, OSError):  # which the store reports
                        reason = "there was an internal error, see the log"
                        logger.exception("webhook '%s': card %s failed", self._name, card.id)

                    card.is_due = True
                    self._wait(card, anyio.current_time() + ERROR_RETRY_SECONDS, reason)
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
        try:
            self._store.party(card)
        except LookupError:
            # Its party has been over for long, or there were too many.
            self._pace.forget(card)
            return

        was_due, card.is_due = card.is_due, False
        is_right = False
        raise_at: float | None = None
        while True:
            webhook, step = self._next_step(card, is_right, may_raise=raise_at is None)
            if webhook is None or step is Step.REST:
                break

            if step is Step.FINISH:
                was_due = card.is_done = True
                break

            due, reason = self._pace.turn(card, step, webhook)
            if due > anyio.current_time():
                if step is Step.POST and card.message_id is not None and raise_at is None:
                    # Until it is posted again, its message is edited.
                    raise_at = due
                    continue

                card.is_due = was_due
                self._wait(card, due, reason, since)
                return

            if step is Step.EDIT and (is_right := self._sender.is_right(card)):
                continue

            await self._request(card, step, webhook, since)
            return

        if card.is_done:
            self._pace.forget(card)
        else:
            self._plan_bump(card, raise_at)

        if was_due:
            await self._save(card)

    def _next_step(
        self, card: Card, is_right: bool, *, may_raise: bool
    ) -> tuple[WebhookURL | None, Step]:
        lane = self._lane
        webhook = None if lane is None else lane.webhook
        if webhook is None:
            return None, Step.REST

        if card.webhook_id not in ("", webhook.id):
            # Another webhook can neither edit nor delete the message, which is left as it is.
            card.forget_thread()
            card.stopped, card.misses, card.is_plain = "", 0, False
            card.is_done = card.is_over

        # What was over before it could be posted is not posted after a mute that drops it.
        is_dropped = card.is_over and not card.is_announced and self._pace.drops
        if card.is_done or is_dropped:
            return webhook, Step.FINISH

        is_raised = self._pace.bump_at(card) <= anyio.current_time() or calls(
            card, self._store.party(card), is_loud=self._pace.is_loud(card)
        )
        return webhook, next_step(card, is_right=is_right, is_raised=may_raise and is_raised)

    async def _request(self, card: Card, step: Step, webhook: WebhookURL, since: float) -> None:
        """Wait until a request may be sent, send it, and act on its answer."""
        limits = self._pace.limits(step, webhook)
        is_turn = False
        with anyio.CancelScope(deadline=self._give_up_at) as self._turn:
            await limits.wait(is_old=self._pace.is_old(card, step))
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

            self._pace.sent(card)
            outcome = await self._sender.send(
                card, step, webhook, lane.envelope.copy(), is_loud=self._pace.is_loud(card)
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
        verdict = Verdict.DONE
        if outcome is not None:
            verdict = judge(card, step, outcome)
            self._pace.rejected(card, outcome)
            if outcome.kind is OutcomeKind.DELIVERED:
                self._succeeded(card, step)
            elif verdict is Verdict.FAILED:
                self._failed(card, step, outcome)
            elif verdict is Verdict.GONE:
                card.is_due = True
                if lane.handle_gone(outcome, webhook, card.thread_id or ""):
                    await self._save(card)
                    return

                # Only the thread of the lane is gone, which is created again.
                card.forget_message()

        if card.stopped:
            card.webhook_id = webhook.id

        if verdict is not Verdict.DONE:
            card.is_due = True
            self._agenda.put(card, anyio.current_time(), since)
        elif outcome is None or card.formers or card.is_over or card.is_removed:
            self._agenda.put(card, anyio.current_time())
        else:
            self._plan_bump(card)

        await self._save(card)

    def _succeeded(self, card: Card, step: Step) -> None:
        statistics = self.statistics
        self._pace.succeeded(card)
        if step is Step.EDIT:
            statistics.edits += 1
        elif not step.posts:
            statistics.deletes += 1
        else:
            statistics.posts += 1

        if step is Step.POST:
            self._pace.posted(card)
            statistics.reposts += bool(card.misses)
            if not (card.misses or card.formers):
                # Those that are only posted again would push each other up for ever.
                self.posted(card)

    def _failed(self, card: Card, step: Step, outcome: Outcome) -> None:
        """Plan another attempt, during an outage or for a card that Discord cannot handle."""
        if self._pace.failed(card, outcome):
            logger.warning(
                "webhook '%s': its cards wait, and are retried: %s", self._name, outcome.reason
            )

        if step is Step.POST and outcome.may_be_carried_out:
            self.statistics.lost_answers += 1
            logger.warning(
                "webhook '%s': whether card %s was posted is not known, so it is posted again, and"
                " there may be two: %s",
                self._name,
                card.id,
                outcome.reason,
            )

        is_shown = step in (Step.POST, Step.EDIT)
        if is_shown and not card.is_plain and self._pace.suspects(card, outcome):
            simplify(card, outcome)

    @property
    def _lane(self) -> Lane | None:
        return self._lanes.get(self._name)

    def _plan_bump(self, card: Card, at: float | None = None) -> None:
        at = self._pace.bump_at(card) if at is None else at
        if at < math.inf and not self._pace.is_finishing:
            self._agenda.put(card, at)

    async def _save(self, card: Card) -> None:
        """Keep what is known of a card; the store reports what keeps it from that, and tries again."""
        self._unsaved.pop(card, None)
        with anyio.CancelScope(shield=True), suppress(OSError):
            await self._store.save(card)
