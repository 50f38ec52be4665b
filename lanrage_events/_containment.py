"""Containment: what the code of a plugin raises, or does to its task, is that plugin's error only."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ._exceptions import format_error

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class UnexpectedCancellation(Exception):
    """Raised in place of a cancellation that did not come from the bus, such as of an awaited task."""

    def __init__(self, error: BaseException | None = None, *, is_hit: bool = False) -> None:
        if error is None:
            super().__init__("it cancelled the task that it runs in, which has no effect")
        elif is_hit:
            super().__init__("it was cancelled by Task.cancel() of asyncio, and not by the bus")
        else:
            super().__init__(f"{type(error).__name__} came out of it, which was not cancelled")

        self.__cause__ = error


class UnexpectedExit(Exception):
    """Raised in place of an exception such as SystemExit, which a plugin cannot use."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"{format_error(error)} came out of it, but a plugin cannot end the program"
        )
        self.__cause__ = error


async def endure(
    work: Callable[[], Awaitable[object]], is_done: Callable[[], bool] = lambda: False
) -> BaseException | None:
    """Await what must not be left half done, begun again after each cancellation, and return the last.

    A shield is not enough, since ``Task.cancel()`` of asyncio goes through those of AnyIO.

    :param is_done: whether nothing is left to do; what still waits then may be cancelled for ever
    """
    cancelled: BaseException | None = None
    with anyio.CancelScope(shield=True):
        while not is_done():
            try:
                await work()
                break
            except anyio.get_cancelled_exc_class() as error:
                cancelled = error

    return cancelled


def call(function: Callable[..., T], *arguments: Any) -> T:
    """Call a sync function of a plugin, which may do anything to the current task but cancel it.

    :raises Exception: what it raises, or in place of anything that is no :exc:`Exception`
    :raises KeyboardInterrupt: if Ctrl-C was pressed meanwhile
    """
    task = _current_asyncio_task()
    if task is None:
        return _call(function, *arguments)

    import asyncio

    # There is no other way to take back a cancellation without awaiting something, before 3.13.
    # https://docs.python.org/3/library/asyncio-extending.html#task-lifetime-support
    loop = asyncio.get_running_loop()
    stand_in: Any = _StandIn(task)
    asyncio._leave_task(loop, task)
    asyncio._enter_task(loop, stand_in)
    try:
        result = _call(function, *arguments)
    finally:
        asyncio._leave_task(loop, stand_in)
        asyncio._enter_task(loop, task)

    if stand_in.cancelling():
        raise UnexpectedCancellation

    return result


