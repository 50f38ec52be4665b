"""Commands of the logfile plugin for the command line ``lanrage-events``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ._trial import try_file


def logfile_test(
    preset: str,
    file: Path,
    /,
    *,
    pattern: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    encoding: str | None = None,
    samples: int = 5,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Show which events a game server's log file would give, without publishing any.

    Each event stands behind the number of its line. Below them stands what the other lines look
    like. It exits with 1 if no line gave an event.

    :param preset: such as minecraft, the path of a YAML file with the same keys as a preset, or none
    :param file: the log file
    :param pattern: one more, as event_type=regular expression; may be given several times
    :param encoding: how text is written in the file, if not as the preset says
    :param samples: how many kinds of lines that matched nothing are shown
    :param json: print JSON, one object a line
    """
    return try_file(
        preset,
        file,
        pattern,
        out=sys.stdout,
        err=sys.stderr,
        encoding=encoding,
        samples=samples,
        as_json=json,
    )
