"""The ordered path to one webhook: gather, wait for Discord's limits, compose, send, settle."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from itertools import islice

import anyio
from anyio.abc import TaskGroup

from lanrage_events import Outbox, OutboxExpiry

from ._client import WebhookClient
from ._compose import messages
from ._config import BatchConfig
from ._entry import Entry
from ._lane_state import LaneState, LaneStatistics
from ._limits import Limits, RateLimits
from ._message import Message
from ._outage import LONG_AGO, Outage
from ._outcome import Outcome, OutcomeKind
from ._presenter import Presenter
from ._queue import LaneQueue, Waiting
from ._refusal import Suspects, is_about_configuration
from ._urls import WebhookURL

logger = logging.getLogger("lanrage_events.discord")

# What waited through more than this is old news, told as such.
BACKLOG_AFTER_SECONDS = 5.0
TOO_MANY_REQUESTS = 429
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
UNKNOWN_CHANNEL = 10003


class Lane:
    """Delivers the entries of one webhook, in order and one request at a time.

    It has a task only while it has work.

    :param name: the webhook's name in the configuration
    :param webhook: where to
    :param batch: how entries are gathered and composed
    :param presenter: adds to messages what the webhook's configuration asks for
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
        presenter: Presenter,
    ) -> None:
        self.name = name
        self.state = LaneState.IDLE
        self.reason = ""
        """why the state is what it is, if something is wrong"""
        self.statistics = LaneStatistics()
        self._webhook = webhook
        self._batch = batch
        self._outbox = outbox
        self._client = client
        self._limits = limits.of(webhook.id)
        self._all_limits = limits
        self._task_group = task_group
        self._presenter = presenter
        self._queue = LaneQueue(outbox, name)
        self._running = False
        self._is_closed = False
        self._hurry = anyio.Event()
        """set when gathering is to end early"""
        self._is_finishing = False
        self._give_up_at = math.inf
        self._wait_scope = anyio.CancelScope()
        self._waits_until = LONG_AGO
        self._last_sent = LONG_AGO
        self._outage = Outage()
        self._backlog_before = anyio.current_time()
        """entries that arrived before are old news"""
        self._batch_through = 0
        """the number of the last entry of the batch that is being sent"""
        self._messages_of_batch = 0
        self._suspects = Suspects()
        self._embed_each = False
        """whether each entry of the message that is being sent has an embed of its own"""
        self._something_expires = True
        self._expired: dict[str, int] = {}
        """by type, what expired and was not told yet"""

    async def put(self, entry: Entry, expires: datetime | None = None) -> None:
        """Add an entry; once this returns it will be delivered, as far as the outbox is durable.

        :param expires: when it is no longer worth telling, aware
        :raises OutboxFull: if there is no room for it
        :raises OutboxError: if it cannot be written
        """
        if expires is not None:
            self._something_expires = True

        try:
            await self._queue.put(entry, expires)
            if entry.presentation.immediate:
                self._hurry.set()
        finally:
            self.wake()

    def wake(self) -> None:
        """Let the lane look for work."""
        if not (self._running or self._is_closed or self.state is LaneState.DEAD):
            self._running = True
            self._task_group.start_soon(self._run, name=f"lane {self.name}")

    def reread(self) -> None:
        """Look into the outbox again, where somebody may have put something back or dropped it."""
        self._something_expires = True
        self._queue.reread()
        self.wake()

    def revive(self, webhook: WebhookURL) -> None:
        """Go on with another URL, also if the lane is dead."""
        self._webhook = webhook
        self._limits = self._all_limits.of(webhook.id)
        self._outage.end()
        self.state, self.reason = LaneState.IDLE, ""
        # What held up the old webhook need not hold up this one.
        self._wait_scope.cancel()
        self.wake()

    def finish(self, give_up_at: float) -> None:
        """Send what waits without gathering more, and end the lane's task.

        :param give_up_at: a lane that has to wait until after this gives up at once, on the clock
            of the event loop
        """
        self._give_up_at = give_up_at
        self._is_finishing = True
        self._hurry.set()
        if self._waits_until > give_up_at:
            self._wait_scope.cancel()

    def close(self) -> None:
        """Give back what the lane holds; what waits stays in the outbox."""
        self._is_closed = True
        self._queue.close()

    async def _run(self) -> None:
        try:
            while await self._deliver_or_recover():
                pass
        finally:
            self._running = False

    async def _deliver_or_recover(self) -> bool:
        try:
            return await self._deliver_next()
        except Exception as error:
            # Contained here: it would end the lanes of all other webhooks too.
            reason = f"a fault of ours ({type(error).__name__}), see the log"
            self.statistics.last_error = reason
            if self._outage.note():
                logger.exception("webhook '%s' is tried again after a fault of ours", self.name)

            self._set_state(LaneState.RETRYING, reason)
            return await self._wait_until(self._outage.retry_at)

    async def _deliver_next(self) -> bool:
        """Deliver one message; return whether there may be more to do."""
        self._hurry = anyio.Event()
        await self._queue.fill()
        if self._queue.is_empty and self._outbox.statistics().pending:
            # What had expired before it was read is to be told too.
            await self._expire()

        if self._queue.is_empty and not self._expired:
            self._something_expires = False
            self._outage.end()
            self._set_state(LaneState.IDLE)
            return False

        if self._queue.batch:
            await self._gather(self._queue.batch[0])

        limits = await self._wait_for_turn()
        if limits is None:
            return False

        webhook = self._webhook
        outcome: Outcome | None = None
        message: Message | None = None
        try:
            await self._queue.fill()
            await self._expire()
            message = self._compose()
            if message is not None:
                self._set_state(LaneState.SENDING)
                self.statistics.requests += 1
                thread_id = self._presenter.thread_id(webhook.id)
                outcome = await self._client.execute(webhook, message.body(), thread_id=thread_id)
        finally:
            limits.observe(outcome)
            if message is not None:
                self._presenter.answered(message)

        if message is not None and outcome is not None:
            # What Discord has is not sent again because we are cancelled right now.
            with anyio.CancelScope(shield=True):
                await self._settle(message, outcome, webhook)

        return self.state is not LaneState.DEAD

    async def _gather(self, first: Waiting) -> None:
        """Wait until the window that the first entry opened is over."""
        window = self._batch.window
        is_quiet = first.arrived - self._last_sent >= window
        at_once = self._queue.is_urgent or (self._batch.immediate and is_quiet)
        due = first.arrived + (0.0 if at_once else window)
        if due > anyio.current_time() and not self._is_finishing:
            self._set_state(LaneState.GATHERING)
            with anyio.CancelScope(deadline=due):
                await self._hurry.wait()

    async def _wait_for_turn(self) -> Limits | None:
        """Wait until a request may be sent; return what counts it, None if that is too late."""
        while True:
            limits = self._limits
            turn = max(limits.ready_at(), self._outage.retry_at)
            if turn <= anyio.current_time():
                await limits.wait()
                return limits

            self._set_state(LaneState.WAITING, "Discord's rate limit")
            if not await self._wait_until(turn):
                return None

    async def _wait_until(self, time: float) -> bool:
        """Wait, unless that is too long or something has changed; return False if it is."""
        if time > self._give_up_at:
            return False

        self._waits_until = time
        with anyio.CancelScope() as self._wait_scope:
            await anyio.sleep_until(time)

        self._waits_until = LONG_AGO
        return True

    async def _expire(self) -> None:
        """Take out what is too old to be told."""
        if not self._something_expires:
            return

        expiries: list[OutboxExpiry] = []
        # Once they are gone from the outbox, nobody else will tell of them.
        with anyio.CancelScope(shield=True):
            expiries += await self._outbox.expire(self.name)

        for expiry in expiries:
            self._expired[expiry.label] = self._expired.get(expiry.label, 0) + expiry.count
            self.statistics.expired += expiry.count
            logger.warning(
                "webhook '%s': %d %s expired before they could be told",
                self.name,
                expiry.count,
                expiry.label,
            )

        self._queue.remove_expired(datetime.now(UTC))

    def _compose(self) -> Message | None:
        batch = self._queue.batch
        if batch and batch[0].id > self._batch_through:
            self._batch_through, self._messages_of_batch = batch[-1].id, 0

        max_messages = self._batch.max_messages
        if max_messages is not None:
            max_messages = max(1, max_messages - self._messages_of_batch)

        entries = [waiting.entry for waiting in islice(batch, self._suspects.at_most)]
        is_backlog = bool(batch) and batch[0].arrived < self._backlog_before
        self._embed_each = self._batch.style == "embeds" and not is_backlog
        composed = messages(
            entries,
            style=self._batch.style,
            max_messages=max_messages,
            catch_up=is_backlog,
            expired=self._expired,
        )
        message = next(composed, None)
        if message is None:
            return None

        told = entries[: message.entries]
        return self._presenter.present(message, told, self._webhook.id, is_backlog)

    async def _settle(self, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        """Do what the outcome of a request asks for."""
        if outcome.status == TOO_MANY_REQUESTS:
            self.statistics.rate_limited += 1

        match outcome.kind:
            case OutcomeKind.DELIVERED:
                await self._delivered(message, outcome, webhook)
            case OutcomeKind.RETRY_AFTER:
                self._note(outcome)
                logger.warning("webhook '%s' waits: %s", self.name, outcome.reason)
            case OutcomeKind.RETRY:
                self._note(outcome)
                self._retry(outcome)
            case OutcomeKind.DEAD:
                self._note(outcome)
                await self._refused(message, outcome, webhook)
            case OutcomeKind.LANE_DEAD:
                self._note(outcome)
                # Somebody deleted the thread that was created for the messages: create another.
                if outcome.code != UNKNOWN_CHANNEL or not self._presenter.thread_is_gone(
                    webhook.id
                ):
                    self._die(outcome, webhook)

    def _note(self, outcome: Outcome) -> None:
        self.statistics.last_error = outcome.reason

    async def _delivered(self, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        self._presenter.delivered(message, webhook.id, outcome.channel_id)
        self._last_sent = anyio.current_time()
        self._messages_of_batch += 1
        self.statistics.messages += 1
        self.statistics.sent += message.entries
        self._expired.clear()
        if self._outage.is_on:
            logger.info("webhook '%s' works again after %.1f s", self.name, self._outage.lasted)
            self._outage.end()

        delivered = self._queue.remove(message.entries)
        self._suspects.settled(self._queue.first_id)
        await self._outbox.acknowledge(waiting.id for waiting in delivered)

    def _retry(self, outcome: Outcome) -> None:
        """Plan the next attempt after an outage, or during one."""
        if self._outage.note(outcome.retry_after):
            logger.warning(
                "webhook '%s' does not work (for %d s, %d events wait) and is tried again: %s",
                self.name,
                self._outage.lasted,
                self._outbox.statistics().pending,
                outcome.reason,
            )

        self._set_state(LaneState.RETRYING, outcome.reason)
        if self._outage.lasted >= BACKLOG_AFTER_SECONDS:
            self._backlog_before = anyio.current_time()

    async def _refused(self, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        """Give up the entry that Discord refuses, and only that one."""
        self._outage.end()
        if is_about_configuration(outcome):
            self._die(outcome, webhook)
        elif message.entries == 0:
            logger.error("webhook '%s': %s", self.name, outcome.reason)
            self._expired.clear()
        else:
            told = list(islice(self._queue.batch, message.entries))
            bad = self._suspects.find(told, message, outcome, embed_each=self._embed_each)
            if bad:
                await self._give_up(bad, outcome)

    async def _give_up(self, ids: set[int], outcome: Outcome) -> None:
        given_up = self._queue.take_out(ids)
        self.statistics.failed += len(given_up)
        detail = "; ".join(str(error) for error in outcome.errors)
        for waiting in given_up:
            logger.error(
                "webhook '%s': Discord refuses %s %s, which is now a dead letter: %s",
                self.name,
                waiting.entry.type,
                waiting.entry.event_id,
                outcome.reason,
            )

        self._suspects.settled(self._queue.first_id)
        await self._outbox.dead_letter(ids, outcome.reason, detail)

    def _die(self, outcome: Outcome, webhook: WebhookURL) -> None:
        if webhook is not self._webhook:
            return  # it was given another one meanwhile

        self._set_state(LaneState.DEAD, outcome.reason)
        logger.error(
            "webhook '%s' is not used any more: %s. Its events are kept; give it a working URL",
            self.name,
            outcome.reason,
        )

    def _set_state(self, state: LaneState, reason: str = "") -> None:
        # An outage is not over because the next attempt is under way.
        if not self._outage.is_on or state in (LaneState.RETRYING, LaneState.DEAD):
            self.state, self.reason = state, reason
