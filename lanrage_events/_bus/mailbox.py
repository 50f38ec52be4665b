"""A mailbox: a plugin's bounded queue of events."""

from __future__ import annotations

import logging
import sys
from collections import deque
from time import monotonic
from typing import get_args

import anyio
import anyio.lowlevel

from .._events import Event
from .._exceptions import EventDropped
from ..abc import PluginState, PluginStatistics, WhenFull
from .drops import RecentDrops
from .instrument import Instruments

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_DROP_LOGS = 1.0
NEVER = sys.maxsize
DOWN = "the plugin failed and does not run now"
"""why an event is dropped that a publisher waits for"""


class Acknowledgement:
    """Collects the outcome of one event in the mailboxes that its publisher waits for."""

    __slots__ = ("_done", "_pending", "errors", "rejected")

    def __init__(self) -> None:
        self._pending = 0
        self._done: anyio.Event | None = None
        self.errors: list[Exception] = []
        self.rejected: Exception | None = None
        """why the event was not published"""

    def add(self) -> None:
        """Expect one more mailbox."""
        self._pending += 1

    def done(self, errors: list[Exception] | None = None) -> None:
        """Record that one mailbox is done with the event."""
        if errors:
            self.errors.extend(errors)

        self._pending -= 1
        if not self._pending and self._done is not None:
            self._done.set()

    @property
    def is_done(self) -> bool:
        """Whether every mailbox is done with the event."""
        return not self._pending

    async def wait(self) -> None:
        """Wait until every mailbox is done with the event."""
        if self._pending:
            self._done = anyio.Event()
            await self._done.wait()
        else:
            await anyio.lowlevel.checkpoint()


class MailboxGroup:
    """What the mailboxes of one bus share with those who put events into them."""

    __slots__ = ("awake", "capacity", "sleep_count")

    def __init__(self) -> None:
        self.awake: set[Mailbox] = set()
        """the mailboxes whose consumers do not sleep: all others are empty"""
        self.sleep_count = 0
        """how often a consumer went to sleep; while it stays the same, the woken ones are awake"""
        self.capacity = 0
        """events that fit into every awake mailbox that is not full; 0 if it must be found first"""


