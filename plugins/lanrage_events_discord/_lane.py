"""The ordered path to one webhook: gather, wait for Discord's limits, compose, send, settle."""

from __future__ import annotations

import logging
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice

import anyio
from anyio.abc import TaskGroup

from lanrage_events import Outbox

from ._client import WebhookClient
from ._compose import messages
from ._config import BatchConfig
from ._entry import Entry
from ._limits import RateLimits
from ._message import Message
from ._outcome import Outcome, OutcomeKind
from ._presenter import Presenter
from ._queue import LONG_AGO, LaneQueue, Waiting
from ._urls import WebhookURL

logger = logging.getLogger("lanrage_events.discord")

FIRST_RETRY_SECONDS = 0.25
# So that an outage of some seconds ends within moments for us too...
MAX_RETRY_SECONDS = 2.0
# ... and one of hours does not cost a request every other second.
SHORT_OUTAGE_SECONDS = 60.0
MAX_LONG_OUTAGE_RETRY_SECONDS = 30.0
MAX_DOUBLINGS = 10
# What waited through more than this is old news, told as such.
BACKLOG_AFTER_SECONDS = 5.0
TOO_MANY_REQUESTS = 429
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
UNKNOWN_CHANNEL = 10003


class LaneState(StrEnum):
    """What a lane does."""

    IDLE = "idle"
    GATHERING = "gathering"
    WAITING = "waiting"
    """for Discord's rate limits"""
    SENDING = "sending"
    RETRYING = "retrying"
    """after an outage or a fault of Discord"""
    DEAD = "dead"
    """the webhook does not work; nothing is sent until it has another URL"""


