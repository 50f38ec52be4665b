"""Text encodings of log files."""

from __future__ import annotations

import codecs

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BOM_BYTES_MAX = 3


def check_encoding(encoding: str) -> str:
    """Return an encoding, if it is known and its lines can be split.

    :raises ValueError: otherwise
    """
    try:
        newline = "\n".encode(detect_encoding(encoding, b""))
    except (LookupError, UnicodeError):
        raise ValueError(f"'{encoding}' is not a known encoding, such as utf-8") from None

    if newline not in (b"\n", b"\n\0", b"\0\n"):
        raise ValueError(f"lines in the encoding '{encoding}' cannot be read, use utf-8 or utf-16")

    return encoding


def detect_encoding(encoding: str, beginning: bytes) -> str:
    """Return the actual encoding of a file.

    A byte order mark overrides the configured encoding.

    :param encoding: the configured encoding
    :param beginning: the first bytes of the file
    :raises LookupError: if there is no such encoding
    """
    name = codecs.lookup(encoding).name
    for bom, actual in _BOMS:
        if beginning.startswith(bom):
            return actual

    return "utf-16-le" if name == "utf-16" else name
