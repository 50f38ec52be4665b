from __future__ import annotations

import logging
import math
import os
import sys
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event
from lanrage_events.backoff import Backoff
from lanrage_events.events import EventRegistry

from .._config import FileConfig
from .._parsing import Roster, Translator
from .._publisher import Publisher
from .folder import Folder, Found
from .lines import Line
from .positions import DONE_MAX, Position, PositionStore
from .reader import LogReader

logger = logging.getLogger(__name__)

# How much is read again at most after a crash in lines that say nothing.
SAVE_BYTES = 1_048_576
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
# Windows does not let a server rename or remove a file that is open elsewhere.
KEEPS_OPEN = sys.platform != "win32"
_WARNINGS_MAX = 64


class Follower:
    """Reads one configured file as it grows, through rotations, and delivers its events.

    A line counts as delivered when its event is; then the position is kept, before the next line is
    looked at. So of what is delivered twice after a crash, there is at most one line.

    :param config: the file, without what its preset says
    :param events: the event types that there are
    :param publisher: publishes the events
    :param store: keeps the position
    :param keeps_open: keep the file open between two looks
    """

    def __init__(
        self,
        config: FileConfig,
        events: EventRegistry,
        publisher: Publisher,
        store: PositionStore,
        *,
        keeps_open: bool = KEEPS_OPEN,
    ) -> None:
        self.name = str(config.path)
        self.lines = 0
        """lines that were read since the start"""
        self.delivered = 0
        """events that were delivered since the start"""
        self.unmatched = 0
        """lines without an event since the start, by far the most of them"""
        self.failed = 0
        """lines that matched, but lacked a field, or were too long"""
        self.problem: str | None = None
        """what holds it up now, in one sentence"""
        self.waiting = False
        """whether there is no file yet"""
        self.looked = anyio.Event()
        """set when it is known where it begins, or why not"""
        self._preset = config.preset
        self._translator = Translator(config, events)
        self._folder = Folder(config.path)
        self._reader: LogReader | None = None
        self._publisher = publisher
        self._store = store
        self._keeps_open = keeps_open
        self._position = Position(mark=None, file_id="", roster=Roster(), done=[])
        self._is_new = True
        self._kept_at = 0
        self._wake = anyio.Event()
        self._stop = anyio.Event()
        self._announced = False
        self._warnings: set[str] = set()
        self._backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        self._retry_seconds = self._backoff.next()

    @property
    def folders(self) -> set[Path]:
        """The folders in which a change may matter."""
        return self._folder.watched

    @property
    def lag_bytes(self) -> int:
        """How many bytes of the file are not read yet, as far as it is known."""
        return 0 if self._reader is None else self._reader.lag_bytes

    def wake(self) -> None:
        """Have it look at the file again."""
        self._wake.set()

    def stop(self) -> None:
        """Have it end after the line in hand."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Follow the file until :meth:`stop`."""
        position = self._store.get(self.name)
        if position is not None:
            self._position, self._is_new = position, False

        try:
            while not self._stop.is_set():
                # Renewed before the look, so that a change during it is not missed.
                self._wake = anyio.Event()
                try:
                    await self._catch_up()
                except OSError as error:
                    self._fail(f"cannot read '{error.filename or self.name}': {_reason(error)}")
                else:
                    self._recover()

                if not self._stop.is_set():
                    await self._wait()
        finally:
            self._close()

    async def _wait(self) -> None:
        """Wait until the file may have changed, or for the next try."""
        delay = math.inf if self.problem is None else self._retry_seconds
        with anyio.move_on_after(delay) as scope:
            await self._wake.wait()

        if scope.cancelled_caught:
            self._retry_seconds = self._backoff.next()

    # Which file

    async def _catch_up(self) -> None:
        while not self._stop.is_set():
            reader = self._reader or await self._open()
            if reader is None:
                return

            await self._read_on(reader)
            if self._stop.is_set():
                return

            mark, done = self._position.mark, self._position.done
            if reader.was_emptied(mark):
                logger.info("'%s' begins anew", self.name)
                self._close()
            elif (found := self._folder.successor(reader.file, mark, done)) is not None:
                # What was written to the old one between the two looks.
                await self._read_on(reader)
                await self._go_on(reader, found)
            else:
                if not self._keeps_open:
                    self._close()

                return

    async def _open(self) -> LogReader | None:
        """Open the file to read from, at the place to go on; return None if there is none."""
        mark, start = self._position.mark, self._translator.start
        encoding = self._translator.encoding
        file = None if mark is None else self._folder.find(mark, encoding)
        if mark is not None and file is not None:
            self._reader = LogReader(file, mark.offset)
            self._kept_at = mark.offset
            self.waiting = False
            self._announce(f"following '{self.name}' from where it was left")
            return self._reader

        found = self._folder.after(mark, self._position.done)
        if found is None:
            if self._is_new:
                await self._keep()

            self.waiting = True
            self._announce(f"waiting for '{self.name}' to appear")
            return None

        reader = LogReader.open(found.path, encoding, at_end=self._is_new and start == "end")
        if self._is_new:
            self._announce(f"following '{self.name}' from its {start}")
        elif mark is not None and not self._announced:
            logger.warning(
                "the file that was read last as '%s' is not there any more, so what came last in "
                "it may be missing",
                self.name,
            )

        self._announce(f"following '{self.name}', which is a new file, from its beginning")
        return await self._begin_file(reader)

    async def _begin_file(self, reader: LogReader) -> LogReader | None:
        """Note that another file is read; return None if it is to stop."""
        self._reader = reader
        self.waiting = False
        self._position.file_id = os.urandom(8).hex()
        self._position.mark = None
        return reader if await self._keep() else None

    async def _go_on(self, reader: LogReader, found: Found) -> None:
        """Go from a file that was rotated away to the next one."""
        if self._stop.is_set():
            return

        line = reader.finish()
        if line is not None:
            await self._take(reader, line)
            if self._stop.is_set():
                return

        position = self._position
        # Without a wildcard there is only one file to go on with.
        if self._folder.is_pattern and position.mark is not None:
            position.done = [*position.done, position.mark][-DONE_MAX:]

        following = LogReader.open(found.path, self._translator.encoding)
        reader.close()
        logger.info("'%s': going on with the next file", self.name)
        await self._begin_file(following)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Its lines

    async def _read_on(self, reader: LogReader) -> None:
        """Read to the end of a file."""
        while (lines := reader.read(self._position.mark)) is not None:
            for line in lines:
                await self._take(reader, line)
                if self._stop.is_set():
                    return

            if reader.offset - self._kept_at >= SAVE_BYTES:
                await self._keep()

            await checkpoint()

        if reader.offset != self._kept_at:
            await self._keep()

    async def _take(self, reader: LogReader, line: Line) -> None:
        """Deliver what a line says, and note that it is delivered."""
        events = self._events(reader.decode(line), line)
        for event in events:
            if not await self._deliver(event):
                return

        self.lines += 1
        if events:
            await self._keep()
        else:
            self.unmatched += 1

    def _events(self, text: str | None, line: Line) -> tuple[Event, ...]:
        if text is None:
            self.failed += 1
            return ()

        position = self._position
        # The same line has the same ids when it is read again after a crash.
        event_id = f"{position.file_id}-{line.begin:x}"
        found = self._translator.translate(text, position.roster, event_id)
        self.failed += bool(found.problems)
        for problem in found.problems:
            self._warn_once(f"'{self.name}': {problem}")

        return found.events

    # Delivering and keeping

    async def _deliver(self, event: Event) -> bool:
        """Publish an event until it is delivered; return whether it is."""
        while (problem := await self._publisher.publish(event)) is not None:
            if not await self._back_off(f"an event does not arrive and is tried again: {problem}"):
                return False

        self.delivered += 1
        self._recover()
        return True

    async def _keep(self) -> bool:
        """Note how far the lines are delivered, trying until that is written; return if it is."""
        self._is_new = False
        while (problem := self._save()) is not None:
            if not await self._back_off(problem):
                return False

        self._recover()
        return True

    def _save(self) -> str | None:
        """Write the position; return why that is not possible."""
        try:
            if self._reader is not None:
                self._position.mark = self._reader.mark(self._position.mark)

            self._store.save(self.name, self._position)
        except OSError as error:
            return f"cannot write '{self._store.path}': {_reason(error)}"

        if self._reader is not None:
            self._kept_at = self._reader.offset

        return None

    async def _back_off(self, problem: str) -> bool:
        """Wait before another try; return whether there is to be one."""
        self._fail(problem)
        with anyio.move_on_after(self._retry_seconds):
            await self._stop.wait()

        self._retry_seconds = self._backoff.next()
        return not self._stop.is_set()

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
            logger.info("'%s': going on", self.name)

        self.problem = None
        self._backoff.reset()
        self._retry_seconds = self._backoff.next()

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warnings and len(self._warnings) < _WARNINGS_MAX:
            self._warnings.add(sentence)
            logger.warning("%s", sentence)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
