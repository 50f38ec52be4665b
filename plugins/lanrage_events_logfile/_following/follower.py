"""The follower: read one log file as it grows and deliver its events."""

from __future__ import annotations

import errno
import logging
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventNotTransformed
from lanrage_events.abc import Bus, Person
from lanrage_events.backoff import Backoff

from .._config import FileConfig
from .._parsing import Roster, Translator
from .._publisher import publish
from .checkpoint import Sample, digest
from .file import OpenedFile
from .folder import Folder
from .history import read_silently
from .lines import Line
from .positions import Position, PositionStore
from .reader import LogReader
from .siblings import Start

logger = logging.getLogger(__name__)

# How much is read again at most after a crash, where lines have no events.
SAVE_BYTES = 1_048_576
# How many events are delivered again at most after a crash, and for how long a position may wait.
SAVE_EVENTS = 32
SAVE_SECONDS = 1.0
# A file that was never read and grows beside an open one that does not for so long is the live one.
QUIET_SECONDS = 60.0
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
# About two minutes: what a transform needs, such as a list of names, may be back by then.
REJECTIONS_MAX = 7
# On Windows, a server cannot rename or remove a file that is open elsewhere.
KEEPS_OPEN = sys.platform != "win32"
_WARNINGS_MAX = 64


def written_by(plugin: str) -> str:
    """Say why a file is not read.

    :param plugin: the name of the plugin that writes to it
    """
    return f"the plugin '{plugin}' writes events to it, which would be read again"


class _Stopped(Exception):
    """Raised to end a follower that was stopped."""


