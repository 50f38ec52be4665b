"""The signals of the daemon: those that stop it, and the one that reloads its configuration."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Self, TypeAlias

import anyio

from .._exit import StopRequested

# SIGBREAK is what Windows sends for Ctrl-Break, which has no SIGHUP.
_STOPS = ("SIGINT", "SIGTERM", "SIGBREAK")
_RELOAD = "SIGHUP"
_MANY_BYTES = 4096

Handler: TypeAlias = Callable[[int, FrameType | None], None]


class SignalFlag:
    """A flag that the handler of a signal sets, for one task that waits for it."""

    def __init__(self) -> None:
        self.is_set = False
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)

    def close(self) -> None:
        """Release its sockets."""
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        """Return the file descriptor that wakes the waiting task when something is written to it."""
        return self._writer.fileno()

    def set(self) -> None:
        """Set it; the handler of a signal may do so."""
        if not self.is_set:
            self.is_set = True
            self._writer.send(b"!")

    def clear(self) -> None:
        """Reset it."""
        self.is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        while not self.is_set:
            await anyio.wait_readable(self._reader)
            self._reader.recv(_MANY_BYTES)


class Signals:
    """Receives signals in the main thread, from before its event loop runs until after.

    The first signal to stop is noted; the next one kills the process, even if a plugin blocks the
    event loop: the operating system handles it. SIGINT stays ignored if it was ignored before, as
    it is by what a shell script starts with ``&``: the Ctrl-C is meant for the script.

    :param on_stop: called with its name by the handler of the first signal to stop, so it must not
        wait for anything
    """

    def __init__(self, on_stop: Callable[[str], object] = lambda _: None) -> None:
        self._on_stop = on_stop
        self._stops: list[signal.Signals] = []
        """those that are handled"""
        self._stopped_by: signal.Signals | None = None
        self._is_interrupting = False
        self._stop = SignalFlag()
        self._reload = SignalFlag()
        self._exit_stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._install(stack)
            self._exit_stack = stack.pop_all()

        return self

    def _install(self, stack: ExitStack) -> None:
        stack.callback(self._stop.close)
        stack.callback(self._reload.close)
        self._stops = [getattr(signal, name) for name in _STOPS if hasattr(signal, name)]
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            self._stops.remove(signal.SIGINT)

        handlers: dict[signal.Signals, Handler] = dict.fromkeys(self._stops, self._receive_stop)
        if hasattr(signal, _RELOAD):
            handlers[signal.SIGHUP] = self._receive_reload

        for number, handler in handlers.items():
            stack.callback(signal.signal, number, signal.signal(number, handler))

    def __exit__(self, *exc_info: object) -> None:
        self._exit_stack.close()

    @property
    def was_interrupted(self) -> bool:
        """Whether Ctrl-C was the signal to stop."""
        return self._stopped_by is signal.SIGINT

    def _receive_stop(self, number: int, frame: FrameType | None) -> None:
        for stop in self._stops:
            signal.signal(stop, signal.SIG_DFL)

        self._stopped_by = signal.Signals(number)
        self._on_stop(self._stopped_by.name)
        self._stop.set()
        if self._is_interrupting:
            raise StopRequested(self._stopped_by.name)

    def _receive_reload(self, number: int, frame: FrameType | None) -> None:
        self._reload.set()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal to stop raise :exc:`StopRequested` within a block, or before it."""
        self._is_interrupting = True
        try:
            if self._stopped_by is not None:
                raise StopRequested(self._stopped_by.name)

            yield
        finally:
            self._is_interrupting = False

    async def wait_stop(self) -> str:
        """Wait for the first signal to stop, and return its name."""
        with _wakeup_fd(self._stop.fileno()):
            await self._stop.wait()

        return "" if self._stopped_by is None else self._stopped_by.name

    async def wait_reload(self) -> str:
        """Wait for the signal to reload, and return its name; several at once count as one."""
        await self._reload.wait()
        self._reload.clear()
        return _RELOAD


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
