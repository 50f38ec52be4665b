"""The watch over the event loop, which names the hook that holds it, from a thread of its own."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Protocol
from weakref import WeakSet

from ... import _containment
from ..._threads import is_in_virtual_time
from .blocks import TRANSFORM, LoopBlocks, Place
from .loop import current_post

logger = logging.getLogger(__name__)

LOOKS_UNTIL_BLOCKED = 4
LOOKS_UNTIL_SLOWER = 40
"""looks at hooks that only wait, after which it looks half as often"""
REPORTED_AFTER = 1.0
"""seconds after which a hook that still holds the loop is reported"""
GARBAGE = " (Python collected garbage meanwhile, which may have been what took long)"

_OURS = (os.path.dirname(os.path.dirname(__file__)) + os.sep, _containment.__file__)
_STANDARD_LIBRARY = os.path.dirname(os.__file__)


class Handler(Protocol):
    """What handles events: a mailbox, which knows how many are in hand."""

    owner: str
    busy: int


@dataclass(frozen=True, slots=True, eq=False)
class _Caller:
    """Who calls the code of a plugin."""

    plugin: str
    hook: str | None
    """None if it calls hooks for events"""
    handler: Handler | None = None
    """None if a hook runs as long as this is known"""

    @property
    def is_busy(self) -> bool:
        return self.handler is None or self.handler.busy > 0


@dataclass(frozen=True, slots=True)
class _Transforms:
    """What calls the transforms of plugins, which may be published from anywhere."""

    code: CodeType | None
    name: Callable[[], str | None]


_NO_TRANSFORM = _Transforms(None, lambda: None)


class LoopWatch:
    """Notices hooks that hold the event loop of one bus.

    Its thread sleeps without a timer while no hook runs. While one does, it looks at the stack of the
    loop's thread now and then, and only if that is inside a hook it asks the loop for an answer.
    Waiting for that answer, rather than counting what it sees, separates a hook that holds the loop from
    one that works much and lets others run.

    :param blocked_after: seconds after which a hook is reported; None and ``math.inf`` do not watch
    """

    def __init__(self, blocked_after: float | None) -> None:
        if blocked_after is not None and not blocked_after > 0:
            raise ValueError(f"blocked_after must be more than 0 seconds, not {blocked_after}")

        if blocked_after is not None and blocked_after > threading.TIMEOUT_MAX:
            blocked_after = None  # infinity, or more than a thread can wait

        self.blocks = LoopBlocks()
        self.quiet = False
        """whether :meth:`stir` has something to do; read before each call of it, since that is quicker"""
        self._blocked_after = blocked_after
        self._interval = (blocked_after or 0.0) / LOOKS_UNTIL_BLOCKED
        self._callers: dict[FrameType, _Caller] = {}
        """by the frame that calls their hooks"""
        self._loop: _Loop | None = None
        self._thread: threading.Thread | None = None
        self._stirred = threading.Event()
        self._stirred_at = 0.0
        self._collections = 0
        """how often garbage was collected by then"""
        self._ended = threading.Event()
        self._transform = _NO_TRANSFORM

    def watch_transforms(self, code: CodeType, name: Callable[[], str | None]) -> None:
        """Notice transforms, too.

        :param code: that of the function which calls them; it calls :meth:`stir` before
        :param name: returns the name of the one that runs
        """
        self._transform = _Transforms(code, name)

    # In the thread of the loop

    def start(self) -> None:
        """Watch the current event loop; the thread starts with the first hook.

        A loop in virtual time is not watched: what takes long there depends on the machine only.
        """
        if self._blocked_after is not None and not is_in_virtual_time():
            self._loop = _Loop(self._callers, self._transform, self.blocks, self._blocked_after)
            self.quiet = True
            _started.add(self)

    def stop(self) -> None:
        """Watch no more."""
        self.quiet = False
        self._ended.set()
        self._stirred.set()
        if self._thread is not None:
            # It ends at once, but for its last report, which would be lost at the end of the program.
            self._thread.join(self._interval)

    def stir(self) -> None:
        """Look soon: a hook begins."""
        self.quiet = False
        if self._stirred.is_set():
            return

        self._note_stir()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="lanrage-events loop watch", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError as error:
                logger.warning("the event loop is not watched: %s", error)
                self.stop()

    def calls(self, plugin: str, hook: str) -> _Calls:
        """Return a context manager for the function that calls a hook, other than those for events."""
        return _Calls(self, _Caller(plugin, hook))

    def handles(self, handler: Handler) -> _Calls:
        """Return a context manager for the function below which events are handled."""
        return _Calls(self, _Caller(handler.owner, None, handler))

    # In its own thread

    def _run(self) -> None:
        while not self._ended.is_set():
            self._stirred.wait()
            try:
                self._look_until_quiet()
            except OSError:  # the thread of the loop has ended without leaving the bus
                return

            self._stirred.clear()
            if not self.quiet or self._ended.is_set():  # just now
                self._note_stir()

    def _note_stir(self) -> None:
        self._stirred_at = time.monotonic()
        self._collections = _collections()
        self._stirred.set()

    def _look_until_quiet(self) -> None:
        # Not from now: the hook may have kept Python's lock since then.
        looked = self._stirred_at
        looks = 0
        loop = self._loop
        if loop is None or self._ended.is_set():
            return

        loop.begin(self._collections)
        while True:
            self.quiet = True
            slower = 2 if looks > LOOKS_UNTIL_SLOWER and not loop.is_asked else 1
            pause = looked + self._interval * slower - time.monotonic()
            # Not even for 0 seconds: that would release Python's lock, and the hook would be over.
            if pause > 0 and self._ended.wait(pause):
                now = time.monotonic()
                loop.end(now, now - looked)
                return

            now = time.monotonic()
            loop.look(now, now - looked, self._interval * slower)
            looked = now
            looks = looks + 1 if self.quiet else 0
            callers = tuple(self._callers.values())
            if self.quiet and not loop.has_more and not any(caller.is_busy for caller in callers):
                return

    def forget_thread(self) -> None:
        """Watch no more in a forked process, which has only the thread that forked it."""
        self._loop, self._thread, self.quiet = None, None, False


class _Calls:
    """Registers the frame that enters it."""

    __slots__ = ("_caller", "_frame", "_watch")

    def __init__(self, watch: LoopWatch, caller: _Caller) -> None:
        self._watch = watch
        self._caller = caller

    def __enter__(self) -> None:
        self._frame = sys._getframe(1)
        self._watch._callers[self._frame] = self._caller
        if self._watch.quiet and self._caller.handler is None:
            self._watch.stir()

    def __exit__(self, *_: object) -> None:
        self._watch._callers.pop(self._frame, None)
        del self._frame


class _Loop:
    """One event loop, as another thread sees it."""

    def __init__(
        self,
        callers: dict[FrameType, _Caller],
        transforms: _Transforms,
        blocks: LoopBlocks,
        blocked_after: float,
    ) -> None:
        self._post = current_post()
        self._callers = callers
        self._transforms = transforms
        self._blocks = blocks
        self._blocked_after = blocked_after
        self._thread = threading.get_ident()
        self._clock: int | None = None
        if hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(self._thread)

        self._cpu_time = self._read_cpu_time()
        self._asked = self._answered = 0
        self._answered_at = 0.0
        self._is_first = True
        """whether nothing was looked at since the loop began to work"""
        self._held = 0.0
        """seconds for which what is at the place has held the loop"""
        self._place: Place | None = None
        self._is_reported = False
        self._collections = 0

    @property
    def is_asked(self) -> bool:
        """Whether the loop owes an answer."""
        return self._asked != self._answered

    @property
    def has_more(self) -> bool:
        """Whether the next look has something to report, or to find out."""
        return self.is_asked or self._place is not None

    def _read_cpu_time(self) -> float:
        return time.process_time() if self._clock is None else time.clock_gettime(self._clock)

    def begin(self, collections: int) -> None:
        """Begin to look: the loop has begun to work.

        :param collections: how often garbage had been collected then
        """
        self._is_first = True
        self._collections = collections
        self._cpu_time = self._read_cpu_time()

    def look(self, now: float, elapsed: float, interval: float) -> None:
        """Look at the stack of its thread.

        :param now: the time
        :param elapsed: seconds since the last look, or since the loop began to work
        :param interval: seconds that were meant to be between
        """
        cpu_time = self._read_cpu_time()
        used, self._cpu_time = cpu_time - self._cpu_time, cpu_time
        # If we were late, the process stood still, unless the hook kept Python's lock. One interval
        # counts in any case, for a machine on which we are always late.
        was_late = elapsed >= 2 * interval
        longest = max(used, interval) if was_late else elapsed
        if self.is_asked:
            self._go_on(self._find(), min(elapsed, longest), was_late=was_late)
            if self._place and not self._is_reported and self._held >= REPORTED_AFTER:
                self._is_reported = True
                self._blocks.go_on(self._place, self._held)

            return

        until_answer = max(self._answered_at - (now - elapsed), 0.0)
        self._finish(min(until_answer, longest))
        self._place = self._find()
        self._held = 0.0
        if self._place is None or not (was_late or self._is_first):
            self._collections = _collections()

        if self._place is not None:
            if was_late or self._is_first:
                self._held = min(elapsed, longest)

            self._asked += 1
            try:
                self._post(self._answer, self._asked)
            except RuntimeError:  # the loop has ended
                self._asked = self._answered

        self._is_first = False

    def _go_on(self, place: Place | None, held: float, *, was_late: bool) -> None:
        """Count while the loop owes an answer; another hook may have begun, or the program's code."""
        known = self._place
        if known is None or place is None or not known.is_same_hook(place):
            # What we had to wait for kept Python's lock until now, so it is what is found.
            self._finish(0.0 if was_late else held)
            self._held = held if was_late else 0.0
            if not was_late:
                self._collections = _collections()

        else:
            self._held += held

        self._place = place

    def end(self, now: float, elapsed: float) -> None:
        """Report what held the loop until just now.

        :param now: the time
        :param elapsed: seconds since the last look
        """
        answered_at = now if self.is_asked else self._answered_at
        self._finish(max(answered_at - (now - elapsed), 0.0))

    def _finish(self, held: float) -> None:
        self._held += held
        if self._place is not None and self._held >= self._blocked_after:
            note = GARBAGE if _collections() != self._collections else ""
            self._blocks.add(self._place, self._held, note=note, is_logged=self._is_reported)

        self._is_reported = False

    def _answer(self, number: int) -> None:
        self._answered_at = time.monotonic()
        self._answered = number

    def _find(self) -> Place | None:
        """Return where the loop's thread is if that is inside a hook."""
        frame = sys._current_frames().get(self._thread)
        inner: list[FrameType] = []
        while frame is not None and frame not in self._callers:
            if frame.f_code is LoopWatch.stir.__code__:
                return None

            if frame.f_code is self._transforms.code:
                break

            if not frame.f_code.co_filename.startswith(_OURS):
                inner.append(frame)

            frame = frame.f_back

        caller = None if frame is None else self._callers.get(frame)
        if caller is None and frame is not None and (name := self._transforms.name()) is not None:
            caller = _Caller(name, TRANSFORM)

        if caller is None or not inner or not caller.is_busy:
            return None

        hook = next((f for f in reversed(inner) if not _is_in_library(f)), inner[-1])
        file = hook.f_code.co_filename
        line = next(f.f_lineno for f in inner if f.f_code.co_filename == file)
        name = caller.hook or hook.f_code.co_name
        is_threadable = caller.hook is None
        return Place(caller.plugin, name, f"{file}:{line}", is_threadable)


def _is_in_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(("<frozen", _STANDARD_LIBRARY)) and "site-packages" not in file


def _collections() -> int:
    """Return how often Python has looked through all of its objects for garbage."""
    return int(gc.get_stats()[-1]["collections"])


_started: WeakSet[LoopWatch] = WeakSet()


def _forget_threads() -> None:
    for watch in tuple(_started):
        watch.forget_thread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
