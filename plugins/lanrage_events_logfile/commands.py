"""Commands of the logfile plugin for the command line ``lanrage-events``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lanrage_events import EventBus
from lanrage_events.cli import write_errors
from lanrage_events.config import ConfigError, load_bus

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
    """Show which events a game server's log file would give, without publishing any.

    Each event stands behind the number of its line. Below them stands what the other lines look
    like. It exits with 1 if no line gave an event.

    :param preset: such as minecraft, the path of a YAML file with the same keys as a preset, none, or
        a section of the configuration, such as logfile
    :param file: the log file
    :param pattern: one more, as event_type=regular expression; may be given several times
    :param config: the configuration whose sections and event types are known, too; lanrage.yaml in
        this folder by default, and without one the event types of the installed plugins
    :param encoding: how text is written in the file, if not as the preset says
    :param samples: how many kinds of lines that matched nothing are shown
    :param json: print JSON, one object a line
    """
    try:
        bus = load_bus(config)
    except ConfigError as error:
        if config is not None:
            raise

        write_errors([*error.problems, "so only what is built in is known"])
        bus = EventBus()

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
