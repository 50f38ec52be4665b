"""A lane: the ordered path to one webhook, one request at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import partial

import anyio
from anyio.abc import TaskGroup

from lanrage_events.outbox import Outbox

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
from .._embeds import Message
from .._rendering import Entry, Wording
from .batch import Batch
from .envelope import Envelope
from .expired import ExpiredCounts
from .gone import GoneWebhooks
from .outage import LONG_AGO, Outage
from .pacing import Pacing
from .queue import LaneQueue
from .record import INTERNAL_ERROR, LaneRecord, reason_code
from .state import LaneState, LaneStatistics, in_words
from .suspicion import NOTE, Suspicion

logger = logging.getLogger("lanrage_events.discord")

# What waited through a longer outage is backlog, and presented so.
BACKLOG_AFTER_SECONDS = 5.0
# A wait that Discord did not ask for, but that is long enough to wonder.
LOGGED_WAIT_SECONDS = 5.0
HAND_OVER_SECONDS = 0.1
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
UNKNOWN_CHANNEL = 10003


class Lane:
    """Delivers the entries of one webhook: gathers, waits for Discord's limits, composes, sends.

    It has a task only while it has work.

    :param name: the webhook's name in the configuration
    :param webhook: where to
    :param batch: how entries are gathered and composed
    :param envelope: adds to messages what the webhook's configuration asks for
    :param gone: remembers which webhooks do not exist
    :param expired: counts what expired and was not reported yet
    :param failing: the names of all lanes that get server errors now
    :param wording: the texts of messages besides the entries
    """

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
        gone: GoneWebhooks,
        expired: ExpiredCounts,
        failing: set[str],
        wording: Wording,
    ) -> None:
        self.name = name
        self.state = LaneState.IDLE
        self._why = ""
        """why the state is what it is, if something is wrong"""
        self._waits_until = LONG_AGO
        """when it goes on, if it is known"""
        self._logged_until = LONG_AGO
        """the end of the last wait that the log reports"""
        self.record = LaneRecord()
        self.envelope = envelope
        self.webhook: WebhookURL | None = webhook
        """where to; None if the URL was removed. Only the lane changes it and the limits"""
        self.limits = limits.of(webhook.id)
        """the limits of the webhook"""
        self._outbox = outbox
        self._client = client
        self._all_limits = limits
        self._task_group = task_group
        self.queue = LaneQueue(outbox, name)
        errors = ServerErrors()
        self._batch = Batch(batch, self.queue, envelope, expired, name, wording, errors)
        self._suspicion = Suspicion(
            name, errors, self._batch, client=client, limits=limits, failing=failing
        )
        self.omissions = Omissions()
        """parts of messages that Discord rejected"""
        self._running = False
        self._is_closed = False
        self.pacing = Pacing(batch)
        self._outage = Outage()
        self._gone = gone
        if (reason := gone.find(webhook)) is not None:
            self._give_up(f"{reason}; Discord is not asked again today")

    @property
    def statistics(self) -> LaneStatistics:
        """What the lane has done."""
        return self.record.statistics

    @property
    def rejected_events(self) -> int:
        """How many events became dead letters, without alerts."""
        return self.statistics.failed - self.record.rejected_alerts + self.queue.unreadable

    @property
    def waits(self) -> float | None:
        """Seconds that it still waits before it goes on by itself; None if it does not wait."""
        if self.state not in (LaneState.WAITING, LaneState.RETRYING):
            return None

        seconds = self._waits_until - anyio.current_time()
        return seconds if seconds > 0 else None

    @property
    def reason(self) -> str:
        """Why the state is what it is, if something is wrong, and how long it waits."""
        waits = self.waits
        if waits is None:
            return self._why

        if self.state is LaneState.RETRYING:
            return f"{self._why}; retries in {in_words(waits)}"

        return f"waits {in_words(waits)} because {self._why}"

    @property
    def is_usable(self) -> bool:
        """Whether there is a webhook that is not dead."""
        return self.webhook is not None and self.state is not LaneState.DEAD

    def append(self, entries: Iterable[tuple[int, Entry, datetime | None]]) -> None:
        """Deliver entries that were put into the outbox.

        :param entries: each with its id there and when it expires
        """
        count = 0
        for number, entry, expires in entries:
            self.queue.append(number, entry, expires)
            count += 1
            if entry.presentation.immediate:
                self.pacing.flush()
                self.pacing.stop_collecting()

        self.record.arrived(count)
        if self._batch.may_be_full(len(self.queue)):
            self.pacing.stop_collecting()

        self.wake()

    def invalidate(self) -> None:
        """Look for entries that may be in the outbox although their put was cancelled."""
        self.queue.invalidate()
        self.wake()

    def wake(self) -> None:
        """Let the lane look for work."""
        if self.is_usable and not (self._running or self._is_closed):
            self._running = True
            self._task_group.start_soon(self._run, name=f"lane {self.name}")

    def reload(self) -> None:
        """Read the outbox again, where entries may have been put back or dropped."""
        self.queue.reload()
        self.wake()

    def enable(self, webhook: WebhookURL) -> None:
        """Use another URL from now on, even if the lane is dead."""
        self._gone.discard(webhook)
        self.webhook = webhook
        self.limits = self._all_limits.of(webhook.id)
        self._outage.end()
        self._suspicion.reset()
        self.state, self._why = LaneState.IDLE, ""
        self.statistics.last_error = ""
        self.pacing.end_wait()
        self.wake()

    def compose_like(self, batch: BatchConfig) -> None:
        """Compose messages in another style, from the next one on."""
        self._batch.config = batch

    def disconnect(self) -> None:
        """Send nothing more until :meth:`enable` gives a URL; what waits stays in the outbox.

        The outcome of a request that is under way still counts.
        """
        self.webhook = None
        self._outage.end()
        self._suspicion.reset()
        self.state, self._why = LaneState.UNCONFIGURED, ""
        self.pacing.cancel()

    def disable(self, outcome: Outcome, webhook: WebhookURL) -> None:
        """Send nothing more to a webhook that does not work.

        :param outcome: how that was found out
        :param webhook: which one; nothing happens if the lane has another one by now
        """
        if webhook is not self.webhook or self.state is LaneState.DEAD:
            return

        if outcome.is_gone:
            self._gone.add(webhook, outcome.reason)

        self._give_up(outcome.reason)

    def _give_up(self, reason: str) -> None:
        self.state, self._why = LaneState.DEAD, reason
        self.pacing.cancel()
        logger.error(
            "webhook '%s' is not used any more: %s. Its events are kept; give it a working URL",
            self.name,
            reason,
        )

    def mark_healthy(self, webhook: WebhookURL) -> None:
        """Resume at once with a webhook that was found to work, if the lane is held up."""
        is_held_up = self.state is LaneState.DEAD or self._outage.active
        if webhook is self.webhook and is_held_up:
            logger.info("webhook '%s' works again", self.name)
            self.enable(webhook)

    def handle_gone(self, outcome: Outcome, webhook: WebhookURL) -> bool:
        """Disable a webhook that is gone, unless only its thread is, which can be created again.

        :return: whether the webhook is gone
        """
        if outcome.code == UNKNOWN_CHANNEL and self.envelope.forget_thread(webhook.id):
            return False

        self.disable(outcome, webhook)
        return True

    def hand_over(self) -> None:
        """End without waiting for limits or outages: another plugin sends what is in the outbox.

        A request that is under way ends first. What is being gathered is sent if its turn comes
        within :data:`HAND_OVER_SECONDS`, since it would be old news for the other plugin.
        """
        self._is_closed = True
        self.pacing.finish(anyio.current_time() + HAND_OVER_SECONDS)

    def close(self) -> None:
        """Free what the lane holds; what waits stays in the outbox."""
        self._is_closed = True
        self.queue.close()

    async def _run(self) -> None:
        try:
            while await self._deliver_or_recover():
                pass
        finally:
            self._running = False
            self.pacing.release()

    async def _deliver_or_recover(self) -> bool:
        try:
            return await self._deliver_next()
        except Exception as error:
            # Contained here: it would end the lanes of all other webhooks too.
            reason = f"an internal error ({type(error).__name__}), see the log"
            self.statistics.last_error = reason
            self.record.failed_requests[INTERNAL_ERROR] += 1
            if self._outage.record_failure():
                logger.exception("webhook '%s' is retried after an internal error", self.name)

            self._set_state(LaneState.RETRYING, reason, self._outage.retry_at)
            return await self.pacing.wait_until(self._outage.retry_at)

    async def _deliver_next(self) -> bool:
        """Deliver one message; return whether there may be more to do."""
        self.pacing.begin()
        await self.queue.fill()
        if self.queue.is_empty and self._outbox.statistics().pending:
            # What had expired before it was read must be reported too.
            await self._expire()

        if self._batch.is_empty:
            self.queue.nothing_expires()
            self._outage.end()
            self._suspicion.ended()
            self.record.recount(0)
            self._set_state(LaneState.IDLE)
            return False

        if self._suspicion.is_due:
            return await self._examine()

        await self._gather()
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

        return self._goes_on

    @property
    def _goes_on(self) -> bool:
        return self.is_usable and not (self._is_closed or self.pacing.is_over)

    async def _examine(self) -> bool:
        """Look up the webhook whose messages get server errors; return as :meth:`_deliver_next`."""
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
                    self._outage.retry_now()

                if convicted is not None and convicted[0] == NOTE:
                    self._give_up_note(convicted[1])
                elif convicted is not None:
                    with anyio.CancelScope(shield=True):
                        await self._dead_letter({convicted[0]}, convicted[1])

        return self._goes_on

    async def _send_next(self, limits: Limits) -> None:
        webhook = self.webhook
        outcome: Outcome | None = None
        message: Message | None = None
        try:
            await self.queue.fill()
            await self._expire()
            # Meanwhile the lane may have another URL, or its webhook may be known to be dead.
            is_changed = webhook is not self.webhook or limits is not self.limits
            if webhook is None or is_changed or not self.is_usable:
                return

            message = self._batch.compose(webhook.id)
            if message is not None:
                message = self.omissions.apply(message)
                self._set_state(LaneState.SENDING)
                self.statistics.requests += 1
                thread_id = self.envelope.thread_id(webhook.id)
                outcome = await self._client.execute(webhook, message.body(), thread_id=thread_id)
        finally:
            limits.observe(outcome)
            if message is not None:
                self.envelope.answered(message)

        if message is not None and outcome is not None:
            # Cancellation must not make us send again what Discord already has.
            with anyio.CancelScope(shield=True):
                await self._handle_outcome(message, outcome, webhook)

    async def _gather(self) -> None:
        batch = self.queue.batch
        due = self.pacing.gathers_until(batch[0].arrived) if batch else None
        if due is not None and not self.queue.is_urgent:
            self._set_state(LaneState.GATHERING)
            await self.pacing.gather_until(due)

    async def _wait_for_turn(self) -> Limits | None:
        """Wait until a request may be sent; return the limits that count it, None to give up."""
        try:
            while self.is_usable:
                limits = self.limits
                turn, is_full = await self._next_turn(limits)
                now = anyio.current_time()
                due = max(turn.at, self._outage.retry_at)
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
            await self.queue.fill()
            if not (self.pacing.is_finishing or self.queue.is_urgent or self._batch.is_full):
                return turn, False

        return at_best, True

    def _report_wait(self, turn: Turn) -> None:
        """Show why the lane waits, and log it if it takes long and is not known yet."""
        self._set_state(LaneState.WAITING, turn.reason, turn.at)
        seconds = turn.at - anyio.current_time()
        if seconds >= LOGGED_WAIT_SECONDS and turn.at > self._logged_until:
            self._logged_until = turn.at
            logger.info(
                "webhook '%s' waits %s because %s", self.name, in_words(seconds), turn.reason
            )

    async def _expire(self) -> None:
        for expiry in await self.queue.expire():
            self._batch.expired(expiry)
            self.record.expired(expiry.count)
            what = f"{expiry.count} {expiry.label}"
            logger.warning("webhook '%s': %s expired before they could be posted", self.name, what)

    async def _handle_outcome(
        self, message: Message, outcome: Outcome, webhook: WebhookURL
    ) -> None:
        self.record.answered(outcome)
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
                self.handle_gone(outcome, webhook)

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
        self.pacing.sent()
        self.omissions.delivered()
        self.record.delivered(message.entries)
        if shortened := self.record.shortened(message.shortened):
            logger.warning(
                "webhook '%s': %d %s longer than Discord allows and posted shortened",
                self.name,
                shortened,
                "event was" if shortened == 1 else "events were",
            )

        if self._outage.active:
            if not self._suspicion.is_urgent:
                lasted = in_words(self._outage.lasted)
                logger.info("webhook '%s' works again after %s", self.name, lasted)

            self._outage.end()

        self._suspicion.ended()
        delivered = self._batch.delivered(message)
        await self._outbox.acknowledge(waiting.id for waiting in delivered)

    def _retry(self, message: Message, outcome: Outcome) -> None:
        """Plan the next attempt during an outage."""
        if outcome.may_be_carried_out:
            self._batch.answer_lost(message)

        self._suspicion.failed(message, outcome)
        is_search, soon = self._suspicion.is_urgent, self._suspicion.retries_soon
        if self._outage.record_failure(outcome.retry_after, soon=soon) and not is_search:
            pending = self._outbox.statistics().pending
            waiting = "1 event waits" if pending == 1 else f"{pending:,} events wait"
            lasted = in_words(self._outage.lasted)
            if lasted != "0 s":
                waiting = f"for {lasted}, {waiting}"

            logger.warning(
                "webhook '%s' does not work (%s) and is retried in %s: %s",
                self.name,
                waiting,
                in_words(self._outage.retry_at - anyio.current_time()),
                outcome.reason,
            )

        self._set_state(LaneState.RETRYING, outcome.reason, self._outage.retry_at)
        if self._outage.lasted >= BACKLOG_AFTER_SECONDS:
            self._batch.make_old()

    async def _rejected(self, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        """Leave out the part or dead-letter the entry that Discord rejects, and only that one."""
        self._outage.end()
        self._suspicion.ended()
        if omitted := self.omissions.find(message, outcome):
            for part in omitted:
                logger.error("webhook '%s': Discord rejects %s: left out", self.name, part)

        elif is_about_configuration(outcome):
            self.disable(outcome, webhook)
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
        await self._outbox.dead_letter(ids, outcome.reason, detail)

    def _set_state(self, state: LaneState, why: str = "", until: float = LONG_AGO) -> None:
        # An outage is not over because the next attempt is under way.
        if self.is_usable and (not self._outage.active or state is LaneState.RETRYING):
            self.state, self._why, self._waits_until = state, why, until
