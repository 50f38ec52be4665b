from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio

from lanrage_events import ConfigError, Health, Metric, Sample, hookimpl
from lanrage_events.abc import Bus

from ._config import FileConfig, LogfileConfig
from ._following import (
    EXTRA_HINT,
    Changes,
    Follower,
    Poll,
    PositionStore,
    Watch,
    is_watching_possible,
)
from ._publisher import Teller

_COUNTERS = {
    "lines": "Lines that were read of log files",
    "told": "Events that lines of log files gave",
    "unmatched": "Lines of log files that gave no event",
    "failed": "Lines of log files that were too long, or lacked a field of their event",
}


class LogfilePlugin:
    """Follow log files of game servers, and publish what their lines say.

    :param config: see :class:`LogfileConfig`
    :param changes: tells when files may have changed; by default what the configuration says
    """

    Config = LogfileConfig

    def __init__(self, config: LogfileConfig, *, changes: Changes | None = None) -> None:
        self.config = config
        self.files = config.all_files()
        """every file that is followed, with its settings"""
        self._followers: list[Follower] = []
        self._changes = changes
        if changes is None:
            self._changes = Watch() if config.poll is None else Poll(config.poll)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Follow the files."""
        problems = self._problems(bus)
        if problems:
            raise ConfigError(problems)

        store = PositionStore(self._state_file(bus))
        store.load()
        self._followers = self._make_followers(bus, store)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run_changes)
            async with anyio.create_task_group() as following:
                for follower in self._followers:
                    following.start_soon(follower.run)

                # From here on, what is appended is new.
                for follower in self._followers:
                    await follower.looked.wait()

                yield
                for follower in self._followers:
                    follower.stop()

            tasks.cancel_scope.cancel()

    async def _run_changes(self) -> None:
        if self._changes is not None:
            await self._changes.run(self._folders, self._ring)

    def _folders(self) -> set[Path]:
        return {folder for follower in self._followers for folder in follower.folders}

    def _ring(self) -> None:
        for follower in self._followers:
            follower.ring()

    def _make_followers(self, bus: Bus, store: PositionStore) -> list[Follower]:
        teller = Teller(bus)
        return [Follower(file, bus.events, teller, store) for file in self.files]

    def _state_file(self, bus: Bus) -> Path | None:
        return bus.state_folder and bus.state_folder / f"{bus.plugins.name(self)}.positions.json"

    @hookimpl
    def validate(self, bus: Bus) -> list[str]:
        """Look for patterns and fields that do not fit the event types, and for folders."""
        problems = self._problems(bus)
        for file in self.files:
            # It keeps nobody from starting: there may be a file later.
            with suppress(OSError):
                if file.path.is_dir():
                    problem = f"'{file.path}' is a folder: name the file in it"
                    problems.extend(self._placed(file, [problem]))

        return problems

    def _problems(self, bus: Bus) -> list[str]:
        problems = []
        if isinstance(self._changes, Watch) and not is_watching_possible():
            problems.append(EXTRA_HINT)

        for follower in self._make_followers(bus, PositionStore(None)):
            problems.extend(self._placed(follower.config, follower.problems()))

        return problems

    def _placed(self, file: FileConfig, problems: Iterable[str]) -> Iterator[str]:
        # With one file, everything stands right below the plugin.
        place = "" if self.config.path is not None else f"files: '{file.path}': "
        for problem in problems:
            yield f"{place}{problem}"

    @hookimpl
    def health(self) -> Health:
        """Say of each file what holds it up, and how far behind it is."""
        problems = [f.problem for f in self._followers if f.problem is not None]
        waiting = [f"waiting for '{f.name}' to appear" for f in self._followers if f.waiting]
        behind = [f"'{f.name}': {f.behind:,} bytes behind" for f in self._followers if f.behind]
        details = "; ".join(dict.fromkeys([*problems, *waiting, *behind]))
        return Health("degraded" if problems or waiting else "ok", details)

    @hookimpl
    def metrics(self) -> list[Metric]:
        """Return what was read, and how much was not."""
        metrics = [
            Metric(
                name=f"logfile_{'events' if name == 'told' else name}",
                help=text,
                kind="counter",
                samples=[Sample(getattr(f, name), {"file": f.name}) for f in self._followers],
            )
            for name, text in _COUNTERS.items()
        ]
        behind = [Sample(f.behind, {"file": f.name}) for f in self._followers]
        return [
            *metrics,
            Metric(
                name="logfile_behind_bytes",
                help="What is not read yet of log files",
                samples=behind,
            ),
        ]
