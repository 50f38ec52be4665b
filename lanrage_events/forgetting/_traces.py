"""The traces of a person: files that still have the name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from .._rules import WILDCARD, NamedPerson
from ..state import open_regular

_CHUNK_BYTES = 1024 * 1024
_OTHER_SUFFIXES = ("-shm", ".lock", ".reserve")
"""of files beside others, which have nothing of people"""


def find_traces(name: str, folder: Path | None, files: Sequence[Path] = ()) -> list[Path]:
    """Return the files that still have a name, as text, in any case.

    Call it in a process that has none of the files open: SQLite would lose its locks on them. A pattern
    with ``*`` is not searched for.

    :param name: the name or the id of a person
    :param folder: the state folder, with all that is in it; None for none
    :param files: other files
    """
    if WILDCARD in name:
        return []

    inside = [] if folder is None else sorted(folder.rglob("*"))
    texts = {text for one in NamedPerson(name, folder).names for text in _spellings(one)}
    return [
        path
        for path in dict.fromkeys((*inside, *files))
        if path.is_file()
        and not path.is_symlink()
        and not path.name.endswith(_OTHER_SUFFIXES)
        and _has_any(path, texts)
    ]


def _spellings(name: str) -> Iterator[bytes]:
    for text in (name, name.lower(), name.upper(), name.title()):
        yield text.encode("utf-8", "surrogatepass").lower()
        yield json.dumps(text)[1:-1].encode().lower()


def _has_any(path: Path, texts: set[bytes]) -> bool:
    longest = max(map(len, texts))
    rest = b""
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                data = (rest + chunk).lower()
                if any(_is_word_in(data, text) for text in texts):
                    return True

                rest = data[-longest:]
    except OSError:
        return False

    return False


def _is_word_in(data: bytes, text: bytes) -> bool:
    start = data.find(text)
    while start >= 0:
        end = start + len(text)
        if not data[start - 1 : start].isalnum() and not data[end : end + 1].isalnum():
            return True

        start = data.find(text, start + 1)

    return False
