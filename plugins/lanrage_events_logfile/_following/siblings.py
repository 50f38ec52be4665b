"""The files that match a wildcard: which are new, which grow, and which hold the same lines."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import HEAD_BYTES, Checkpoint, bytes_known, digest
from .file import OpenedFile
from .positions import Position, Seen

_SEEN_MAX = 1000
# Beside its latest.log, Forge and NeoForge write the same lines to these.
_DOUBLED = "latest.log"
_DOUBLES = ("debug", "fml-")


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the folder, and its status."""

    path: Path
    status: os.stat_result

    @property
    def age(self) -> tuple[int, str]:
        """The sort key of files, by the time of their last change."""
        return self.status.st_mtime_ns, self.path.name


@dataclass(frozen=True, slots=True)
class Start:
    """A file to read next, and where."""

    path: Path
    offset: int | None = 0
    """an offset in the first line to read, None for the line that has no newline yet"""
    mark: Checkpoint | None = None
    """how far the file was read before, if it was"""


class Siblings:
    """Choose among the files that match a wildcard.

    A file is new if it was first seen later than the ones before, and is no copy of what was read.
    """

    def __init__(self) -> None:
        self.unread: dict[Path, bool] = {}
        """the files that grow and are not read; False if the lines are in the open file, too"""
        self.left_at: dict[int, int] = {}
        """by inode, the size of files when they were left, which may have an incomplete line"""

    def next(
        self,
        matching: Collection[Found],
        age: tuple[int, str],
        position: Position,
        *,
        is_quiet: bool,
        current: os.stat_result | None = None,
    ) -> Start | None:
        """Return the file to read after one of an age, None if there is none yet.

        An empty file does not count: the server may still write to the one before.

        :param is_quiet: whether a file that was not read, but grows, may be the live one
        :param current: the status of the open file
        """
        position.seen = _present(matching, age, position, current)
        inodes = {found.status.st_ino for found in matching}
        self.left_at = {inode: end for inode, end in self.left_at.items() if inode in inodes}
        opened = next((found for found in matching if _is(found, current)), None)
        others = [
            found
            for found in matching
            if found is not opened and found.status.st_size and not is_double(found, matching)
        ]
        newer = sorted((found for found in others if found.age > age), key=lambda found: found.age)
        start = _new(newer, position, position.seen) or self._left(others, position)
        grown = [found for found in others if _has_grown(found, position.seen)]
        self.unread = dict.fromkeys((found.path for found in grown), True)
        if opened is not None and not is_double(opened, matching):
            for found in matching:
                seen = position.seen.get(found.status.st_ino)
                if is_double(found, matching) and found.status.st_size > (seen.size if seen else 0):
                    self.unread[found.path] = False

        else:
            is_quiet = True  # what was open is gone, or holds the same lines

        if start is None and grown and is_quiet:
            newest = max(grown, key=lambda found: found.age)
            start = Start(newest.path, position.seen[newest.status.st_ino].size)

        return start

    def _left(self, others: Iterable[Found], position: Position) -> Start | None:
        """Return a file that was read, and has grown since the next one was begun."""
        for found in others:
            for mark in position.done:
                read = max(mark.offset, self.left_at.get(mark.inode, 0))
                if found.status.st_size > read and _is_left(found, mark):
                    return Start(found.path, mark.offset, mark)

        return None


def is_double(found: Found, matching: Collection[Found]) -> bool:
    """Return whether the lines of a file are in another one that matches, too."""
    return found.path.name.startswith(_DOUBLES) and any(
        other.path.name == _DOUBLED for other in matching
    )


def remember(matching: Iterable[Found]) -> dict[int, Seen]:
    """Return what files have now, by inode, so that they are not new."""
    result = {}
    newest = sorted(matching, key=lambda found: found.age, reverse=True)
    for found in newest[:_SEEN_MAX]:
        if found.status.st_size:
            with suppress(OSError), closing(OpenedFile(found.path, "utf-8")) as file:
                size = found.status.st_size
                result[found.status.st_ino] = Seen(size, _head(file, size))

    return result


def bytes_read(found: Found, position: Position) -> int:
    """Return how much of a file is known, as an older copy of what was read."""
    if position.mark is not None:
        with suppress(OSError), closing(OpenedFile(found.path, "utf-8")) as file:
            return max(
                bytes_known(file, position.mark, position.samples),
                *(bytes_known(file, mark, ()) for mark in position.done),
                0,
            )

    return 0


def open_matching(path: Path, mark: Checkpoint, encoding: str) -> OpenedFile | None:
    """Open a file if it has the content of a checkpoint."""
    try:
        file = OpenedFile(path, encoding)
    except OSError:
        return None

    with suppress(OSError):  # such as a .gz file that is not one
        if mark.matches_content(file):
            return file

    file.close()
    return None


def _new(newer: Iterable[Found], position: Position, files: dict[int, Seen]) -> Start | None:
    """Return the first file that is new, and note those that are copies of what was read."""
    for found in newer:
        inode, size = found.status.st_ino, found.status.st_size
        seen = files.get(inode)
        if (
            seen is not None
            and size == seen.size
            or any(_is_left(found, mark) for mark in position.done)
        ):
            continue

        if seen is not None and _has_grown(found, files):
            continue

        known = bytes_read(found, position)
        if not known:
            return Start(found.path)

        with suppress(OSError), closing(OpenedFile(found.path, "utf-8")) as file:
            files[inode] = Seen(known, _head(file, known))

    return None


def _is_left(found: Found, mark: Checkpoint) -> bool:
    if not mark.matches_inode(found.status):
        return False

    # A checkpoint does not depend on the encoding.
    file = open_matching(found.path, mark, "utf-8")
    if file is not None:
        file.close()

    return file is not None


def _has_grown(found: Found, files: Mapping[int, Seen]) -> bool:
    seen = files.get(found.status.st_ino)
    if seen is None or found.status.st_size <= seen.size:
        return False

    with suppress(OSError), closing(OpenedFile(found.path, "utf-8")) as file:
        # An inode may be used again for another file.
        return _head(file, seen.size) == seen.head

    return False


def _head(file: OpenedFile, size: int) -> str:
    return digest(file.read_at(0, min(size, HEAD_BYTES)))


def _is(found: Found, status: os.stat_result | None) -> bool:
    return status is not None and os.path.samestat(found.status, status)


def _present(
    matching: Collection[Found],
    age: tuple[int, str],
    position: Position,
    current: os.stat_result | None,
) -> dict[int, Seen]:
    """Return what was seen of the files that still exist."""
    if position.seen is None:
        return remember(one for one in matching if one.age <= age and not _is(one, current))

    inodes = [found.status.st_ino for found in matching]
    return {inode: position.seen[inode] for inode in inodes if inode in position.seen}
