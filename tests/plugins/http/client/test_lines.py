from __future__ import annotations

import os
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from lanrage_events_http._client import InputError, read_lines

real_clock = pytest.mark.real_clock


@pytest.mark.slow
@real_clock
async def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(50_000)) + b"last")
    fd = os.open(path, os.O_RDONLY)
    try:
        async with aclosing(read_lines(fd)) as groups:
            found = [line async for group in groups for line in group]
    finally:
        os.close(fd)

    assert [line.data for line in found[:2]] == [b"0", b"1"]
    assert (len(found), found[-1].data) == (50_001, b"last")


@real_clock
async def test_what_a_pipe_has_comes_at_once() -> None:
    reading, writing = os.pipe()
    try:
        async with aclosing(read_lines(reading)) as groups:
            os.write(writing, b"a\nb\nc")
            assert [line.data for line in await anext(groups)] == [b"a", b"b"]
            os.write(writing, b"\n")
            assert [line.data for line in await anext(groups)] == [b"c"]
            os.close(writing)
            with pytest.raises(StopAsyncIteration):
                await anext(groups)
    finally:
        os.close(reading)


@real_clock
async def test_waiting_for_a_pipe_can_be_cancelled() -> None:
    reading, writing = os.pipe()
    try:
        async with aclosing(read_lines(reading)) as groups:
            with anyio.move_on_after(0.01) as scope:
                await anext(groups)

        assert scope.cancelled_caught
    finally:
        os.close(writing)


@real_clock
async def test_an_input_that_cannot_be_read_raises_an_error(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT)
    try:
        async with aclosing(read_lines(fd)) as groups:
            with pytest.raises(InputError, match="Bad file descriptor"):
                await anext(groups)
    finally:
        os.close(fd)
