from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventDecodeError, EventRegistry

from ._config import FileConfig
from ._encoding import newline_of
from ._folder import Folder, Found
from ._lines import Line, LineSplitter
from ._maker import EventMaker, reason
from ._mark import Mark, tail_of
from ._opened import OpenedFile
from ._parser import LineParser
from ._positions import DONE_MAX, Position, PositionStore
from ._presets import with_preset
from ._teller import Teller

logger = logging.getLogger(__name__)

CHUNK_BYTES = 32_768
# How much is read again at most after a stop in lines that say nothing.
SAVE_BYTES = 1_048_576
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
SLOW_SECONDS = 0.25
# Windows does not let a server rename or remove a file that somebody has open.
KEEPS_OPEN = sys.platform != "win32"

What = Literal["same", "next", "emptied"]


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
        settings = with_preset(config)
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
        self._folder = Folder(config.path)
        self._encoding = settings.encoding
        self._newline = newline_of(settings.encoding)
        self._parser = LineParser(settings)
        self._maker = EventMaker(settings, events, config.path.stem)
        self._teller = teller
        self._store = store
        self._position: Position | None = None
        self._file: OpenedFile | None = None
        self._splitter = LineSplitter(self._newline)
        self._line_begin = 0
        self._saved_at = 0
        self._next: Found | None = None
        self._bell = anyio.Event()
        self._stop = anyio.Event()
        self._announced = False
        self._told_problems: set[str] = set()
        self._retry_seconds = FIRST_RETRY_SECONDS

    @property
    def folders(self) -> set[Path]:
        """The folders in which a change may matter."""
        folders = {self._folder.path.parent}
        with suppress(OSError, RuntimeError):  # a link that leads in circles
            folders.add(self._folder.path.resolve().parent)

        return folders

    @property
    def behind(self) -> int:
        """How many bytes of the file are not read yet, as far as it is known."""
        if self._file is None or self._file.packed:
            return 0

        with suppress(OSError):
            return max(0, self._file.size() - self._splitter.position)

        return 0

    def ring(self) -> None:
        """Have it look at the file again."""
        self._bell.set()

    def stop(self) -> None:
        """Have it end after the line in hand."""
        self._stop.set()
        self._bell.set()

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the patterns."""
        yield from self._maker.problems()

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
            self._close()

    # Reading

    async def _catch_up(self) -> None:
        while not self._stop.is_set():
            if self._file is None and not await self._resume():
                return

            await self._read_on()
            if self._stop.is_set():
                return

            match self._look():
                case "same":
                    if not KEEPS_OPEN:
                        self._close()

                    return
                case "emptied":
                    logger.info("'%s' begins anew", self.name)
                    self._close()
                case "next":
                    # What was written to the old one between the two looks.
                    await self._read_on()
                    await self._leave()

    async def _read_on(self) -> None:
        """Read to the end of the file that is open."""
        file = self._open_file()
        if file.settle():
            self._newline = "\n".encode(file.encoding)
            self._go_to(0)

        while data := file.read_at(self._splitter.position, CHUNK_BYTES):
            for line in self._splitter.feed(data):
                await self._take(line)
                if self._stop.is_set():
                    return

            if self._splitter.offset - self._saved_at >= SAVE_BYTES:
                await self._save()

            await checkpoint()

        if self._splitter.offset != self._saved_at:
            await self._save()

    async def _take(self, line: Line) -> None:
        """Tell what a line says, and note that it is told."""
        self.lines += 1
        position = self._current_position()
        begin, self._line_begin = self._line_begin, line.end
        told = False
        for event in self._events(line, begin, position):
            if not await self._tell(event):
                return

            told = True

        if told:
            await self._save()
        else:
            self.unmatched += 1

    def _events(self, line: Line, begin: int, position: Position) -> list[Event]:
        if line.text is None:
            self.failed += 1
            return []

        file = self._open_file()
        data = line.text[file.bom_bytes :] if begin == 0 else line.text
        text = data.decode(file.encoding, "replace").removesuffix("\r")
        started = time.perf_counter()
        hits = self._parser.parse(text)
        if time.perf_counter() - started > SLOW_SECONDS:
            self._warn_once(
                f"'{self.name}': a line took long to match, which holds everything up: make the "
                "patterns simpler, with no repetition inside of another"
            )

        events = []
        for number, hit in enumerate(hits):
            # The same line has the same ids when it is read again after a crash.
            event_id = f"{position.file_id}-{begin:x}" + (f".{number}" if number else "")
            try:
                event = self._maker.make(hit, position.roster, event_id)
            except EventDecodeError as error:
                self.failed += 1
                self._warn_once(
                    f"'{self.name}': a line that matches patterns.{hit.rule} gives no event: "
                    f"{reason(error)}"
                )
            else:
                if event is not None:
                    events.append(event)

        return events

    # Which file

    async def _resume(self) -> bool:
        """Open the file to read from, at the place to go on; return whether there is one."""
        position = self._position
        if position is None:
            current = self._folder.current()
            if current is None:
                await self._keep(Position())
                return self._wait_for_file()

            self._open(current.path)
            if self.config.start == "end":
                self._go_to(self._end_of_last_line())

            self._announce("following '{}' from its " + self.config.start)
            await self._begin_file(Position())
            return True

        if position.mark is not None:
            file = self._folder.find(position.mark, self._encoding)
            if file is not None:
                self._adopt(file)
                self._go_to(position.mark.offset)
                self._saved_at = position.mark.offset
                self._announce("following '{}' from where it was left")
                return True

        current = self._folder.after(position.mark, position.done)
        if current is None:
            return self._wait_for_file()

        if position.mark is not None and not self._announced:
            logger.warning(
                "the file that was read last as '%s' is not there any more, so what came last in "
                "it may be missing",
                self.name,
            )

        self._open(current.path)
        self._announce("following '{}', which is a new file, from its beginning")
        await self._begin_file(position)
        return True

    def _wait_for_file(self) -> bool:
        self.waiting = True
        self._announce("waiting for '{}' to appear")
        return False

    def _look(self) -> What:
        """Look whether the file that is open is still the one to read."""
        file, mark = self._open_file(), self._current_position().mark
        status = file.stat()
        ours = (status.st_dev, status.st_ino)
        matching = self._folder.matching()
        same = next((found for found in matching if found.key == ours), None)
        if same is not None and not file.packed:
            if same.status.st_size < self._splitter.position:
                return "emptied"

            if mark is not None and not mark.fits(file):
                return "emptied"

            if not self._folder.is_pattern:
                return "same"

        age = (status.st_mtime_ns, file.path.name) if self._folder.is_pattern else (-1, "")
        done = set(self._current_position().done)
        # An empty one may have been made for a server that still writes to the old one.
        newer = [
            found
            for found in matching
            if found.key != ours
            and found.status.st_size
            and (not self._folder.is_pattern or (found.age > age and found.key not in done))
        ]
        self._next = min(newer, key=lambda found: found.age, default=None)
        return "same" if self._next is None else "next"

    async def _leave(self) -> None:
        """Go from the file that is open to the next one."""
        if self._stop.is_set() or self._next is None:
            return

        line = self._splitter.finish()
        if line is not None:
            await self._take(line)
            if self._stop.is_set():
                return

        position, file, following = self._current_position(), self._open_file(), self._next
        status = file.stat()
        position.done = [*position.done, (status.st_dev, status.st_ino)][-DONE_MAX:]
        self._close()
        self._open(following.path)
        logger.info("'%s': going on with the next file", self.name)
        await self._begin_file(position)

    async def _begin_file(self, position: Position) -> None:
        """Note that another file is read from where the splitter stands."""
        position.file_id = os.urandom(8).hex()
        position.mark = None
        await self._keep(position)

    def _open(self, path: Path) -> None:
        self._adopt(OpenedFile(path, self._encoding))
        self._go_to(0)

    def _adopt(self, file: OpenedFile) -> None:
        self._file = file
        self.waiting = False
        # With a byte order mark it may be the other one than the configuration has.
        self._newline = "\n".encode(file.encoding)

    def _go_to(self, offset: int) -> None:
        tail = tail_of(self._open_file(), offset)
        self._splitter = LineSplitter(self._newline, offset, tail)
        self._line_begin = offset

    def _end_of_last_line(self) -> int:
        """Return where the line begins that has no newline yet."""
        file = self._open_file()
        end = file.size()
        width = len(self._newline)
        end -= end % width
        while end > 0:
            begin = max(0, end - CHUNK_BYTES)
            data = file.read_at(begin, end - begin)
            found = data.rfind(self._newline)
            while found >= 0 and found % width:
                found = data.rfind(self._newline, 0, found + width - 1)

            if found >= 0:
                return begin + found + width

            end = begin

        return 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open_file(self) -> OpenedFile:
        if self._file is None:
            raise AssertionError("no file is open")

        return self._file

    def _current_position(self) -> Position:
        if self._position is None:
            raise AssertionError("nothing is followed yet")

        return self._position

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

    async def _save(self) -> None:
        await self._keep(self._current_position())

    async def _keep(self, position: Position) -> None:
        """Note how far the lines are told, trying until that is written."""
        self._position = position
        while True:
            try:
                if self._file is not None:
                    position.mark = self._mark(position.mark)

                self._store.save(self.name, position)
            except OSError as error:
                self._fail(f"cannot write '{self._store.path}': {_reason(error)}")
                if not await self._back_off():
                    return
            else:
                self._recover()
                return

    def _mark(self, before: Mark | None) -> Mark:
        offset = self._line_begin
        self._saved_at = offset
        return Mark.of(self._open_file(), offset, self._splitter.tail, before)

    async def _wait(self) -> None:
        """Wait until the file may have changed, or for the next try."""
        delay = math.inf if self.problem is None else self._retry_seconds
        with anyio.move_on_after(delay) as scope:
            await self._bell.wait()

        if scope.cancelled_caught:
            self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)

    async def _back_off(self) -> bool:
        """Wait before another try; return whether there is to be one."""
        with anyio.move_on_after(self._retry_seconds):
            await self._stop.wait()

        self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
        return not self._stop.is_set()

    # Saying how it goes

    def _announce(self, sentence: str) -> None:
        if not self._announced:
            self._announced = True
            preset = f" (preset {self.config.preset})" if self.config.preset else ""
            logger.info("%s%s", sentence.format(self.name), preset)

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            logger.warning("%s", problem)

        self.problem = problem

    def _recover(self) -> None:
        if self.problem is not None:
            logger.info("'%s': going on", self.name)

        self.problem = None
        self._retry_seconds = FIRST_RETRY_SECONDS

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._told_problems and len(self._told_problems) < DONE_MAX:
            self._told_problems.add(sentence)
            logger.warning("%s", sentence)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
