"""A bus in a task of its own, for frameworks that call one function at the start and one at the end."""

from __future__ import annotations

import logging
from contextvars import copy_context

import anyio
from anyio.lowlevel import checkpoint_if_cancelled, current_token

from ..._containment import endure
from ..bus import EventBus
from ..options import check_bus

logger = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""by how much the end of a bus may exceed its drain timeout"""


class BusRunner:
    """Runs a bus between two calls, which may come from different tasks of one event loop.

    A task of its own enters and leaves the bus, since only the task that entered a bus can leave it.
    Where one function of yours lasts as long as the bus, use ``async with bus`` instead.

    :param bus: one that was not entered; a bus runs once, and so does its runner
    """

    def __init__(self, bus: EventBus) -> None:
        check_bus(bus, EventBus)
        self.bus = bus
        self._scope: anyio.CancelScope | None = None
        self._up = anyio.Event()
        """set when the bus runs, or has ended"""
        self._ended = anyio.Event()
        self._error: Exception | None = None
        """with which the bus ended, until it is raised"""
        self._task: object = None
        """keeps it alive: an event loop only has a weak reference"""

    async def start(self) -> None:
        """Start the bus, and return when it runs.

        If it is cancelled, it stops the bus first, in the time that :meth:`stop` has.

        :raises PluginStartError: if a plugin cannot start; all else that entering a bus raises, too
        :raises anyio.ClosedResourceError: if it was stopped meanwhile
        :raises RuntimeError: if it was started before
        """
        if self._scope is not None:
            raise RuntimeError(
                "the bus was started before, and a bus runs only once: create another EventBus with "
                "another BusRunner"
            )

        self._scope = scope = anyio.CancelScope()
        self._spawn(scope)
        try:
            await self._up.wait()
        except anyio.get_cancelled_exc_class():
            scope.cancel()
            await self._outlast()
            raise

        self._raise_error()
        if self._ended.is_set() or scope.cancel_called:
            raise anyio.ClosedResourceError(
                "the bus was stopped while it started: start another one"
            )

    async def stop(self) -> None:
        """Stop the bus, and return when it has handled its pending events and has ended.

        This takes at most the bus's drain timeout and a second: what still runs then is logged, and
        goes on alone. If it is cancelled, it goes on, and raises the cancellation at its end. A second
        call waits for the same end; without a start it does nothing. Inside a hook of the bus it
        returns at once, since it would wait for that hook.

        :raises RuntimeError: outside of the bus's event loop
        :raises Exception: with which the bus ended, at the first call
        """
        if self._scope is not None:
            self.bus._loop.check()
            self._scope.cancel()
            if self.bus._fanout.inside_hook():
                return

            await self._outlast()

        await checkpoint_if_cancelled()
        self._raise_error()

    def _spawn(self, scope: anyio.CancelScope) -> None:
        create_task = getattr(current_token().native_token, "create_task", None)
        if create_task is None:
            import trio

            trio.lowlevel.spawn_system_task(self._serve, scope, name="bus", context=copy_context())
        else:
            self._task = task = create_task(self._serve(scope), name="bus")
            # The end of asyncio.run() cancels every task; one that has not begun never does.
            task.add_done_callback(lambda _: self._set_ended())

    async def _serve(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                async with self.bus:
                    self._up.set()
                    await anyio.sleep_forever()
        except Exception as error:
            if self._up.is_set():
                logger.exception("the bus has ended with an error")

            self._error = error
        finally:
            self._set_ended()

    def _set_ended(self) -> None:
        self._up.set()
        self._ended.set()

    async def _outlast(self) -> None:
        """Wait until the bus has ended or its time is over, and then raise what cancelled the caller."""
        deadline = anyio.current_time() + self.bus.plugins.drain_timeout + GRACE_SECONDS

        async def wait() -> None:
            with anyio.CancelScope(deadline=deadline):
                await self._ended.wait()

        def is_done() -> bool:
            return self._ended.is_set() or anyio.current_time() >= deadline

        cancelled = await endure(wait, is_done)
        if not self._ended.is_set():
            plugins = self.bus.statistics().plugins.items()
            names = [repr(name) for name, statistics in plugins if statistics.state != "stopped"]
            logger.error(
                "the bus has not ended within %g seconds, and goes on alone until what ignores that it "
                "was cancelled has ended: %s",
                self.bus.plugins.drain_timeout + GRACE_SECONDS,
                ", ".join(names),
            )

        if cancelled is not None:
            raise cancelled

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