class Mailbox:
    """A bounded queue of events with one consumer and a policy for when it is full.

    Events are numbered in the order in which they enter, so that tracking one costs nothing for
    the others.

    :param owner: the name of the plugin, for log lines
    :param size: events that it holds
    :param when_full: ``block`` makes publishers wait, ``drop_oldest`` and ``drop_newest`` drop
        events and count them
    :param instruments: called for each event that is dropped
    """

    __slots__ = (
        "_drops_logged",
        "_instruments",
        "_log_drops_at",
        "_recent_drops",
        "_sleeper",
        "_watches_drops",
        "abandoned_threads",
        "acks",
        "blocks",
        "busy",
        "closed",
        "drains",
        "dropped",
        "exceeded",
        "failed",
        "group",
        "hook_seconds",
        "items",
        "look_at",
        "owner",
        "rejects",
        "size",
        "skipped",
        "stuck_at",
        "taken",
        "when_full",
    )

    def __init__(
        self, owner: str, size: int, when_full: WhenFull, instruments: Instruments
    ) -> None:
        self.owner = owner
        self._instruments = instruments
        self._watches_drops = instruments.watches_drops
        self.group = MailboxGroup()
        """shared by the mailboxes of a bus"""
        self.set_policy(size, when_full)
        self.items: deque[Event] = deque()
        self.closed = False
        self.busy = 0
        """events that its consumer has in hand"""
        self.hook_seconds = 0.0
        """seconds for which its consumer handled events, waiting in hooks included"""
        self.taken = 0
        """events that its consumer took out"""
        self.stuck_at = -1
        """the value of ``taken`` when it was full last although its consumer had several turns"""
        self.skipped = 0
        """events that were dropped from the front"""
        self.failed = 0
        self.dropped = 0
        self.exceeded = 0
        """events that entered beyond ``size`` because a hook published them"""
        self.abandoned_threads = 0
        """calls of threaded hooks that were cancelled while their thread went on"""
        self.acks: dict[int, Acknowledgement] = {}
        self.drains: list[tuple[int, anyio.Event]] = []
        """what to set once the events up to a number have left; changed in place"""
        self.look_at = NEVER
        """the value of ``taken`` at which :meth:`complete_drains` has something to do"""
        self._sleeper: anyio.Event | None = None
        """what its consumer waits for while it sleeps"""
        self._drops_logged = 0
        self._log_drops_at = 0.0
        self._recent_drops: RecentDrops | None = None
        """None until an event is dropped: there may be thousands of mailboxes"""

    def set_policy(self, size: int, when_full: WhenFull) -> None:
        """Change how much it holds and what happens when it is full.

        :raises ValueError: if one of them is invalid
        """
        if size < 1:
            what = f"must hold at least 1 event, not {size}"
            raise ValueError(f"the mailbox of '{self.owner}' {what}")

        if when_full not in get_args(WhenFull):
            known = ", ".join(get_args(WhenFull))
            raise ValueError(
                f"when_full of '{self.owner}' must be one of {known}, not {when_full!r}"
            )

        self.size = size
        self.when_full: WhenFull = when_full
        self.blocks = when_full == "block"
        self.rejects = False
        """whether it drops what publishers wait for"""
        self.group.capacity = 0

    @property
    def full(self) -> bool:
        """Whether the next event would have to wait or would cause a drop."""
        return len(self.items) >= self.size

    @property
    def stuck(self) -> bool:
        """Whether it drops events, and its consumer took nothing since :attr:`stuck_at` was set."""
        return self.stuck_at == self.taken and not self.blocks

    @property
    def handled(self) -> int:
        """Events that were taken out and handled without failing."""
        return self.taken - self.failed - self.busy

    @property
    def unfinished(self) -> int:
        """Events that are in it or in the hands of its consumer."""
        return len(self.items) + self.busy

    @property
    def idle(self) -> bool:
        """Whether it is empty and its consumer has nothing in hand."""
        return not self.items and not self.busy

    def statistics(
        self, state: PluginState, restarts: int = 0, last_failure: str = ""
    ) -> PluginStatistics:
        """Return what happened to its events."""
        return PluginStatistics(
            state=state,
            size=self.size,
            when_full=self.when_full,
            pending=len(self.items),
            handled=self.handled,
            failed=self.failed,
            dropped=self.dropped,
            exceeded=self.exceeded,
            restarts=restarts,
            hook_seconds=self.hook_seconds,
            abandoned_threads=self.abandoned_threads,
            last_failure=last_failure,
        )

    def put(self, event: Event, ack: Acknowledgement | None = None) -> None:
        """Add an event, by the policy if it is full; a ``block`` mailbox always takes it."""
        if ack is not None and self.rejects:
            ack.add()
            self._drop(event, ack, DOWN)
            self._log_drops_now_and_then()
            return

        if self.full:
            if self.blocks:
                self.exceeded += 1
            elif self.when_full == "drop_newest":
                if ack is not None:
                    ack.add()

                self._drop(event, ack)
                self._log_drops_now_and_then()
                return
            else:
                self._drop_first()
                self._log_drops_now_and_then()

        if ack is not None:
            ack.add()
            self.acks[self.taken + self.skipped + len(self.items)] = ack

        self.items.append(event)
        if self._sleeper is not None:
            self.wake()

    def append_or_drop(self, event: Event) -> None:
        """Add an event to a mailbox that is stuck, by the policy if it is still full."""
        items = self.items
        if len(items) < self.size:
            # So that the fan-out looks for capacity, and finds that it is no longer stuck.
            self.group.capacity = 0
            items.append(event)
            return

        if self.when_full == "drop_newest":
            self._drop(event, None)
        elif self.acks or self._watches_drops:
            self._drop_first()
            items.append(event)
        else:
            # What _drop_first() does, in half the time.
            items.popleft()
            items.append(event)
            self.skipped += 1
            self.look_at -= 1
            self.dropped += 1

        if monotonic() >= self._log_drops_at:
            self.log_drops()

    def _drop_first(self, reason: str | None = None) -> Event:
        ack = self.acks.pop(self.taken + self.skipped, None) if self.acks else None
        event = self.items.popleft()
        self.skipped += 1
        self.look_at -= 1
        self._drop(event, ack, reason)
        return event

    def _drop(self, event: Event, ack: Acknowledgement | None, reason: str | None = None) -> None:
        self.dropped += 1
        if ack is not None or self._watches_drops:
            error = EventDropped(event, self.owner, reason or self._full_reason())
            self._instruments.event_dropped(error)
            if ack is not None:
                ack.done([error])

    def _full_reason(self) -> str:
        if self.rejects:
            return DOWN

        full = f"its mailbox of {self.size} is full"
        if self.when_full == "block" and not self.blocks:
            return f"{full}, and {DOWN}"

        return f"{full} ({self.when_full})"

    def _log_drops_now_and_then(self) -> None:
        if monotonic() >= self._log_drops_at:
            self.log_drops()

    def recent_drops(self) -> int:
        """Return how many events were dropped without a pause of a minute, 0 a minute after the last."""
        if not self.dropped:
            return 0

        # Drops are logged at once but for those within a second after a log line.
        self._note_drops(is_new=monotonic() < self._log_drops_at)
        return 0 if self._recent_drops is None else self._recent_drops.count

    def forget_drops(self) -> None:
        """Count no drop until now as recent."""
        if self.dropped:
            self._recent_drops = RecentDrops(self.dropped)

    def _note_drops(self, *, is_new: bool) -> None:
        try:
            now = anyio.current_time()
        except RuntimeError:  # outside of a task, so they are noted later
            return

        if self._recent_drops is None:
            self._recent_drops = RecentDrops()

        self._recent_drops.note(self.dropped, now, is_new=is_new)

    def log_drops(self) -> None:
        """Log the drops since the last log line; there may be thousands a second."""
        if self.dropped:
            self._note_drops(is_new=True)

        if count := self.dropped - self._drops_logged:
            self._drops_logged = self.dropped
            self._log_drops_at = monotonic() + SECONDS_BETWEEN_DROP_LOGS
            logger.warning(
                "plugin '%s' dropped %d event%s (%d so far): %s",
                self.owner,
                count,
                "" if count == 1 else "s",
                self.dropped,
                self._full_reason(),
            )

    def set_down(self, down: bool, *, durable: bool = False) -> None:
        """Let a ``block`` mailbox drop events while its plugin is down, so that publishers go on.

        :param durable: whether events that publishers wait for are dropped in any case, so that the
            publishers learn of it at once and can publish them again
        """
        self.log_drops()  # while it is known why
        was_down = self.rejects or (self.when_full == "block" and not self.blocks)
        if was_down and not down:
            self.forget_drops()  # a larger mailbox would not help

        self.blocks = self.when_full == "block" and not down
        self.rejects = down and durable
        self.group.capacity = 0
        if self.rejects and self.acks:
            self._drop_awaited()

    def _drop_awaited(self) -> None:
        """Drop the events that publishers wait for, and keep the others in their order."""
        first = self.taken + self.skipped
        numbered = tuple(enumerate(self.items, first))
        kept = [number for number, _ in numbered if number not in self.acks]
        dropped = [(event, self.acks[n]) for n, event in numbered if n in self.acks]
        self.acks.clear()
        self.items.clear()
        self.items.extend(numbered[number - first][1] for number in kept)
        self.skipped += len(dropped)
        first += len(dropped)
        self.drains[:] = [
            (first + sum(number < target for number in kept), drained)
            for target, drained in self.drains
        ]
        for event, ack in dropped:
            self._drop(event, ack, DOWN)

        self.complete_drains()

    async def wait(self) -> None:
        """Wait until there is an event or the mailbox is closed."""
        if self.dropped != self._drops_logged:
            self._log_drops_now_and_then()

        self._sleeper = sleeper = anyio.Event()
        self.group.awake.discard(self)
        self.group.sleep_count += 1
        try:
            await sleeper.wait()
        finally:
            # Of several that wait, only the last one is woken.
            if self._sleeper is sleeper:
                self.wake()

    def wake(self) -> None:
        """Wake the consumer."""
        group = self.group
        group.awake.add(self)
        group.capacity = max(min(group.capacity, self.size - len(self.items)), 0)
        if self._sleeper is not None:
            self._sleeper.set()
            self._sleeper = None

    def close(self) -> None:
        """Let the consumer end once the mailbox is empty."""
        self.log_drops()
        self.closed = True
        self.wake()

    def discard(self, reason: str) -> tuple[Event, ...]:
        """Empty the mailbox and return what was in it."""
        events = tuple(self._drop_first(reason) for _ in range(len(self.items)))
        # Logged by the caller, together with the reason.
        self._drops_logged = self.dropped
        self.complete_drains()
        return events

    def take_ack(self) -> Acknowledgement | None:
        """Return the acknowledgement of the event that was just taken out, if it has one."""
        return self.acks.pop(self.taken + self.skipped - 1, None)

    def complete_drains(self) -> None:
        """Set the drains whose events have all left; called between two events."""
        done = self.taken + self.skipped
        waiting = []
        for target, drained in self.drains:
            if target <= done:
                drained.set()
            else:
                waiting.append((target, drained))

        self.drains[:] = waiting
        self._look()

    def _look(self) -> None:
        target = min((target for target, _ in self.drains), default=NEVER)
        self.look_at = target - self.skipped

    def drained(self) -> anyio.Event | None:
        """Return an event that is set once all current events have left, None if it is idle."""
        if self.idle:
            return None

        # One for all that wait for the same event, so that those that gave up do not accumulate.
        last = self.taken + self.skipped + len(self.items)
        if self.drains and self.drains[-1][0] == last:
            return self.drains[-1][1]

        drained = anyio.Event()
        self.drains.append((last, drained))
        self._look()
        return drained
