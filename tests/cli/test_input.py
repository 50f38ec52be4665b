from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events.cli import ChunkReader

pytestmark = pytest.mark.real_clock


# A thread that a test left behind must not read from the pipe of the next one, nor count as one of it.
_unused_numbers = count(500)
_earlier: set[threading.Thread] = set()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    low, writer = os.pipe()
    reader = fcntl.fcntl(low, fcntl.F_DUPFD, next(_unused_numbers))
    os.close(low)
    _earlier.clear()
    _earlier.update(threading.enumerate())
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            pass


def readers() -> list[threading.Thread]:
    """Return the threads that read; the one that has read last may be about to end."""
    found = [
        thread
        for thread in threading.enumerate()
        if thread.name == "input" and thread not in _earlier
    ]
    for thread in found:
        thread.join(0.05)

    return [thread for thread in found if thread.is_alive()]


async def test_it_reads_chunks_until_the_end(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"first")
    chunks = ChunkReader(reader)
    assert await anext(chunks) == b"first"
    os.write(writer, b"second")
    assert await anext(chunks) == b"second"
    os.close(writer)
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)

    assert readers() == []


async def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    # What would be read ahead would take the place of what is not taken yet.
    content = os.urandom(10) * 400_000
    path = tmp_path / "input"
    path.write_bytes(content)
    file = os.open(path, os.O_RDONLY)
    try:
        chunks = [chunk async for chunk in ChunkReader(file)]
    finally:
        os.close(file)

    assert len(chunks) > 10
    assert b"".join(chunks) == content


async def test_a_file_is_read_to_the_end_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"skipped" + b"a" * 200_000)
    file = os.open(path, os.O_RDWR)
    os.lseek(file, len(b"skipped"), os.SEEK_SET)
    size = 0
    try:
        async for chunk in ChunkReader(file):
            size += len(chunk)
            with path.open("ab") as more:
                more.write(chunk)
    finally:
        os.close(file)

    assert size == 200_000


async def test_a_file_that_becomes_shorter_ends(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"a" * 200_000)
    file = os.open(path, os.O_RDONLY)
    try:
        chunks = ChunkReader(file)
        await anext(chunks)
        os.truncate(path, 10)
        assert [chunk async for chunk in chunks] == []
    finally:
        os.close(file)


async def test_what_goes_wrong_while_reading_is_raised(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            await anext(ChunkReader(folder))
    finally:
        os.close(folder)


async def test_a_process_without_standard_input_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match="this process has no standard input"):
        await anext(ChunkReader())


async def test_standard_input_is_what_it_reads_by_default(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    os.write(writer, b"hello")
    with os.fdopen(reader, "rb", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert await anext(ChunkReader()) == b"hello"


async def test_a_read_that_never_ends_can_be_cancelled(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    chunks = ChunkReader(reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, chunks)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    [thread] = readers()
    os.close(writer)
    await anyio.to_thread.run_sync(thread.join, 10)
    assert not thread.is_alive()


async def _read(chunks: ChunkReader) -> None:
    await anext(chunks)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_thread_ends_when_the_event_loop_has(pipe: tuple[int, int], backend: str) -> None:
    async def begin_to_read() -> None:
        chunks = ChunkReader(reader)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, chunks)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    reader, writer = pipe
    anyio.run(begin_to_read, backend=backend)
    [thread] = readers()
    os.write(writer, b"too late")
    thread.join(10)
    assert not thread.is_alive()
