"""The supervisor, which runs a plugin and restarts it when its lifespan fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from .._exceptions import PluginStartError, format_error
from ..abc import PluginState, PluginStatistics
from ..backoff import Backoff
from .changes import CHECKPOINTS_UNTIL_BEGUN, is_supervised
from .consumer import Consumer
from .containment import is_unexpected_cancellation
from .instrument import Instruments
from .mailbox import Mailbox

FIRST_RESTART_DELAY = 1.0
LONGEST_RESTART_DELAY = 60.0


class Supervisor:
    """Runs one plugin, each time in a new task of its own.

    A task that asyncio's ``Task.cancel()`` cancelled, such as by a hook, can run nothing more reliably.

    :param lifespan: returns the plugin's lifespan, None if it has none
    :param start_timeout: seconds after which its lifespan is cancelled while it starts
    :param durable: whether the plugin declares itself durable
    :param handles_events: whether it has hooks for events, rather than only publishing them
    :param on_failure: called when the mailbox begins to drop events instead of blocking
    """

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
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        if not start_timeout > 0:
            raise ValueError(f"start_timeout must be more than 0 seconds, not {start_timeout}")

        self.name = mailbox.owner
        self.mailbox = mailbox
        self.consumer = consumer
        self.durable = durable
        self.handles_events = handles_events
        self.state: PluginState = "starting"
        self.started = anyio.Event()
        """set when the first start has succeeded or failed"""
        self.stopped = anyio.Event()
        self.error: Exception | None = None
        """why the lifespan ended last, None while it runs"""
        self.restarts = 0
        self._instruments = instruments
        self._lifespan = lifespan
        self._start_timeout = math.inf if lifespan is None else start_timeout
        self._on_failure = on_failure
        self._backoff = Backoff(FIRST_RESTART_DELAY, LONGEST_RESTART_DELAY)
        self._restart_delay = 0.0
        self._task_group: TaskGroup | None = None
        self._first_start_must_succeed = False
        self._on_stop: Callable[[], object] | None = None
        self._begun = False
        """whether the task that was started last runs, or has run"""
        self._cancelled = False
        self._scope: anyio.CancelScope | None = None
        self._stopping = anyio.Event()

    def launch(
        self,
        task_group: TaskGroup,
        *,
        first_start_must_succeed: bool = False,
        on_stop: Callable[[], object] | None = None,
    ) -> None:
        """Start the plugin, and restart it when it fails, until :meth:`stop`.

        It is shielded: only :meth:`stop` and :meth:`cancel` end it, so that events that are pending
        when the program is cancelled can still be handled.

        :param first_start_must_succeed: whether it ends if its first start fails
        :param on_stop: called when it has ended
        """
        self._task_group = task_group
        self._first_start_must_succeed = first_start_must_succeed
        self._on_stop = on_stop
        self._start_task()

    @property
    def launched(self) -> bool:
        """Whether there is, or was, a task that runs it."""
        return self._task_group is not None

    def _start_task(self) -> None:
        if self._task_group is not None:
            self._begun = False
            self._task_group.start_soon(self._run, name=f"plugin {self.name}")

    async def _run(self) -> None:
        if self.stopped.is_set():
            return

        self._begun = True
        is_supervised.set(True)
        goes_on = False
        try:
            goes_on = await self._wait_for_restart() and await self._run_once()
        except anyio.get_cancelled_exc_class():  # by Task.cancel(), during the wait
            goes_on = not self._stopping.is_set()
        finally:
            if not goes_on:
                self._end()

        if goes_on:
            self._start_task()

    def _end(self) -> None:
        self.state = "stopped"
        self.started.set()
        self.stopped.set()
        if self._on_stop is not None:
            self._on_stop()

    async def _wait_for_restart(self) -> bool:
        """Wait until the plugin may run; return whether it is still to run."""
        if self._restart_delay:
            with anyio.move_on_after(self._restart_delay, shield=True):
                await self._stopping.wait()
                return False

            self.restarts += 1
            self._instruments.plugin_restarted(self.name)

        return not self._cancelled

    async def _run_once(self) -> bool:
        """Run the plugin until it ends, and return whether to restart it."""
        began = anyio.current_time()
        error = await self._live()
        if self._stopping.is_set():
            if error is not None:
                self._instruments.plugin_failed(self.name, error, None)

            return False

        self.error = error or RuntimeError("its lifespan ended unexpectedly")
        if self._first_start_must_succeed and not self.started.is_set():
            return False

        if anyio.current_time() - began > LONGEST_RESTART_DELAY:
            self._backoff.reset()

        self._restart_delay = self._backoff.next()
        self._instruments.plugin_failed(self.name, self.error, self._restart_delay)
        self.state = "down"
        self.started.set()
        self.mailbox.set_down(True, durable=self.durable)
        self._on_failure()
        return True

    async def _live(self) -> Exception | None:
        """Run the plugin until its lifespan ends, and return the error if it failed."""
        deadline = anyio.current_time() + self._start_timeout
        error: Exception | None = None
        scope = anyio.CancelScope(shield=True, deadline=deadline)
        try:
            with scope as self._scope:
                await self._run_lifespan(scope)
        except BaseException as raised:
            error = _contained(raised)
            if error is None:
                raise

            if self._cancelled and isinstance(raised, anyio.get_cancelled_exc_class()):
                return None

        if scope.cancel_called and not self._cancelled:
            timeout = TimeoutError(
                f"its lifespan did not start within {self._start_timeout:g} seconds"
            )
            timeout.__cause__ = error
            return timeout

        return error

    async def _run_lifespan(self, scope: anyio.CancelScope) -> None:
        async with nullcontext() if self._lifespan is None else self._lifespan():
            scope.deadline = math.inf
            self.state = "running"
            self.error = None
            self.mailbox.set_down(False)
            self.started.set()
            token = inside_hook.set(self)
            try:
                await self.consumer.run()
            finally:
                inside_hook.reset(token)

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
        self._cancelled = True
        self.consumer.stop_after_current()  # the current hook may ignore it
        if self._scope is not None:
            self._scope.cancel()

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

    def in_own_hook(self) -> bool:
        """Return whether this task runs one of its hooks, or was started by one."""
        return inside_hook.get() is self

    def statistics(self) -> PluginStatistics:
        """Return the statistics of the plugin."""
        return self.mailbox.statistics(self.state, self.restarts)


inside_hook: ContextVar[Supervisor | None] = ContextVar("inside_hook", default=None)
"""the supervisor whose hook the current task runs, or was started by"""


def _contained(error: BaseException) -> Exception | None:
    """Return what a lifespan raised as an error of its plugin, None if it is more than that."""
    if isinstance(error, Exception):
        return error

    if isinstance(error, anyio.get_cancelled_exc_class()):
        # The bus's own cancellation ends at its scope.
        contained = RuntimeError(
            f"{type(error).__name__} came out of its lifespan"
            if is_unexpected_cancellation(error)
            else "its task was cancelled by Task.cancel() of asyncio, and not by the bus"
        )
    elif isinstance(error, SystemExit) or (
        isinstance(error, BaseExceptionGroup)
        and error.subgroup((KeyboardInterrupt, GeneratorExit)) is None
    ):
        contained = RuntimeError(f"{format_error(error)} came out of its lifespan")
    else:
        return None

    contained.__cause__ = error
    return contained
