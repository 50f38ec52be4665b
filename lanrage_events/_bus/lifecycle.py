"""The lifecycle of plugins and subscriptions: starting, draining and stopping."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import count
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup

from .._containment import endure
from .._events import Event
from .._exceptions import PluginStartError
from .changes import Change, Changes
from .consumers import BatchConsumer, BatchHook, Consumer, Hook, Watchdog
from .event_loop import CLOSED, EventLoop
from .fanout import BusState, FanOut
from .instrument import Instruments
from .lingering import SECONDS_BETWEEN_REPORTS, Lingering, report
from .mailbox import Mailbox
from .outboxes import Outboxes
from .supervisor import GRACE_SECONDS, Supervisor
from .threads import LoopWatch, Worker

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_FEW_REPORTS = 60.0


class Lifecycle:
    """The plugins and subscriptions that run on one bus, each with its supervisor.

    :param loop: the event loop of the bus
    :param hook_timeout: seconds after which a hook is cancelled, unless it has its own timeout
    :param start_timeout: seconds that the start of a lifespan may take, unless it has its own timeout
    :param drain_timeout: seconds that :meth:`stop` may take
    """

    def __init__(
        self,
        loop: EventLoop,
        fanout: FanOut,
        instruments: Instruments,
        watch: LoopWatch,
        hook_timeout: float,
        start_timeout: float,
        drain_timeout: float,
    ) -> None:
        self.supervisors: dict[str, Supervisor] = {}
        self.streams: dict[str, Mailbox] = {}
        """the mailboxes of the open streams by name"""
        self.waiters: set[Mailbox] = set()
        """the mailboxes of those who wait for one event"""
        self.loop = loop
        self.changes = Changes()
        self.lingering = Lingering()
        """what was cancelled and still runs; some of it has been removed from the bus"""
        self.outboxes: Outboxes | None = None
        """what the plugins have not delivered; None before there can be any"""
        self._fanout = fanout
        # A bound method takes 64 bytes, and there may be thousands of supervisors.
        self._admit = fanout.admit
        self._on_linger = self._linger
        self._on_stop = self._end_of_subscription
        self._instruments = instruments
        self._watch = watch
        self._hook_timeout = hook_timeout
        self._start_timeout = start_timeout
        self._drain_timeout = drain_timeout
        self._watchdogs: WeakValueDictionary[float, Watchdog] = WeakValueDictionary()
        """by hook timeout, while a consumer has one"""
        self._task_group: TaskGroup | None = None
        self._stop_scope: anyio.CancelScope | None = None
        self._numbers = count(2)

    @property
    def is_running(self) -> bool:
        """Whether the bus runs, so that a plugin that is added starts at once."""
        return self._task_group is not None

    @property
    def is_stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stop_scope is not None

    @property
    def drain_timeout(self) -> float:
        """Seconds that :meth:`stop` may take; if set while it runs, they count from then."""
        return self._drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._drain_timeout = seconds
        if self._stop_scope is not None:
            self._stop_scope.deadline = anyio.current_time() + seconds

    def named(self) -> dict[str, Supervisor]:
        """Return all supervisors by name, also those that were removed and still run."""
        return {**{s.name: s for s in self.lingering}, **self.supervisors}

    # Adding and removing

    def free_name(self, name: str | None, default: str) -> str:
        """Return a name for a subscription or a stream.

        :param default: used if no name is given, with a number if it is taken
        :raises ValueError: if the given name is taken
        """
        if name is not None:
            self.check_free(name)
            return name

        wanted = free = default
        while free in self.supervisors or free in self.streams or self.lingering.find(free):
            free = f"{wanted}#{next(self._numbers)}"

        return free

    def check_free(self, name: str) -> None:
        """Raise an error if a name is taken.

        :raises ValueError: if something on this bus has it
        :raises PluginStartError: if an earlier plugin of this name was cancelled and still runs
        """
        if name in self.supervisors or name in self.streams:
            raise ValueError(f"'{name}' is taken on this bus: give another name")

        self.check_ended(name)

    def check_ended(self, name: str) -> None:
        """Raise a :exc:`PluginStartError` if an earlier plugin of a name still runs."""
        earlier = self.lingering.find(name)
        if earlier is not None:
            seconds = anyio.current_time() - earlier.cancelled_at
            raise PluginStartError(
                name,
                f"an earlier plugin of this name still runs, although it was cancelled "
                f"{seconds:.0f} seconds ago: only a restart of the program ends it for certain",
            )

    def supervise(
        self,
        mailbox: Mailbox,
        find_hooks: Callable[[type[Event]], tuple[Hook, ...]],
        hook_timeout: float | None = None,
        start_timeout: float | None = None,
        *,
        handle_batch: BatchHook | None = None,
        worker: Worker | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[object]] | None = None,
        durable: bool = False,
        handles_events: bool = True,
        starts_first: bool = False,
        on_begin: Callable[[], object] = lambda: None,
        forget_at_end: bool = False,
    ) -> Supervisor:
        """Create the supervisor of a plugin or a handler; it does not start yet.

        :param find_hooks: returns the hooks for an event class, the most specific first
        :param handle_batch: the hook that is called with several events instead
        :param worker: runs its threaded hooks, None if it has none
        :param forget_at_end: whether to free its name once it has ended
        """
        fanout = self._fanout
        watchdog = self._watchdog(self._hook_timeout if hook_timeout is None else hook_timeout)
        shared = watchdog, fanout.waiting, self._admit, self._instruments, self._watch, worker
        return Supervisor(
            mailbox,
            Consumer(mailbox, find_hooks, *shared)
            if handle_batch is None
            else BatchConsumer(mailbox, handle_batch, *shared),
            self._instruments,
            lifespan=lifespan,
            start_timeout=self._start_timeout if start_timeout is None else start_timeout,
            durable=durable,
            handles_events=handles_events,
            starts_first=starts_first,
            on_begin=on_begin,
            on_failure=self._admit,
            on_linger=self._on_linger,
            on_stop=self._on_stop if forget_at_end else None,
        )

    def _watchdog(self, hook_timeout: float) -> Watchdog:
        watchdog = self._watchdogs.get(hook_timeout)
        if watchdog is None:
            watchdog = self._watchdogs[hook_timeout] = Watchdog(hook_timeout)

        return watchdog

    def add(self, supervisor: Supervisor, wants: Callable[[type[Event]], object]) -> None:
        """Deliver events to a supervisor.

        :param wants: returns what is true if it wants an event class, such as its hooks for that
        """
        self.supervisors[supervisor.name] = supervisor
        self._fanout.add(supervisor.mailbox, wants)

    def release(self, supervisor: Supervisor) -> None:
        """Deliver no more events to a supervisor, which ends once it has handled the pending ones."""
        self._fanout.remove(supervisor.mailbox)
        supervisor.stop()
        if not supervisor.launched:
            self.forget(supervisor)

    def forget(self, supervisor: Supervisor) -> None:
        """Free the name of a supervisor that has ended; a second call does nothing."""
        if self.supervisors.get(supervisor.name) is supervisor:
            del self.supervisors[supervisor.name]

    def _end_of_subscription(self, supervisor: Supervisor) -> None:
        self.forget(supervisor)
        if not self.is_stopping:
            self.discard(supervisor, "its task was cancelled after it was unsubscribed")

    # Starting and stopping

    async def start_all(self, task_group: TaskGroup) -> None:
        """Start those that come first, then all others, since lifespans may publish to each other.

        :raises PluginStartError: if one cannot start
        """
        self._task_group = task_group
        self.changes.run_in(task_group)
        supervisors = tuple(self.supervisors.values())
        errors: list[PluginStartError] = []
        for starts_first in (True, False):
            group = [s for s in supervisors if s.starts_first is starts_first and not errors]
            for supervisor in group:
                self.start(supervisor, first_start_must_succeed=True)

            for supervisor in group:
                await supervisor.started.wait()

            errors += [error for s in group if (error := s.start_error()) is not None]

        for error in errors[1:]:
            logger.error("%s", error)

        if errors:
            raise errors[0]

    def start(self, supervisor: Supervisor, *, first_start_must_succeed: bool = False) -> None:
        """Start a supervisor, if the bus is running.

        :raises anyio.ClosedResourceError: if the bus is closed, so that nothing would end it
        """
        if self._fanout.state is BusState.CLOSED:
            raise anyio.ClosedResourceError(CLOSED)

        if self._task_group is not None:
            supervisor.consumer.watchdog.run_in(self._task_group)
            supervisor.launch(self._task_group, first_start_must_succeed=first_start_must_succeed)

    async def start_and_wait(self, supervisor: Supervisor, change: Change) -> None:
        """Start a supervisor, and wait until its plugin has started; if that fails, it has ended.

        :raises PluginStartError: if it cannot start
        :raises anyio.ClosedResourceError: if the change was abandoned meanwhile
        """
        self.start(supervisor, first_start_must_succeed=True)
        has_started = await change.wait(supervisor.started) and supervisor.state != "stopped"
        if has_started and not supervisor.lingers:
            return

        error = supervisor.start_error()
        await self.end([supervisor])
        raise error or anyio.ClosedResourceError(change.abandoned or CLOSED)

    async def stop(self) -> None:
        """Handle pending events and end everything within the timeout; log what was not handled."""
        try:
            with anyio.move_on_after(self.drain_timeout) as self._stop_scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._report_waiting)
                    await self._drain_and_stop()
                    tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            # By Task.cancel() of everything, as at the end of asyncio.run(): there is no more time.
            pass
        except Exception:
            # It must not keep what still runs from being ended.
            logger.exception(
                "the bus ends without handling what is pending, after an internal error"
            )

        # All at once, so that one that does not end keeps no other from ending.
        self._fanout.close(BusState.CLOSED)
        self.changes.abandon(CLOSED)
        supervisors = tuple(self.supervisors.values())
        self.lingering.stop()
        had_time = self.drain_timeout > 0
        was_too_short = (
            had_time and self._stop_scope is not None and self._stop_scope.cancelled_caught
        )
        late = [s for s in supervisors if was_too_short and s.is_late and not self._delivers(s)]
        await self._end_all()
        for supervisor in late:
            supervisor.ended_late = True
            logger.error(
                "plugin '%s' did not end in time, and was cancelled: a task group that is left waits for "
                "its tasks, so cancel them after the yield of its lifespan",
                supervisor.name,
            )

        await endure(partial(self.changes.finish, CLOSED))
        # Changes that were being made may have left something behind.
        await self._end_all()
        self.lingering.stop()
        for supervisor in dict.fromkeys((*supervisors, *self.supervisors.values())):
            self.discard(supervisor, f"not handled within {self.drain_timeout:g} seconds")

        if self.outboxes is not None:
            self.outboxes.report()

        for mailbox in (*self.streams.values(), *self.waiters):
            mailbox.close()

        self.changes.run_in(None)
        for watchdog in tuple(self._watchdogs.values()):
            watchdog.stop()

        self.loop.close()

    async def _drain_and_stop(self) -> None:
        # Events may wait for a plugin that is about to start.
        await self.changes.finish("the bus is closing")
        supervisors = tuple(self.supervisors.values())
        # Plugins that only publish end first, while the bus still accepts their last events.
        await self._stop(supervisor for supervisor in supervisors if not supervisor.handles_events)
        self._fanout.close(BusState.HOOKS_ONLY)
        # A hook that waits for an event would hold up the end, and hardly anything publishes now.
        for mailbox in self.waiters:
            mailbox.close()

        while not all(supervisor.mailbox.idle for supervisor in supervisors):
            await self.drain()

        self._fanout.close(BusState.CLOSED)
        await self._stop(supervisors)

    async def _stop(self, supervisors: Iterable[Supervisor]) -> None:
        stopping = {supervisor.name: supervisor for supervisor in supervisors}
        if self.outboxes is None:
            for supervisor in stopping.values():
                supervisor.stop()
        else:
            running = [name for name, one in stopping.items() if one.state == "running"]
            self.outboxes.watch(running)
            with anyio.CancelScope(deadline=self._last_moment):
                await self.outboxes.stop(stopping, lambda name: stopping[name].stop())

        for supervisor in stopping.values():
            await supervisor.wait_stopped()

    @property
    def _last_moment(self) -> float:
        """When lifespans have to end at the latest, so that they have the time to do so."""
        deadline = math.inf if self._stop_scope is None else self._stop_scope.deadline
        return deadline - min(GRACE_SECONDS, self.drain_timeout / 2)

    async def _report_waiting(self) -> None:
        """Log now and then for which plugins the bus waits while it stops."""
        reported = anyio.current_time()
        while True:
            await anyio.sleep(SECONDS_BETWEEN_REPORTS)
            emptied = () if self.outboxes is None else self.outboxes.awaited
            waiting = [s for s in self.supervisors.values() if s.is_awaited or s.name in emptied]
            # Without a limit, the caller expects that it takes long to deliver much.
            is_due = anyio.current_time() - reported >= SECONDS_BETWEEN_FEW_REPORTS
            if not is_due and math.isinf(self.drain_timeout):
                waiting = [s for s in waiting if not self._delivers(s)]

            if waiting:
                names = ", ".join(map(self._describe, waiting))
                logger.info("the bus is closing, and waits for %s", names)

            if is_due:
                reported = anyio.current_time()

    def _delivers(self, supervisor: Supervisor) -> bool:
        """Whether something waits in a plugin, as far as it says so."""
        if supervisor.mailbox.unfinished:
            return True

        return self.outboxes is not None and self.outboxes.holds(supervisor.name)

    def _describe(self, supervisor: Supervisor) -> str:
        count = supervisor.mailbox.unfinished
        held = 0 if self.outboxes is None else self.outboxes.pending(supervisor.name)
        parts = [f"{count} event{'' if count == 1 else 's'}"] * bool(count)
        parts += [f"{held:,} in its outbox"] * bool(held)
        return f"'{supervisor.name}' ({', '.join(parts)})" if parts else f"'{supervisor.name}'"

    async def end(self, supervisors: Iterable[Supervisor]) -> None:
        """Cancel supervisors, wait a second until they have ended, and go on without the others."""
        ending = tuple(supervisors)
        for supervisor in ending:
            supervisor.cancel()

        deadline = anyio.current_time() + GRACE_SECONDS
        for supervisor in ending:
            if supervisor.lingers:
                continue

            await endure(partial(self._wait_until, deadline, supervisor))
            if supervisor.launched and supervisor.state != "stopped" and not supervisor.lingers:
                supervisor.linger(RuntimeError("it ignores that it was cancelled"))
                self._linger(supervisor)

    @staticmethod
    async def _wait_until(deadline: float, supervisor: Supervisor) -> None:
        with anyio.CancelScope(deadline=deadline):
            await supervisor.wait_stopped()

    def _linger(self, supervisor: Supervisor) -> None:
        self.lingering.add(supervisor, self._task_group)

    async def _end_all(self) -> None:
        """Cancel everything, and wait until it has ended; log now and then what does not end."""
        ending = (*dict.fromkeys((*self.supervisors.values(), *self.lingering)),)
        for supervisor in ending:
            supervisor.cancel()

        for supervisor in ending:
            await endure(partial(self._wait_or_report, supervisor, ending))

    @staticmethod
    async def _wait_or_report(supervisor: Supervisor, ending: Iterable[Supervisor]) -> None:
        while True:
            with anyio.move_on_after(SECONDS_BETWEEN_REPORTS):
                await supervisor.wait_stopped()
                return

            report([other for other in ending if other.state != "stopped"])

    async def drain(self) -> None:
        """Wait until all events that are now in mailboxes have left them."""
        drained = [supervisor.mailbox.drained() for supervisor in self.supervisors.values()]
        for event in drained:
            if event is not None:
                await event.wait()

    @staticmethod
    def discard(supervisor: Supervisor, reason: str) -> tuple[Event, ...]:
        """Drop what a supervisor that has ended did not handle, log the number, and return it."""
        dropped = supervisor.mailbox.discard(reason)
        if dropped:
            plural = "" if len(dropped) == 1 else "s"
            what = f"dropped {len(dropped)} event{plural}: {reason}"
            logger.error("plugin '%s' %s", supervisor.name, what)

        return dropped
