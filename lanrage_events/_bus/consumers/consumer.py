"""The consumer, which delivers the events of one mailbox to a plugin's hooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass
from functools import wraps
from inspect import isawaitable
from time import perf_counter
from types import CoroutineType
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from ..._containment import TaskGuard, UnexpectedCancellation, call
from ..._events import Event
from ..._exceptions import EventDropped, HookTimeout
from ..instrument import Instruments
from ..mailbox import Acknowledgement, Mailbox
from ..threads import LoopWatch, Worker
from .watchdog import Watchdog

EVENTS_BETWEEN_CHECKPOINTS = 128
SECONDS_BETWEEN_CHECKPOINTS = 0.001
QUICK_EVENTS_A_LOOK = 8
QUICK_SECONDS = 0.0001

Hook = Callable[[Event], Any]
LinkedHooks = tuple[Hook, "LinkedHooks | None"]
"""a hook and those after it: to go from one to the next costs less than a loop"""
NO_HOOK: LinkedHooks = (lambda _: None, None)


@dataclass(slots=True)
class _InHand:
    """An event whose hooks were interrupted, and the hooks that remain."""

    event: Event
    ack: Acknowledgement | None
    hooks: LinkedHooks
    errors: list[Exception] | None


class Consumer:
    """Handles the events of one mailbox until it is closed and empty.

    :param find_hooks: returns the hooks for an event class, the most specific first
    :param watchdog: cancels its hooks if they run too long
    :param waiting: the publishers that wait for capacity; only checked for being empty
    :param admit: called after an event was taken while publishers wait
    :param instruments: called for each failure
    :param watch: notices hooks that hold the event loop
    :param worker: runs the threaded hooks, None if there are none
    """

    # There may be thousands.
    __slots__ = (
        "_admit",
        "_began",
        "_event",
        "_find_hooks",
        "_guard",
        "_hooks",
        "_in_hand",
        "_instruments",
        "_is_hit",
        "_is_suspicious",
        "_is_watched",
        "_last_failure",
        "_mailbox",
        "_running",
        "_scope",
        "_seen",
        "_seen_at",
        "_stopping",
        "_timed_out",
        "_waiting",
        "_watch",
        "watchdog",
        "worker",
    )

    def __init__(
        self,
        mailbox: Mailbox,
        find_hooks: Callable[[type[Event]], tuple[Hook, ...]],
        watchdog: Watchdog,
        waiting: Sized,
        admit: Callable[[], None],
        instruments: Instruments,
        watch: LoopWatch,
        worker: Worker | None = None,
    ) -> None:
        self.watchdog = watchdog
        self._mailbox = mailbox
        self._waiting = waiting
        self._admit = admit
        self._find_hooks = find_hooks
        self._hooks: dict[type[Event], LinkedHooks] = {}
        self._last_failure: tuple[int, Exception] | None = None
        """the number of events taken by then, and the error"""
        self._running: Awaitable[object] | None = None
        """what the running hook returned"""
        self._is_watched = False
        """whether the watchdog looks after it"""
        self._seen: Awaitable[object] | None = None
        """what the hook that the watchdog saw last had returned"""
        self._seen_at = 0.0
        """the time of the event loop when the watchdog saw it first"""
        self._scope: anyio.CancelScope | None = None
        """cancelled when a hook runs too long, None unless it runs"""
        self._timed_out = False
        self._guard: TaskGuard
        self._in_hand: _InHand | None = None
        self._event: Event | None = None
        """the event whose hooks run now"""
        self._stopping = False
        self._is_hit = False
        """whether it is reported that this task was cancelled, and not yet taken back"""
        self._is_suspicious = False
        """whether a hook has cancelled this task before"""
        self._began: float | None = None
        """when the current events were taken, None if there are none"""
        self._instruments = instruments
        self._watch = watch
        self.worker = worker

    def event_id(self) -> str | None:
        """Return the id of the event in hand, for events that its hook creates now.

        A task that the hook has started may outlive it, so what that creates has no parent.
        """
        event = self._event
        return event.id if event is not None and self._guard.runs_here() else None

    def stop_after_current(self) -> None:
        """End after the current event; another consumer handles what is pending."""
        self._stopping = True
        self._mailbox.wake()

    async def run(self) -> None:
        """Handle events until the mailbox is closed and empty.

        If it is cancelled, the current event counts as failed.
        """
        self._guard = TaskGuard()
        mailbox = self._mailbox
        try:
            with self._watch.handles(mailbox):
                while True:
                    if self._in_hand is None:
                        if self._stopping or (mailbox.closed and not mailbox.items):
                            return

                        if not mailbox.items:
                            # Here, where it takes a kilobyte less: there may be thousands that wait.
                            await mailbox.wait()
                            continue

                    self._timed_out = False
                    with anyio.CancelScope() as self._scope:
                        await self._handle_events()

                    self._scope = None
                    if self._timed_out:
                        self._count_time()
                        await self._restore_task()
        except KeyboardInterrupt as error:
            # By itself it would stop asyncio's event loop at once, before the bus is closed.
            raise BaseExceptionGroup("Ctrl-C was pressed in a hook", [error]) from None
        finally:
            self._scope = None
            self._give_up()

    async def _handle_events(self) -> None:
        """Handle events until none came for a while, or until a hook runs too long."""
        # The hot path of the bus: what a hundred events share is a local name.
        mailbox = self._mailbox
        items, acks, drains = mailbox.items, mailbox.acks, mailbox.drains
        take, all_hooks = items.popleft, self._hooks
        waiting, admit, watch = self._waiting, self._admit, self._watch
        cancelling = self._guard.cancelling
        interrupted, self._in_hand = self._in_hand, None
        while True:
            if interrupted is None:
                if self._stopping:
                    return

                if not items:
                    if mailbox.closed or not self._is_watched:
                        return

                    await mailbox.wait()
                    continue

            mailbox.busy = 1
            if watch.quiet:
                watch.stir()

            if not self._is_watched:
                self._have_watched()

            self._began = began = looked = perf_counter()
            pause_at = looked + SECONDS_BETWEEN_CHECKPOINTS
            look_at = 0
            event = items[0] if interrupted is None else interrupted.event
            hook, more = NO_HOOK
            for number in range(EVENTS_BETWEEN_CHECKPOINTS):
                if interrupted is None:
                    self._event = event = take()
                    mailbox.taken += 1
                    ack = mailbox.take_ack() if acks else None
                    errors: list[Exception] | None = None
                    try:
                        hook, more = all_hooks[event.__class__]
                    except KeyError:
                        hook, more = self._link_hooks(event.__class__)

                    if waiting:
                        admit()
                else:
                    self._event = event = interrupted.event
                    ack = interrupted.ack
                    (hook, more), errors = interrupted.hooks, interrupted.errors
                    interrupted = None

                while True:
                    try:
                        result = hook(event)
                        if result is not None and (
                            result.__class__ is CoroutineType or isawaitable(result)
                        ):
                            self._running = result
                            await result
                            if self._timed_out:
                                raise self._timeout(hook)
                    except Exception as error:
                        errors = self._failed(hook, event, error, errors)
                        if self._timed_out:
                            self._in_hand = _InHand(event, ack, more or NO_HOOK, errors)
                            return
                    except BaseException as error:
                        timed_out = self._timed_out
                        if timed_out:
                            errors = self._failed(hook, event, self._timeout(hook), errors)

                        self._in_hand = _InHand(event, ack, more or NO_HOOK, errors)
                        contained = self._guard.contain(error, is_cancelled=timed_out)
                        if timed_out:
                            return

                        self._in_hand = None
                        errors = self._failed(hook, event, contained, errors)
                        await self._restore_task()

                    if more is None:
                        break

                    if cancelling():
                        errors = self._note_hit(hook, event, errors)
                        await self._restore_task()

                    hook, more = more

                if errors is not None or ack is not None:
                    if cancelling():
                        errors = self._note_hit(hook, event, errors)

                    self._finish(ack, errors)

                if drains and mailbox.taken >= mailbox.look_at:
                    mailbox.complete_drains()

                if not items:
                    break

                if number >= look_at:
                    # Reading the clock costs a fifth of a quick hook, so quick hooks share a reading.
                    now = perf_counter()
                    if now > pause_at or self._stopping:
                        break

                    look_at += QUICK_EVENTS_A_LOOK if now - looked < QUICK_SECONDS else 1
                    looked = now

            mailbox.busy = 0
            self._event = None
            mailbox.hook_seconds += perf_counter() - began
            self._began = None
            # Not after each hook: the watchdog runs only while a hook waits, or now.
            self._running = None
            if cancelling():
                if errors := self._note_hit(hook, event, None):
                    self._finish(None, errors)

                await self._restore_task()

            # Even if nothing is left: with steady publishers this avoids going to sleep each time.
            await checkpoint()

    def _link_hooks(self, event_class: type[Event]) -> LinkedHooks:
        linked: LinkedHooks | None = None
        for hook in reversed(self._find_hooks(event_class)):
            linked = self._guarded(hook) if self._is_suspicious else hook, linked

        self._hooks[event_class] = linked = linked or NO_HOOK
        return linked

    # Hooks that cancel the task that they run in

    def _note_hit(
        self, hook: Hook, event: Event, errors: list[Exception] | None
    ) -> list[Exception] | None:
        """Report, once, that a hook has cancelled this task, and add it to the errors of the event.

        To ask after each hook would cost too much, so the first time it may have been another event of
        the same batch. From then on, each hook of the plugin is asked.
        """
        if self._is_hit or not self._guard.is_hit:
            return errors

        self._is_hit = True
        return self._failed(hook, event, UnexpectedCancellation(), errors)

    async def _restore_task(self) -> None:
        if self._guard.is_hit:
            self._is_hit = False
            if not self._is_suspicious:
                self._is_suspicious = True
                self._hooks.clear()

            await self._guard.restore()

    def _guarded(self, hook: Hook) -> Hook:
        """Return a hook that raises if it cancels this task."""

        async def finish(result: Awaitable[object]) -> None:
            try:
                await result
            except Exception:
                await self._guard.restore()
                raise

            if self._guard.is_hit:
                await self._guard.restore()
                raise UnexpectedCancellation

        @wraps(hook)
        def guarded(event: Event) -> Awaitable[object] | None:
            result = call(hook, event)
            return finish(result) if isawaitable(result) else None

        return guarded

    def _count_time(self) -> None:
        if self._began is not None:
            self._mailbox.hook_seconds += perf_counter() - self._began
            self._began = None

    @property
    def last_error(self) -> Exception | None:
        """Why the last event failed, None if it did not."""
        if self._last_failure is None or self._last_failure[0] < self._mailbox.taken:
            return None

        return self._last_failure[1]

    def _finish(self, ack: Acknowledgement | None, errors: list[Exception] | None) -> None:
        if errors:
            self._mailbox.failed += 1
            self._last_failure = self._mailbox.taken, errors[-1]

        if ack is not None:
            ack.done(errors)

    def _give_up(self) -> None:
        """Count the current event of a cancelled plugin as failed."""
        in_hand, self._in_hand, self._running = self._in_hand, None, None
        self._event = None
        self._count_time()
        mailbox = self._mailbox
        mailbox.busy = 0
        if in_hand is not None:
            self._drop(in_hand.event, in_hand.ack, in_hand.errors or ())

        mailbox.complete_drains()
        if self.worker is not None:
            self.worker.close()

        self._instruments.plugin_ended(mailbox.owner)

    def _drop(
        self, event: Event, ack: Acknowledgement | None, errors: Sequence[Exception] = ()
    ) -> None:
        reason = "the plugin ended while it handled the event"
        dropped = EventDropped(event, self._mailbox.owner, reason)
        self._instruments.event_dropped(dropped)
        self._finish(ack, [*errors, dropped])

    def _failed(
        self,
        hook: Callable[..., Any],
        event: Event,
        error: Exception,
        errors: list[Exception] | None,
    ) -> list[Exception]:
        """Report what a hook raised, and add it to the errors of the event."""
        self._running = None
        self._instruments.hook_failed(self._mailbox.owner, _name(hook), event, error)
        return [*(errors or ()), error]

    def _timeout(self, hook: Callable[..., Any]) -> HookTimeout:
        message = f"hook '{_name(hook)}' was cancelled after {self.watchdog.hook_timeout:g} seconds"
        return HookTimeout(self._mailbox.owner, message)

    def _have_watched(self) -> None:
        self._is_watched = True
        self.watchdog.watch(self)

    def look(self, now: float) -> bool:
        """Cancel a hook that runs too long, and return whether to look again.

        :param now: the time of the event loop, in seconds
        """
        if self._scope is None or self._mailbox.idle:
            self._is_watched, self._seen = False, None
            # It goes on to sleep where it takes less memory.
            self._mailbox.wake()
            return False

        if self._running is None or self._running is not self._seen:
            self._seen, self._seen_at = self._running, now
        elif now - self._seen_at >= self.watchdog.hook_timeout:
            self._timed_out = True
            self._scope.cancel()

        return True


def _name(hook: Callable[..., Any]) -> str:
    return getattr(hook, "__name__", repr(hook))
