from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .checkpoint import Checkpoint
from .file import PACKED_SUFFIX, OpenedFile

# Enough for months of rotation; each may have to be opened.
_SEARCHED_MAX = 200
_ANY_AGE = (-1, "")


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the folder."""

    path: Path
    status: os.stat_result

    @property
    def age(self) -> tuple[int, str]:
        """Sorts files by when they were written to last."""
        return self.status.st_mtime_ns, self.path.name


class Folder:
    """Finds the files that a configured path means.

    Each method raises :exc:`OSError` if it cannot find out.

    :param path: a file, or one with ``*`` or ``?`` in its name
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_pattern = any(wildcard in path.name for wildcard in "*?")
        """whether the path means several files"""
        self._pattern = path.name.replace("[", "[[]")

    @property
    def watched(self) -> set[Path]:
        """The folders in which a change may matter."""
        folders = {self._path.parent}
        with suppress(OSError, RuntimeError):  # a link that leads in circles
            folders.add(self._path.resolve().parent)

        return folders

    def after(self, mark: Checkpoint | None, done: Collection[Checkpoint]) -> Found | None:
        """Return the file to read when that which was read is gone, None if there is none yet.

        :param mark: how far that was read, None if there was none
        :param done: the ends of files that were read before
        """
        if mark is None or not self.is_pattern:
            return max(self._matching(), key=lambda found: found.age, default=None)

        return self._next((mark.modified_ns, ""), done)

    def successor(
        self, file: OpenedFile, mark: Checkpoint | None, done: Collection[Checkpoint]
    ) -> Found | None:
        """Return the file to read after one that is open, None if that is still the one to read.

        :param mark: how far that was read
        :param done: the ends of files that were read before
        """
        status = file.stat()
        if self.is_pattern:
            written = mark.modified_ns if mark and file.packed else status.st_mtime_ns
            return self._next((written, file.path.name), done)

        if any(os.path.samestat(found.status, status) for found in self._matching()):
            return None

        return self._next(_ANY_AGE, done)

    def find(self, mark: Checkpoint, encoding: str) -> OpenedFile | None:
        """Open the file that was read, wherever it went in the folder, or a copy of it."""
        candidates = {found.path: found for found in self._matching()}
        others = sorted(self._files(), key=lambda found: found.age, reverse=True)
        candidates.update((found.path, found) for found in others[:_SEARCHED_MAX])
        # The same file first, then copies of it, and those that are packed last.
        ranked = sorted(
            candidates.values(),
            key=lambda found: (
                not mark.matches_inode(found.status),
                found.path.suffix == PACKED_SUFFIX,
            ),
        )
        for found in ranked:
            # Without a byte that was read, there is nothing to recognise a copy by.
            if mark.matches_inode(found.status) or mark.offset:
                file = _open_matching(found.path, mark, encoding)
                if file is not None:
                    return file

        return None

    def _next(self, age: tuple[int, str], done: Collection[Checkpoint]) -> Found | None:
        """Return the file that was written to after another one, None if there is none yet.

        An empty one may have been made for a server that still writes to the other.
        """
        newer = [found for found in self._matching() if found.age > age and found.status.st_size]
        for found in sorted(newer, key=lambda found: found.age):
            if not any(_is_done(found, mark) for mark in done):
                return found

        return None

    def _matching(self) -> list[Found]:
        """Return the files that the path means, unpacked ones only."""
        if not self.is_pattern:
            try:
                return [Found(self._path, self._path.stat())]
            except (FileNotFoundError, NotADirectoryError):
                return []

        return [
            found
            for found in self._files()
            if fnmatchcase(found.path.name, self._pattern) and found.path.suffix != PACKED_SUFFIX
        ]

    def _files(self) -> Iterator[Found]:
        try:
            entries = list(os.scandir(self._path.parent))
        except (FileNotFoundError, NotADirectoryError):
            return

        for entry in entries:
            with suppress(FileNotFoundError):  # it went in this moment
                # Not the entry's own status, which lacks the inode on Windows.
                status = os.stat(entry.path)
                if stat.S_ISREG(status.st_mode):
                    yield Found(Path(entry.path), status)


def _is_done(found: Found, mark: Checkpoint) -> bool:
    if not mark.matches_inode(found.status):
        return False

    # How text is written does not matter to a checkpoint.
    file = _open_matching(found.path, mark, "utf-8")
    if file is not None:
        file.close()

    return file is not None


def _open_matching(path: Path, mark: Checkpoint, encoding: str) -> OpenedFile | None:
    try:
        file = OpenedFile(path, encoding)
    except OSError:
        return None

    with suppress(OSError):  # such as of a file that is called .gz and is not
        if mark.matches_content(file):
            return file

    file.close()
    return None
