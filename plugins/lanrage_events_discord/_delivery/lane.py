"""A lane: the ordered path to one webhook, one request at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum, auto
from functools import partial

import anyio
from anyio.abc import TaskGroup

from lanrage_events import delivery
from lanrage_events.delivery import LONG_AGO, LaneState, in_words
from lanrage_events.outbox import ExpiredEntries, Outbox

from .._client import (
    Limits,
    Outcome,
    OutcomeKind,
    RateLimits,
    Turn,
    WebhookClient,
    WebhookURL,
)
from .._config import BatchConfig
from .._diagnosis import Omissions, ServerErrors, is_about_configuration
from .._embeds import Message, Pictures
from .._quiet import Quiet
from .._rendering import Entry, Wording
from .._settling import Posted
from .batch import Batch
from .envelope import Envelope
from .expired import ExpiredCounts
from .gone import GoneWebhooks
from .pacing import Pacing
from .queue import LaneQueue
from .record import LaneRecord, reason_code
from .state import LaneStatistics
from .suspicion import NOTE, Suspicion

logger = logging.getLogger("lanrage_events.discord")

# What waited through a longer outage is backlog, and presented so.
BACKLOG_AFTER_SECONDS = 5.0
# A wait that Discord did not ask for, but that is long enough to wonder.
LOGGED_WAIT_SECONDS = 5.0
LOGGED_ELSEWHERE_SECONDS = 3600.0
"""how seldom the log says that events are posted in another thread"""
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
THREAD_GONE_CODES = (10003, 50083, 160005)
"""the thread does not exist, is archived or is locked"""


class LaneChange(Enum):
    """What those want to know who post beside a lane."""

    POSTED = auto()
    """Discord has another message of it"""
    USABLE = auto()
    """it may send: it got a URL, or it works again, or it may be quiet no more"""


class Lane(delivery.Lane[Entry, LaneQueue, Pacing, LaneRecord]):
    """Delivers the entries of one webhook: gathers, waits for Discord's limits, composes, sends.

    It has a task only while it has work.

    :param name: the webhook's name in the configuration
    :param webhook: where to
    :param batch: how entries are gathered and composed
    :param envelope: adds to messages what the webhook's configuration asks for
    :param quiet: says how quiet each webhook is
    :param gone: remembers which webhooks do not exist
    :param expired: counts what expired and was not reported yet
    :param posted: what all lanes have posted
    :param failing: the names of all lanes that get server errors now
    :param wording: the texts of messages besides the entries
    :param changed: called with the lane's name and what has changed
    :param pictures: reads those that messages show
    """

    internal_error = "fault_of_ours"  # what dashboards know it by

    def __init__(
        self,
        name: str,
        webhook: WebhookURL,
        batch: BatchConfig,
        *,
        outbox: Outbox,
        client: WebhookClient,
        limits: RateLimits,
        task_group: TaskGroup,
        envelope: Envelope,
        quiet: Quiet,
        gone: GoneWebhooks,
        expired: ExpiredCounts,
        posted: Posted,
        failing: set[str],
        wording: Wording,
        changed: Callable[[str, LaneChange], None],
        pictures: Pictures,
    ) -> None:
        super().__init__(
            name,
            what="webhook",
            storage=outbox,
            queue=LaneQueue(outbox, name, batch, posted, lambda: quiet.at(name).loudness.holds),
            pacing=Pacing(batch),
            record=LaneRecord(),
            task_group=task_group,
            logger=logger,
        )
        self._logged_until = LONG_AGO
        """the end of the last wait that the log reports"""
        self._logged_elsewhere_until = LONG_AGO
        self.envelope = envelope
        self.webhook: WebhookURL | None = webhook
        """where to; None if the URL was removed. Only the lane changes it and the limits"""
        self.limits = limits.of(webhook.id)
        """the limits of the webhook"""
        self._client = client
        self._pictures = pictures
        self._all_limits = limits
        self._changed = changed
        errors = ServerErrors()
        self._batch = Batch(batch, self.queue, envelope, expired, name, wording, errors)
        self._suspicion = Suspicion(
            name, errors, self._batch, client=client, limits=limits, failing=failing
        )
        self.omissions = Omissions()
        """parts of messages that Discord rejected"""
        self._quiet = quiet
        self._is_holding = False
        """whether it waits because all that it has is held"""
        self._gone = gone
        if (reason := gone.find(webhook)) is not None:
            self.disable(f"{reason}; Discord is not asked again today")

    @property
    def statistics(self) -> LaneStatistics:
        """What the lane has done."""
        return self.record.statistics

    @property
    def rejected_events(self) -> int:
        """How many events became dead letters, without alerts."""
        return self.statistics.failed - self.record.rejected_alerts + self.queue.unreadable

    def append(self, entries: Iterable[tuple[int, Entry, datetime | None]]) -> None:
        """Deliver entries that were put into the outbox.

        :param entries: each with its id there and when it expires
        """
        arrived = list(entries)
        self.add(arrived)
        if any(entry.presentation.immediate for _, entry, _ in arrived):
            self.pacing.flush()
            self.pacing.stop_collecting()

        if self._is_holding or self._batch.may_be_full(len(self.queue)):
            self.pacing.stop_collecting()

        self.wake()

    def use(self, webhook: WebhookURL) -> None:
        """Use another URL from now on, even if the lane is dead."""
        self._gone.discard(webhook)
        self.webhook = webhook
        self.limits = self._all_limits.of(webhook.id)
        self._suspicion.reset()
        self.enable()
        self._changed(self.name, LaneChange.USABLE)

    def compose_like(self, batch: BatchConfig) -> None:
        """Compose messages in another style, from the next one on."""
        self._batch.config = batch
        if self.queue.settling.use(batch):
            self.reload()

    def disconnect(self) -> None:
        """Send nothing more until :meth:`use` gives a URL; what waits stays in the outbox.

        The outcome of a request that is under way still counts.
        """
        self.webhook = None
        self._suspicion.reset()
        super().disconnect()

    def give_up(self, outcome: Outcome, webhook: WebhookURL) -> None:
        """Send nothing more to a webhook that does not work.

        :param outcome: how that was found out
        :param webhook: which one; nothing happens if the lane has another one by now
        """
        if webhook is not self.webhook or self.state is LaneState.DEAD:
            return

        if outcome.is_gone:
            self._gone.add(webhook, outcome.reason)

        self.disable(outcome.reason)

    def disable(self, reason: str) -> None:
        """Send nothing more until :meth:`use`; what waits stays in the outbox.

        :param reason: why, in one line, without secrets
        """
        super().disable(reason)
        logger.error(
            "webhook '%s' is not used any more: %s. Its events are kept; give it a working URL",
            self.name,
            reason,
        )

    def mark_healthy(self, webhook: WebhookURL) -> None:
        """Resume at once with a webhook that was found to work, if the lane is held up."""
        is_held_up = self.state is LaneState.DEAD or self.outage.active
        if webhook is self.webhook and is_held_up:
            logger.info("webhook '%s' works again", self.name)
            self.use(webhook)

    def handle_gone(self, outcome: Outcome, webhook: WebhookURL, thread_id: str = "") -> bool:
        """Disable a webhook that is gone, unless only a thread is, which can be created again.

        :param thread_id: the thread of the message that it was found out with
        :return: whether the webhook is gone
        """
        is_thread = bool(thread_id) and outcome.code in THREAD_GONE_CODES
        if is_thread and self.envelope.forget_thread(webhook.id, thread_id):
            return False

        self.give_up(outcome, webhook)
        return True

    @property
    def shown_state(self) -> LaneState:
        """The state as people see it: a lane that would post nothing now is not ready."""
        is_quiet = self.state is LaneState.IDLE and self._quiet.at(self.name).loudness.holds
        return LaneState.HOLDING if is_quiet else self.state

    @property
    def reason(self) -> str:
        """Why the state is what it is, if something is wrong; else why the webhook is quiet."""
        found = super().reason
        return found or (self._quiet.at(self.name).why if self.is_usable else "")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send, as far as is known without reading the outbox."""
        return self._batch.is_empty and not self.queue.has_passed

    def quiet_changed(self) -> None:
        """Look how quiet the webhook is now, since something was muted or unmuted."""
        self._end_hold()
        self.wake()
        self._changed(self.name, LaneChange.USABLE)

    def ended_outage(self) -> None:
        """Record that the last request did not fail, or that there is none to make."""
        super().ended_outage()
        self._suspicion.ended()

    def reload(self) -> None:
        """Read the outbox again, where entries may have been put back or dropped."""
        super().reload()
        self._end_hold()

    def finish(self, give_up_at: float, *, hold: bool) -> None:
        """Send what waits without gathering more.

        :param give_up_at: nothing is sent after this, in the time of the event loop
        :param hold: whether what is held stays in the outbox; else it is sent, too
        """
        self.queue.finish(hold=hold, quiet=self._storage.durable)
        self.pacing.finish(give_up_at)

    async def fill(self) -> None:
        """Move new entries into the batch, release what lasts, and cancel what comes to nothing."""
        await super().fill()
        settling = self.queue.settling
        if settling.due <= anyio.current_time():
            # What has expired meanwhile is not posted.
            await self.expire()

        if cancelled := self.queue.settle():
            self.record.cancelled(len(cancelled))
            self._batch.removed()
            # Cancellation must not make us post one of them later.
            with anyio.CancelScope(shield=True):
                await self._storage.acknowledge(cancelled)

        self.record.reconnects(settling.take_counts())
        if self.queue.is_empty and not self.queue.has_passed:
            settling.rest()

    async def deliver_next(self) -> bool:
        """Deliver one message; return whether there may be more to do."""
        if self._suspicion.is_due:
            return await self._examine()

        if self._batch.must_wait:
            return await self._hold()

        await self.gather(urgent=self.queue.is_urgent)
        limits = await self._wait_for_turn()
        if limits is None:
            return False

        try:
            turn = self.pacing.turn
            await turn.acquire()
        except BaseException:
            limits.observe(None)
            raise

        try:
            await self._send_next(limits)
        finally:
            turn.release()

        return self.goes_on

    async def _hold(self) -> bool:
        """Wait until something may be posted; return as :meth:`deliver_next`."""
        state, why, due = LaneState.GATHERING, "", self.queue.settling.due
        if self.queue.is_quiet:
            state, why = LaneState.HOLDING, self._quiet.at(self.name).why
            due = min(due, anyio.current_time() + self._quiet.seconds_left(self.name))

        if due <= anyio.current_time() or self.queue.has_changed:
            return self.goes_on

        if self.pacing.is_finishing or not self.goes_on:
            return False

        self.set_state(state, why, due)
        self._is_holding = True
        try:
            return await self.pacing.wait_until(due, collects=True)
        finally:
            self._is_holding = False

    def _end_hold(self) -> None:
        if self._is_holding:
            self.pacing.stop_collecting()

    async def _examine(self) -> bool:
        """Look up the webhook whose messages get server errors; return as :meth:`deliver_next`."""
        webhook = self.webhook
        found: list[Outcome] = []

        async def look_up() -> None:
            if webhook is not None:
                found.append(await self._suspicion.look_up(webhook))

        if not await self.pacing.wait_for(look_up):
            return False

        if webhook is self.webhook and self.is_usable and webhook is not None:
            [outcome] = found
            if outcome.kind is OutcomeKind.LANE_DEAD:
                self.handle_gone(outcome, webhook)
            else:
                convicted = self._suspicion.conclude(outcome)
                if self._suspicion.is_urgent:
                    self.outage.retry_now()

                if convicted is not None and convicted[0] == NOTE:
                    self._give_up_note(convicted[1])
                elif convicted is not None:
                    with anyio.CancelScope(shield=True):
                        await self._dead_letter({convicted[0]}, convicted[1])

        return self.goes_on

    async def _send_next(self, limits: Limits) -> None:
        webhook = self.webhook
        outcome: Outcome | None = None
        composed: Message | None = None
        message: Message | None = None
        try:
            await self.fill()
            await self.expire()
            # Meanwhile the lane may have another URL, or its webhook may be known to be dead.
            is_changed = webhook is not self.webhook or limits is not self.limits
            if webhook is None or is_changed or not self.is_usable:
                return

            composed = message = self._batch.compose(webhook.id)
            if message is not None:
                message = await self._pictures.attach(message)
                # Reading them may have taken a while.
                if webhook is not self.webhook or not self.is_usable:
                    return

                message = self.omissions.apply(message)
                if (creation := self.envelope.creation(message, webhook.id)) is not None:
                    await creation.wait()
                    return

                if wait := self.envelope.begin(message, webhook.id):
                    # One thread too many would be created, and there is no other.
                    reason = f"{wait.reason}, and there is none to post to"
                    if self.report_outage(reason, wait.seconds):
                        self.log_outage(reason)

                    return

                self.set_state(LaneState.SENDING)
                self.statistics.requests += 1
                outcome = await self._client.execute(
                    webhook,
                    message.body(),
                    files=message.files,
                    thread_id=message.thread_id or None,
                )
        finally:
            limits.observe(outcome)
            if composed is not None and webhook is not None:
                # Whom it mentions may have been left out of what was sent.
                self.envelope.answered(composed, outcome, webhook.id)

        if message is not None and outcome is not None and webhook is not None:
            # Cancellation must not make us send again what Discord already has.
            with anyio.CancelScope(shield=True):
                await self._handle_outcome(message, outcome, webhook)

    async def _wait_for_turn(self) -> Limits | None:
        """Wait until a request may be sent; return the limits that count it, None to give up."""
        try:
            while self.is_usable:
                limits = self.limits
                turn, is_full = await self._next_turn(limits)
                now = anyio.current_time()
                due = max(turn.at, self.outage.retry_at)
                if turn.at > now or due <= now:
                    self.record.history.wait_begins(now)

                if due <= now:
                    if not await self.pacing.wait_for(partial(limits.wait, is_full=is_full)):
                        return None

                    if limits is self.limits and self.is_usable:
                        return limits

                    limits.observe(None)
                    continue

                self._report_wait(turn)
                if not await self.pacing.wait_until(due, collects=not is_full):
                    return None
        finally:
            self.record.history.wait_ends(anyio.current_time())

        return None

    async def _next_turn(self, limits: Limits) -> tuple[Turn, bool]:
        """Return when the next request may be sent, and whether its message is full by then."""
        turn = limits.turn(is_full=False)
        if turn.at <= anyio.current_time():
            return turn, False

        # What is full, urgent or the last is not worth keeping.
        at_best = limits.turn()
        if turn.at > at_best.at:
            await self.fill()
            if not (self.pacing.is_finishing or self.queue.is_urgent or self._batch.is_full):
                return turn, False

        return at_best, True

    def _report_wait(self, turn: Turn) -> None:
        """Show why the lane waits, and log it if it takes long and is not known yet."""
        self.set_state(LaneState.WAITING, turn.reason, turn.at)
        seconds = turn.at - anyio.current_time()
        if seconds >= LOGGED_WAIT_SECONDS and turn.at > self._logged_until:
            self._logged_until = turn.at
            logger.info(
                "webhook '%s' waits %s because %s", self.name, in_words(seconds), turn.reason
            )

    def expired(self, expired: ExpiredEntries) -> None:
        """Report with the next message what expired before it could be posted."""
        expired = self.queue.without_held(expired)
        if not expired.count:
            return

        self._batch.expired(expired)
        what = f"{expired.count} {expired.label}"
        logger.warning("webhook '%s': %s expired before they could be posted", self.name, what)

    async def _handle_outcome(
        self, message: Message, outcome: Outcome, webhook: WebhookURL
    ) -> None:
        self.record.answered(outcome)
        if self.envelope.avoid_thread(message, outcome, webhook.id):
            logger.error(
                "webhook '%s': Discord does not create the forum post '%s', so its events are posted "
                "elsewhere or later: %s",
                self.name,
                message.thread_name,
                outcome.reason,
            )
            return

        match outcome.kind:
            case OutcomeKind.DELIVERED:
                await self._delivered(message, outcome, webhook)
            case OutcomeKind.RETRY_AFTER:
                self._asked_to_wait(outcome)
            case OutcomeKind.RETRY:
                self._retry(message, outcome)
            case OutcomeKind.DEAD:
                await self._rejected(message, outcome, webhook)
            case OutcomeKind.LANE_DEAD:
                self.handle_gone(outcome, webhook, message.thread_id)

    def _asked_to_wait(self, outcome: Outcome) -> None:
        turn = self.limits.turn()
        self._logged_until = turn.at
        logger.warning(
            "webhook '%s' waits %s because %s",
            self.name,
            in_words(turn.at - anyio.current_time()),
            outcome.wait_detail,
        )

    async def _delivered(self, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        self.envelope.delivered(message, webhook.id, outcome.channel_id)
        now, reason = anyio.current_time(), self.envelope.elsewhere_reason(webhook.id)
        if reason and now >= self._logged_elsewhere_until:
            self._logged_elsewhere_until = now + LOGGED_ELSEWHERE_SECONDS
            logger.warning("webhook '%s': %s", self.name, reason)

        self.pacing.sent()
        self.omissions.delivered()
        self.record.delivered(message.entries)
        self._changed(self.name, LaneChange.POSTED)
        if shortened := self.record.shortened(message.shortened):
            logger.warning(
                "webhook '%s': %d %s longer than Discord allows and posted shortened",
                self.name,
                shortened,
                "event was" if shortened == 1 else "events were",
            )

        self.end_outage(log=not self._suspicion.is_urgent)
        delivered = self._batch.delivered(message)
        await self._storage.acknowledge(waiting.id for waiting in delivered)

    def _retry(self, message: Message, outcome: Outcome) -> None:
        """Plan the next attempt during an outage."""
        if outcome.may_be_carried_out:
            self._batch.answer_lost(message)

        self._suspicion.failed(message, outcome)
        is_search, soon = self._suspicion.is_urgent, self._suspicion.retries_soon
        if self.report_outage(outcome.reason, outcome.retry_after, soon=soon) and not is_search:
            self.log_outage(outcome.reason)

        if self.outage.lasted >= BACKLOG_AFTER_SECONDS:
            self.queue.make_old()

    async def _rejected(self, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        """Leave out the part or dead-letter the entry that Discord rejects, and only that one."""
        self.ended_outage()
        if message.files and outcome.is_about_files:
            self._pictures.reject(message)
        elif message.has_ending and message.entries:
            # It may be about the names there, which are no reason to reject the entries.
            self._batch.forget_reconnects()
        elif omitted := self.omissions.find(message, outcome):
            for part in omitted:
                logger.error("webhook '%s': Discord rejects %s: left out", self.name, part)

        elif is_about_configuration(outcome):
            self.give_up(outcome, webhook)
        elif message.entries == 0:
            self._give_up_note(outcome)
        elif bad := self._batch.rejected(message, outcome):
            await self._dead_letter(bad, outcome)

    def _give_up_note(self, outcome: Outcome) -> None:
        logger.error(
            "webhook '%s': Discord rejected the note of what expired, which is left out: %s",
            self.name,
            outcome.reason,
        )
        self._batch.forget_expired()

    async def _dead_letter(self, ids: set[int], outcome: Outcome) -> None:
        removed = self.queue.remove_ids(ids)
        self.record.dead_lettered(len(removed), reason_code(outcome))
        self.record.rejected_alerts += sum(waiting.entry.is_alert for waiting in removed)
        detail = "; ".join(str(error) for error in outcome.errors)
        for waiting in removed:
            logger.error(
                "webhook '%s': Discord rejected %s %s, which is now a dead letter: %s",
                self.name,
                waiting.entry.type,
                waiting.entry.event_id,
                outcome.reason,
            )

        self._batch.removed()
        await self._storage.dead_letter(ids, outcome.reason, detail)
