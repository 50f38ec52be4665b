"""The plugin: follow log files and publish the events in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio

from lanrage_events import ConfigProblem, Event, Health, Metric, Sample, hookimpl
from lanrage_events.abc import Bus, Person
from lanrage_events.cli import install_command
from lanrage_events.config import ConfigError

from ._config import FileConfig, FileSettings, LogfileConfig
from ._following import (
    KEEPS_OPEN,
    Changes,
    Folder,
    Follower,
    Poll,
    PositionStore,
    Watch,
    written_by,
)
from ._parsing import Translator
from ._presets import with_parties
from ._replaced import outdated_settings, replaced_events

_COUNTERS = {
    "lines": ("logfile_lines", "Lines read from log files"),
    "delivered": ("logfile_events", "Events delivered from log files"),
    "unmatched": ("logfile_unmatched", "Lines of log files without an event"),
    "failed": (
        "logfile_failed",
        "Lines of log files that were too long, lacked a field, or had an event that was rejected",
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
        self.files: tuple[FileConfig, ...] = with_parties(config.all_files())
        """all followed files with their settings"""
        self._followers: list[Follower] = []
        self._store: PositionStore | None = None
        self._changes = changes or (Watch() if config.poll is None else Poll(config.poll))
        self._keeps_open = keeps_open

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        problems = list(self._problems(bus))
        if problems:
            raise ConfigError([str(problem) for problem in problems])

        name = bus.plugins.name(self)
        self._store = store = self._load(bus)
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

    def _load(self, bus: Bus) -> PositionStore:
        name = bus.plugins.name(self)
        store = PositionStore(bus.state_folder and bus.state_folder / f"{name}.positions.json")
        store.load()
        return store

    @hookimpl
    def forget(self, person: Person, bus: Bus) -> dict[str, int]:
        for follower in self._followers:
            follower.forget(person)

        return {"players in game logs": (self._store or self._load(bus)).forget(person)}

    def _folders(self) -> set[Path]:
        return {folder for follower in self._followers for folder in follower.folders}

    def _wake(self) -> None:
        for follower in self._followers:
            follower.wake()

    @hookimpl
    def replaced_events(self) -> Iterator[tuple[Event, Event]]:
        yield from replaced_events(self.files)

    @hookimpl
    def validate(self, bus: Bus) -> Iterator[ConfigProblem]:
        yield from self._problems(bus)
        for number, file in enumerate(self.files):
            yield from (self._locate(number, found) for found in outdated_settings(file))

        for number, file in enumerate(self.files):
            if problem := _explain_path(file.path):
                yield replace(problem, **self._key_of(number))

    def _key_of(self, number: int) -> dict[str, Any]:
        """Return where the path of a file is set, as keywords of a problem."""
        path = ("path",) if self.config.path is not None else ("files", number)
        return {"path": path, "about_key": isinstance(self.config.files, Mapping)}

    def _problems(self, bus: Bus) -> Iterator[ConfigProblem]:
        if isinstance(self._changes, Watch) and find_spec("watchfiles") is None:
            yield ConfigProblem(
                f"the package 'watchfiles' is missing: {install_command('daemon')}, or look for "
                "changes every second with 'poll: 1s'"
            )

        for number, file in enumerate(self.files):
            writer = _find_writer(file.path, bus)
            if writer is not None:
                message = f"'{file.path}': {written_by(writer)}: name another file, here or there"
                yield replace(ConfigProblem(message), **self._key_of(number))

        found: dict[ConfigProblem, None] = {}
        for number, file in enumerate(self.files):
            for problem in Translator(file, bus.events).problems():
                found[self._locate(number, problem)] = None

        yield from found

    def _locate(self, number: int, problem: ConfigProblem) -> ConfigProblem:
        """Return a problem of a file with the path of its setting, which files may share."""
        if self.config.path is not None:
            return problem

        files = self.config.files
        own = (files if isinstance(files, tuple) else tuple(files.values()))[number]
        if _has(self.config, problem.path) and not _has(own, problem.path):
            return problem

        return replace(problem, path=("files", number, *problem.path))

    @hookimpl
    def health(self) -> Health:
        problems = [f.problem for f in self._followers if f.problem is not None]
        waiting = [f"waiting for '{f.name}' to appear" for f in self._followers if f.waiting]
        lags = [f"'{f.name}': {f.lag_bytes:,} bytes behind" for f in self._followers if f.lag_bytes]
        unread = [
            f"'{path}' matches '{f.name}' too and grows, but is not read: give it an entry of its own"
            for f in self._followers
            for path, matters in f.unread.items()
            if matters
        ]
        doubled = [
            f"'{path}' is not read, since its lines are in 'latest.log' as well"
            for f in self._followers
            for path, matters in f.unread.items()
            if not matters
        ]
        details = "; ".join(dict.fromkeys([*problems, *waiting, *unread, *lags, *doubled]))
        return Health("degraded" if problems or waiting or unread else "ok", details)

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


def _has(settings: FileSettings, path: tuple[str | int, ...]) -> bool:
    """Return whether settings themselves have what a path leads to."""
    if not path or path[0] not in settings.model_fields_set:
        return False

    value = getattr(settings, str(path[0]))
    return path[1] in value if isinstance(value, Mapping) and len(path) > 1 else True


def _find_writer(path: Path, bus: Bus) -> str | None:
    """Return the plugin that writes to a file, or to one of those that a pattern stands for."""
    folder = Folder(path)
    if not folder.is_pattern:
        return bus.writer_of(path)

    for name, files in bus.query("written_files").items():
        if any(not isinstance(file, int) and folder.may_be(Path(file)) for file in files):
            return name

    return None


def _explain_path(path: Path) -> ConfigProblem | None:
    # Nothing stops the start: a server may create the file and its folder later.
    try:
        if path.is_dir():
            return ConfigProblem(f"'{path}' is a folder: name the file in it")

        if not path.parent.is_dir():
            message = f"there is no folder '{path.parent}', so nothing is read until there is"
            return ConfigProblem(message, warning=True)

        if not Folder(path).exists():
            message = f"no file is called '{path}', so nothing is read until there is one"
            return ConfigProblem(message, warning=True)
    except OSError as error:
        message = f"'{path}' cannot be read: {error.strerror or error}"
        return ConfigProblem(message, warning=True)

    return None
