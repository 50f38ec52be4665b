"""The signals that stop the daemon."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import anyio

# SIGBREAK is what Windows sends for Ctrl-Break.
_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")
_MANY_BYTES = 4096


@contextmanager
def stop_signals() -> Iterator[Callable[[], Coroutine[Any, Any, str]]]:
    """Catch the first signal to stop; the next one kills the process.

    Use it in the main thread, around the event loop. The operating system handles the next signal,
    so it kills the process even if a plugin blocks the event loop.

    :return: a function that waits for the first signal and returns its name
    """
    received: signal.Signals | None = None
    numbers = [number for name in _NAMES if (number := getattr(signal, name, None)) is not None]
    reader, writer = socket.socketpair()

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal received
        for other in numbers:
            signal.signal(other, signal.SIG_DFL)

        received = signal.Signals(number)
        writer.send(b"!")

    async def wait() -> str:
        with _wakeup_fd(writer.fileno()):
            while received is None:
                await anyio.wait_readable(reader)
                reader.recv(_MANY_BYTES)

        return received.name

    with ExitStack() as stack:
        for end in (reader, writer):
            stack.enter_context(end)
            end.setblocking(False)

        for number in numbers:
            stack.callback(signal.signal, number, signal.signal(number, receive))

        yield wait


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
