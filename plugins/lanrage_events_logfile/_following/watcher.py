"""Noticing changes: by watching folders or by polling."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import anyio

logger = logging.getLogger(__name__)

# watchfiles wakes up once per step. With 500 ms, we measured 10 wake-ups and 1 ms of CPU time per
# second: half as much as with its default of 50 ms, and half a second later.
STEP_MILLISECONDS = 500
CANCEL_MILLISECONDS = 500

Folders = Callable[[], Collection[Path]]


class Changes(Protocol):
    """Notice changes in folders."""

    async def run(self, folders: Folders, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever something may have changed, until cancelled.

        :param folders: returns the folders to watch, which can change
        :param wake: called from the event loop
        """
        ...


class Poll:
    """Wake the followers at intervals, for file systems that do not report changes.

    :param interval: seconds
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval

    async def run(self, folders: Folders, wake: Callable[[], None]) -> None:
        while True:
            await anyio.sleep(self.interval)
            wake()


class Watch:
    """Wake the followers when the operating system reports a change.

    If a folder is missing, its nearest existing parent is watched until it appears.

    :param fallback: used if watching fails
    """

    def __init__(self, fallback: Poll | None = None) -> None:
        self._fallback = fallback or Poll(1.0)

    async def run(self, folders: Folders, wake: Callable[[], None]) -> None:
        while (error := await self._watch(folders, wake)) is None:
            pass

        logger.warning(
            "cannot watch the files for changes, so they are checked every %g seconds: %s",
            self._fallback.interval,
            error,
        )
        await self._fallback.run(folders, wake)

    async def _watch(self, folders: Folders, wake: Callable[[], None]) -> Exception | None:
        """Watch until the folders change; return the error if watching fails."""
        from watchfiles import Change, awatch  # comes with the extra "daemon"

        watched = _identities(folders())
        paths = {path for path, _ in watched}
        armed = anyio.Event()
        failure: Exception | None = None

        async def watch() -> None:
            nonlocal failure
            changes = awatch(
                *paths,
                watch_filter=None,
                step=STEP_MILLISECONDS,
                debounce=STEP_MILLISECONDS,
                rust_timeout=CANCEL_MILLISECONDS,
                recursive=False,
            )
            # The iteration starts the watch before another task can run.
            armed.set()
            try:
                async with aclosing(changes):
                    async for found in changes:
                        wake()
                        # A recreated folder may look the same but is not watched.
                        gone = {Path(path) for kind, path in found if kind == Change.deleted}
                        if gone & paths or _identities(folders()) != watched:
                            break

            except FileNotFoundError:
                pass  # a folder was removed in this moment
            except (OSError, RuntimeError) as error:
                failure = error

            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await armed.wait()
            # Changes before the watch started were not reported.
            wake()
            if _identities(folders()) != watched:
                tasks.cancel_scope.cancel()

        return failure


def _identities(folders: Collection[Path]) -> frozenset[tuple[Path, int]]:
    """Return the folders to watch with their inodes, since a folder may be recreated."""
    return frozenset(_nearest(folder) for folder in folders)


def _nearest(folder: Path) -> tuple[Path, int]:
    for path in (folder, *folder.parents):
        try:
            status = os.stat(path)
        except OSError:
            continue

        if path.is_dir():
            return path, status.st_ino

    return Path(folder.anchor or "."), 0
