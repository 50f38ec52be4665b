from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_logfile._following.lines import (
    LINE_BYTES_MAX,
    NUL_BLOCK,
    TAIL_BYTES,
    LineSplitter,
)

CUTS = st.lists(st.integers(1, 40), max_size=60)


def feed(data: bytes, cuts: list[int], newline: bytes) -> LineSplitter | None:
    """Feed a splitter in pieces, and compare its lines with the whole."""
    splitter, begin, found = LineSplitter(newline), 0, []
    for size in [*cuts, len(data)]:
        for line in splitter.feed(data[begin : begin + size]):
            found.append(line)
            assert splitter.offset == line.end
            assert line.tail == data[max(0, line.end - TAIL_BYTES) : line.end]

        begin = min(len(data), begin + size)
        assert splitter.position == begin

    assert [line.end for line in found] == ends(data, newline)
    return splitter


def ends(data: bytes, newline: bytes) -> list[int]:
    width = len(newline)
    return [
        end + width
        for end in range(0, len(data) - width + 1, width)
        if data[end : end + width] == newline
    ]


@pytest.mark.slow
@given(data=st.binary(max_size=300), cuts=CUTS)
def test_any_way_of_cutting_bytes_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    feed(data, cuts, b"\n")


@given(
    text=st.text(st.sampled_from("\n\u0a0a\u0a00\u000aa\u0d0a"), max_size=60),
    cuts=CUTS,
    encoding=st.sampled_from(["utf-16-le", "utf-16-be"]),
)
def test_any_way_of_cutting_utf_16_gives_the_same_lines(
    text: str, cuts: list[int], encoding: str
) -> None:
    feed(text.encode(encoding), cuts, "\n".encode(encoding))


@given(
    lengths=st.lists(
        st.sampled_from([0, 1, 50, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 3 * LINE_BYTES_MAX]),
        max_size=6,
    ),
    size=st.sampled_from([997, LINE_BYTES_MAX, 100_000]),
)
def test_lines_that_are_too_long_are_passed_over_however_they_come(
    lengths: list[int], size: int
) -> None:
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    splitter, found = LineSplitter(b"\n"), []
    for begin in range(0, len(data), size):
        found += list(splitter.feed(data[begin : begin + size]))
        assert len(splitter._rest) <= LINE_BYTES_MAX

    assert [line.text if line.text is None else len(line.text) for line in found] == [
        None if length > LINE_BYTES_MAX else length for length in lengths
    ]


@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 100, LINE_BYTES_MAX, LINE_BYTES_MAX + 1]),
            st.sampled_from([2 * len(NUL_BLOCK), 4096, 40_000]),
            st.text("abÄ", min_size=1, max_size=5),
        ),
        max_size=3,
    ),
    size=st.sampled_from([997, 4096, 32_768]),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_a_block_of_zeros_loses_nothing_behind_it(
    parts: list[tuple[int, int, str]], size: int, encoding: str
) -> None:
    data = b"".join(
        ("x" * torn).encode(encoding) + bytes(zeros) + f"{text}\n".encode(encoding)
        for torn, zeros, text in parts
    )
    splitter = LineSplitter("\n".encode(encoding))
    found = [
        line
        for begin in range(0, len(data), size)
        for line in splitter.feed(data[begin : begin + size])
    ]
    assert [(line.text or b"").decode(encoding) for line in found] == [text for _, _, text in parts]


@pytest.mark.parametrize("zeros", [1, 3, 64, 9000])
def test_zeros_at_the_beginning_of_a_line_are_passed_over(zeros: int) -> None:
    [line] = LineSplitter(b"\n").feed(bytes(zeros) + b"Ann joined\n")
    assert line.text == b"Ann joined"


def test_zeros_in_a_message_of_a_player_do_not_begin_a_line() -> None:
    [line] = LineSplitter(b"\n").feed(b"<Eve> " + bytes(256) + b"Ann joined\n")
    assert line.text is not None
    assert line.text.startswith(b"<Eve>")


def test_what_is_left_is_a_line_once() -> None:
    splitter = LineSplitter(b"\n")
    assert list(splitter.feed(b"Ann")) == []
    line = splitter.finish()

    assert line is not None
    assert (line.text, line.end, line.tail) == (b"Ann", 3, b"Ann")
    assert splitter.finish() is None


def test_what_is_left_of_a_line_that_is_too_long_is_none() -> None:
    splitter = LineSplitter(b"\n")
    assert list(splitter.feed(b"x" * (LINE_BYTES_MAX + 1))) == []
    assert splitter.finish() is None
