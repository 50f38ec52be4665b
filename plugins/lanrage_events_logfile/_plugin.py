"""The plugin: follow log files and publish the events in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import anyio

from lanrage_events import Health, Metric, Sample, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.config import ConfigError

from ._config import FileConfig, LogfileConfig
from ._following import (
    INSTALL_HINT,
    KEEPS_OPEN,
    Changes,
    Follower,
    Poll,
    PositionStore,
    Watch,
)
from ._parsing import Translator

_COUNTERS = {
    "lines": ("logfile_lines", "Lines read from log files"),
    "delivered": ("logfile_events", "Events delivered from log files"),
    "unmatched": ("logfile_unmatched", "Lines of log files without an event"),
    "failed": (
        "logfile_failed",
        "Lines of log files that were too long or lacked a field of their event",
    ),
}


class LogfilePlugin:
    """Follow the log files of game servers and publish their lines as events.

    :param config: see :class:`LogfileConfig`
    :param changes: notices when files may have changed; by default as the configuration says
    :param keeps_open: keep files open between reads; by default everywhere but on Windows, where the
        server could not rename or remove them
    """

    Config = LogfileConfig

    def __init__(
        self,
        config: LogfileConfig,
        *,
        changes: Changes | None = None,
        keeps_open: bool = KEEPS_OPEN,
    ) -> None:
        self.config = config
        self.files = config.all_files()
        """all followed files with their settings"""
        self._followers: list[Follower] = []
        self._changes = changes or (Watch() if config.poll is None else Poll(config.poll))
        self._keeps_open = keeps_open

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        problems = self._problems(bus)
        if problems:
            raise ConfigError(problems)

        name = bus.plugins.name(self)
        path = bus.state_folder and bus.state_folder / f"{name}.positions.json"
        store = PositionStore(path)
        store.load()
        self._followers = [
            Follower(file, bus, store, keeps_open=self._keeps_open, source=name)
            for file in self.files
        ]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._changes.run, self._folders, self._wake)
            async with anyio.create_task_group() as following:
                for follower in self._followers:
                    following.start_soon(follower.run)

                # Whatever is appended from here on is new.
                for follower in self._followers:
                    await follower.looked.wait()

                yield
                for follower in self._followers:
                    follower.stop()

            tasks.cancel_scope.cancel()

    def _folders(self) -> set[Path]:
        return {folder for follower in self._followers for folder in follower.folders}

    def _wake(self) -> None:
        for follower in self._followers:
            follower.wake()

    @hookimpl
    def validate(self, bus: Bus) -> list[str]:
        problems = self._problems(bus)
        for file in self.files:
            # This does not stop the start, since a file may replace the folder later.
            with suppress(OSError):
                if file.path.is_dir():
                    problem = f"'{file.path}' is a folder: name the file in it"
                    problems.extend(self._with_path(file, [problem]))

        return problems

    def _problems(self, bus: Bus) -> list[str]:
        problems = []
        if isinstance(self._changes, Watch) and find_spec("watchfiles") is None:
            problems.append(INSTALL_HINT)

        for file in self.files:
            problems.extend(self._with_path(file, Translator(file, bus.events).problems()))

        return problems

    def _with_path(self, file: FileConfig, problems: Iterable[str]) -> Iterator[str]:
        # A single file has its settings right below the plugin.
        path = "" if self.config.path is not None else f"files: '{file.path}': "
        for problem in problems:
            yield f"{path}{problem}"

    @hookimpl
    def health(self) -> Health:
        problems = [f.problem for f in self._followers if f.problem is not None]
        waiting = [f"waiting for '{f.name}' to appear" for f in self._followers if f.waiting]
        lags = [f"'{f.name}': {f.lag_bytes:,} bytes behind" for f in self._followers if f.lag_bytes]
        details = "; ".join(dict.fromkeys([*problems, *waiting, *lags]))
        return Health("degraded" if problems or waiting else "ok", details)

    @hookimpl
    def metrics(self) -> list[Metric]:
        def samples(attribute: str) -> list[Sample]:
            return [Sample(getattr(f, attribute), {"file": f.name}) for f in self._followers]

        counters = [
            Metric(name=name, help=text, kind="counter", samples=samples(attribute))
            for attribute, (name, text) in _COUNTERS.items()
        ]
        text = "Bytes of log files that are not read yet"
        return [
            *counters,
            Metric(name="logfile_behind_bytes", help=text, samples=samples("lag_bytes")),
        ]
