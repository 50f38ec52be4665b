from __future__ import annotations

import pytest

from lanrage_events_logfile._encoding import check_encoding, detect_encoding


@pytest.mark.parametrize("encoding", ["utf-32", "utf-99", "rot13", "base64", ""])
def test_an_encoding_whose_lines_cannot_be_split_is_rejected(encoding: str) -> None:
    with pytest.raises(ValueError, match="encoding"):
        check_encoding(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-16-be", "utf-7"])
def test_an_encoding_whose_lines_can_be_split_is_accepted(encoding: str) -> None:
    assert check_encoding(encoding) == encoding


@pytest.mark.parametrize(
    ("encoding", "beginning", "expected"),
    [
        ("utf-8", b"abc", "utf-8"),
        ("UTF8", b"\xef\xbb\xbfabc", "utf-8"),
        ("utf-16", b"\xfe\xff", "utf-16-be"),
        ("utf-16", b"\xff\xfe", "utf-16-le"),
        ("utf-16", b"a\0", "utf-16-le"),
        ("utf-8", b"\xff\xfea", "utf-16-le"),
        ("cp1252", b"\xfe\xff\0", "utf-16-be"),
        ("latin-1", b"\xef\xbb\xbf", "utf-8"),
        ("latin-1", b"abc", "iso8859-1"),
    ],
)
def test_a_byte_order_mark_settles_the_encoding(
    encoding: str, beginning: bytes, expected: str
) -> None:
    assert detect_encoding(encoding, beginning) == expected
