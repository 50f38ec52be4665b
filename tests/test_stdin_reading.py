from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from itertools import count

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events._stdin import StandardInput

pytestmark = pytest.mark.real_clock


# A thread that a test left behind must not read from the pipe of the next one.
_unused_numbers = count(500)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    low, writer = os.pipe()
    reader = fcntl.fcntl(low, fcntl.F_DUPFD, next(_unused_numbers))
    os.close(low)
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            pass


async def test_it_reads_chunks_until_the_end(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"first")
    chunks = StandardInput(reader)
    assert await anext(chunks) == b"first"
    os.write(writer, b"second")
    assert await anext(chunks) == b"second"
    os.close(writer)
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


async def test_it_reads_only_what_it_is_asked_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    size = 3 * 64 * 1024
    with anyio.fail_after(10):
        received = b""
        os.set_blocking(writer, False)
        sent = os.write(writer, b"x" * size)
        chunks = StandardInput(reader)
        received += await anext(chunks)
        assert len(received) <= 64 * 1024
        os.close(writer)
        async for chunk in chunks:
            received += chunk

    assert len(received) == sent


async def test_what_goes_wrong_while_reading_is_raised(tmp_path: object) -> None:
    folder = os.open(str(tmp_path), os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            await anext(StandardInput(folder))
    finally:
        os.close(folder)


async def test_a_process_without_standard_input_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match="this process has no standard input"):
        await anext(StandardInput())


async def test_standard_input_is_what_it_reads_by_default(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    os.write(writer, b"hello")
    with os.fdopen(reader, "rb", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert await anext(StandardInput()) == b"hello"


async def test_a_read_that_never_ends_can_be_cancelled(pipe: tuple[int, int]) -> None:
    reader, _ = pipe
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, StandardInput(reader))
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def _read(chunks: StandardInput) -> None:
    await anext(chunks)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_thread_ends_when_the_event_loop_has(pipe: tuple[int, int], backend: str) -> None:
    async def begin_to_read() -> StandardInput:
        chunks = StandardInput(reader)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, chunks)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

        return chunks

    reader, writer = pipe
    chunks = anyio.run(begin_to_read, backend=backend)
    assert chunks._thread is not None
    os.write(writer, b"too late")
    chunks._thread.join(10)
    assert not chunks._thread.is_alive()
