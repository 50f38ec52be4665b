from __future__ import annotations

import codecs

_BOMS = {
    "utf-8": ((codecs.BOM_UTF8, "utf-8"),),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
}
BOM_BYTES_MAX = 3


def newline_of(encoding: str) -> bytes:
    """Return how a newline is written in an encoding.

    :raises ValueError: if it is unknown, or if lines cannot be told apart in it
    """
    try:
        newline = "\n".encode(settled(encoding, b"")[0])
    except (LookupError, UnicodeError):
        raise ValueError(f"'{encoding}' is no encoding that is known, such as utf-8") from None

    if newline not in (b"\n", b"\n\0", b"\0\n"):
        raise ValueError(f"lines in the encoding '{encoding}' cannot be read, use utf-8 or utf-16")

    return newline


def settled(encoding: str, beginning: bytes) -> tuple[str, int]:
    """Return the encoding that the beginning of a file shows, and how many bytes show it.

    :param encoding: the one that is configured
    :param beginning: the first bytes of the file
    :raises LookupError: if there is no such encoding
    """
    name = codecs.lookup(encoding).name
    for bom, actual in _BOMS.get(name, ()):
        if beginning.startswith(bom):
            return actual, len(bom)

    return ("utf-16-le" if name == "utf-16" else name), 0
