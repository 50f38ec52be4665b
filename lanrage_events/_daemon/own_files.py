"""The files that the daemon reads, none of which it may write."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .._bus import EventBus
from .._exceptions import ConfigError
from .._files import is_same_file

WRITES_CONFIG = "it writes events to this configuration file: change its path"


def check_files(bus: EventBus, config_file: Path, *, reads_stdin: bool) -> None:
    """Check that no file is both read and written.

    :param config_file: the configuration, which is read
    :param reads_stdin: whether the events of standard input are read
    :raises ConfigError: if a plugin writes there, or the log and the output of the daemon go there
    """
    writer = bus.writer_of(config_file)
    if writer is not None:
        raise ConfigError([f"{_place(bus, writer, config_file)}: {WRITES_CONFIG}"])

    stdin = _descriptor(sys.stdin)
    if not reads_stdin or stdin is None:
        return  # reading it reports that there is none

    writer = bus.writer_of(stdin)
    if writer is not None:
        message = (
            "it writes events to the file that is standard input, so they would be read again: read "
            "a copy, such as the file under a new name, or change its path"
        )
        raise ConfigError([f"{_place(bus, writer, config_file)}: {message}"])

    if any(is_same_file(stdin, output) for output in _outputs()):
        message = (
            "standard input is the file to which the output of this command goes, so it would read "
            "what it writes: redirect the output to another file"
        )
        raise ConfigError([message])


def _place(bus: EventBus, plugin: str, config_file: Path) -> str:
    position = bus.plugins.source_location(plugin, "path") or config_file
    return f"{position}: plugins.{plugin}"


def _outputs() -> Iterator[int]:
    for stream in (sys.stdout, sys.stderr):
        if (descriptor := _descriptor(stream)) is not None:
            yield descriptor


def _descriptor(stream: IO[str] | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):  # something that only looks like a file
        return None
