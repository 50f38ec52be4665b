"""A plugin's life: its task, its lifespan, and what happens when that dies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar

import anyio

from .._exceptions import PluginStartError, format_error
from .._reports import State
from ..abc import PluginStatistics
from ..backoff import Backoff
from .consumer import Consumer, is_unexpected_cancellation
from .instrument import Instruments
from .mailbox import Mailbox

FIRST_RESTART_DELAY = 1.0
LONGEST_RESTART_DELAY = 60.0


class Supervisor:
    """Runs one plugin in a task of its own.

    :param mailbox: the plugin's mailbox
    :param consumer: what handles the events in it
    :param instruments: are called when it fails
    :param lifespan: makes the plugin's lifespan, None if it has none
    :param durable: whether the plugin declares itself durable
    :param handles_events: whether it has hooks for events, and not only publishes them
    :param on_failure: called when the mailbox begins to lose events instead of blocking
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
        self.state: State = "starting"
        self.started = anyio.Event()
        """set when the first start has succeeded or failed"""
        self.stopped = anyio.Event()
        self.error: Exception | None = None
        """what ended the lifespan last, None while it is well"""
        self.restarts = 0
        self.launched = False
        """whether there is, or was, a task that runs it"""
        self._instruments = instruments
        self._lifespan = lifespan or nullcontext
        self._on_failure = on_failure
        self._scope: anyio.CancelScope | None = None
        self._stopping = anyio.Event()

    async def run(self, first_start_must_succeed: bool) -> None:
        """Start the plugin, keep it alive and let it handle events until :meth:`stop`.

        It is shielded: only :meth:`stop` and :meth:`cancel` end it, so that what is pending when
        the program is cancelled can still be handled.
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
            error = await self._live()
            if self._stopping.is_set():
                if error is not None:
                    self._instruments.plugin_failed(self.name, error, None)

                return

            self.error = error or RuntimeError("its lifespan ended by itself")
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

    async def _live(self) -> Exception | None:
        """Live once; return what it died of."""
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
        """Let the plugin end after the event in hand, so that another one takes its mailbox."""
        self._stopping.set()
        self.consumer.stop_after_current()

    def cancel(self) -> None:
        """End the plugin now; the event in hand counts as failed."""
        self._stopping.set()
        if self._scope is not None:
            self._scope.cancel()

    async def wait_stopped(self) -> None:
        """Wait until its task has ended."""
        if self.launched:
            await self.stopped.wait()

    def in_own_hook(self) -> bool:
        """Whether this task runs one of its hooks, or was started by one."""
        return inside_hook.get() is self

    def statistics(self) -> PluginStatistics:
        """Return what it has done."""
        return self.mailbox.statistics(self.state, self.restarts)


inside_hook: ContextVar[Supervisor | None] = ContextVar("inside_hook", default=None)
"""whose hook the current task runs, or was started from"""
