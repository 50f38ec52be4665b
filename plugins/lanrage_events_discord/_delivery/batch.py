"""What a lane tells next: the oldest entries, composed into one message."""

from __future__ import annotations

from itertools import islice

import anyio

from lanrage_events.outbox import ExpiredEntries

from .._client import Outcome
from .._config import BatchConfig
from .._embeds import Message
from .._rendering import compose
from .bisection import Bisection
from .envelope import Envelope
from .queue import LaneQueue


class Batch:
    """Composes the messages of a lane one by one, each anew with what has come since.

    :param config: how entries are composed
    :param queue: what waits
    :param envelope: adds to messages what the webhook's configuration asks for
    """

    def __init__(self, config: BatchConfig, queue: LaneQueue, envelope: Envelope) -> None:
        self._config = config
        self._queue = queue
        self._envelope = envelope
        self._old_before = anyio.current_time()
        """entries that arrived before are old news"""
        self._through = 0
        """the number of the last entry of the batch that is being sent"""
        self._messages = 0
        """how many messages have told the batch so far"""
        self._bisection = Bisection()
        self._embed_each = False
        """whether each entry of the last message has an embed of its own"""
        self._expired: dict[str, int] = {}
        """by type, what expired and was not told yet"""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell, as far as is known without looking into the outbox."""
        return self._queue.is_empty and not self._expired

    def expired(self, expiry: ExpiredEntries) -> None:
        """Tell with the next message what was too old to be told."""
        self._expired[expiry.label] = self._expired.get(expiry.label, 0) + expiry.count

    def forget_expired(self) -> None:
        """Say no more about what expired."""
        self._expired.clear()

    def make_old(self) -> None:
        """Tell what has arrived until now as old news."""
        self._old_before = anyio.current_time()

    def compose(self, webhook_id: str) -> Message | None:
        """Return the next message, None if there is nothing to tell."""
        batch = self._queue.batch
        if batch and batch[0].id > self._through:
            self._through, self._messages = batch[-1].id, 0

        max_messages = self._config.max_messages
        if max_messages is not None:
            max_messages = max(1, max_messages - self._messages)

        entries = [waiting.entry for waiting in islice(batch, self._bisection.at_most)]
        is_backlog = bool(batch) and batch[0].arrived < self._old_before
        self._embed_each = self._config.style == "embeds" and not is_backlog
        composed = compose(
            entries,
            style=self._config.style,
            max_messages=max_messages,
            catch_up=is_backlog,
            expired=self._expired,
        )
        message = next(composed, None)
        if message is None:
            return None

        told = entries[: message.entries]
        return self._envelope.wrap(message, told, webhook_id, is_backlog)

    def delivered(self) -> None:
        """Take note that Discord has the message."""
        self._messages += 1
        self._expired.clear()

    def settled(self) -> None:
        """Take note that entries were taken out of the queue."""
        self._bisection.settled(self._queue.first_id)

    def rejected(self, message: Message, outcome: Outcome) -> set[int]:
        """Return the numbers of the entries that Discord rejects; none if it is not known yet."""
        told = list(islice(self._queue.batch, message.entries))
        return self._bisection.find(told, message, outcome, embed_each=self._embed_each)
