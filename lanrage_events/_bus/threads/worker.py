"""The worker, which runs the threaded hooks of one plugin."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial, wraps
from queue import SimpleQueue
from typing import Any, Protocol

import anyio

from ..._containment import UnexpectedExit
from ..._events import Event, current_hook
from .loop import current_post

logger = logging.getLogger(__name__)

MOST_ABANDONED = 4
"""threads of one plugin that may still run a hook which timed out, before the next hook waits"""


class Owner(Protocol):
    """The mailbox of a plugin."""

    owner: str
    abandoned_threads: int
    """calls whose thread went on after they were cancelled"""


class Worker:
    """Runs sync functions of a plugin in a thread, one after another.

    A thread cannot be cancelled. If a call is cancelled, its thread is abandoned: it goes on until the
    function returns, and the next call gets another one. If too many run, the next call waits.

    :param owner: the mailbox of the plugin
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._thread: _Thread | None = None
        self._abandoned: set[_Thread] = set()
        self._one_ended: anyio.Event | None = None

    @property
    def running(self) -> tuple[str, ...]:
        """The hooks that still run in abandoned threads."""
        return tuple(sorted(thread.hook for thread in self._abandoned))

    def threaded(self, function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return a function that runs another one in the thread, and can be awaited."""

        @wraps(function)
        async def run(*arguments: Any) -> Any:
            return await self._run(name, function, *arguments)

        name = run.__name__ = getattr(function, "__name__", repr(function))
        return run

    async def _run(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        while len(self._abandoned) >= MOST_ABANDONED:
            self._one_ended = one_ended = anyio.Event()
            await one_ended.wait()

        thread = self._thread
        if thread is None:
            self._thread = thread = _Thread(self._owner.owner)

        context = copy_context()
        if arguments and isinstance(arguments[0], Event):
            # The thread may outlive the call, while other events are handled.
            context.run(current_hook.set, _HookInThread(arguments[0].id))

        call = _Call(partial(context.run, function, *arguments))
        thread.hook = name
        thread.calls.put(call)
        try:
            await call.done.wait()
        except BaseException:
            if not call.is_made:
                call.is_cancelled = True
                self._abandon(thread)

            raise

        return call.result(name)

    def _abandon(self, thread: _Thread) -> None:
        self._owner.abandoned_threads += 1
        self._thread = None
        self._abandoned.add(thread)
        thread.end(partial(self._forget, thread))
        logger.warning(
            "plugin '%s': hook '%s' still runs in its thread, which cannot be cancelled%s",
            self._owner.owner,
            thread.hook,
            f", as {others} others do" if (others := len(self._abandoned) - 1) else "",
        )

    def _forget(self, thread: _Thread) -> None:
        self._abandoned.discard(thread)
        if self._one_ended is not None:
            self._one_ended.set()

    def close(self) -> None:
        """End the thread; the next call starts another one."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None


@dataclass(frozen=True, slots=True)
class _HookInThread:
    """A hook that handles one event."""

    id: str

    def event_id(self) -> str:
        """Return the id of the event."""
        return self.id


class _Call:
    """A call that waits to be made, or was made."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._result: Any = None
        self._error: Exception | None = None
        self._post = current_post()
        self.done = anyio.Event()
        self.is_made = False
        self.is_cancelled = False
        """whether it must not begin"""

    def make(self) -> None:
        """Call the function, in the thread."""
        if self.is_cancelled:
            return

        try:
            self._result = self._function()
        except Exception as error:  # noqa: BLE001 - raised in the event loop
            self._error = error
        except BaseException as error:  # noqa: BLE001 - likewise
            self._error = UnexpectedExit(error)

        self.is_made = True
        post(self._post, self.done.set)

    def result(self, hook: str) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

        if inspect.isawaitable(self._result):
            if inspect.iscoroutine(self._result):
                self._result.close()

            raise TypeError(
                f"'{hook}' is threaded, so it must not return something to await: publish with "
                "publish_from_thread, or make it async without 'threaded'"
            )

        return self._result


class _Thread(threading.Thread):
    """The thread. Python may end while it runs."""

    def __init__(self, plugin: str) -> None:
        super().__init__(name=f"plugin {plugin}", daemon=True)
        self.hook = ""
        """the function that it runs"""
        self.calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._post = current_post()
        self._at_end: Callable[[], None] | None = None
        self.start()

    def run(self) -> None:
        while (call := self.calls.get()) is not None:
            call.make()
            del call

        if self._at_end is not None:
            post(self._post, self._at_end)

    def end(self, at_end: Callable[[], None] | None = None) -> None:
        """End after the current call.

        :param at_end: called in the event loop then, if that still runs
        """
        self._at_end = at_end
        self.calls.put(None)


def post(to: Callable[..., object], function: Callable[[], object]) -> None:
    """Let an event loop call a function, if it has not ended."""
    try:
        to(function)
    except RuntimeError:
        pass


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a function has to be awaited or iterated in an event loop."""
    while isinstance(function, partial):
        function = function.func

    return any(
        inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f)
        for f in (function, vars(type(function)).get("__call__"))
    )
