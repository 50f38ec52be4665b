"""The plugin: write each event as a line."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lanrage_events import Event, Health, Redactor, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.cli import safe_text
from lanrage_events.events import format_event

from ._config import LogConfig
from ._selection import Selection
from ._writer import LineWriter

logger = logging.getLogger(__name__)


class LogPlugin:
    """Write each event as a line to a file or to stderr."""

    Config = LogConfig
    # No hook takes long, so publishers can wait for it and no event is dropped.
    when_full = "block"

    def __init__(self, config: LogConfig) -> None:
        self._selection = Selection(config)
        self._is_json = config.format == "json"
        self._writer = LineWriter(config.path)
        self._redactor = Redactor()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        for sentence in self._selection.problems(bus.events):
            logger.warning("%s", sentence)

        self._redactor = bus.redactor
        self._writer.protect(bus.state_folder)
        self._writer.open()
        try:
            yield
        finally:
            self._writer.close()

    @hookimpl
    async def event(self, event: Event) -> None:
        # Appending to a file costs a few microseconds, a worker thread twenty times as much.
        if type(event) in self._selection:
            text = event.to_json() if self._is_json else format_event(event.to_dict())
            line = self._redactor.redact(safe_text(text))
            await self._writer.write(f"{line}\n".encode())

    @hookimpl
    def health(self) -> Health:
        return self._writer.health()
