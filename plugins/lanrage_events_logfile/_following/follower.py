"""The follower: read one log file as it grows and deliver its events."""

from __future__ import annotations

import errno
import logging
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventNotTransformed
from lanrage_events.abc import Bus, Person
from lanrage_events.backoff import Backoff

from .._config import FileConfig
from .._parsing import Roster, Translator
from .._publisher import publish
from .folder import Folder, Found
from .lines import Line
from .positions import DONE_MAX, Position, PositionStore
from .reader import LogReader

logger = logging.getLogger(__name__)

# How much is read again at most after a crash, where lines have no events.
SAVE_BYTES = 1_048_576
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

    When the events of a line are delivered, the position is saved before the next line is read. So at
    most one line is delivered twice after a crash.

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

    async def run(self) -> None:
        """Follow the file until :meth:`stop`."""
        position = self._store.get(self.name)
        if position is not None:
            self._position, self._is_new = position, False

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
                self._close()

    def _check_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    async def _wait(self) -> None:
        """Wait until the file may have changed, or for the next retry."""
        delay = math.inf if self.problem is None else self._retry_seconds
        with anyio.move_on_after(delay) as scope:
            await self._wake.wait()

        if scope.cancelled_caught:
            self._retry_seconds = self._backoff.next()

    # Which file

    async def _catch_up(self) -> None:
        while True:
            self._check_stopped()
            reader = self._reader or await self._open()
            if reader is None:
                return

            self._check_not_written(reader)
            await self._read_on(reader)
            mark, done = self._position.mark, self._position.done
            if reader.was_replaced(mark):
                logger.info("'%s' was truncated or replaced, reading from its beginning", self.name)
                self._close()
            elif (found := self._folder.successor(reader.file, mark, done)) is not None:
                # The server may have written to the old file meanwhile.
                await self._read_on(reader)
                await self._go_on(reader, found)
            else:
                if not self._keeps_open:
                    self._close()

                return

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

        found = self._folder.after(mark, self._position.done)
        if found is None:
            if self._is_new:
                await self._save()

            self.waiting = True
            self._announce(f"waiting for '{self.name}' to appear")
            return None

        reader = LogReader.open(found.path, encoding, at_end=self._is_new and start == "end")
        if self._is_new:
            self._announce(f"following '{self.name}' from its {start}")
        elif mark is not None and not self._announced:
            logger.warning(
                "the file that was last read as '%s' is gone, so events from its end may be missing",
                self.name,
            )

        self._announce(f"following '{self.name}', which is a new file, from its beginning")
        await self._begin_file(reader)
        return reader

    async def _begin_file(self, reader: LogReader) -> None:
        self._reader = reader
        self.waiting = False
        self._position.file_id = os.urandom(8).hex()
        self._position.mark = None
        await self._save()

    async def _go_on(self, reader: LogReader, found: Found) -> None:
        """Finish a file that was rotated away and begin the next one."""
        line = reader.finish()
        if line is not None:
            await self._take(reader, line)

        position = self._position
        # Without a wildcard, no file is picked by its age.
        if self._folder.is_pattern and position.mark is not None:
            position.done = [*position.done, position.mark][-DONE_MAX:]

        following = LogReader.open(found.path, self._translator.encoding)
        reader.close()
        logger.info("'%s': continuing with the next file", self.name)
        await self._begin_file(following)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Its lines

    async def _read_on(self, reader: LogReader) -> None:
        """Read to the end of the file."""
        while (lines := reader.read(self._position.mark)) is not None:
            self._translator.look_at(reader.written())
            for line in lines:
                await self._take(reader, line)

            self._bus.record_input(self._source)
            if reader.offset - self._saved_offset >= SAVE_BYTES:
                await self._save()

            await checkpoint()

        if reader.offset != self._saved_offset:
            await self._save()

    async def _take(self, reader: LogReader, line: Line) -> None:
        """Deliver the events of a line and save that they are delivered."""
        events = self._events(reader.decode(line), line)
        for event in events:
            await self._deliver(event)

        self.lines += 1
        if events:
            await self._save()
        else:
            self.unmatched += 1

        self._check_stopped()

    def _events(self, text: str | None, line: Line) -> tuple[Event, ...]:
        if text is None:
            self.failed += 1
            return ()

        position = self._position
        # A line has the same ids when it is read again after a crash.
        event_id = f"{position.file_id}-{line.begin:x}"
        found = self._translator.translate(text, position.roster, event_id)
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
                if self._reader is not None:
                    self._position.mark = self._reader.mark(self._position.mark)

                self._store.save(self.name, self._position)
                break
            except OSError as error:
                problem = f"cannot write '{self._store.path}': {error.strerror or error}"

            await self._back_off(problem)

        if self._reader is not None:
            self._saved_offset = self._reader.offset

        self._recover()

    async def _back_off(self, problem: str) -> None:
        """Wait before a retry."""
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
