"""The supervisor, which runs a plugin and restarts it when its lifespan fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar, Token
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from .._containment import TaskGuard, UnexpectedCancellation, loop_is_ending
from .._events import current_hook
from .._exceptions import PluginStartError, format_error
from ..abc import PluginState, PluginStatistics
from ..backoff import Backoff
from .changes import CHECKPOINTS_UNTIL_BEGUN, Flag, is_supervised
from .consumers import Consumer
from .instrument import Instruments
from .mailbox import Mailbox

FIRST_RESTART_DELAY = 1.0
LONGEST_RESTART_DELAY = 60.0
GRACE_SECONDS = 1.0
"""how long what was cancelled may take to end before the bus goes on without it"""


class Supervisor:
    """Runs one plugin, each time in a new task of its own.

    A task that asyncio's ``Task.cancel()`` cancelled, such as by a hook, can run nothing more reliably.

    :param lifespan: returns the plugin's lifespan, None if it has none
    :param start_timeout: seconds after which its lifespan is cancelled while it starts
    :param durable: whether the plugin declares itself durable
    :param handles_events: whether it has hooks for events, rather than only publishing them
    :param starts_first: whether the other plugins need it from their start on
    :param on_begin: called each time when it begins to run
    :param on_failure: called when the mailbox begins to drop events instead of blocking
    :param on_linger: called with it when its lifespan ignores that it was cancelled while it started
    :param on_stop: called with it when it has ended
    """

    # There may be thousands.
    __slots__ = (
        "_backoff",
        "_begun",
        "_cancelled",
        "_first_start_must_succeed",
        "_has_begun",
        "_instruments",
        "_last_failure",
        "_lifespan",
        "_on_begin",
        "_on_failure",
        "_on_linger",
        "_on_stop",
        "_restart_delay",
        "_scope",
        "_start_timeout",
        "_stopping",
        "_task_group",
        "cancelled_at",
        "consumer",
        "durable",
        "ended_late",
        "error",
        "handles_events",
        "lingers",
        "mailbox",
        "name",
        "restarts",
        "started",
        "starts_first",
        "state",
        "stopped",
    )

    def __init__(
        self,
        mailbox: Mailbox,
        consumer: Consumer,
        instruments: Instruments,
        *,
        lifespan: Callable[[], AbstractAsyncContextManager[object]] | None = None,
        start_timeout: float = math.inf,
        durable: bool = False,
        handles_events: bool = True,
        starts_first: bool = False,
        on_begin: Callable[[], object] = lambda: None,
        on_failure: Callable[[], None] = lambda: None,
        on_linger: Callable[[Supervisor], object] = lambda _: None,
        on_stop: Callable[[Supervisor], object] | None = None,
    ) -> None:
        if not start_timeout > 0:
            raise ValueError(f"start_timeout must be more than 0 seconds, not {start_timeout}")

        self.name = mailbox.owner
        self.mailbox = mailbox
        self.consumer = consumer
        self.durable = durable
        self.handles_events = handles_events
        self.starts_first = starts_first
        self.state: PluginState = "starting"
        self.started = Flag()
        """set when the first start has succeeded or failed"""
        self.stopped = Flag()
        self.error: Exception | None = None
        """why the lifespan ended last, None while it runs"""
        self.restarts = 0
        self.ended_late = False
        """whether it had to be cancelled when the bus closed"""
        self.lingers = False
        """whether it still runs although it was cancelled, so that the bus goes on without it"""
        self.cancelled_at = math.inf
        """when it was cancelled, in the time of the event loop"""
        self._instruments = instruments
        self._lifespan = lifespan
        self._start_timeout = math.inf if lifespan is None else start_timeout
        self._on_begin = on_begin
        self._on_failure = on_failure
        self._on_linger = on_linger
        self._backoff: Backoff | None = None
        self._restart_delay = 0.0
        self._task_group: TaskGroup | None = None
        self._first_start_must_succeed = False
        self._on_stop = on_stop
        self._last_failure = ""
        """why it failed last, also while it runs again"""
        self._begun = False
        """whether the task that was started last runs, or has run"""
        self._has_begun = False
        self._cancelled = False
        self._scope: anyio.CancelScope | None = None
        self._stopping = Flag()

    def launch(self, task_group: TaskGroup, *, first_start_must_succeed: bool = False) -> None:
        """Start the plugin, and restart it when it fails, until :meth:`stop`.

        It is shielded: only :meth:`stop` and :meth:`cancel` end it, so that events that are pending
        when the program is cancelled can still be handled.

        :param first_start_must_succeed: whether it ends if its first start fails
        """
        self._task_group = task_group
        self._first_start_must_succeed = first_start_must_succeed
        self._start_task()

    @property
    def launched(self) -> bool:
        """Whether there is, or was, a task that runs it."""
        return self._task_group is not None

    @property
    def has_begun(self) -> bool:
        """Whether it has run, or needs no lifespan to do so."""
        return self._has_begun or self._lifespan is None

    @property
    def is_starting(self) -> bool:
        """Whether its lifespan is being started."""
        return self.launched and self._lifespan is not None and self.state == "starting"

    def _start_task(self) -> None:
        if self._task_group is not None:
            self._begun = False
            self._task_group.start_soon(self._run, name=f"plugin {self.name}")

    async def _run(self) -> None:
        if self.stopped.is_set():
            return

        self._begun = True
        is_supervised.set(True)
        guard = TaskGuard()
        goes_on = False
        try:
            goes_on = await self._live_once(guard)
            if not loop_is_ending():
                # A task that ends with a cancellation to come would cancel all tasks of the bus.
                with anyio.CancelScope(shield=True):
                    await guard.restore()
        finally:
            if not goes_on:
                self._end()

        if goes_on:
            self._start_task()

    def _end(self) -> None:
        self.state = "stopped"
        self.lingers = False
        self.started.set()
        self.stopped.set()
        if self._on_stop is not None:
            self._on_stop(self)

    async def _live_once(self, guard: TaskGuard) -> bool:
        """Run the plugin, after the pause before a restart, and return whether to restart it."""
        try:
            if not await self._wait_for_restart():
                return False

            began = anyio.current_time()
            return self._goes_on_after(await self._live(guard), began)
        except anyio.get_cancelled_exc_class():  # by Task.cancel(), during the wait or at the end
            return not self._stopping.is_set() and not loop_is_ending()

    async def _wait_for_restart(self) -> bool:
        """Wait until the plugin may run; return whether it is still to run."""
        if self._restart_delay:
            with anyio.move_on_after(self._restart_delay, shield=True):
                await self._stopping.wait()
                return False

            self.restarts += 1
            self._instruments.plugin_restarted(self.name)

        return not self._cancelled

    def _goes_on_after(self, error: Exception | None, began: float) -> bool:
        """Return whether to restart the plugin.

        :param error: what ended its lifespan
        :param began: when its lifespan began
        """
        if self._stopping.is_set():
            if error is not None:
                self._instruments.plugin_failed(self.name, error, None)

            return False

        self.lingers = False
        self.cancelled_at = math.inf
        self.error = error or RuntimeError("its lifespan ended unexpectedly")
        if self._first_start_must_succeed and not self.started.is_set():
            return False

        if self._backoff is None or anyio.current_time() - began > LONGEST_RESTART_DELAY:
            self._backoff = Backoff(FIRST_RESTART_DELAY, LONGEST_RESTART_DELAY)

        self._last_failure = format_error(self.error)
        self._restart_delay = self._backoff.next()
        self._instruments.plugin_failed(self.name, self.error, self._restart_delay)
        self._set_down()
        return True

    async def _live(self, guard: TaskGuard) -> Exception | None:
        """Run the plugin until its lifespan ends, and return the error if it failed."""
        deadline = anyio.current_time() + self._start_timeout
        error: Exception | None = None
        scope = anyio.CancelScope(shield=True, deadline=deadline)
        try:
            with scope as self._scope:
                if self._lifespan is None:
                    self._begin()
                    current_hook.set(self.consumer)
                    await self.consumer.run()
                else:
                    await self._run_lifespan(self._lifespan, scope, guard)
        except BaseException as raised:
            # What cancels the bus does not come through the shield. At the end of the event loop a
            # restart would not be cancelled any more, and keep it from ending.
            error = _explained(guard.contain(raised, is_cancelled=True))
            if self._cancelled and isinstance(error, UnexpectedCancellation):
                return None
        else:
            if guard.is_hit and not loop_is_ending():
                error = UnexpectedCancellation()

        if scope.cancel_called and not self._cancelled:
            timeout = self._timeout()
            timeout.__cause__ = error
            return timeout

        return error

    async def _run_lifespan(
        self,
        lifespan: Callable[[], AbstractAsyncContextManager[object]],
        scope: anyio.CancelScope,
        guard: TaskGuard,
    ) -> None:
        entered = Flag()
        if self._task_group is not None and math.isfinite(self._start_timeout):
            name = f"start timeout of plugin {self.name}"
            self._task_group.start_soon(self._limit_start, entered, name=name)

        try:
            async with lifespan():
                if scope.cancel_called:  # which it ignored
                    return

                if guard.is_hit and not loop_is_ending():
                    await guard.restore()
                    raise UnexpectedCancellation

                entered.set()
                scope.deadline = math.inf
                token = self._begin()
                hook = current_hook.set(self.consumer)
                try:
                    await self.consumer.run()
                finally:
                    current_hook.reset(hook)
                    inside_hook.reset(token)
        finally:
            entered.set()

    async def _limit_start(self, entered: Flag) -> None:
        """Go on without the plugin if its lifespan neither starts in time nor ends when cancelled.

        :param entered: set when the lifespan has started, or ended before
        """
        try:
            with anyio.CancelScope(shield=True):
                for seconds in (self._start_timeout, GRACE_SECONDS):
                    with anyio.move_on_after(seconds):
                        await entered.wait()

                    if entered.is_set() or self._cancelled:
                        return

            self.cancelled_at = anyio.current_time() - GRACE_SECONDS
            self.linger(self._timeout(", and ignores that it was cancelled"))
            self._on_linger(self)
        except anyio.get_cancelled_exc_class():
            pass  # by Task.cancel(), such as of everything at the end of asyncio.run()

    def _timeout(self, more: str = "") -> TimeoutError:
        return TimeoutError(
            f"its lifespan did not start within {self._start_timeout:g} seconds{more}"
        )

    def _begin(self) -> Token[Supervisor | None]:
        self.state = "running"
        self.error = None
        self.mailbox.set_down(False)
        self._has_begun = True
        self._on_begin()
        self.started.set()
        return inside_hook.set(self)

    def start_error(self) -> PluginStartError | None:
        """Return why the first start failed, None if it did not."""
        if self.error is None:
            return None

        error = PluginStartError(self.name, f"could not start: {format_error(self.error)}")
        error.__cause__ = self.error
        return error

    def stop(self) -> None:
        """Let the plugin end once its mailbox is empty."""
        self._stopping.set()
        self.mailbox.close()

    def detach(self) -> None:
        """Let the plugin end after the current event; another one takes over its mailbox."""
        self._stopping.set()
        self.consumer.stop_after_current()

    def cancel(self) -> None:
        """End the plugin now, even if its task has not begun; the current event counts as failed."""
        self._stopping.set()
        if not self._cancelled:
            self._cancelled = True
            self.cancelled_at = min(self.cancelled_at, anyio.current_time())

        self.consumer.stop_after_current()  # the current hook may ignore it
        if self._scope is not None:
            self._scope.cancel()

    def linger(self, error: Exception) -> None:
        """Go on without it although it has not ended: publishers do not wait for it any more.

        :param error: why
        """
        self.lingers = True
        self.error = error
        self._set_down()

    def _set_down(self) -> None:
        self.state = "down"
        self.started.set()
        self.mailbox.set_down(True, durable=self.durable)
        self._on_failure()

    def when_stopped(self, callback: Callable[[Supervisor], object] | None) -> None:
        """Have a function called with it when it has ended, instead of an earlier one."""
        self._on_stop = callback

    async def wait_stopped(self) -> None:
        """Wait until its task has ended."""
        if not self.launched:
            return

        if not self._begun and not self.stopped.is_set():
            # The end of asyncio.run() cancels every task; one that has not begun never does.
            for _ in range(CHECKPOINTS_UNTIL_BEGUN):
                await checkpoint()

            if not self._begun:
                self._end()

        await self.stopped.wait()

    @property
    def is_awaited(self) -> bool:
        """Whether a bus that stops has to wait for it, because it handles events or is to end."""
        return self.state != "stopped" and (self._stopping.is_set() or not self.mailbox.idle)

    @property
    def is_late(self) -> bool:
        """Whether it was to end, has handled all events, and still runs."""
        return self.state == "running" and self._stopping.is_set() and self.mailbox.idle

    def in_own_hook(self) -> bool:
        """Return whether this task runs one of its hooks, or was started by one."""
        return inside_hook.get() is self

    def statistics(self) -> PluginStatistics:
        """Return the statistics of the plugin."""
        found = self.mailbox.statistics(self.state, self.restarts, self._last_failure)
        return replace(found, ended_late=True) if self.ended_late else found


def _explained(error: Exception) -> Exception:
    """Say what to do about what contextlib raises for a lifespan that does not yield once."""
    text = str(error) if type(error) is RuntimeError else ""
    if not text.startswith(("generator didn't yield", "generator didn't stop")):
        return error

    how = "did not yield" if "yield" in text else "yielded twice"
    explained = RuntimeError(f"its lifespan {how}: let it yield once, where the plugin is to run")
    explained.__cause__ = error
    return explained


inside_hook: ContextVar[Supervisor | None] = ContextVar("inside_hook", default=None)
"""the supervisor whose hook the current task runs, or was started by"""
