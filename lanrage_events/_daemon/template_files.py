"""The files of the templates, with their pictures, and which of them changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self

from .._files import read_file

_MAX_BYTES = 1_000_000
"""of a file; a longer one is no template, see :mod:`lanrage_events.yaml`"""
_SUFFIXES = (".yaml", ".yml")
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def is_template(path: Path) -> bool:
    """Return whether a file may be a template, or a picture of one, by its name."""
    return path.suffix in _SUFFIXES or path.suffix.lower() in _PICTURE_SUFFIXES


class TemplateFiles:
    """The content of all templates at one moment.

    :param folders: the template folders, the most important first
    """

    def __init__(self, folders: Iterable[Traversable]) -> None:
        # What is in an archive does not change.
        self.folders = tuple(folder for folder in folders if isinstance(folder, Path))
        """those that are folders on the disk"""
        files = template_files(self.folders)
        self._digests: Mapping[Path, bytes] = {path: _digest(path) for path in files}

    def changed_since(self, before: Self) -> list[Path]:
        """Return the files that are new, gone or different, and the folders that are new or gone."""
        files = before._digests.keys() | self._digests.keys()
        changed = {path for path in files if before._digests.get(path) != self._digests.get(path)}
        if before.folders != self.folders:
            folders = set(before.folders) ^ set(self.folders) or set(self.folders)
            changed = {path for path in changed if folders.isdisjoint(path.parents)} | folders

        return sorted(changed)


def template_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the files in template folders."""
    for folder in folders:
        for kind in (folder, *subfolders(folder)):
            yield from (path for path in entries(kind) if is_template(path) and path.is_file())


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a template folder, each of one consumer, and those of pictures in them."""
    kinds = [path for path in entries(folder) if path.is_dir()]
    found = [*kinds]
    for kind in kinds:
        inside = entries(kind)
        if any(path.suffix in _SUFFIXES for path in inside):
            found += (path for path in inside if path.is_dir())

    return found


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, nothing if it cannot be read."""
    try:
        return sorted(Path(entry) for entry in os.scandir(folder))
    except OSError:
        return []


def _digest(path: Path) -> bytes:
    try:
        if path.suffix not in _SUFFIXES:
            status = os.stat(path)
            return f"{status.st_mtime_ns} {status.st_ino} {status.st_size}".encode()

        return hashlib.sha256(read_file(path, _MAX_BYTES)).digest()
    except OSError:
        return b""
