"""A bus in a thread of its own, for games and other programs without an event loop."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar, overload

import anyio

from ..._events import Event
from ..._threads import ThreadCall, position_of
from ..bus import EventBus
from ..options import check_bus
from ..threads import current_post
from .runner import GRACE_SECONDS

T = TypeVar("T")

logger = logging.getLogger(__name__)


def run_in_thread(bus: EventBus, *, backend: str = "asyncio") -> BusThread:
    """Run a bus in a thread with an event loop of its own, and return when it runs.

    Use the result in a ``with`` block, or call its :meth:`~BusThread.stop`.

    :param bus: one that was not entered
    :param backend: ``asyncio`` or ``trio``
    :raises PluginStartError: if a plugin cannot start; all else that entering a bus raises, too
    """
    return BusThread(bus, backend)


class BusThread:
    """A bus that runs in a thread of its own; :func:`run_in_thread` makes it, and any thread may use it.

    If the program ends without stopping it, it is stopped then.
    """

    def __init__(self, bus: EventBus, backend: str) -> None:
        check_bus(bus, EventBus)
        self.bus = bus
        self._up = threading.Event()
        """set when the bus runs, or has ended"""
        self._is_stopping = False
        self._cancel: Callable[[], object] = lambda: None
        self._is_raised = False
        main = partial(anyio.run, self._serve, backend=backend)
        self._call = ThreadCall(main, "lanrage-events bus", self._up.set)
        try:
            self._up.wait()
        except BaseException:  # Ctrl-C
            self.stop()
            raise

        self._raise_error()
        atexit.register(self.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def publish(self, event: Event) -> None:
        """Publish an event, waiting until the bus has it, like :meth:`EventBus.publish`.

        :raises anyio.ClosedResourceError: if the bus is closed, or this process was forked from the
            one in which it runs
        :raises RuntimeError: in the thread of the bus
        """
        self.call(self.bus.publish, event)

    @overload
    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T: ...

    @overload
    def call(self, function: Callable[..., T], *arguments: Any) -> T: ...

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the event loop of the bus, and return or raise its outcome.

        Most methods of a bus need that, for example ``thread.call(bus.drain)``.

        :param function: sync or async
        :raises anyio.ClosedResourceError: if the bus is closed, or this process was forked from the
            one in which it runs
        :raises RuntimeError: in the thread of the bus
        """
        return self.bus._loop.call(partial(function, *arguments))

    def stop(self) -> None:
        """Stop the bus, and return when it has handled its pending events and its thread has ended.

        This takes at most the bus's drain timeout and a second: what still runs then is logged, and
        goes on alone, without keeping the program from exiting. A second call does nothing. Inside a
        hook of the bus, which may run in another thread, it does not wait.

        :raises RuntimeError: in the thread of the bus, which would wait for itself
        :raises Exception: with which the bus ended, at the first call
        """
        thread = self._call.thread
        if thread is threading.current_thread():
            raise RuntimeError(
                "stop() in the thread of the bus would wait for itself: call it in another thread"
            )

        if thread.is_alive():  # which it is not in a process that was forked
            self._is_stopping = True
            with suppress(RuntimeError):  # the event loop has ended
                self._cancel()

            if self.bus._fanout.inside_hook():
                return

            atexit.unregister(self.stop)
            seconds = self.bus.plugins.drain_timeout + GRACE_SECONDS
            if not self._call.wait(min(seconds, threading.TIMEOUT_MAX)):
                logger.error(
                    "the bus has not ended within %g seconds, and goes on alone in its thread, at %s",
                    seconds,
                    position_of(thread.ident),
                )

        self._raise_error()

    async def _serve(self) -> None:
        with anyio.CancelScope() as scope:
            self._cancel = partial(current_post(), scope.cancel)
            if self._is_stopping:
                return

            async with self.bus:
                self._up.set()
                await anyio.sleep_forever()

    def _raise_error(self) -> None:
        if self._call.wait(0) and not self._is_raised:
            self._is_raised = True
            self._call.outcome()
