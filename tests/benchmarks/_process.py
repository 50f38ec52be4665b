"""Processes that take and give one JSON object a line."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

Line: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
_LINE_MAX_BYTES = 64 * 1024 * 1024
_END_SECONDS = 30.0


class ProcessEnded(Exception):
    """Raised when a process ends although a line is expected from it."""


class Child:
    """A process of ours, as its parent sees it."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def send(self, **line: Any) -> None:
        """Give the process a line."""
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps(line).encode() + b"\n")

    async def receive(self) -> Line:
        """Return the process's next line."""
        try:
            line = await self._lines.receive_until(b"\n", _LINE_MAX_BYTES)
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            raise ProcessEnded(f"{self.process.pid} ended") from None

        answer: Line = json.loads(line)
        return answer

    async def ask(self, **line: Any) -> Line:
        """Give the process a line and return the one that it answers."""
        await self.send(**line)
        return await self.receive()


@asynccontextmanager
async def start(module: str, errors: Path, **first: Any) -> AsyncIterator[Child]:
    """Run a module of this package, and see to it that it ends with the block.

    :param errors: the file that takes what the process writes to stderr
    :param first: the line that it is given first
    """
    with errors.open("ab") as stderr:
        process = await anyio.open_process(
            [sys.executable, "-m", f"{__package__}.{module}"],
            stdin=subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
        )

    child = Child(process)
    try:
        await child.send(**first)
        yield child
    finally:
        with anyio.CancelScope(shield=True):
            # Not process.kill(), by which asyncio loses the exit status of what has just ended:
            # https://github.com/python/cpython/issues/87744
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

            with anyio.move_on_after(_END_SECONDS):
                await process.aclose()


def say(**line: Any) -> None:
    """Give the parent a line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def hear() -> Line:
    """Wait for the parent's next line; if it is gone, this is ``{"do": "end"}``."""
    line = sys.stdin.readline()
    heard: Line = json.loads(line) if line else {"do": "end"}
    return heard


def memory_megabytes(name: str = "VmHWM") -> float | None:
    """Return how much memory this process has used at most, None if that cannot be known.

    :param name: ``VmHWM`` for the peak, ``VmRSS`` for now
    """
    # Not getrusage(): its peak includes that of the parent from before the exec.
    with suppress(OSError):
        gc.collect()
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024

    return None


class Meter:
    """Measures what the process uses from when it is made, or begun again."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was used until now, and what is garbage by now."""
        gc.collect()
        self._cpu = time.process_time()

    def read(self) -> Line:
        """Return the CPU seconds since then, and the peak of memory in megabytes."""
        return {"cpu": time.process_time() - self._cpu, "memory": memory_megabytes()}
