from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_http._client import Message, MessageTooLong, SSEReader


def read(*chunks: bytes) -> list[Message]:
    reader = SSEReader()
    return [message for chunk in chunks for message in reader.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (b"data: a\n\n", [Message("message", "a", None)]),
        (b"id: 7\nevent: x\ndata: a\ndata:b\n\n", [Message("x", "a\nb", "7")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Message("message", "a", None)]),
        (b": hello\n\nretry: 10\nwhat: ever\n\n", []),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Message("message", t, None) for t in "abc"]),
        (b"id: 1\ndata: a\n\ndata: b\n\n", [Message("message", t, "1") for t in "ab"]),
        (b"id: 1\0\ndata: a\n\n", [Message("message", "a", None)]),
        (b"data: not ended\n", []),
        (b"event: x\n\ndata: a\n\n", [Message("message", "a", None)]),
        (b"data\n\n", [Message("message", "", None)]),
        (b"data: \xff\n\n", [Message("message", "\ufffd", None)]),
    ],
)
def test_messages_are_read_as_the_standard_says(stream: bytes, messages: list[Message]) -> None:
    assert read(stream) == messages


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"data: x", b"data", b"id: 1", b": c", b"\xc3\xa9"])
    ),
    st.lists(st.integers(0, 60)),
)
def test_it_does_not_matter_where_a_stream_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    assert read(*chunks) == read(stream)


def test_a_line_end_of_two_characters_may_be_cut_between_them() -> None:
    assert read(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Message("message", "a\nb", None)]


def test_a_message_without_an_end_is_rejected_before_it_fills_the_memory() -> None:
    reader = SSEReader(max_characters=100)
    for _ in range(11):
        assert list(reader.feed(b"data: 123\n")) == []

    with pytest.raises(MessageTooLong, match="more than 100 characters"):
        list(reader.feed(b"data: 123\n"))


def test_heartbeats_never_make_a_message_too_long() -> None:
    reader = SSEReader(max_characters=100)
    for _ in range(100):
        assert list(reader.feed(b": still here\n")) == []

    assert [message.data for message in reader.feed(b"data: a\n\n")] == ["a"]