class Follower:
    """Read one configured file as it grows, through rotations, and deliver its events.

    The position is saved once for all lines that come in together, but after :data:`SAVE_EVENTS` events
    at the latest. So at most that many are delivered twice after a crash, with the same ids.

    :param config: the file, without the settings of its preset
    :param bus: publishes the events
    :param store: saves the position
    :param keeps_open: keep the file open between reads
    :param source: the name under which the bus records that lines came in
    """

    def __init__(
        self,
        config: FileConfig,
        bus: Bus,
        store: PositionStore,
        *,
        keeps_open: bool,
        source: str = "logfile",
    ) -> None:
        self.name = str(config.path)
        self.lines = 0
        """lines read since the start"""
        self.delivered = 0
        """events delivered since the start"""
        self.unmatched = 0
        """lines without an event since the start, most of them"""
        self.failed = 0
        """lines that were too long, or matched but lacked a field, or whose event a transform rejected"""
        self.problem: str | None = None
        """why it cannot go on at present"""
        self.waiting = False
        """whether there is no file yet"""
        self.looked = anyio.Event()
        """set when the file was opened, or could not be"""
        self._preset = config.preset
        self._translator = Translator(config, bus.events)
        self._folder = Folder(config.path)
        self._reader: LogReader | None = None
        self._bus = bus
        self._store = store
        self._keeps_open = keeps_open
        self._source = source
        self._position = Position(mark=None, file_id="", roster=Roster(), done=[])
        self._is_new = True
        self._saved_offset = 0
        self._unsaved = 0
        self._saved_at = 0.0
        self._grown_at = 0.0
        self._before: Roster | None = None
        self._wake = anyio.Event()
        self._stop = anyio.Event()
        self._announced = False
        self._warnings: set[str] = set()
        self._backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        self._retry_seconds = self._backoff.next()

    @property
    def folders(self) -> set[Path]:
        """The folders to watch."""
        return self._folder.watched

    @property
    def lag_bytes(self) -> int:
        """How many bytes of the file are not read yet, as far as known."""
        return 0 if self._reader is None else self._reader.lag_bytes

    @property
    def unread(self) -> Mapping[Path, bool]:
        """The other files that match and grow; False if their lines are in the open file, too."""
        return self._folder.unread

    def wake(self) -> None:
        """Look at the file again."""
        self._wake.set()

    def stop(self) -> None:
        """End after the current line."""
        self._stop.set()
        self._wake.set()

    def forget(self, person: Person) -> None:
        """Remove a person from the players who are known to be there."""
        self._position.roster.forget(person)
        if self._before is not None:
            self._before.forget(person)

    async def run(self) -> None:
        """Follow the file until :meth:`stop`."""
        position = self._store.get(self.name)
        if position is not None:
            self._position, self._is_new = position, False

        self._grown_at = anyio.current_time()
        with suppress(_Stopped):
            try:
                while True:
                    # Created before the file is read, so that no change is missed.
                    self._wake = anyio.Event()
                    try:
                        await self._catch_up()
                    except OSError as error:
                        self._fail(
                            f"cannot read '{error.filename or self.name}': {error.strerror or error}"
                        )
                    else:
                        self._recover()

                    await self._wait()
            finally:
                with suppress(OSError):
                    self._store_delivered()

                self._close()

    def _check_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    async def _wait(self) -> None:
        """Wait until the file may have changed, or for the next retry."""
        delay = math.inf
        if self.problem is not None:
            delay = self._retry_seconds
        elif any(self.unread.values()):
            # At least a moment, since the sum may be rounded down.
            delay = max(0.05, self._grown_at + QUIET_SECONDS - anyio.current_time())

        with anyio.move_on_after(delay) as scope:
            await self._wake.wait()

        if scope.cancelled_caught and self.problem is not None:
            self._retry_seconds = self._backoff.next()

    # Which file

    async def _catch_up(self) -> None:
        while True:
            await checkpoint()
            self._check_stopped()
            reader = self._reader or await self._open()
            if reader is None:
                return

            self._check_not_written(reader)
            await self._read_on(reader)
            if reader.was_replaced(self._position.mark):
                logger.info("'%s' was truncated or replaced", self.name)
                self._close()
            elif (start := self._successor(reader)) is not None:
                # The server may have written to the old file meanwhile.
                await self._read_on(reader)
                await self._go_on(reader, start)
            else:
                if not self._keeps_open:
                    self._close()

                return

    def _successor(self, reader: LogReader) -> Start | None:
        is_quiet = anyio.current_time() - self._grown_at >= QUIET_SECONDS
        return self._folder.successor(reader.file, self._position, is_quiet=is_quiet)

    def _check_not_written(self, reader: LogReader) -> None:
        """Check that the bus's own events are not read.

        :raises OSError: if they would be
        """
        writer = self._bus.writer_of(reader.file.fileno())
        if writer is not None:
            raise OSError(errno.EINVAL, written_by(writer), str(reader.file.path))

    async def _open(self) -> LogReader | None:
        """Open the file to read from, at the saved position; return None if there is none."""
        mark, start = self._position.mark, self._translator.start
        encoding = self._translator.encoding
        file = None if mark is None else self._folder.find(mark, encoding)
        if mark is not None and file is not None:
            self._reader = LogReader(file, mark.offset)
            self._saved_offset = mark.offset
            self.waiting = False
            self._announce(f"following '{self.name}' from where it was left")
            return self._reader

        next_start = self._folder.begin(self._position)
        if next_start is None:
            if self._is_new:
                await self._save()

            self.waiting = True
            self._announce(f"waiting for '{self.name}' to appear")
            return None

        at_end = self._is_new and start == "end"
        if at_end:
            next_start = replace(next_start, offset=None)

        reader = self._start(next_start)
        if at_end:
            try:
                self._check_not_written(reader)
                self._position.roster = await read_silently(
                    reader, self._translator, self._check_stopped
                )
            except BaseException:
                reader.close()
                raise

        if self._is_new:
            self._announce(f"following '{self.name}' from its {start}")
        elif mark is not None and not self._announced:
            logger.warning(
                "the file that was last read as '%s' is gone, so events from its end may be missing",
                self.name,
            )

        kind = (
            "an older copy, from its end" if next_start.offset else "a new file, from its beginning"
        )
        self._announce(f"following '{self.name}', which is {kind}")
        await self._begin_file(reader, next_start)
        return reader

    def _start(self, start: Start) -> LogReader:
        """Open a file, at the beginning of a line."""
        encoding = self._translator.encoding
        if start.mark is None:
            return LogReader.open(start.path, encoding, start.offset)

        return LogReader(OpenedFile(start.path, encoding), start.mark.offset)

    async def _begin_file(self, reader: LogReader, start: Start) -> None:
        self._reader = reader
        self.waiting = False
        position = self._position
        position.file_id = os.urandom(8).hex()
        position.mark = None
        position.samples = []
        position.done = [mark for mark in position.done if mark != start.mark]
        if position.seen is not None:
            position.seen.pop(reader.file.stat().st_ino, None)

        self._grown_at = anyio.current_time()
        await self._save()

    async def _go_on(self, reader: LogReader, start: Start) -> None:
        """Finish a file that was rotated away and begin the next one."""
        line = reader.finish()
        if line is not None:
            await self._take(reader, line, is_last=True)
            await self._save()

        following = self._start(start)
        # Without a wildcard, no file is picked by its age.
        if self._folder.is_pattern:
            self._position.leave()
            self._folder.leave(reader.file, reader.end)

        reader.close()
        logger.info("'%s': continuing with '%s'", self.name, start.path.name)
        await self._begin_file(following, start)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Its lines

    async def _read_on(self, reader: LogReader) -> None:
        """Read to the end of the file."""
        while (lines := reader.read(self._position.mark)) is not None:
            self._translator.look_at(reader.written())
            self._grown_at = anyio.current_time()
            for line in lines:
                await self._take(reader, line)
                if self._unsaved and self._is_batch_full():
                    await self._save()

            self._bus.record_input(self._source)
            if reader.offset - self._saved_offset >= SAVE_BYTES:
                await self._save()

            await checkpoint()

        if reader.offset != self._saved_offset:
            await self._save()

    async def _take(self, reader: LogReader, line: Line, *, is_last: bool = False) -> None:
        """Deliver the events of a line.

        :param is_last: the line has no newline, and may still get one if it has no event
        """
        events = self._events(reader.decode(line), line)
        for event in events:
            await self._deliver(event)

        self._before = None
        self.lines += 1
        self._unsaved += len(events)
        if events:
            self._position.sample(Sample(line.end, digest(line.tail)))
        else:
            self.unmatched += 1

        if events or not is_last:
            reader.advance(line)

        self._check_stopped()

    def _is_batch_full(self) -> bool:
        waited = anyio.current_time() - self._saved_at
        return self._unsaved >= SAVE_EVENTS or waited >= SAVE_SECONDS

    def _events(self, text: str | None, line: Line) -> tuple[Event, ...]:
        if text is None:
            self.failed += 1
            return ()

        position = self._position
        # A line has the same ids when it is read again after a crash.
        event_id = f"{position.file_id}-{line.begin:x}"
        found = self._translator.translate(text, position.roster, event_id)
        self._before = found.before
        self.failed += bool(found.problems)
        for problem in found.problems:
            self._warn_once(f"'{self.name}': {problem}")

        return found.events

    # Delivering and saving

    async def _deliver(self, event: Event) -> None:
        """Publish an event, retrying until it is delivered, or a transform has rejected it often."""
        rejections = 0
        while True:
            try:
                problem = await publish(self._bus, event)
            except EventNotTransformed as error:
                problem = str(error)
                rejections += 1
                if rejections > REJECTIONS_MAX:
                    self.failed += 1
                    logger.error("'%s': an event is skipped: %s", self.name, problem)
                    break

            if problem is None:
                self.delivered += 1
                break

            await self._back_off(f"an event could not be delivered, retrying: {problem}")

        self._recover()

    async def _save(self) -> None:
        """Save the position, retrying until it is written."""
        self._is_new = False
        while True:
            try:
                self._store_position()
                break
            except OSError as error:
                problem = f"cannot write '{self._store.path}': {error.strerror or error}"

            await self._back_off(problem)

        self._recover()

    def _store_position(self) -> None:
        """Save the position before the line whose events are not delivered yet.

        :raises OSError: if it cannot be written
        """
        position = self._position
        if self._reader is not None:
            position.mark = self._reader.mark(position.mark)

        delivered = position if self._before is None else replace(position, roster=self._before)
        self._store.save(self.name, delivered)
        self._unsaved = 0
        self._saved_at = anyio.current_time()
        if self._reader is not None:
            self._saved_offset = self._reader.offset

    def _store_delivered(self) -> None:
        if self._unsaved:
            self._store_position()

    async def _back_off(self, problem: str) -> None:
        """Wait before a retry."""
        with suppress(OSError):
            self._store_delivered()

        self._fail(problem)
        with anyio.move_on_after(self._retry_seconds):
            await self._stop.wait()

        self._retry_seconds = self._backoff.next()
        self._check_stopped()

    # Reporting

    def _announce(self, sentence: str) -> None:
        if not self._announced:
            self._announced = True
            preset = f" (preset {self._preset})" if self._preset else ""
            logger.info("%s%s", sentence, preset)

        self.looked.set()

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            logger.warning("%s", problem)

        self.problem = problem
        self.looked.set()

    def _recover(self) -> None:
        if self.problem is not None:
            logger.info("'%s': working again", self.name)

        self.problem = None
        self._backoff.reset()
        self._retry_seconds = self._backoff.next()

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warnings and len(self._warnings) < _WARNINGS_MAX:
            self._warnings.add(sentence)
            logger.warning("%s", sentence)
