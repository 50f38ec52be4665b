"""An asyncio event loop in a thread of its own, for a library that knows nothing else.

The thread is a daemon thread and never one of AnyIO's workers: a worker that hangs keeps an asyncio
process from exiting, and its limiter taken on Trio.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, cast

import anyio
import anyio.from_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token

T = TypeVar("T")

# How long a cancelled call may take to tidy up in the thread.
CANCEL_GRACE_SECONDS = 1.0


class LoopThread:
    """Runs coroutines in an asyncio event loop in a daemon thread.

    It belongs to the event loop, asyncio's or Trio's, that makes it.

    :param name: of the thread
    """

    def __init__(self, name: str) -> None:
        self._token = current_token()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = anyio.Event()
        self._stopped = anyio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()
        self._tasks: TaskGroup
        self._calls: set[_Call[Any]] = set()

    async def start(self) -> None:
        """Start the thread, which takes no time worth mentioning."""
        self._thread.start()
        with anyio.CancelScope(shield=True):
            await self._started.wait()

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Have the thread await what a function returns, and return or raise what comes of it.

        When the caller is cancelled, so is the call; a call that does not end for it is left alone.

        :raises RuntimeError: if the thread has ended, or ends before the call does
        """
        call = _Call(function)
        self._post(lambda: self._begin(call))
        try:
            await call.done.wait()
        except anyio.get_cancelled_exc_class():
            with contextlib.suppress(RuntimeError):
                self._post(call.cancel)

            with anyio.move_on_after(CANCEL_GRACE_SECONDS, shield=True):
                await call.done.wait()

            raise

        if call.error is not None:
            raise call.error

        return cast(T, call.result)

    async def stop(self) -> bool:
        """Cancel what runs in the thread and wait until it has ended, for a bounded time.

        :return: whether it has ended
        """
        with contextlib.suppress(RuntimeError):
            self._post(self._cancel)

        with anyio.move_on_after(CANCEL_GRACE_SECONDS, shield=True):
            await self._stopped.wait()

        return self._stopped.is_set()

    # On the thread that owns it

    def _post(self, function: Callable[[], object]) -> None:
        if self._loop is None:
            raise RuntimeError("the thread is not running")

        # AnyIO's own ways into another loop wait for it, and it may hang. In this thread's context,
        # AnyIO would take the loop for a Trio one.
        self._loop.call_soon_threadsafe(function, context=self._context)

    # In the thread

    def _run(self) -> None:
        try:
            anyio.run(self._serve, backend="asyncio")
        finally:
            for call in self._calls:
                self._tell(call.done)

            self._tell(self._stopped)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._tell(self._started)
            await anyio.sleep_forever()

    def _begin(self, call: _Call[T]) -> None:
        self._calls.add(call)
        self._tasks.start_soon(self._answer, call)

    def _cancel(self) -> None:
        self._tasks.cancel_scope.cancel()

    async def _answer(self, call: _Call[T]) -> None:
        await call.run()
        self._calls.discard(call)
        self._tell(call.done)

    def _tell(self, event: anyio.Event) -> None:
        # The owner's loop may be gone by now.
        with contextlib.suppress(anyio.RunFinishedError, RuntimeError):
            anyio.from_thread.run_sync(event.set, token=self._token)


class _Call(Generic[T]):
    """One call into the thread."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self.done = anyio.Event()
        self.result: T | None = None
        self.error: Exception | None = RuntimeError("the thread ended before the call did")
        self._function = function
        self._is_cancelled = False
        self._scope: anyio.CancelScope | None = None

    async def run(self) -> None:
        with anyio.CancelScope() as self._scope:
            if self._is_cancelled:
                return

            try:
                self.result = await self._function()
                self.error = None
            except Exception as error:  # noqa: BLE001 - it is raised where the call was made
                self.error = error

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()
