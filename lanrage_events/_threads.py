"""Functions that run in a thread of their own, and whether the time of their event loop is real."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

logger = logging.getLogger(__name__)

SLOW_SECONDS = 5.0
"""how often whatever is waited for is named"""
MAX_CLOCK_ERROR = 1.0
"""seconds by which the clock of an event loop may be behind, because it keeps a reading"""


class ThreadCall(Generic[T]):
    """A function that runs in a thread of its own, and its outcome.

    A wait for it can be given up: then the thread goes on alone, and ends with the process.

    :param function: what to call
    :param name: the name of the thread
    :param on_done: called in the thread at the end
    """

    def __init__(
        self,
        function: Callable[[], T],
        name: str,
        on_done: Callable[[], object] = lambda: None,
    ) -> None:
        self._function = function
        self._on_done = on_done
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except KeyboardInterrupt as error:
            # No signal did that: they interrupt only the main thread.
            self._error = RuntimeError(f"it raised {type(error).__name__}")
            self._error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - re-raised to the caller
            self._error = error
        finally:
            self._done.set()
            self._on_done()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end, and return whether that came within a time.

        :param timeout: seconds; None for no limit
        """
        return self._done.wait(timeout)

    def outcome(self) -> T:
        """Return or raise what the function did, once it has ended."""
        if self._error is not None:
            raise self._error

        return cast(T, self._result)


async def call_in_thread(function: Callable[[], T], name: str) -> T:
    """Call a function in a thread; cancelling abandons the thread.

    :param name: the name of the thread
    """
    import anyio
    import anyio.from_thread
    from anyio.lowlevel import current_token

    token, done = current_token(), anyio.Event()

    def wake() -> None:
        try:
            anyio.from_thread.run_sync(done.set, token=token)
        except anyio.RunFinishedError:
            return

    call = ThreadCall(function, name, wake)
    await done.wait()
    return call.outcome()


def position_of(thread: int | None) -> str:
    """Return the line that a thread runs at this moment, as ``file:line``.

    :param thread: its identifier
    """
    frame = sys._current_frames().get(thread or 0)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"


def call_within(
    function: Callable[[], T], seconds: float, what: str, *, every: float = SLOW_SECONDS
) -> T:
    """Call a function in a thread, and name it in the log while it is slow.

    :param seconds: how long it may take; afterwards it is abandoned
    :param what: what it does, such as ``importing the plugin 'x'``
    :param every: seconds after which it is named, again and again
    :raises TimeoutError: if it takes longer
    """
    call = ThreadCall(function, what)
    waited = 0.0
    while not call.wait(min(every, seconds - waited)):
        waited += every
        if waited >= seconds:
            raise TimeoutError(f"it takes longer than {seconds:g} seconds")

        logger.warning("%s takes %g seconds so far, of at most %g", what, waited, seconds)

    return call.outcome()


@contextmanager
def named_while_slow(what: str, *, every: float = SLOW_SECONDS) -> Iterator[None]:
    """Name what this thread does, and where, in the log while it is slow.

    :param what: such as ``creating the plugin 'x'``
    :param every: seconds after which it is named, again and again
    """
    done, thread = threading.Event(), threading.get_ident()

    def watch() -> None:
        seconds = 0.0
        while not done.wait(every):
            seconds += every
            logger.warning("%s takes %g seconds so far, at %s", what, seconds, position_of(thread))

    threading.Thread(target=watch, name=what, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def is_in_virtual_time() -> bool:
    """Return whether the clock of the current event loop jumps, as it may in tests."""
    import anyio

    # A thread may be importing it.
    lowlevel: Any = getattr(sys.modules.get("trio"), "lowlevel", None)
    in_trio_run = getattr(lowlevel, "in_trio_run", None)
    if in_trio_run is not None and in_trio_run():
        mock_clock = getattr(sys.modules.get("trio.testing"), "MockClock", None)
        return mock_clock is not None and isinstance(lowlevel.current_clock(), mock_clock)

    # The real clock of asyncio is this one.
    return abs(anyio.current_time() - time.monotonic()) > MAX_CLOCK_ERROR
