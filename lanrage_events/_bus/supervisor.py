"""The supervisor, which runs a plugin and restarts it when its lifespan fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar

import anyio

from .._exceptions import PluginStartError, format_error
from ..abc import PluginState, PluginStatistics
from ..backoff import Backoff
from .consumer import Consumer, is_unexpected_cancellation
from .instrument import Instruments
from .mailbox import Mailbox

FIRST_RESTART_DELAY = 1.0
LONGEST_RESTART_DELAY = 60.0


class Supervisor:
    """Runs one plugin in a task of its own.

    :param lifespan: returns the plugin's lifespan, None if it has none
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
        durable: bool = False,
        handles_events: bool = True,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
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
        self.launched = False
        """whether there is, or was, a task that runs it"""
        self._instruments = instruments
        self._lifespan = lifespan or nullcontext
        self._on_failure = on_failure
        self._scope: anyio.CancelScope | None = None
        self._stopping = anyio.Event()

    async def run(self, first_start_must_succeed: bool) -> None:
        """Start the plugin, and restart it when it fails, until :meth:`stop`.

        It is shielded: only :meth:`stop` and :meth:`cancel` end it, so that events that are pending
        when the program is cancelled can still be handled.
        """
        try:
            with anyio.CancelScope(shield=True) as self._scope:
                await self._keep_alive(first_start_must_succeed)
        except Exception as error:  # a plugin's task group may raise while it is cancelled
            self._instruments.plugin_failed(self.name, error, None)
        finally:
            self.state = "stopped"
            self.started.set()
            self.stopped.set()

    async def _keep_alive(self, first_start_must_succeed: bool) -> None:
        backoff = Backoff(FIRST_RESTART_DELAY, LONGEST_RESTART_DELAY)
        while True:
            began = anyio.current_time()
            error = await self._run_once()
            if self._stopping.is_set():
                if error is not None:
                    self._instruments.plugin_failed(self.name, error, None)

                return

            self.error = error or RuntimeError("its lifespan ended unexpectedly")
            if first_start_must_succeed and not self.started.is_set():
                return

            if anyio.current_time() - began > LONGEST_RESTART_DELAY:
                backoff.reset()

            delay = backoff.next()
            self._instruments.plugin_failed(self.name, self.error, delay)
            self.state = "down"
            self.started.set()
            self.mailbox.set_down(True)
            self._on_failure()
            with anyio.move_on_after(delay):
                await self._stopping.wait()
                return

            self.restarts += 1
            self._instruments.plugin_restarted(self.name)

    async def _run_once(self) -> Exception | None:
        """Run the plugin until its lifespan ends, and return the error if it failed."""
        try:
            async with self._lifespan():
                self.state = "running"
                self.error = None
                self.mailbox.set_down(False)
                self.started.set()
                token = inside_hook.set(self)
                try:
                    await self.consumer.run()
                finally:
                    inside_hook.reset(token)
        except Exception as error:
            return error
        except BaseException as error:
            if not is_unexpected_cancellation(error):
                raise

            return RuntimeError(f"{type(error).__name__} came out of its lifespan")

        return None

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
        """End the plugin now; the current event counts as failed."""
        self._stopping.set()
        if self._scope is not None:
            self._scope.cancel()

    async def wait_stopped(self) -> None:
        """Wait until its task has ended."""
        if self.launched:
            await self.stopped.wait()

    def in_own_hook(self) -> bool:
        """Return whether this task runs one of its hooks, or was started by one."""
        return inside_hook.get() is self

    def statistics(self) -> PluginStatistics:
        """Return the statistics of the plugin."""
        return self.mailbox.statistics(self.state, self.restarts)


inside_hook: ContextVar[Supervisor | None] = ContextVar("inside_hook", default=None)
"""the supervisor whose hook the current task runs, or was started by"""
