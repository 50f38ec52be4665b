"""The file of the ids that were taken, by which they are known after a restart."""

from __future__ import annotations

import json
import logging
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio.to_thread

from lanrage_events.abc import Person
from lanrage_events.cli import counted
from lanrage_events.events import utc_now
from lanrage_events.state import open_regular, replace_file, warn_of_other_writers

logger = logging.getLogger(__name__)

# 100,000 ids have 40 bytes each, or 64 characters that JSON escapes with 12 bytes each.
_MAX_BYTES = 100_000_000
_MAX_LINE = 1_000_000
_MAX_KEY = 80  # of a version that kept hashes of long ids
_MAX_UNWRITTEN = 1_000_000


class TakenIds:
    """Appends the ids of accepted events to a file, those of a request as one line.

    When the file is older than the window, or full, it takes the place of the one before, which
    ends with ``.old``. So both together have all ids of the window, or the last ones.

    A write is one call, made in the event loop, since a thread for each request would cost more
    than the rest of it. It does not wait for the disk: what was written is read by the next process
    even if this one is killed, but not after a power loss. When a disk hangs, an outbox in the same
    folder, which is written before and by a thread, keeps requests from coming this far.

    :param path: the file
    :param window: seconds for which an id is kept
    :param size: the maximum number of ids in one file
    :param wall_clock: returns the seconds since 1970, by which one process follows another
    """

    def __init__(
        self,
        path: Path,
        window: float,
        size: int,
        wall_clock: Callable[[], float] = lambda: utc_now().timestamp(),
    ) -> None:
        self._path = path
        self._old = path.with_name(f"{path.name}.old")
        self._window = window
        self._size = size
        self._wall_clock = wall_clock
        self._file: int | None = None
        self._begun = wall_clock()
        """when the first line of the file was written"""
        self._count = 0
        """how many ids the file has"""
        self._unwritten = b""
        """lines that could not be written"""
        self.problem: str | None = None
        """why the ids are not kept; None if they are"""

    async def load(self) -> list[tuple[str, float]]:
        """Return the ids of earlier runs, the oldest first, each with its age in seconds."""
        # A disk that hangs delays the start, which has a bound.
        return await anyio.to_thread.run_sync(self._load, abandon_on_cancel=True)

    def add(self, ids: Sequence[str]) -> None:
        """Write the ids of one request; an error is logged, and the next request tries again."""
        now = self._wall_clock()
        lines = self._unwritten + _line(now, ids)
        if len(lines) > _MAX_UNWRITTEN:
            lines = lines[lines.find(b"\n", -_MAX_UNWRITTEN) :]

        try:
            self._write(lines, now)
        except OSError as error:
            self._unwritten = lines
            self._report(error)
        else:
            self._unwritten = b""
            if self.problem is not None:
                logger.info("the ids of events are written to %s again", self._path)

            self.problem = None

        self._count += len(ids)

    def forget(self, person: Person) -> int:
        """Remove the ids that name a person from the files, and return how many.

        What could not be written before is not written any more.

        :raises OSError: if a file cannot be read or replaced
        """
        self._unwritten = b""
        self.close()
        removed = 0
        for path in (self._old, self._path):
            lines = list(_read(path))
            kept = [(at, [id for id in ids if not person.is_in(id)]) for at, ids in lines]
            count = sum(len(ids) for _, ids in lines) - sum(len(ids) for _, ids in kept)
            if count:
                content = b"".join(_line(at, ids) for at, ids in kept)
                replace_file(path, content, survives_power_loss=False)
                removed += count

        return removed

    def close(self) -> None:
        """Close the file; the next call of :meth:`add` opens it again."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _load(self) -> list[tuple[str, float]]:
        found: deque[tuple[str, float]] = deque(maxlen=self._size)
        now = self._wall_clock()
        for path in (self._old, self._path):
            self._begun, self._count = now, 0
            try:
                for written, ids in _read(path):
                    self._begun = min(self._begun, written)
                    self._count += len(ids)
                    # The clock may have been set back.
                    age = max(0.0, now - written)
                    if age < self._window:
                        found.extend((id, age) for id in ids)
            except OSError as error:
                self._report(error)

        try:
            self._open()
        except OSError as error:
            self._report(error)

        return list(found)

    def _open(self) -> tuple[int, int]:
        """Open the file if it is not, and return its descriptor and its size."""
        if self._file is not None:
            status = os.fstat(self._file)
            if status.st_nlink:
                return self._file, status.st_size

            # It was deleted.
            self.close()

        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        warn_of_other_writers(folder)
        self._file = open_regular(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return self._file, os.fstat(self._file).st_size

    def _write(self, lines: bytes, now: float) -> None:
        file, size = self._open()
        # The clock may have been set back.
        self._begun = min(self._begun, now)
        if size and (self._count >= self._size or now - self._begun >= self._window):
            # Windows cannot rename an open file.
            self.close()
            os.replace(self._path, self._old)
            file, size = self._open()

        if not size:
            self._begun, self._count = now, 0

        if os.write(file, lines) < len(lines):
            os.ftruncate(file, size)
            raise OSError("there is no room for it")

    def _report(self, error: OSError) -> None:
        reason = error.strerror or str(error) or type(error).__name__
        if self.problem is None:
            logger.error(
                "the ids of events cannot be kept in %s, so events that are sent again after a "
                "restart are published again: %s",
                self._path,
                reason,
            )

        self.problem = f"{error.filename or self._path}: {reason}"


def _line(time: float, ids: Sequence[str]) -> bytes:
    # Each begins a line, so a line that was cut off by a crash spoils no other.
    return f"\n{json.dumps([round(time, 3), ids])}".encode()


def _read(path: Path) -> Iterator[tuple[float, list[str]]]:
    """Yield when the lines of a file were written, and their ids; log how many are damaged."""
    damaged = 0
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return

    with open(descriptor, "rb") as file:
        left = _MAX_BYTES
        while left > 0 and (line := file.readline(_MAX_LINE)):
            left -= len(line)
            if line == b"\n":
                continue

            try:
                written, ids = json.loads(line)
                if not (math.isfinite(written) and isinstance(ids, list)):
                    raise ValueError
            except (ValueError, TypeError, OverflowError, RecursionError):
                damaged += 1
            else:
                yield written, [id for id in ids if isinstance(id, str) and len(id) <= _MAX_KEY]

    if damaged:
        logger.warning("%s of %s cannot be read", counted(damaged, "line"), path)
