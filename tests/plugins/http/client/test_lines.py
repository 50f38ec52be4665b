from __future__ import annotations

import os
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_http._client import read_lines
from lanrage_events_http._client.lines import InputBroken, Line, LineSplitter

real_clock = pytest.mark.real_clock


def split(*chunks: bytes, max_bytes: int = 1000) -> list[Line]:
    splitter = LineSplitter(max_bytes)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + list(splitter.finish())


@given(st.binary(max_size=50), st.lists(st.integers(0, 50)))
def test_lines_are_the_same_wherever_the_input_is_cut(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in pairwise(places)]
    lines = split(*chunks)

    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()

    assert [line.data for line in lines] == expected
    assert [line.number for line in lines] == list(range(1, len(expected) + 1))
    if lines:
        assert lines[-1].end == len(data)


def test_a_line_that_is_too_long_is_counted_but_not_kept() -> None:
    lines = split(b"12345\n123456", b"7\n1\n", max_bytes=5)
    assert lines == [Line(1, b"12345", 6), Line(2, None, 14), Line(3, b"1", 16)]


def test_no_more_of_a_line_is_kept_than_it_may_have() -> None:
    splitter = LineSplitter(max_bytes=5)
    for _ in range(10):
        assert list(splitter.feed(b"123")) == []

    assert sum(map(len, splitter._parts)) <= 5


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
            with pytest.raises(InputBroken, match="Bad file descriptor"):
                await anext(groups)
    finally:
        os.close(fd)
