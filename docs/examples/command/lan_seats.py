"""The command ``lanrage-events seats``, of the distribution ``lan-seats``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lanrage_events.cli import (
    ExitCode,
    did_you_mean,
    read_file,
    table,
    write_errors,
    write_json,
    write_lines,
)

PLAN_MAX_BYTES = 100_000


def seats(
    player: str | None = None,
    /,
    *,
    file: Path = Path("seats.txt"),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Show who sits where.

    It exits with 1 if the player has no seat.

    :param player: the name of a player; all of them by default
    :param file: the plan of the hall: a seat and a player in each line
    :param json: print JSON
    """
    try:
        lines = read_file(file, PLAN_MAX_BYTES).decode().splitlines()
        plan = {name: seat for seat, name in (line.split(maxsplit=1) for line in lines)}
    except OSError as error:
        write_errors([f"{file}: {error.strerror}"])
        return ExitCode.FAILED
    except ValueError:
        write_errors([f"{file}: expected a seat and a player in each line"])
        return ExitCode.FAILED

    if player is not None and player not in plan:
        write_errors([f"{player} has no seat{did_you_mean(player, plan)}"])
        return ExitCode.FAILED

    shown = plan if player is None else {player: plan[player]}
    if json:
        write_json(shown)
    else:
        write_lines(table([("SEAT", "PLAYER"), *((seat, name) for name, seat in shown.items())]))

    return ExitCode.DONE
