"""The signals that stop the daemon."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Self

import anyio

# SIGBREAK is what Windows sends for Ctrl-Break.
_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")
_MANY_BYTES = 4096


class StopSignals:
    """Waits for the first signal to stop; the next one kills the process.

    Use it with ``with`` in the main thread, around the event loop. The operating system handles the
    next signal, so it kills the process even if a plugin blocks the event loop.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._numbers = [
            number for name in _NAMES if (number := getattr(signal, name, None)) is not None
        ]
        self._exit_stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._reader, self._writer = socket.socketpair()
            for end in (self._reader, self._writer):
                stack.enter_context(end)
                end.setblocking(False)

            for number in self._numbers:
                previous = signal.signal(number, self._receive)
                stack.callback(signal.signal, number, previous)

            self._exit_stack = stack.pop_all()

        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit_stack.close()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for other in self._numbers:
            signal.signal(other, signal.SIG_DFL)

        self._received = signal.Signals(number)
        self._writer.send(b"!")

    async def wait(self) -> str:
        """Wait for a signal, and return its name."""
        with _wakeup_fd(self._writer.fileno()):
            while self._received is None:
                await anyio.wait_readable(self._reader)
                self._reader.recv(_MANY_BYTES)

        return self._received.name


@contextmanager
def _wakeup_fd(fd: int) -> Iterator[None]:
    """Let a signal wake the event loop even if it arrives just before the loop sleeps."""
    previous = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    if previous != -1:  # Trio, and asyncio on Windows, do it themselves
        signal.set_wakeup_fd(previous)
        yield
        return

    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
