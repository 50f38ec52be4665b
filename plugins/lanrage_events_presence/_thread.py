"""An asyncio event loop in a thread of its own, for a library that supports only asyncio.

It is a daemon thread and not one of AnyIO's workers: a hanging worker would keep an asyncio process
from exiting, and would never release its limiter on Trio.
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
    """Run coroutines in an asyncio event loop in a daemon thread, which it starts.

    Create it in an event loop, asyncio's or Trio's, and use it only there.

    :param name: the name of the thread
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
        """Call a coroutine function in the thread, and return its result or raise its exception.

        When the caller is cancelled, so is the call. It is abandoned if it does not end in time.

        :raises RuntimeError: if the thread has ended, or ends before the call does
        """
        done = anyio.Event()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(function(*args)))
            tasks[0].add_done_callback(lambda _: self._notify(done))

        # AnyIO's functions for this would wait for the other loop, which may hang.
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
        """Cancel the calls in the thread and wait for its end, for a bounded time.

        :return: whether the thread has ended
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
        # In the caller's context, AnyIO would mistake the loop for Trio's.
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
