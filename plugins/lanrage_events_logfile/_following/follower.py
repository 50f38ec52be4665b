from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventRegistry

from .._config import FileConfig
from .._parsing import Translator
from .._publisher import Teller
from .lines import Line
from .positions import DONE_MAX, Position, PositionStore
from .reader import LogReader

logger = logging.getLogger(__name__)

# How much is read again at most after a crash in lines that say nothing.
SAVE_BYTES = 1_048_576
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
# Windows does not let a server rename or remove a file that somebody has open.
KEEPS_OPEN = sys.platform != "win32"
_WARNINGS_MAX = 64


class Follower:
    """Reads one configured file as it grows, through rotations, and tells its events.

    A line counts as told when its event has arrived; then the position is kept, before the next
    line is looked at. So of what is told twice after a crash, there is at most one line.

    :param config: the file, without what its preset says
    :param events: the event types that there are
    :param teller: publishes the events
    :param store: keeps the position
    """

    def __init__(
        self, config: FileConfig, events: EventRegistry, teller: Teller, store: PositionStore
    ) -> None:
        self.config = config
        self.name = str(config.path)
        self.lines = 0
        """lines that were read since the start"""
        self.told = 0
        """events that arrived since the start"""
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
        self._translator = Translator(config, events)
        self._reader = LogReader(config.path, self._translator.encoding)
        self._teller = teller
        self._store = store
        self._position: Position | None = None
        self._line_begin = 0
        self._kept_at = 0
        self._bell = anyio.Event()
        self._stop = anyio.Event()
        self._announced = False
        self._warnings: set[str] = set()
        self._retry_seconds = FIRST_RETRY_SECONDS

    @property
    def folders(self) -> set[Path]:
        """The folders in which a change may matter."""
        return self._reader.folders

    @property
    def behind(self) -> int:
        """How many bytes of the file are not read yet, as far as it is known."""
        return self._reader.behind

    def ring(self) -> None:
        """Have it look at the file again."""
        self._bell.set()

    def stop(self) -> None:
        """Have it end after the line in hand."""
        self._stop.set()
        self._bell.set()

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the patterns."""
        return self._translator.problems()

    async def run(self) -> None:
        """Follow the file until :meth:`stop`."""
        self._position = self._store.get(self.name)
        try:
            while not self._stop.is_set():
                # Renewed before the look, so that a change during it is not missed.
                self._bell = anyio.Event()
                try:
                    await self._catch_up()
                except OSError as error:
                    self._fail(f"cannot read '{error.filename or self.name}': {_reason(error)}")
                else:
                    self._recover()

                if not self._stop.is_set():
                    await self._wait()
        finally:
            self._reader.close()

    async def _wait(self) -> None:
        """Wait until the file may have changed, or for the next try."""
        delay = math.inf if self.problem is None else self._retry_seconds
        with anyio.move_on_after(delay) as scope:
            await self._bell.wait()

        if scope.cancelled_caught:
            self._lengthen_retry()

    # Reading

    async def _catch_up(self) -> None:
        while not self._stop.is_set():
            if not self._reader.is_open and not await self._open():
                return

            position = await self._read_on()
            if self._stop.is_set():
                return

            match self._reader.look(position.mark, position.done):
                case "same":
                    if not KEEPS_OPEN:
                        self._reader.close()

                    return
                case "emptied":
                    logger.info("'%s' begins anew", self.name)
                    self._reader.close()
                case "next":
                    # What was written to the old one between the two looks.
                    await self._read_on()
                    await self._go_on()

    async def _open(self) -> bool:
        """Open the file to read from, at the place to go on; return whether there is one."""
        position = self._position
        if position is None:
            position = Position()
            start = self._translator.start
            if self._reader.open_first(at_end=start == "end"):
                self._announce(f"following '{self.name}' from its {start}")
                return await self._begin_file(position)

            await self._keep(position)
            return self._wait_for_file()

        mark = position.mark
        if mark is not None and self._reader.open_marked(mark):
            self._line_begin = self._kept_at = mark.offset
            self.waiting = False
            self._announce(f"following '{self.name}' from where it was left")
            return True

        if not self._reader.open_after(mark, position.done):
            return self._wait_for_file()

        if mark is not None and not self._announced:
            logger.warning(
                "the file that was read last as '%s' is not there any more, so what came last in "
                "it may be missing",
                self.name,
            )

        self._announce(f"following '{self.name}', which is a new file, from its beginning")
        return await self._begin_file(position)

    def _wait_for_file(self) -> bool:
        self.waiting = True
        self._announce(f"waiting for '{self.name}' to appear")
        return False

    async def _begin_file(self, position: Position) -> bool:
        """Note that another file is read; return whether there is a file to read."""
        self._line_begin = self._reader.offset
        self.waiting = False
        position.file_id = os.urandom(8).hex()
        position.mark = None
        return await self._keep(position)

    async def _go_on(self) -> None:
        """Go from a file that was rotated away to the next one."""
        if self._stop.is_set():
            return

        line = self._reader.finish()
        if line is not None:
            await self._take(line)
            if self._stop.is_set():
                return

        position = self._current()
        # Without a wildcard there is only one file to go on with.
        if self._reader.is_pattern and position.mark is not None:
            position.done = [*position.done, position.mark][-DONE_MAX:]

        self._reader.open_next()
        logger.info("'%s': going on with the next file", self.name)
        await self._begin_file(position)

    async def _read_on(self) -> Position:
        """Read to the end of the file that is open; return how far that is."""
        while (lines := self._reader.read(self._current().mark)) is not None:
            for line in lines:
                await self._take(line)
                if self._stop.is_set():
                    return self._current()

            if self._line_begin - self._kept_at >= SAVE_BYTES:
                await self._keep(self._current())

            await checkpoint()

        if self._line_begin != self._kept_at:
            await self._keep(self._current())

        return self._current()

    async def _take(self, line: Line) -> None:
        """Tell what a line says, and note that it is told."""
        events = self._events(line, self._line_begin)
        for event in events:
            if not await self._tell(event):
                return

        self.lines += 1
        self._line_begin = line.end
        if events:
            await self._keep(self._current())
        else:
            self.unmatched += 1

    def _events(self, line: Line, begin: int) -> tuple[Event, ...]:
        text = self._reader.decode(line, begin)
        if text is None:
            self.failed += 1
            return ()

        position = self._current()
        # The same line has the same ids when it is read again after a crash.
        found = self._translator.translate(text, position.roster, f"{position.file_id}-{begin:x}")
        self.failed += bool(found.problems)
        for problem in found.problems:
            self._warn_once(f"'{self.name}': {problem}")

        return found.events

    # Telling and keeping

    async def _tell(self, event: Event) -> bool:
        """Publish an event until it has arrived; return whether it has."""
        while (problem := await self._teller.tell(event)) is not None:
            self._fail(f"an event does not arrive and is tried again: {problem}")
            if not await self._back_off():
                return False

        self.told += 1
        self._recover()
        return True

    async def _keep(self, position: Position) -> bool:
        """Note how far the lines are told, trying until that is written; return whether it is."""
        self._position = position
        while True:
            try:
                if self._reader.is_open:
                    position.mark = self._reader.mark(position.mark)

                self._store.save(self.name, position)
            except OSError as error:
                self._fail(f"cannot write '{self._store.path}': {_reason(error)}")
                if not await self._back_off():
                    return False
            else:
                self._kept_at = self._line_begin
                self._recover()
                return True

    async def _back_off(self) -> bool:
        """Wait before another try; return whether there is to be one."""
        with anyio.move_on_after(self._retry_seconds):
            await self._stop.wait()

        self._lengthen_retry()
        return not self._stop.is_set()

    def _lengthen_retry(self) -> None:
        self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)

    def _current(self) -> Position:
        if self._position is None:
            raise AssertionError("nothing is followed yet")

        return self._position

    # Saying how it goes

    def _announce(self, sentence: str) -> None:
        if not self._announced:
            self._announced = True
            preset = f" (preset {self.config.preset})" if self.config.preset else ""
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
        self._retry_seconds = FIRST_RETRY_SECONDS

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warnings and len(self._warnings) < _WARNINGS_MAX:
            self._warnings.add(sentence)
            logger.warning("%s", sentence)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