def _call(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    except Exception:
        raise
    except BaseException as error:
        raise _replaced(error) from error


def contained(error: BaseException) -> Exception:
    """Return what to report in place of an error that came out of a sync function of a plugin.

    :raises KeyboardInterrupt: if Ctrl-C was pressed meanwhile
    """
    return error if isinstance(error, Exception) else _replaced(error)


class Shield:
    """Keeps sync functions that are called often from cancelling the task that calls them.

    While they run, :attr:`stand_in` has the place of the task in :attr:`tasks`: what :func:`call` does,
    in a tenth of the time.
    """

    def __init__(self) -> None:
        self.loop: Any = None
        """the event loop"""
        self.tasks: Any = {}
        """what runs now in the event loop, by this; empty on Trio"""
        self.stand_in = _StandIn(None)

    def enter_loop(self) -> None:
        """Belong to the current event loop; before, there is no task to keep anything from."""
        asyncio: Any = sys.modules.get("asyncio")
        self.loop = None
        if asyncio is None:
            return

        self.loop = asyncio._get_running_loop()
        if self.loop is not None:
            self.tasks = getattr(asyncio.tasks, "_current_tasks", None)
            if self.tasks is None or self.tasks.get(self.loop) is not asyncio.current_task():
                self.tasks = CurrentTasks()

    def leave_loop(self) -> None:
        """Belong to no event loop."""
        self.loop, self.tasks = None, {}


class CurrentTasks:
    """What runs now in an event loop of asyncio, where that is not kept in a dictionary."""

    def get(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
        """Return what runs now, None if it is no task."""
        import asyncio

        return asyncio.current_task(loop)

    def __setitem__(self, loop: asyncio.AbstractEventLoop, task: Any) -> None:
        import asyncio

        asyncio._leave_task(loop, asyncio.current_task(loop))  # type: ignore[arg-type]
        asyncio._enter_task(loop, task)


class _StandIn:
    """The current task as a sync function sees it, which cannot cancel it."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self.task = task
        self.hits = 0
        """how often it was cancelled"""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def cancel(self, msg: object = None) -> bool:
        self.hits += 1
        return True

    def cancelling(self) -> int:
        return self.hits

    def uncancel(self) -> int:
        self.hits = max(self.hits - 1, 0)
        return self.hits


class TaskGuard:
    """Keeps the code of a plugin from ending or cancelling a task of the bus that awaits it.

    Create it in that task, before the code is called.
    """

    __slots__ = ("_before", "_id", "_task", "cancelling")

    def __init__(self) -> None:
        self._id = anyio.get_current_task().id
        self._task = _current_asyncio_task()
        self.cancelling: Callable[[], int] = _never if self._task is None else self._task.cancelling
        """returns more than 0 if :attr:`is_hit` can be true; never on Trio"""
        self._before = self.cancelling()

    @property
    def is_hit(self) -> bool:
        """Whether the task was cancelled, but not by a scope: by the code itself, or from outside."""
        return self.cancelling() > self._before and not _scope_is_cancelled()

    def contain(self, error: BaseException, *, is_cancelled: bool = False) -> Exception:
        """Return what to report in place of an error that came out of the code.

        Await :meth:`restore` afterwards.

        :param is_cancelled: whether the caller has cancelled the code by a scope that it is about to leave
        :raises BaseException: the error, if it is meant for the task: Ctrl-C, a cancellation of a scope
            around it, or the end of the event loop
        """
        if isinstance(error, Exception):
            return error

        if _has(error, KeyboardInterrupt) or not self._is_current():
            raise error

        if _has(error, anyio.get_cancelled_exc_class()) and (
            (_scope_is_cancelled() and not is_cancelled)
            or (self.cancelling() > self._before and loop_is_ending())
        ):
            raise error

        return _replaced(error, is_hit=self.is_hit)

    async def restore(self) -> None:
        """Let the task go on as if the code had not cancelled it."""
        if self._task is None or not self.is_hit:
            return

        import asyncio

        while self._task.cancelling() > self._before:
            self._task.uncancel()

        try:
            # Before 3.13 there may be a cancellation that is still to come.
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass  # that of a scope comes again

    def runs_here(self) -> bool:
        """Return whether the task is the caller's, or waits for a thread that is the caller's."""
        if self._task is not None:
            return _current_asyncio_task() in (self._task, None)

        trio: Any = sys.modules["trio"]
        return not trio.lowlevel.in_trio_task() or id(trio.lowlevel.current_task()) == self._id

    def _is_current(self) -> bool:
        """Return whether the task runs, rather than being closed."""
        try:
            return anyio.get_current_task().id == self._id
        except RuntimeError:
            return False


def loop_is_ending() -> bool:
    """Return whether every task is being cancelled, as at the end of :func:`asyncio.run`."""
    task = _current_asyncio_task()
    if task is None or not task.cancelling():
        return False

    import asyncio

    return all(one.cancelling() for one in asyncio.all_tasks())


def _replaced(error: BaseException, *, is_hit: bool = False) -> Exception:
    if _has(error, KeyboardInterrupt):
        raise error

    asyncio = sys.modules.get("asyncio")
    trio = sys.modules.get("trio")
    if (asyncio is not None and isinstance(error, asyncio.CancelledError)) or (
        trio is not None and isinstance(error, trio.Cancelled)
    ):
        return UnexpectedCancellation(error, is_hit=is_hit)

    return UnexpectedExit(error)


def _has(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(kind) is not None

    return isinstance(error, kind)


def _scope_is_cancelled() -> bool:
    """Return whether a scope around the current task is cancelled."""
    return anyio.current_effective_deadline() == -math.inf


def _current_asyncio_task() -> asyncio.Task[Any] | None:
    """Return the current task if asyncio runs it, rather than Trio, or nothing."""
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None

    task: asyncio.Task[Any] | None = asyncio.current_task()
    return task


def _never() -> int:
    return 0
