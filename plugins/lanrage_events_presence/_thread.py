"""An asyncio event loop in a thread of its own, for a library that knows nothing else.

The thread is a daemon thread and never one of AnyIO's workers: a worker that hangs keeps an asyncio
process from exiting, and its limiter taken on Trio.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio
import anyio.from_thread
from anyio.lowlevel import current_token

T = TypeVar("T")


class LoopThread:
    """Runs coroutines in an asyncio event loop in a daemon thread, from now on.

    It belongs to the event loop, asyncio's or Trio's, that makes it.

    :param name: of the thread
    :param grace_seconds: how long a cancelled call, or the thread itself, may take to end
    """

    def __init__(self, name: str, *, grace_seconds: float = 1.0) -> None:
        self._token = current_token()
        self._grace_seconds = grace_seconds
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ended = anyio.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
        """Await a coroutine function in the thread, and return or raise what comes of it.

        When the caller is cancelled, so is the call; a call that does not end for it is left alone.

        :raises RuntimeError: if the thread has ended, or ends before the call does
        """
        done = anyio.Event()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(function(*args)))
            tasks[0].add_done_callback(lambda _: self._notify(done))

        # AnyIO's own ways into another loop wait for it, and it may hang.
        self.call_soon(begin)
        try:
            await done.wait()
        except anyio.get_cancelled_exc_class():
            with contextlib.suppress(RuntimeError):
                self.call_soon(lambda: tasks[0].cancel())

            with anyio.move_on_after(self._grace_seconds, shield=True):
                await done.wait()

            raise

        if tasks[0].cancelled():
            raise RuntimeError("the thread ended before the call did")

        return tasks[0].result()

    async def stop(self) -> bool:
        """Cancel what runs in the thread and wait until it has ended, for a bounded time.

        :return: whether it has ended
        """
        with contextlib.suppress(RuntimeError):
            self.call_soon(self._stopping.set)

        with anyio.move_on_after(self._grace_seconds, shield=True):
            await self._ended.wait()

        return self._ended.is_set()

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function in the thread without waiting for it.

        :raises RuntimeError: if the thread has ended
        """
        # In the caller's context, AnyIO would take the loop for a Trio one.
        self._loop.call_soon_threadsafe(function, context=contextvars.Context())

    # In the thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._stopping.wait())
        finally:
            self._notify(self._ended)

    def _notify(self, event: anyio.Event) -> None:
        # The owner's loop may be gone by now.
        with contextlib.suppress(anyio.RunFinishedError, RuntimeError):
            anyio.from_thread.run_sync(event.set, token=self._token)
