"""The next message of a lane, composed of the oldest entries."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from lanrage_events.delivery import Waiting
from lanrage_events.outbox import ExpiredEntries

from .. import limits
from .._client import Outcome
from .._config import BatchConfig
from .._diagnosis import Bisection, ServerErrors
from .._embeds import Message
from .._rendering import Entry, Wording, compose
from .._settling import Report
from .envelope import Envelope
from .expired import ExpiredCounts
from .queue import LaneQueue

# If the answer is lost again, no more than this is posted once more.
REPEATED_MAX_ENTRIES = 50


class Batch:
    """Composes the messages of a lane one by one, each from all entries that wait by then.

    :param config: how entries are composed
    :param queue: what waits
    :param envelope: adds what the webhook's configuration asks for
    :param expired: counts what expired
    :param lane: the lane's name there
    :param wording: the texts of the messages besides the entries
    :param server_errors: says which entries to try apart from the others
    """

    def __init__(
        self,
        config: BatchConfig,
        queue: LaneQueue,
        envelope: Envelope,
        expired: ExpiredCounts,
        lane: str,
        wording: Wording,
        server_errors: ServerErrors,
    ) -> None:
        self.config = config
        """how entries are composed, from the next message on"""
        self._server_errors = server_errors
        self._queue = queue
        self._envelope = envelope
        self._through = 0
        """the id of the last entry of the batch that is being sent"""
        self._messages = 0
        """how many messages of the batch were delivered so far"""
        self._bisection = Bisection()
        self._entries: list[Waiting[Entry]] = []
        """what the next message may show, as of the last look"""
        self._thread_name = ""
        """of the thread that it belongs into, empty for that one"""
        self._report = Report()
        """what it may say about who reconnected"""
        self._webhook_id = ""
        self._embed_each = False
        """whether each entry of the last message has an embed of its own"""
        self._says_expired = False
        """whether the last message has the note of what expired"""
        self._expired = expired
        self._lane = lane
        self._wording = wording

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send, as far as is known without reading the outbox."""
        return self._queue.is_empty and not self._is_note

    @property
    def must_wait(self) -> bool:
        """Whether nothing may be sent now, since all that waits is held."""
        return not self._queue.batch and (self._queue.is_quiet or not self._is_note)

    @property
    def _is_note(self) -> bool:
        """Whether a message without entries is worth sending."""
        return bool(self._expired.of(self._lane)) or self._queue.settling.is_message

    def expired(self, expiry: ExpiredEntries) -> None:
        """Report what expired with the next message."""
        self._expired.add(self._lane, expiry.label, expiry.count)

    def forget_expired(self) -> None:
        """Do not report what expired, nor who reconnected."""
        self._expired.clear(self._lane)
        self.forget_reconnects()
        self._server_errors.note_ended()

    def forget_reconnects(self) -> None:
        """Do not report who reconnected."""
        self._queue.settling.reported(self._report)

    def may_be_full(self, waiting: int) -> bool:
        """Whether it is worth asking :attr:`is_full` again, now that so many entries wait."""
        return self.config.style == "embeds" and waiting >= limits.MESSAGE_MAX_EMBEDS

    @property
    def is_full(self) -> bool:
        """Whether the next message cannot show more than it does, however long it waits."""
        self._choose()
        message, _ = self._compose()
        return message is not None and (
            message.entries < len(self._entries) or len(message.embeds) == limits.MESSAGE_MAX_EMBEDS
        )

    def compose(self, webhook_id: str) -> Message | None:
        """Return the next message, None if there is nothing to send."""
        self._webhook_id = webhook_id
        self._choose()
        if self._server_errors.set_aside and not self._entries:
            self._server_errors.interrupted()
            self._choose()

        batch = self._entries
        if batch and batch[0].id > self._through:
            self._through, self._messages = self._queue.batch[-1].id, 0

        message, entries = self._compose()
        self._says_expired = bool(self._expired_now)
        if message is None:
            return None

        self._embed_each = self._shows_embeds
        shown = entries[: message.entries]
        return self._envelope.wrap(message, shown, webhook_id, self._is_backlog, self._thread_name)

    def _choose(self) -> None:
        """Find out what the next message may show: what goes to the thread of the oldest entry."""
        aside = self._server_errors.set_aside
        batch = self._queue.batch
        if aside:
            batch = [waiting for waiting in batch if waiting.id not in aside]

        if batch:
            self._thread_name = batch[0].entry.presentation.thread_name
        else:
            has_expired = bool(self._expired.of(self._lane))
            self._thread_name = "" if has_expired else self._queue.settling.first_thread

        self._entries = self._envelope.in_first_thread(batch, self._webhook_id)

    def _goes_to(self, thread_name: str) -> bool:
        """Return whether the next message goes to the thread of a name."""
        return self._envelope.is_same_place(self._thread_name, thread_name, self._webhook_id)

    @property
    def _is_backlog(self) -> bool:
        batch = self._entries
        return bool(batch) and batch[0].arrived < self._queue.old_before

    @property
    def _shows_embeds(self) -> bool:
        return self.config.style == "embeds" and not self._is_backlog

    def _compose(self) -> tuple[Message | None, list[Entry]]:
        """Return the next message without its envelope, and what it is chosen from."""
        batch = self._entries
        max_messages = self.config.max_messages
        if max_messages is not None:
            max_messages = max(1, max_messages - self._messages)

        at_most = self._bisection.at_most
        if (tried := self._server_errors.at_most) is not None:
            at_most = min(at_most or tried, tried)

        if at_most is None and max_messages is None and self._shows_embeds:
            # One more than fits, which shows that there are more.
            at_most = limits.MESSAGE_MAX_EMBEDS + 1

        # The last message counts what it does not show, so it must know of all.
        is_repeated = bool(batch) and self._queue.settling.may_be_posted(batch[0].id)
        if is_repeated and max_messages != 1:
            at_most = min(at_most or REPEATED_MAX_ENTRIES, REPEATED_MAX_ENTRIES)

        entries = [waiting.entry for waiting in islice(batch, at_most)]
        composed = compose(
            entries,
            wording=self._wording,
            style=self.config.style,
            max_messages=max_messages,
            catch_up=self._is_backlog,
            expired=self._expired_now,
            ending=self._ending,
        )
        return next(composed, None), entries

    @property
    def _ending(self) -> str:
        """What the next message may say about who reconnected."""
        settling = self._queue.settling
        is_search = self._bisection.at_most is not None or self._server_errors.holds_note
        if self._entries:
            is_kept = is_search
        else:
            is_kept = not settling.is_message

        self._report = report = Report() if is_kept else settling.report(self._goes_to)
        return self._wording.reconnects(report.unsteady, report.counts) if any(report) else ""

    @property
    def _expired_now(self) -> Mapping[str, int]:
        """What the next message may say about what expired."""
        expired = self._expired.of(self._lane)
        if not expired or (self._entries and self._server_errors.holds_note):
            return {}

        return expired if self._goes_to("") else {}

    def shown(self, message: Message) -> list[int]:
        """Return the ids of the entries that the last message showed."""
        return [waiting.id for waiting in self._entries[: message.entries]]

    def behind(self, number: int, most: int) -> list[int]:
        """Return the ids of the next entries behind one, as far as they are known."""
        found = (waiting.id for waiting in self._queue.batch if waiting.id > number)
        return list(islice(found, most))

    def delivered(self, message: Message) -> list[Waiting[Entry]]:
        """Remove what the last message showed from the queue, now that Discord has it."""
        self._messages += 1
        if self._says_expired:
            self._expired.clear(self._lane)
            self._server_errors.note_ended()

        if message.has_ending:
            self.forget_reconnects()

        is_search = self._server_errors.at_most is not None
        shown = self.shown(message) if is_search else []
        if self._entries is self._queue.batch:
            removed = self._queue.remove(message.entries)
        else:
            removed = self._queue.remove_ids(frozenset(self.shown(message)))

        if message.entries:
            self._server_errors.delivered(shown)

        self._queue.settling.posted(removed)
        self.removed()
        return removed

    def answer_lost(self, message: Message) -> None:
        """Repeat a message that Discord may have already in smaller ones."""
        self._queue.settling.doubt(self._entries[: message.entries - message.counted])

    def removed(self) -> None:
        """Record that entries were removed from the queue."""
        self._bisection.removed(waiting.id for waiting in self._queue.batch)
        self._server_errors.removed(self._queue.first_id)
        if not self._queue.batch:
            # What was held comes with lower ids than what was sent meanwhile.
            self._through = 0

    def rejected(self, message: Message, outcome: Outcome) -> set[int]:
        """Return the ids of the entries that Discord rejected; none if they are not known yet."""
        shown = self.shown(message)
        return self._bisection.find_in(shown, message, outcome, embed_each=self._embed_each)