@dataclass(slots=True)
class LaneStatistics:
    """What a lane has done since it was made."""

    sent: int = 0
    """events that Discord accepted"""
    messages: int = 0
    """messages that Discord accepted"""
    requests: int = 0
    failed: int = 0
    """events that became dead letters"""
    expired: int = 0
    """events that were too old when their turn came"""
    rate_limited: int = 0
    """answers of 429"""
    last_error: str = ""
    """what went wrong last, without secrets"""


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
        self._hurry = anyio.Event()
        """set when gathering is to end early"""
        self._is_finishing = False
        self._give_up_at = math.inf
        self._wait_scope = anyio.CancelScope()
        self._waits_until = LONG_AGO
        self._last_sent = LONG_AGO
        self._retry_at = LONG_AGO
        self._retries = 0
        self._outage_began: float | None = None
        self._outage_logged = LONG_AGO
        self._backlog_before = anyio.current_time()
        """entries that arrived before are old news"""
        self._batch_through = 0
        """the number of the last entry of the batch that is being sent"""
        self._messages_of_batch = 0
        self._at_most: int | None = None
        """entries in the next message, while the one that Discord refuses is looked for"""
        self._suspect_through = 0
        """the number of the last entry of the message that was refused"""
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

        await self._queue.put(entry, expires)
        if entry.presentation.immediate:
            self._hurry.set()

        self.wake()

    def wake(self) -> None:
        """Let the lane look for work."""
        if not self._running and self.state is not LaneState.DEAD:
            self._running = True
            self._task_group.start_soon(self._run, name=f"lane {self.name}")

    def reread(self) -> None:
        """Look into the outbox again, where somebody may have put something back."""
        self._queue.reread()
        self.wake()

    def revive(self, webhook: WebhookURL) -> None:
        """Go on with another URL, also if the lane is dead."""
        self._webhook = webhook
        self._limits = self._all_limits.of(webhook.id)
        self._retry_at, self._retries, self._outage_began = LONG_AGO, 0, None
        self.state, self.reason = LaneState.IDLE, ""
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
        self._queue.close()

    async def _run(self) -> None:
        try:
            while await self._deliver_next():
                pass
        finally:
            self._running = False

    async def _deliver_next(self) -> bool:
        """Deliver one message; return whether there may be more to do."""
        await self._queue.fill()
        if self._queue.is_empty and not self._expired:
            self._set_state(LaneState.IDLE)
            return False

        if self._queue.batch:
            await self._gather(self._queue.batch[0])

        if not await self._wait_for_turn():
            return False

        outcome: Outcome | None = None
        message: Message | None = None
        try:
            await self._queue.fill()
            await self._expire()
            message = self._compose()
            if message is not None:
                self._set_state(LaneState.SENDING)
                self.statistics.requests += 1
                thread_id = self._presenter.thread_id(self._webhook.id)
                outcome = await self._client.execute(
                    self._webhook, message.body(), thread_id=thread_id
                )
        finally:
            self._limits.observe(outcome)

        if message is not None and outcome is not None:
            await self._settle(message, outcome)

        return self.state is not LaneState.DEAD

    async def _gather(self, first: Waiting) -> None:
        """Wait until the window that the first entry opened is over."""
        window = self._batch.window
        is_quiet = first.arrived - self._last_sent >= window
        at_once = self._queue.is_urgent or (self._batch.immediate and is_quiet)
        due = first.arrived + (0.0 if at_once else window)
        if due > anyio.current_time() and not self._is_finishing:
            self._set_state(LaneState.GATHERING)
            self._hurry = anyio.Event()
            with anyio.CancelScope(deadline=due):
                await self._hurry.wait()

    async def _wait_for_turn(self) -> bool:
        """Wait until a request may be sent; return False if that is too late."""
        while (turn := max(self._limits.ready_at(), self._retry_at)) > anyio.current_time():
            if turn > self._give_up_at:
                return False

            if self.state is not LaneState.RETRYING:
                self._set_state(LaneState.WAITING, "Discord's rate limit")

            self._waits_until = turn
            with anyio.CancelScope() as self._wait_scope:
                await anyio.sleep_until(turn)

            self._waits_until = LONG_AGO

        await self._limits.wait()
        return True

    async def _expire(self) -> None:
        """Take out what is too old to be told."""
        if not self._something_expires:
            return

        for expiry in await self._outbox.expire(self.name):
            self._expired[expiry.label] = self._expired.get(expiry.label, 0) + expiry.count
            self.statistics.expired += expiry.count

        self._queue.remove_expired(datetime.now(UTC))

    def _compose(self) -> Message | None:
        batch = self._queue.batch
        if batch and batch[0].id > self._batch_through:
            self._batch_through, self._messages_of_batch = batch[-1].id, 0

        max_messages = self._batch.max_messages
        if max_messages is not None:
            max_messages = max(1, max_messages - self._messages_of_batch)

        entries = [waiting.entry for waiting in islice(batch, self._at_most)]
        is_backlog = bool(batch) and batch[0].arrived < self._backlog_before
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

    async def _settle(self, message: Message, outcome: Outcome) -> None:
        """Do what the outcome of a request asks for."""
        if outcome.status == TOO_MANY_REQUESTS:
            self.statistics.rate_limited += 1

        match outcome.kind:
            case OutcomeKind.DELIVERED:
                await self._delivered(message, outcome)
            case OutcomeKind.RETRY_AFTER:
                self._note(outcome)
                logger.warning("webhook '%s' waits: %s", self.name, outcome.reason)
            case OutcomeKind.RETRY:
                self._note(outcome)
                self._retry(outcome)
            case OutcomeKind.DEAD:
                self._note(outcome)
                await self._refused(message, outcome)
            case OutcomeKind.LANE_DEAD:
                self._note(outcome)
                # Somebody deleted the thread that was created for the messages: create another.
                if outcome.code != UNKNOWN_CHANNEL or not self._presenter.thread_is_gone(
                    self._webhook.id
                ):
                    self._die(outcome)

    def _note(self, outcome: Outcome) -> None:
        self.statistics.last_error = outcome.reason

    async def _delivered(self, message: Message, outcome: Outcome) -> None:
        now = anyio.current_time()
        self._presenter.delivered(message, self._webhook.id, outcome.channel_id)
        self._last_sent = now
        self._messages_of_batch += 1
        self.statistics.messages += 1
        self.statistics.sent += message.entries
        self._expired.clear()
        if self._outage_began is not None:
            seconds = now - self._outage_began
            logger.info("webhook '%s' works again after %.1f seconds", self.name, seconds)
            self._outage_began, self._retries = None, 0

        delivered = self._queue.remove(message.entries)
        if delivered and delivered[-1].id >= self._suspect_through:
            self._at_most = None

        await self._outbox.acknowledge(waiting.id for waiting in delivered)

    def _retry(self, outcome: Outcome) -> None:
        """Plan the next attempt after an outage, or during one."""
        now = anyio.current_time()
        if self._outage_began is None:
            self._outage_began = self._outage_logged = now
            logger.warning("webhook '%s' is tried again: %s", self.name, outcome.reason)
        elif now - self._outage_logged >= SHORT_OUTAGE_SECONDS:
            self._outage_logged = now
            pending = self._outbox.statistics().pending
            logger.warning(
                "webhook '%s' has not worked for %d seconds, %d events wait: %s",
                self.name,
                now - self._outage_began,
                pending,
                outcome.reason,
            )

        lasted = now - self._outage_began
        longest = (
            MAX_RETRY_SECONDS if lasted < SHORT_OUTAGE_SECONDS else MAX_LONG_OUTAGE_RETRY_SECONDS
        )
        delay = min(FIRST_RETRY_SECONDS * 2**self._retries, longest)
        # Jitter, so that many who met the same outage do not come back together.
        delay *= random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._retries = min(self._retries + 1, MAX_DOUBLINGS)
        self._retry_at = now + max(delay, outcome.retry_after or 0.0)
        self._set_state(LaneState.RETRYING, outcome.reason)
        if lasted >= BACKLOG_AFTER_SECONDS:
            self._backlog_before = now

    async def _refused(self, message: Message, outcome: Outcome) -> None:
        """Give up the entry that Discord refuses, and only that one."""
        count = message.entries
        batch = self._queue.batch
        if count == 0:
            logger.error("webhook '%s': %s", self.name, outcome.reason)
            self._expired.clear()
        elif outcome.bad_embeds and len(message.embeds) == count:
            bad = {batch[index].id for index in outcome.bad_embeds if index < count}
            await self._give_up(bad, outcome)
        elif count > 1:
            self._suspect_through = batch[count - 1].id
            self._at_most = count // 2
        else:
            await self._give_up({batch[0].id}, outcome)

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

        if self._queue.batch and self._queue.batch[0].id > self._suspect_through:
            self._at_most = None

        await self._outbox.dead_letter(ids, outcome.reason, detail)

    def _die(self, outcome: Outcome) -> None:
        self._set_state(LaneState.DEAD, outcome.reason)
        logger.error(
            "webhook '%s' is not used any more: %s. Its events are kept; give it a working URL",
            self.name,
            outcome.reason,
        )

    def _set_state(self, state: LaneState, reason: str = "") -> None:
        self.state, self.reason = state, reason
