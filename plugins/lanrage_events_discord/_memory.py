"""What the plugin remembers over restarts, in small files that it can do without."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lanrage_events.events import utc_now
from lanrage_events.state import StateFile

logger = logging.getLogger("lanrage_events.discord")

_T = TypeVar("_T")


def wall_time() -> float:
    """Return the seconds since 1970, by which one process follows another."""
    return utc_now().timestamp()


class Memory:
    """A small file whose loss is logged, and harms nothing else.

    A write blocks the event loop, but need not wait for the disk: what a process leaves behind is
    read by the next one even if it was killed.

    :param path: the file; None to remember nothing
    :param what: what it keeps, for the log, such as ``the ids of threads``
    :param survives_power_loss: whether each write waits for the disk, so that a crash of the
        machine (not just the process) loses nothing either
    :param wall_clock: as :func:`wall_time`, for tests
    """

    def __init__(
        self,
        path: Path | None,
        what: str,
        *,
        survives_power_loss: bool = False,
        wall_clock: Callable[[], float] = wall_time,
    ) -> None:
        self._file = StateFile(path, indent=1, survives_power_loss=survives_power_loss)
        self._what = what
        self._wall_clock = wall_clock
        self._is_writable = True

    @property
    def is_kept(self) -> bool:
        """Whether there is a file."""
        return self._file.path is not None

    def wall_time(self) -> float:
        """Return the seconds since 1970."""
        return self._wall_clock()

    def read(self, parse: Callable[[Any], _T], default: _T) -> _T:
        """Return the content, or the default if there is none or it cannot be used.

        :param parse: makes a value of the content; what it raises means that the file is damaged
        """
        try:
            data = self._file.read(None)
            return default if data is None else parse(data)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except Exception:  # noqa: BLE001 - the content may be anything
            reason = "it is damaged"

        path = self._file.path
        with suppress(OSError):
            reason = f"{reason}; it is {self._file.move_aside()} now"

        logger.warning("%s cannot be read, so %s are forgotten: %s", path, self._what, reason)
        return default

    def write(self, data: object) -> None:
        """Replace the content; the first of several failures in a row is logged."""
        try:
            self._file.write(data)
        except OSError as error:
            if self._is_writable:
                logger.warning(
                    "cannot keep %s in %s, so a restart forgets them: %s",
                    self._what,
                    self._file.path,
                    error.strerror or type(error).__name__,
                )

            self._is_writable = False
        else:
            self._is_writable = True

    async def save(self, data: object) -> None:
        """Replace the content, without blocking the event loop.

        :raises OSError: if it cannot be written; the content is what it was then
        """
        await self._file.save(data)


def number(value: object) -> float:
    """Return a finite number from a file.

    :raises ValueError: if it is none
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("expected a number")

    return float(value)


def to_wall(time: float, now: float, wall_now: float) -> float:
    """Return a time of the event loop's clock for a file, in seconds since 1970.

    :param now: the time now
    :param wall_now: the same in seconds since 1970
    """
    return round(wall_now - (now - time), 3)


def from_wall(value: object, now: float, wall_now: float) -> float:
    """Return what :func:`to_wall` gave, perhaps in an earlier process, on the event loop's clock.

    If the clock was set back meanwhile, that is now and not in the future.

    :raises ValueError: if it is no number
    """
    return now - max(0.0, wall_now - number(value))
