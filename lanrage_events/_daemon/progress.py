"""The progress of ``run --stdin``, on stderr."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NoReturn

import anyio

from .._bus import EventBus
from .._redaction import safe_text
from ..cli import counted
from .logging import LogHandler
from .stdin import LineFeed

logger = logging.getLogger(__name__)

_LIVE_SECONDS = 0.2
_LOG_SECONDS = 10.0


class Progress:
    """Shows what was read and what is not delivered yet.

    A terminal gets one line that is overwritten, anything else a line of the log now and then.
    There is no timer while nothing changes.

    :param bus: delivers the events
    :param feed: reads them
    :param handler: writes the log
    """

    def __init__(self, bus: EventBus, feed: LineFeed, handler: LogHandler) -> None:
        self._bus = bus
        self._feed = feed
        self._handler = handler

    async def run(self) -> None:
        """Show the progress until cancelled."""
        if self._handler.stream.isatty() and self._handler.log_format == "console":
            await self._show_in_terminal()
        else:
            await self._repeat(_LOG_SECONDS, lambda: logger.info("%s", self.text()))

    async def _show_in_terminal(self) -> None:
        line = self._handler.status_line
        try:
            await self._repeat(_LIVE_SECONDS, lambda: line.show(self.text()))
        finally:
            line.clear()

    async def _repeat(self, seconds: float, show: Callable[[], None]) -> NoReturn:
        while True:
            await self._feed.activity.wait()
            self._feed.activity = anyio.Event()
            is_busy = True
            while is_busy:
                await anyio.sleep(seconds)
                show()
                is_busy = self._feed.finished or bool(self.waiting())

    def text(self) -> str:
        """Return the progress as one line."""
        parts = [self._feed.summary("read")]
        if self._feed.bad:
            parts.append(counted(self._feed.bad, "bad line"))

        waiting = self.waiting()
        if self._feed.rejected:
            parts.append(f"{counted(self._feed.rejected, 'event')} rejected")

        if waiting:
            parts.append(f"still to deliver: {', '.join(waiting)}")

        return safe_text(", ".join(parts))

    def waiting(self) -> list[str]:
        """Return what each plugin has not delivered yet, and why."""
        statistics = self._bus.statistics().plugins
        waiting: list[str] = []
        for name, health in self._bus.health().items():
            count = statistics[name].pending + health.undelivered
            if count:
                reason = f" ({health.detail})" if health.detail else ""
                waiting.append(f"{name} {count:,}{reason}")

        return waiting
