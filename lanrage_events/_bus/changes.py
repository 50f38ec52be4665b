"""Work that must be completed or undone, whatever becomes of the callers that wait for it.

``Task.cancel()`` of asyncio goes through the shields of AnyIO, so a task that callers can cancel must
not do such work. A task of the bus does it, and the callers only wait.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from .._containment import endure

T = TypeVar("T")

CHECKPOINTS_UNTIL_BEGUN = 2
"""after which a task that was started runs: Trio runs ready tasks in any order"""

is_supervised: ContextVar[bool] = ContextVar("is_supervised", default=False)
"""whether the current task runs a plugin, or was started by one that does"""


class Job:
    """Work that a task of the bus does in a shield.

    :param work: what to do; if it is cancelled by asyncio's ``Task.cancel()``, it has to end soon
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.done = anyio.Event()
        self._work = work
        self._name: str | None = None
        self._task_group: TaskGroup | None = None
        self._begun = False

    def start(self, task_group: TaskGroup, name: str | None) -> None:
        """Start the task.

        :param name: the name of the task
        """
        self._task_group, self._name = task_group, name
        task_group.start_soon(self._run, name=name)

    async def _run(self) -> None:
        if self._begun:
            return

        self._begun = True
        try:
            # Entered before the first checkpoint, so that even a cancelled task group does the work.
            with anyio.CancelScope(shield=True):
                await self._work()
        except anyio.get_cancelled_exc_class():
            # By Task.cancel(). A task group whose task ends with it would cancel all the others.
            pass
        finally:
            self.done.set()

    async def wait(self) -> None:
        """Wait until the work is done."""
        while not self._begun:
            # The end of asyncio.run() cancels every task; one that has not begun never does.
            for _ in range(CHECKPOINTS_UNTIL_BEGUN):
                await checkpoint()

            if not self._begun and self._task_group is not None:
                self.start(self._task_group, self._name)

        await self.done.wait()

    async def outlast(self, on_cancel: Callable[[], object] = lambda: None) -> None:
        """Wait until the work is done, whatever cancels the caller, and raise the cancellation then.

        :param on_cancel: called at the first cancellation, so that the work can end soon
        """
        cancelled: BaseException | None = None
        try:
            await self.done.wait()
        except anyio.get_cancelled_exc_class() as error:
            cancelled = error
            on_cancel()

        cancelled = await endure(self.wait, self.done.is_set) or cancelled
        if cancelled is not None:
            raise cancelled


class Flag:
    """An :class:`anyio.Event` that takes a kilobyte only once something waits for it."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._event: anyio.Event | None = None

    def set(self) -> None:
        """Let everything that waits go on."""
        self._is_set = True
        if self._event is not None:
            self._event.set()

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set

    async def wait(self) -> None:
        """Wait until it is set."""
        if self._is_set:
            await checkpoint()
        else:
            self._event = self._event or anyio.Event()
            await self._event.wait()


class Change:
    """A change of one plugin, while it is made."""

    def __init__(self) -> None:
        self.abandoned: str | None = None
        """why nobody wants it any more, so that it has to undo what it can and to end soon"""
        self._scope: anyio.CancelScope | None = None

    async def wait(self, event: anyio.Event | Flag, timeout: float = math.inf) -> bool:
        """Wait for an event until the timeout, or until the change is abandoned.

        :returns: whether the event is set
        """
        if self.abandoned is None and not event.is_set():
            with anyio.move_on_after(timeout) as self._scope:
                await event.wait()

        return event.is_set()

    def abandon(self, reason: str) -> None:
        """Let it wait for nothing any more, except for the end of what it ends itself."""
        self.abandoned = self.abandoned or reason
        if self._scope is not None:
            self._scope.cancel()


class _Queued(Change, Generic[T]):
    """A change that waits for its turn in a queue, or is made.

    :param queues: the queues by plugin, those that are not empty
    """

    def __init__(
        self,
        queues: dict[str, list[_Queued[Any]]],
        name: str,
        work: Callable[[Change], Awaitable[T]],
        *,
        final: bool,
    ) -> None:
        super().__init__()
        self.job = Job(self._run)
        self._queues = queues
        self._name = name
        self._queue = queues.setdefault(name, [])
        self._queue.append(self)
        self._work = work
        self._final = final
        self._outcome: list[T] = []
        self._error: Exception | None = None

    async def wait(self, event: anyio.Event | Flag, timeout: float = math.inf) -> bool:
        try:
            return await super().wait(event, timeout)
        except anyio.get_cancelled_exc_class():
            self.abandon("its task was cancelled")
            return event.is_set()

    async def _run(self) -> None:
        try:
            while self._queue[0] is not self:
                if self._final:
                    await endure(self._queue[0].job.wait)
                elif not await self.wait(self._queue[0].job.done):
                    return

            self._outcome.append(await self._work(self))
        except Exception as error:
            self._error = error
        finally:
            self._queue.remove(self)
            if not self._queue:
                del self._queues[self._name]

    def outcome(self) -> T:
        """Return what its work returned, or raise what it raised.

        :raises anyio.ClosedResourceError: if it was abandoned before its turn
        """
        if self._error is not None:
            raise self._error

        if not self._outcome:
            raise anyio.ClosedResourceError(self.abandoned)

        return self._outcome[0]


class Changes:
    """Makes changes in tasks of the bus, those of one plugin one after another."""

    def __init__(self) -> None:
        self._task_group: TaskGroup | None = None
        self._closed: str | None = None
        self._queues: dict[str, list[_Queued[Any]]] = {}

    def run_in(self, task_group: TaskGroup | None) -> None:
        """Make changes in a task group; None: nothing runs, so the callers can make them."""
        self._task_group = task_group

    def check_open(self) -> None:
        """Raise :exc:`anyio.ClosedResourceError` if no changes are accepted any more."""
        if self._closed is not None:
            raise anyio.ClosedResourceError(self._closed)

    async def run(
        self,
        name: str,
        work: Callable[[Change], Awaitable[T]],
        *,
        final: str | None = None,
    ) -> T:
        """Make a change after the earlier ones of the same plugin, and return its outcome.

        If the caller is cancelled, the change is abandoned, and the caller waits for its end. A caller
        inside a plugin does not, since the change may have to wait for that plugin.

        :param final: given if the change ends the plugin: why earlier changes of the plugin are
            abandoned. It is made even if it is abandoned
        """
        if final is None:
            self.check_open()

        if self._task_group is None:
            outcome = await work(Change())
            await checkpoint()  # not before it: a caller that is cancelled also makes the change
            return outcome

        if final is not None:
            for earlier in self._queues.get(name, ()):
                earlier.abandon(final)

        change = _Queued(self._queues, name, work, final=final is not None)
        change.job.start(self._task_group, f"change of plugin {name}")
        await self._wait_for(change)
        return change.outcome()

    @staticmethod
    async def _wait_for(change: _Queued[Any]) -> None:
        def abandon() -> None:
            change.abandon("the caller was cancelled")

        if not is_supervised.get():
            await change.job.outlast(abandon)
            return

        try:
            await change.job.done.wait()
        except BaseException:
            abandon()
            raise

    async def finish(self, reason: str) -> None:
        """Accept no more changes, and wait for those that were begun."""
        self._closed = reason
        for change in self._all():
            await change.job.wait()

    def abandon(self, reason: str) -> None:
        """Accept no more changes, and abandon those that were begun."""
        self._closed = reason
        for change in self._all():
            change.abandon(reason)

    def _all(self) -> list[_Queued[Any]]:
        return [change for queue in self._queues.values() for change in queue]
