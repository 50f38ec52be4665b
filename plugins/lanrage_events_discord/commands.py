"""Commands of the Discord plugin for the command line ``lanrage-events``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import anyio
from cyclopts import Parameter

from lanrage_events import ConfigError, EventBus
from lanrage_events.config import load_bus

from ._demo import LATENCY_SECONDS, Summary, load_parts, play
from ._preview import Look, write_line
from ._preview import preview as show_preview
from .testing import StandInDiscord

BAD_CONFIG = 78
"""the exit code of every command for a configuration that cannot be used"""


def preview(
    event_type: str,
    /,
    *values: str,
    templates: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    config: Path | None = None,
    invite_url: str | None = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Show the message that tells an event, as Discord would lay it out.

    Below it stands how much of Discord's limits it uses. Events and templates of plugins are known.

    :param event_type: such as peer_joined
    :param values: fields of the event, each as name=value; what is missing is made up
    :param templates: a folder of your own templates; may be given several times
    :param config: the configuration whose plugins and templates are used, too; lanrage.yaml in this
        folder by default, and without one the installed plugins
    :param invite_url: the voice chat invite to show
    :param json: print the body of the message instead
    """
    bus: EventBus | None = None
    try:
        bus = load_bus(config)
    except ConfigError as error:
        for problem in error.problems:
            write_line(sys.stderr, problem)

        if config is not None:
            return BAD_CONFIG

        write_line(sys.stderr, "so this shows what is built in")

    return show_preview(
        event_type,
        values,
        out=sys.stdout,
        err=sys.stderr,
        templates=templates,
        folders=None if bus is None else bus.template_folders(),
        registry=None if bus is None else bus.events,
        invite_url=invite_url,
        as_json=json,
    )


def demo(*, backend: Literal["asyncio", "trio"] = "asyncio") -> int:
    """Play a short LAN evening to a stand-in for Discord, without any account.

    It takes some seconds, and exits with 1 if an event was lost.

    :param backend: the library that runs the tasks
    """
    summary = anyio.run(_serve_and_play, backend=backend)
    write_line(sys.stdout, str(summary))
    return 0 if summary.is_good else 1


async def _serve_and_play() -> Summary:
    discord = StandInDiscord(latency=LATENCY_SECONDS)
    parts = list(load_parts(lambda line: write_line(sys.stderr, line)))
    async with discord.serve():
        return await play(discord, sys.stdout, Look.of(sys.stdout), parts=parts)
