"""The files that the daemon reads or keeps, none of which it may write events to."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .._bus import EventBus
from .._exceptions import ConfigError
from .._files import is_same_file
from .template_files import entries, is_template, template_files

_RECORD_SUFFIXES = (".jsonl", ".log", ".txt")
"""of files that nothing keeps its state in, so a record of events may lie beside it"""
_TEMPLATE = "the template {}"
_PLUGIN = "the plugin {}"
_STATE = "{}, where a plugin or the daemon keeps its state"


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """What a daemon reads or keeps.

    What plugins keep in a state folder begins with the plugin's name and a dot, or is an outbox.
    """

    config: Path
    secrets: Collection[Path] = ()
    """the files of which the configuration has the content"""
    plugins_folder: Path | None = None
    state_folders: Collection[Path] = ()

    def problems(self, bus: EventBus) -> Iterator[tuple[str, str]]:
        """Yield the name of each plugin that writes events to one of the files, and what is wrong."""
        folders = [folder for folder in bus.template_folders() if isinstance(folder, Path)]
        read = [
            (self.config, "this configuration file"),
            *((secret, f"the file of a secret, {secret}") for secret in self.secrets),
            *((file, _TEMPLATE.format(file)) for file in template_files(folders)),
            *((file, _PLUGIN.format(file)) for file in self._plugin_files()),
        ]
        for plugin, written in bus.query("written_files").items():
            others = [name for name in bus.plugins if name != plugin]
            kept = [
                (file, _STATE.format(file))
                for folder in self.state_folders
                for file in entries(folder)
                if _is_state(file.name, others)
            ]
            for file in written:
                what = next(
                    (text for path, text in (*read, *kept) if is_same_file(file, path)), None
                )
                if what is None and not isinstance(file, int):
                    what = self._place_of(Path(os.path.realpath(file)), folders, others)

                if what is not None:
                    yield plugin, f"it writes events to {what}: change its path"

    def _place_of(
        self, file: Path, template_folders: Collection[Path], others: Collection[str]
    ) -> str | None:
        """Return what a file would be that need not exist yet."""
        parents = set(map(_resolved, template_folders))
        if is_template(file) and not parents.isdisjoint((file.parent, file.parent.parent)):
            return _TEMPLATE.format(file)

        folder = self.plugins_folder
        if folder is not None and file.suffix == ".py" and file.parent == _resolved(folder):
            return _PLUGIN.format(file)

        if file.parent in map(_resolved, self.state_folders) and _is_state(file.name, others):
            return _STATE.format(file)

        return None

    def _plugin_files(self) -> Iterator[Path]:
        if self.plugins_folder is not None:
            yield from (file for file in entries(self.plugins_folder) if file.suffix == ".py")


def check_files(bus: EventBus, own: OwnFiles, *, reads_stdin: bool) -> None:
    """Check that no file is both read and written.

    :param reads_stdin: whether the events of standard input are read
    :raises ConfigError: if a plugin writes there, or the log and the output of the daemon go there
    """
    problems = [f"{_place(bus, name, own.config)}: {text}" for name, text in own.problems(bus)]
    if problems:
        raise ConfigError(problems)

    stdin = _descriptor(sys.stdin)
    if not reads_stdin or stdin is None:
        return  # reading it reports that there is none

    writer = bus.writer_of(stdin)
    if writer is not None:
        message = (
            "it writes events to the file that is standard input, so they would be read again: read "
            "a copy, such as the file under a new name, or change its path"
        )
        raise ConfigError([f"{_place(bus, writer, own.config)}: {message}"])

    if any(is_same_file(stdin, output) for output in _outputs()):
        message = (
            "standard input is the file to which the output of this command goes, so it would read "
            "what it writes: redirect the output to another file"
        )
        raise ConfigError([message])


def _place(bus: EventBus, plugin: str, config_file: Path) -> str:
    position = bus.plugins.source_location(plugin, "path") or config_file
    return f"{position}: plugins.{plugin}"


def _is_state(name: str, others: Collection[str]) -> bool:
    """Return whether something other than a plugin keeps its state in a file, by its name.

    :param others: the names of the other plugins
    """
    if name.endswith(_RECORD_SUFFIXES):
        return False

    is_of_daemon = ".outbox" in name or (name.startswith("daemon-") and name.endswith(".lock"))
    return is_of_daemon or any(name.startswith(f"{other}.") for other in others)


def _resolved(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _outputs() -> Iterator[int]:
    for stream in (sys.stdout, sys.stderr):
        if (descriptor := _descriptor(stream)) is not None:
            yield descriptor


def _descriptor(stream: IO[str] | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):  # something that only looks like a file
        return None
