"""The commands and options of ``lanrage-events outbox``."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter, validators

from .errors import UsageError
from .options import Flag, Place

Limit = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000_000_000))]
DEFAULT_PLACE = Place()

HELP = "Show and change what waits or was rejected, whether the daemon runs or not."


def make_app() -> App:
    """Return the command with its own commands."""
    app = App(name="outbox", help=HELP)
    for function, name in ((list_, "list"), (show, "show"), (retry, "retry"), (drop, "drop")):
        app.command(function, name=name)

    return app


def list_(
    *,
    which: Literal["all", "pending", "dead"] = "all",
    limit: Limit = 20,
    json: Flag = False,
    place: Place = DEFAULT_PLACE,
) -> int:
    """List the lanes, such as one for each webhook or target, and their entries.

    Below them is what else the plugin keeps, if its database says so.

    :param which: list only pending entries, or only dead letters
    :param limit: how many of each to list
    :param json: print JSON
    """
    from . import outbox_actions as commands

    return commands.run(
        place, lambda outbox: commands.list_entries(outbox, which, limit, as_json=json)
    )


def show(number: int, /, *, place: Place = DEFAULT_PLACE) -> int:
    """Print one entry with its body, and why it was rejected.

    :param number: its ID in the list
    """
    from . import outbox_actions as commands

    return commands.run(place, lambda outbox: commands.show_entry(outbox, number))


def retry(*numbers: int, all: Flag = False, place: Place = DEFAULT_PLACE) -> int:
    """Retry dead letters; a running daemon sends them at once.

    :param numbers: their IDs in the list
    :param all: all dead letters
    """
    from . import outbox_actions as commands

    if bool(numbers) == all:
        raise UsageError("give either the IDs of entries or --all")

    return commands.run(place, lambda outbox: commands.retry(outbox, numbers, every=all))


def drop(
    *numbers: int,
    all: Literal["all", "pending", "dead"] | None = None,
    yes: Flag = False,
    place: Place = DEFAULT_PLACE,
) -> int:
    """Remove entries for ever.

    :param numbers: their IDs in the list
    :param all: everything, all pending entries, or all dead letters
    :param yes: confirm it
    """
    from . import outbox_actions as commands

    if bool(numbers) == bool(all):
        raise UsageError("give either the IDs of entries or --all with all, pending or dead")

    return commands.run(place, lambda outbox: commands.drop(outbox, numbers, kind=all, sure=yes))
