"""The end of the process, also when something in it does not end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Self

from ._threads import ThreadCall

_LAST_WORDS_SECONDS = 1.0
_LONGEST = 1e9  # seconds; a queue does not wait for much longer


process_stack: ContextVar[ExitStack | None] = ContextVar("process_stack", default=None)
"""what is undone only when the process ends, if this process runs nothing but a command"""


class StopRequested(KeyboardInterrupt):
    """Raised in the main thread by a signal that stops the daemon while it is not running yet."""


def is_interrupt(error: BaseException) -> bool:
    """Return whether a signal raised an error in the main thread, rather than some code by itself."""
    if isinstance(error, StopRequested):
        return True

    is_ours = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    return isinstance(error, KeyboardInterrupt) and not is_ours


@dataclass(frozen=True, slots=True)
class _Order:
    """When to end the process, and how."""

    time: float
    code: int
    before: Callable[[], object]


class ExitGuard:
    """Ends the process if it does not end by itself within a time.

    It works from a thread that sleeps until then, so nothing that blocks the event loop keeps it from
    that. Use it as a context manager.
    """

    def __init__(self) -> None:
        # Unlike a lock or an event, it may be used by the handler of a signal.
        self._orders: SimpleQueue[_Order | Callable[[], object] | None] = SimpleQueue()
        self._closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closed = True
        self.cancel()

    def start(self) -> None:
        """Start its thread."""
        threading.Thread(target=self._run, name="exit guard", daemon=True).start()

    def end_after(
        self, seconds: float, code: int, before: Callable[[], object] = lambda: None
    ) -> None:
        """End the process later; a further call replaces this one.

        :param code: the exit code
        :param before: called first, for a second at most, such as to log why
        """
        self._orders.put(_Order(time.monotonic() + min(seconds, _LONGEST), code, before))

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in a thread of its own; the handler of a signal may call this."""
        self._orders.put(function)

    def cancel(self) -> None:
        """Do not end the process."""
        self._orders.put(None)

    def _run(self) -> None:
        order: _Order | None = None
        while not (order is None and self._closed):
            timeout = None if order is None else max(0.0, order.time - time.monotonic())
            try:
                received = self._orders.get(timeout=timeout)
            except Empty:
                if order is not None:
                    end_process(order.code, order.before)
            else:
                if received is None or isinstance(received, _Order):
                    order = received
                else:
                    # It may block, such as on a log that nobody reads.
                    ThreadCall(received, "exit guard's call")


def end_process(code: int, before: Callable[[], object] = lambda: None) -> None:
    """End the process at once, without waiting for its threads.

    :param before: called first, for a second at most
    """

    def finish() -> None:
        before()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()

    # It may block, such as on a log that nobody reads.
    ThreadCall(finish, "last words").wait(_LAST_WORDS_SECONDS)
    os._exit(code)


def lasting_threads() -> list[str]:
    """Return the names of the threads for which Python would wait at the end of the process."""
    main = threading.main_thread()
    return [t.name for t in threading.enumerate() if t is not main and not t.daemon]
