"""The installed program, run by tests in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

COMMAND = (sys.executable, "-m", "lanrage_events")
GUARD_SECONDS = 50


class RunningDaemon:
    """The command, running in a process of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stderr is not None
        self.process = process
        self.log = ""
        self._stderr = BufferedByteReceiveStream(process.stderr)

    async def wait_for(self, text: str) -> None:
        """Wait until it has logged something."""
        while text not in self.log:
            try:
                self.log += (await self._stderr.receive_until(b"\n", 100_000)).decode() + "\n"
            except anyio.IncompleteRead:
                pytest.fail(f"it ended without logging {text!r}:\n{self.log}")

    async def wait(self) -> int:
        """Wait until it has ended, and return its exit code."""
        try:
            while True:
                self.log += (await self._stderr.receive()).decode()
        except anyio.EndOfStream:
            return await self.process.wait()


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[RunningDaemon]:
    with anyio.fail_after(GUARD_SECONDS):
        process = await anyio.open_process(
            [*COMMAND, *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        async with process:
            try:
                yield RunningDaemon(process)
            finally:
                if process.returncode is None:
                    process.kill()


async def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    with anyio.fail_after(GUARD_SECONDS):
        result = await anyio.run_process([*COMMAND, *arguments], input=stdin, check=False)

    return result.returncode, result.stdout.decode(), result.stderr.decode()
