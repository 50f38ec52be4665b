from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .checkpoint import Mark
from .file import PACKED_SUFFIX, OpenedFile

# Enough for months of rotation; each may have to be opened.
_SEARCHED_MAX = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the folder."""

    path: Path
    status: os.stat_result

    @property
    def age(self) -> tuple[int, str]:
        """Sorts files by when they were written to last."""
        return self.status.st_mtime_ns, self.path.name

    @property
    def key(self) -> tuple[int, int]:
        """Which file it is, however it is called."""
        return self.status.st_dev, self.status.st_ino


class Folder:
    """Finds the files that a configured path means.

    :param path: a file, or one with ``*`` or ``?`` in its name
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_pattern = any(wildcard in path.name for wildcard in "*?")
        self._pattern = path.name.replace("[", "[[]")

    def current(self) -> Found | None:
        """Return the file that is written to now, None if there is none.

        :raises OSError: if that cannot be found out
        """
        return max(self.matching(), key=lambda found: found.age, default=None)

    def after(self, mark: Mark | None, done: Collection[Mark]) -> Found | None:
        """Return the file that comes after one that is gone, None if there is none yet.

        :param mark: how far that was read, None if there was none
        :param done: the ends of files that were read before
        :raises OSError: if that cannot be found out
        """
        if mark is None or not self.is_pattern:
            return self.current()

        return self.next((mark.modified_ns, ""), done)

    def next(self, age: tuple[int, str], done: Collection[Mark]) -> Found | None:
        """Return the file that was written to after another one, None if there is none yet.

        An empty one may have been made for a server that still writes to the other.

        :param age: of the other one
        :param done: the ends of files that were read before
        :raises OSError: if that cannot be found out
        """
        newer = [found for found in self.matching() if found.age > age and found.status.st_size]
        for found in sorted(newer, key=lambda found: found.age):
            if not any(mark.is_of(found.status) and _fits(found.path, mark) for mark in done):
                return found

        return None

    def matching(self) -> list[Found]:
        """Return the files that the path means, unpacked ones only.

        :raises OSError: if that cannot be found out
        """
        if not self.is_pattern:
            try:
                return [Found(self.path, self.path.stat())]
            except (FileNotFoundError, NotADirectoryError):
                return []

        return [
            found
            for found in self._files()
            if fnmatchcase(found.path.name, self._pattern) and found.path.suffix != PACKED_SUFFIX
        ]

    def find(self, mark: Mark, encoding: str) -> OpenedFile | None:
        """Open the file in which a mark was set, wherever it went in the folder, or a copy of it.

        :raises OSError: if that cannot be found out
        """
        candidates = {found.path: found for found in self.matching()}
        others = sorted(self._files(), key=lambda found: found.age, reverse=True)
        candidates.update((found.path, found) for found in others[:_SEARCHED_MAX])
        # The same file first, then copies of it, and those that are packed last.
        ranked = sorted(
            candidates.values(),
            key=lambda found: (not mark.is_of(found.status), found.path.suffix == PACKED_SUFFIX),
        )
        for found in ranked:
            # Without a byte that was read, there is nothing to recognise a copy by.
            if mark.is_of(found.status) or mark.offset:
                file = _open_if_fits(found.path, mark, encoding)
                if file is not None:
                    return file

        return None

    def _files(self) -> Iterator[Found]:
        try:
            entries = list(os.scandir(self.path.parent))
        except (FileNotFoundError, NotADirectoryError):
            return

        for entry in entries:
            with suppress(FileNotFoundError):  # it went in this moment
                # Not the entry's own status, which lacks the inode on Windows.
                status = os.stat(entry.path)
                if stat.S_ISREG(status.st_mode):
                    yield Found(Path(entry.path), status)


def _fits(path: Path, mark: Mark) -> bool:
    # How text is written does not matter to a mark.
    file = _open_if_fits(path, mark, "utf-8")
    if file is None:
        return False

    file.close()
    return True


def _open_if_fits(path: Path, mark: Mark, encoding: str) -> OpenedFile | None:
    try:
        file = OpenedFile(path, encoding)
    except OSError:
        return None

    try:
        if mark.fits(file):
            return file
    except OSError:  # such as a file that is called .gz and is not
        pass

    file.close()
    return None
