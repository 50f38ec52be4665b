"""The event loop in which a bus runs, and the calls of other threads."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from functools import partial
from threading import Lock, get_ident
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, current_token

from .fanout import BusState
from .supervisor import Supervisor, inside_hook
from .threads import current_post

SECONDS_BETWEEN_LOOKS = 1.0
"""how often a thread that waits looks whether the event loop has ended without the bus"""

NOT_RUNNING = "the bus is not running: enter it with 'async with' first"
CLOSED = f"the bus is {BusState.CLOSED.value}"


class EventLoop:
    """The event loop of one bus: what it belongs to from entering to leaving it."""

    def __init__(self) -> None:
        self.thread: int | None = None
        """the thread in which the bus runs, None if it does not run"""
        self._token: EventLoopToken | None = None
        self._process = 0
        self._post: Callable[..., object] = _nothing
        self._task_group: TaskGroup | None = None
        self._closed = False
        self._calls: set[Future[Any]] = set()
        self._tasks: set[object] = set()
        """keeps them alive: an event loop only has weak references"""
        self._lock = Lock()
        """held by other threads while they make a call, so that leaving the bus misses none"""

    def enter(self, task_group: TaskGroup) -> None:
        """Let the bus belong to this event loop."""
        self.thread = get_ident()
        self._process = os.getpid()
        self._token = current_token()
        self._post = current_post()
        self._task_group = task_group

    def close(self) -> None:
        """Reject the calls of other threads from now on; call it while the task group is active."""
        with self._lock:
            self._closed = True
            self._task_group = None

    def leave(self) -> None:
        """End the calls of other threads, and let the bus belong to no event loop."""
        self.close()
        with self._lock:
            self._token = self.thread = None
            calls, self._calls = self._calls, set()

        for call in calls:
            _fail(call, anyio.ClosedResourceError(CLOSED))

    def check_thread(self) -> None:
        """Raise a :exc:`RuntimeError` if the bus runs, but in another thread."""
        if self.thread is not None and self.thread != get_ident():
            raise RuntimeError(
                "the bus runs in another thread: use publish_from_thread to publish, and for "
                "anything else BusThread.call or, in a thread of AnyIO, anyio.from_thread.run"
            )

    def check_running(self) -> None:
        """Raise a :exc:`RuntimeError` if the bus runs in another thread, or never ran.

        A bus that ran once is closed, about which the fan-out has an error of its own.
        """
        self.check_thread()
        if self.thread is None and not self._closed:
            raise RuntimeError(NOT_RUNNING)

    def check(self) -> None:
        """Raise a :exc:`RuntimeError` if the bus runs, but not in the caller's event loop."""
        self.check_thread()
        if self._token is not None:
            try:
                is_current = current_token() == self._token
            except RuntimeError:
                is_current = False  # also in a callback of asyncio, which cannot start tasks

            if not is_current:
                raise RuntimeError(
                    "the bus runs, and was called from outside its event loop: use an 'async def', "
                    "also for a fixture"
                )

    # From other threads

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function, sync or async, from another thread, and return or raise its outcome."""
        if self.thread == get_ident():
            raise RuntimeError(
                "this would block the bus's own thread: use publish, or call the function itself"
            )

        if self._process not in (0, os.getpid()):
            raise anyio.ClosedResourceError(
                "the bus is in the process from which this one was forked: run one in each process"
            )

        call: Future[Any] = Future()
        begin = partial(self._begin, call, function, inside_hook.get())
        with self._lock:
            if self._closed:
                raise anyio.ClosedResourceError(CLOSED)

            if self._token is None:
                raise RuntimeError(NOT_RUNNING)

            post = self._post
            _post(post, begin)
            self._calls.add(call)

        try:
            while not wait([call], SECONDS_BETWEEN_LOOKS).done:
                _post(post, _nothing)

            return call.result()
        finally:
            with self._lock:
                self._calls.discard(call)

    def post(self, function: Callable[[], object]) -> None:
        """Call a function soon in the event loop, from any thread, unless that has ended."""
        try:
            self._post(function)
        except RuntimeError:
            pass

    def _begin(
        self,
        call: Future[Any],
        function: Callable[[], Any],
        supervisor: Supervisor | None,
    ) -> None:
        if self._task_group is None:
            _fail(call, anyio.ClosedResourceError(CLOSED))
            return

        create_task = getattr(self._token and self._token.native_token, "create_task", None)
        if create_task is None:
            self._task_group.start_soon(self._run, call, function, supervisor)
        else:
            # AnyIO starts no task of asyncio outside of a task. This one ends when the bus closes.
            task = create_task(self._run(call, function, supervisor))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(
        self,
        call: Future[Any],
        function: Callable[[], Any],
        supervisor: Supervisor | None,
    ) -> None:
        inside_hook.set(supervisor)
        try:
            outcome = function()
            call.set_result(await outcome if isinstance(outcome, Awaitable) else outcome)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # the last two end no bus
            _fail(call, error)
        finally:
            _fail(call, anyio.ClosedResourceError(f"the bus is {BusState.HOOKS_ONLY.value}"))


def _post(post: Callable[..., object], function: Callable[[], object]) -> None:
    """Let an event loop call a function soon.

    :raises anyio.ClosedResourceError: if it has ended
    """
    try:
        post(function)
    except RuntimeError as error:
        raise anyio.ClosedResourceError(
            "the event loop of the bus has ended: publish while it runs"
        ) from error


def _nothing() -> None:
    pass


def _fail(call: Future[Any], error: BaseException) -> None:
    if not call.done():
        call.set_exception(error)
