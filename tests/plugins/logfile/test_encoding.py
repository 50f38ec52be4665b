from __future__ import annotations

import pytest

from lanrage_events_logfile._encoding import detect_encoding, newline_of


@pytest.mark.parametrize("encoding", ["utf-32", "utf-7", "utf-99", "rot13", "base64", ""])
def test_an_encoding_whose_lines_cannot_be_split_is_rejected(encoding: str) -> None:
    if encoding == "utf-7":
        assert newline_of(encoding) == b"\n"
        return

    with pytest.raises(ValueError, match="encoding"):
        newline_of(encoding)


@pytest.mark.parametrize(
    ("encoding", "beginning", "expected"),
    [
        ("utf-8", b"abc", ("utf-8", 0)),
        ("UTF8", b"\xef\xbb\xbfabc", ("utf-8", 3)),
        ("utf-16", b"\xfe\xff", ("utf-16-be", 2)),
        ("utf-16", b"\xff\xfe", ("utf-16-le", 2)),
        ("utf-16", b"a\0", ("utf-16-le", 0)),
        ("latin-1", b"\xef\xbb\xbf", ("iso8859-1", 0)),
    ],
)
def test_a_byte_order_mark_settles_the_encoding(
    encoding: str, beginning: bytes, expected: tuple[str, int]
) -> None:
    assert detect_encoding(encoding, beginning) == expected
