from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.cli import LINE_MAX_BYTES, Line, LineSplitter


def split(chunks: Sequence[bytes], max_bytes: int = 1000) -> list[Line]:
    splitter = LineSplitter(max_bytes)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.finish()]


@given(st.lists(st.binary(max_size=20)))
def test_lines_are_the_same_however_the_input_is_cut(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()

    lines = split(chunks)
    assert [line.data for line in lines] == expected
    assert [line.number for line in lines] == list(range(1, len(expected) + 1))
    if lines:
        assert lines[-1].end == len(whole)


@given(st.lists(st.binary(max_size=8)), st.integers(0, 10))
def test_a_line_that_is_too_long_does_not_lose_the_others(
    chunks: list[bytes], max_bytes: int
) -> None:
    expected = b"".join(chunks).split(b"\n")
    if not expected[-1]:
        expected.pop()

    assert [line.data for line in split(chunks, max_bytes)] == [
        line if len(line) <= max_bytes else None for line in expected
    ]


def test_a_line_that_is_too_long_is_counted() -> None:
    lines = split([b"12345\n123456", b"7\n1\n"], max_bytes=5)
    assert lines == [Line(1, b"12345", 6), Line(2, None, 14), Line(3, b"1", 16)]


def test_of_a_line_that_is_too_long_nothing_is_kept() -> None:
    splitter = LineSplitter(10)
    for _ in range(100):
        assert list(splitter.feed(b"12345678")) == []
        assert sum(map(len, splitter._parts)) <= 10

    assert splitter.is_within_line


def test_only_the_first_line_may_begin_with_a_byte_order_mark() -> None:
    assert Line(1, b"\xef\xbb\xbfa\r", 5).text() == "a\r"
    assert Line(2, b"\xef\xbb\xbfa", 9).text() == "\ufeffa"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, f"^longer than {LINE_MAX_BYTES} bytes$"),
        (b"a\xff", "^not UTF-8: byte 0xff at position 2$"),
    ],
)
def test_a_line_that_is_no_text_is_an_error(data: bytes | None, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Line(1, data, 3).text()
