"""The folder of a log file: which file to read, and where a rotated one went."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from .checkpoint import Checkpoint
from .file import PACKED_SUFFIX, OpenedFile
from .positions import Position
from .siblings import Found, Siblings, Start, bytes_read, is_double, open_matching, remember

# Months of rotation; each file may have to be opened.
_SEARCHED_MAX = 200


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
        self._siblings = Siblings()

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

    def exists(self) -> bool:
        """Return whether there is a file."""
        return bool(self._matching())

    def begin(self, position: Position) -> Start | None:
        """Return the file to read if none is open, None if there is none yet."""
        matching, mark = self._matching(), position.mark
        if self.is_pattern and mark is not None:
            return self._siblings.next(matching, (mark.modified_ns, ""), position, is_quiet=True)

        if not matching:
            return None

        # An empty one may never be written to.
        newest = max(
            matching,
            key=lambda one: (not is_double(one, matching), one.status.st_size > 0, one.age),
        )
        if self.is_pattern:
            position.seen = remember(found for found in matching if found is not newest)

        return Start(newest.path, bytes_read(newest, position))

    def successor(
        self, file: OpenedFile, position: Position, *, is_quiet: bool = False
    ) -> Start | None:
        """Return the file to read after one that is open, None if that is still the current one.

        :param is_quiet: whether nothing was written to the open file for long
        """
        status, mark = file.stat(), position.mark
        matching = self._matching()
        if self.is_pattern:
            written = mark.modified_ns if mark and file.packed else status.st_mtime_ns
            age = (written, file.path.name)
            return self._siblings.next(matching, age, position, is_quiet=is_quiet, current=status)

        for found in matching:
            if not os.path.samestat(found.status, status) and found.status.st_size:
                return Start(found.path, bytes_read(found, position))

        return None

    def leave(self, file: OpenedFile, end: int) -> None:
        """Note how many bytes of a file were read when another one is begun."""
        self._siblings.left_at[file.stat().st_ino] = end

    @property
    def unread(self) -> Mapping[Path, bool]:
        """The other files that match and grow; False if their lines are in the open file, too."""
        return self._siblings.unread

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
                file = open_matching(found.path, mark, encoding)
                if file is not None:
                    return file

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
