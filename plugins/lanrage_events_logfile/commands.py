"""The command ``lanrage-events logfile-test``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lanrage_events.cli import write_errors
from lanrage_events.config import load_bus

from ._dry_run import try_file
from ._plugin import LogfilePlugin


def logfile_test(
    preset: str,
    file: Path,
    /,
    *,
    pattern: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    config: Path | None = None,
    encoding: str | None = None,
    samples: int = 5,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Show the events in a game server's log file, without publishing them.

    Prints each event after its line number, then a sample of the lines that matched no pattern.
    Exits with 1 if there are no events.

    :param preset: a preset such as minecraft, the path of a YAML file with the same keys, none, or a
        section of the configuration such as logfile
    :param file: the log file
    :param pattern: an additional pattern, as event_type=regular expression; may be repeated
    :param config: the configuration with more sections and event types; lanrage.yaml in this folder
        by default, and without one the event types of the installed plugins
    :param encoding: the encoding of the file, instead of the preset's
    :param samples: how many kinds of unmatched lines to show
    :param json: print JSON, one object per line
    """
    bus = load_bus(config, on_problems=_go_on if config is None else None)
    plugins = bus.plugins.items()
    return try_file(
        preset,
        file,
        pattern,
        out=sys.stdout,
        err=sys.stderr,
        encoding=encoding,
        samples=samples,
        as_json=json,
        registry=bus.events,
        sections={
            name: plugin.files for name, plugin in plugins if isinstance(plugin, LogfilePlugin)
        },
    )


def _go_on(problems: Sequence[str]) -> None:
    write_errors([*problems, "so only what is right in it, and what is built in, is known"])
