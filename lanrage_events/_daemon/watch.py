"""Watching the configuration file, the templates and single-file plugins for changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import aclosing
from pathlib import Path

from .._exceptions import format_error
from .template_files import is_template, subfolders

logger = logging.getLogger(__name__)

WATCH_CANCEL_MILLISECONDS = 500
"""how long it may take to stop watching; see rust_timeout of watchfiles"""

Folders = Callable[[], Collection[Path]]


async def watch(file: Path, folders: Folders, request: Callable[[str], None]) -> None:
    """Request a reload whenever a configuration file, a template or a single-file plugin changes.

    :param file: the configuration file
    :param folders: returns the folders of templates and of plugins
    :param request: called with what changed
    """
    file = Path.cwd() / file
    is_first = True
    try:
        while True:
            await _watch_until_moved(_Watched(file, folders()), folders, request, is_first=is_first)
            is_first = False
    except Exception as error:  # noqa: BLE001 - such as too many watches
        logger.error(
            "%s, templates and plugins are not watched any more, so reload them with SIGHUP: %s",
            file,
            format_error(error),
        )


async def _watch_until_moved(
    watched: _Watched, folders: Folders, request: Callable[[str], None], *, is_first: bool
) -> None:
    """Watch until there are other folders to watch.

    :param is_first: whether nothing can have changed before
    """
    from watchfiles import Change, awatch  # comes with the extra "daemon"

    changes = awatch(
        *watched.paths,
        watch_filter=lambda _, path: watched.concerns(Path(path)),
        rust_timeout=WATCH_CANCEL_MILLISECONDS,
        yield_on_timeout=True,
        recursive=False,
    )
    async with aclosing(changes):
        # The first iteration ends when it watches, at the latest after the time of a cancellation.
        async for found in changes:
            if not is_first:
                is_first = True
                request("a change of the folders of templates or plugins")
                if watched.is_outdated():
                    return

            if found:
                request(f"a change of {min(path for _, path in found)}")
                gone = {Path(path) for kind, path in found if kind == Change.deleted}
                if gone & watched.paths or watched.is_outdated():
                    return

            if folders() != watched.folders:
                return


class _Watched:
    """What is watched: the folders of the file, templates and plugins, none of them recursively.

    An editor may replace a file, so its folder is watched. Of a folder that does not exist, the
    nearest one above it is, until it appears.
    """

    def __init__(self, file: Path, folders: Collection[Path]) -> None:
        self.folders = folders
        self._file = file
        self._identities = frozenset(self._identify())
        self.paths = {file.parent, *(path for path, _ in self._identities)}
        """the folders to watch"""
        self._resolved = {Path(os.path.realpath(folder)) for folder in folders}

    def _identify(self) -> Iterator[tuple[Path, int]]:
        """Yield the folders and their inodes, since a folder may be recreated."""
        for folder in self.folders:
            for path in (_nearest(folder), *subfolders(folder)):
                yield path, _inode(path)

    def is_outdated(self) -> bool:
        """Return whether there are other folders now."""
        return frozenset(self._identify()) != self._identities

    def concerns(self, path: Path) -> bool:
        """Return whether a change of a path may change the configuration, a template or a plugin."""
        if path.name == self._file.name and path.parent == self._file.parent:
            return True

        parent = Path(os.path.realpath(path.parent))
        if parent in self._resolved:
            # A folder of templates, or a link that stands for one; or the words in values.
            return path.suffix in ("", ".py") or path.is_dir() or is_template(path)

        if not self._resolved.isdisjoint((parent.parent, parent.parent.parent)):
            return is_template(path)

        # One of the folders, or a folder above one, that appears or disappears.
        own = parent / path.name
        return any(own == folder or own in folder.parents for folder in self._resolved)


def _nearest(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path(folder.anchor))


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0
