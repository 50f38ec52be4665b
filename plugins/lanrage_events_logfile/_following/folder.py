"""The folder of a log file: which file to read, and where a rotated one went."""

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

# Months of rotation; each file may have to be opened.
_SEARCHED_MAX = 200
_ANY_AGE = (-1, "")


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the folder, and its status."""

    path: Path
    status: os.stat_result

    @property
    def age(self) -> tuple[int, str]:
        """The sort key of files, by the time of their last change."""
        return self.status.st_mtime_ns, self.path.name


class Folder:
    """Find the files of a configured path.

    Each method raises :exc:`OSError` if it cannot read the folder.

    :param path: a file, possibly with ``*`` or ``?`` in its name
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_pattern = any(wildcard in path.name for wildcard in "*?")
        """whether the path has wildcards"""
        self._pattern = path.name.replace("[", "[[]")

    def may_be(self, path: Path) -> bool:
        """Return whether a path, which need not exist, is one of those that are read."""
        folder = os.path.realpath(self._path.parent)
        return os.path.realpath(path.parent) == folder and fnmatchcase(path.name, self._pattern)

    @property
    def watched(self) -> set[Path]:
        """The folders to watch."""
        folders = {self._path.parent}
        with suppress(OSError, RuntimeError):  # a loop of links
            folders.add(self._path.resolve().parent)

        return folders

    def after(self, mark: Checkpoint | None, done: Collection[Checkpoint]) -> Found | None:
        """Return the file to read after one that is gone, None if there is none yet.

        :param mark: how far the last file was read, None if there was none
        :param done: the ends of the files before
        """
        if mark is None or not self.is_pattern:
            return max(self._matching(), key=lambda found: found.age, default=None)

        return self._next((mark.modified_ns, ""), done)

    def successor(
        self, file: OpenedFile, mark: Checkpoint | None, done: Collection[Checkpoint]
    ) -> Found | None:
        """Return the file to read after one that is open, None if that is still the current one.

        :param mark: how far the open file was read
        :param done: the ends of the files before
        """
        status = file.stat()
        if self.is_pattern:
            written = mark.modified_ns if mark and file.packed else status.st_mtime_ns
            return self._next((written, file.path.name), done)

        if any(os.path.samestat(found.status, status) for found in self._matching()):
            return None

        return self._next(_ANY_AGE, done)

    def find(self, mark: Checkpoint, encoding: str) -> OpenedFile | None:
        """Open the file of a checkpoint, which may be renamed, or a copy of it."""
        candidates = {found.path: found for found in self._matching()}
        others = sorted(self._files(), key=lambda found: found.age, reverse=True)
        candidates.update((found.path, found) for found in others[:_SEARCHED_MAX])
        # The same file first, then copies, compressed ones last.
        ranked = sorted(
            candidates.values(),
            key=lambda found: (
                not mark.matches_inode(found.status),
                found.path.suffix == PACKED_SUFFIX,
            ),
        )
        for found in ranked:
            # A copy cannot be recognised before anything was read.
            if mark.matches_inode(found.status) or mark.offset:
                file = _open_matching(found.path, mark, encoding)
                if file is not None:
                    return file

        return None

    def _next(self, age: tuple[int, str], done: Collection[Checkpoint]) -> Found | None:
        """Return the next file after the given age, None if there is none yet.

        An empty file does not count: the server may still write to the one before.
        """
        newer = [found for found in self._matching() if found.age > age and found.status.st_size]
        for found in sorted(newer, key=lambda found: found.age):
            if not any(_is_done(found, mark) for mark in done):
                return found

        return None

    def _matching(self) -> list[Found]:
        """Return the files that match the path, without compressed ones."""
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
            with suppress(FileNotFoundError):  # removed in this moment
                # Not entry.stat(), which lacks the inode on Windows.
                status = os.stat(entry.path)
                if stat.S_ISREG(status.st_mode):
                    yield Found(Path(entry.path), status)


def _is_done(found: Found, mark: Checkpoint) -> bool:
    if not mark.matches_inode(found.status):
        return False

    # A checkpoint does not depend on the encoding.
    file = _open_matching(found.path, mark, "utf-8")
    if file is not None:
        file.close()

    return file is not None


def _open_matching(path: Path, mark: Checkpoint, encoding: str) -> OpenedFile | None:
    try:
        file = OpenedFile(path, encoding)
    except OSError:
        return None

    with suppress(OSError):  # such as a .gz file that is not one
        if mark.matches_content(file):
            return file

    file.close()
    return None
