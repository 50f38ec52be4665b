"""A file beside a template, such as a picture: named by a leaf, and read safely."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import TypeVar

from anyio.lowlevel import checkpoint

from ._files import open_regular
from ._hints import did_you_mean
from ._threads import call_in_thread, is_in_virtual_time

T = TypeVar("T")

_NAME_MAX_CHARACTERS = 200
_NAME_MAX_PARTS = 2
# To compare a name with all of a large collection takes long.
_NEIGHBOURS_MAX = 500
# What a path, a stream of NTFS or a pattern is written with.
_NOT_IN_NAMES = frozenset('\\:*?"<>|')


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file in the folder of the template that names it, or in a folder there.

    :param folder: that of the template, which may be in an archive
    :param name: the path of the file within it, with ``/``
    :raises ValueError: if it is no such path
    """

    folder: Traversable
    name: str

    def __post_init__(self) -> None:
        name = self.name
        parts = name.split("/")
        if not all(parts) or any(part.startswith(".") for part in parts):
            problem = "it must be inside the folder of the template, without '..' or hidden files"
        elif not _NOT_IN_NAMES.isdisjoint(name) or not name.isprintable():
            problem = "its name has a character that not every system knows"
        elif len(parts) > _NAME_MAX_PARTS:
            problem = "it must be in the folder of the template, or in a folder there"
        elif len(name) > _NAME_MAX_CHARACTERS:
            problem = f"its name is longer than {_NAME_MAX_CHARACTERS} characters"
        else:
            return

        raise ValueError(f"the file '{name[:_NAME_MAX_CHARACTERS]}' is not used: {problem}")

    def read(self, max_bytes: int) -> bytes:
        """Return its content.

        Links that lead out of the folder are not followed, and only regular files are opened, so that
        this never waits for another program.

        :param max_bytes: how many it may have
        :raises ValueError: if it cannot be read or is longer, with what to do
        """
        try:
            content = self._read(max_bytes + 1)
        except FileNotFoundError:
            hint = did_you_mean(self.name, self._neighbours())
            raise ValueError(f"there is no file '{self.name}' beside the template{hint}") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ValueError(f"the file '{self.name}' cannot be read: {reason}") from None

        if len(content) > max_bytes:
            raise ValueError(f"the file '{self.name}' is larger than {max_bytes:,} bytes")

        return content

    def _read(self, size: int) -> bytes:
        parts = self.name.split("/")
        if not isinstance(self.folder, Path):
            return _read_archived(self.folder.joinpath(*parts), size)

        root = Path(os.path.realpath(self.folder))
        path = Path(os.path.realpath(root.joinpath(*parts)))
        if path.is_relative_to(root):
            with open(open_regular(path, os.O_RDONLY), "rb") as file:
                # Meanwhile, its folder may have become a link.
                if Path(os.path.realpath(path)) == path:
                    return file.read(size)

        raise OSError(errno.EXDEV, "it is a link out of the folder of the template")

    def _neighbours(self) -> list[str]:
        """Return the names of the files that are there."""
        *parents, _ = self.name.split("/")
        try:
            entries = self.folder.joinpath(*parents).iterdir()
            few = islice(entries, _NEIGHBOURS_MAX)
            return ["/".join((*parents, entry.name)) for entry in few]
        except OSError:
            return []


def _read_archived(found: Traversable, size: int) -> bytes:
    try:
        if found.is_file():
            with found.open("rb") as file:
                return file.read(size)
    except Exception as error:  # each kind of archive has its own
        problem = f"the archive is damaged: {str(error) or type(error).__name__}"
        raise OSError(errno.EIO, problem) from error

    raise FileNotFoundError


async def read_in_thread(read: Callable[[], T]) -> T:
    """Call a function that reads files in a thread, or here in virtual time; cancelling abandons it.

    A thread that a network drive holds keeps neither others nor the end of the process waiting.
    """
    if is_in_virtual_time():
        await checkpoint()
        return read()

    return await call_in_thread(read, "lanrage-events files")
