"""The plugin: write each event as a line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from lanrage_events import ConfigProblem, Event, Health, Redactor, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.cli import safe_text
from lanrage_events.events import format_event

from ._config import LogConfig
from ._selection import Selection
from ._writer import LineWriter


class LogPlugin:
    """Write each event as a line to a file or to stderr."""

    Config = LogConfig
    # No hook takes long, so publishers can wait for it and no event is dropped.
    when_full = "block"

    def __init__(self, config: LogConfig) -> None:
        self._path = config.path
        self._selection = Selection(config)
        self._is_json = config.format == "json"
        self._writer = LineWriter(config.path)
        self._redactor = Redactor()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
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
    def written_files(self) -> list[Path | int]:
        return self._writer.files()

    @hookimpl
    def health(self) -> Health:
        return self._writer.health()

    @hookimpl
    def validate(self, bus: Bus) -> Iterator[ConfigProblem]:
        yield from self._selection.problems(bus.events)
        if self._path is None:
            return

        self._writer.protect(bus.state_folder)
        error = self._writer.find_error()
        if error is not None:
            # The daemon may run as another user, and systemd may create the state folder.
            is_missing = isinstance(error, FileNotFoundError)
            may_come = is_missing and self._path.parent == bus.state_folder
            warning = may_come or isinstance(error, PermissionError)
            yield ConfigProblem(self._writer.explain(error), ("path",), warning=warning)

        for name, other in bus.plugins.items():
            if other is self:
                break

            if isinstance(other, LogPlugin) and _is_same(self._path, other._path):
                message = f"the plugin '{name}' writes to this file, too"
                yield ConfigProblem(message, ("path",), warning=True)


def _is_same(path: Path, other: Path | None) -> bool:
    if other is None:
        return False

    try:
        return path.samefile(other)
    except OSError:
        return path.absolute() == other.absolute()
