from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Collection
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import anyio

logger = logging.getLogger(__name__)

# watchfiles wakes once in each step; at 500 ms that was measured as 10 wake-ups and 1 ms of
# processor time a second, half of it and half a second later than with its own 50 ms.
STEP_MILLISECONDS = 500
CANCEL_MILLISECONDS = 500
EXTRA_HINT = (
    "the package 'watchfiles' is missing: pip install 'lanrage-events[daemon]', or look for "
    "changes every second with 'poll: 1s'"
)

Folders = Callable[[], Collection[Path]]


class Changes(Protocol):
    """Notices that something changed in folders."""

    async def run(self, folders: Folders, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever something may have changed, for ever.

        :param folders: returns the folders that matter now
        :param wake: called from the event loop
        """
        ...


def is_watching_possible() -> bool:
    """Return whether the package that watches is installed."""
    return importlib.util.find_spec("watchfiles") is not None


class Poll:
    """Wakes the followers at intervals, for file systems that do not report changes.

    :param interval: seconds
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval

    async def run(self, folders: Folders, wake: Callable[[], None]) -> None:
        while True:
            await anyio.sleep(self.interval)
            wake()


class Watch:
    """Wakes the followers when the operating system reports a change.

    Where a folder is missing, the nearest one above is watched until it is there.

    :param fallback: what to do where nothing can be watched
    """

    def __init__(self, fallback: Poll | None = None) -> None:
        self._fallback = fallback or Poll(1.0)

    async def run(self, folders: Folders, wake: Callable[[], None]) -> None:
        while (error := await self._watch(folders, wake)) is None:
            pass

        logger.warning(
            "changes of files cannot be watched, so they are looked for every %g seconds: %s",
            self._fallback.interval,
            error,
        )
        await self._fallback.run(folders, wake)

    async def _watch(self, folders: Folders, wake: Callable[[], None]) -> Exception | None:
        """Watch until other folders matter; return why that is not possible, if it is not."""
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
            # The first step of the iteration arms the watch before another task can run.
            armed.set()
            try:
                async with aclosing(changes):
                    async for found in changes:
                        wake()
                        # One that was recreated may look the same, and is not watched.
                        gone = {Path(path) for kind, path in found if kind == Change.deleted}
                        if gone & paths or _identities(folders()) != watched:
                            break

            except FileNotFoundError:
                pass  # a folder went in this moment
            except (OSError, RuntimeError) as error:
                failure = error

            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await armed.wait()
            # What changed since the files were looked at was not reported.
            wake()
            if _identities(folders()) != watched:
                tasks.cancel_scope.cancel()

        return failure


def _identities(folders: Collection[Path]) -> frozenset[tuple[Path, int]]:
    """Return what is to be watched; a folder that was recreated is another one."""
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
