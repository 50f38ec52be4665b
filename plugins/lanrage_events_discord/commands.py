"""Commands of the Discord plugin for the command line ``lanrage-events``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from time import sleep
from typing import Annotated, Literal

import anyio
import httpx
from cyclopts import Parameter

from lanrage_events import EventDecodeError
from lanrage_events.cli import ExitCode, error_text, write_errors, write_lines
from lanrage_events.config import load_bus
from lanrage_events.templates import template_folder
from lanrage_events.testing import virtual_time

from ._client import validate_invite_url
from ._commands import (
    ConfiguredPlugin,
    find_plugin,
    mute,
    post_test_message,
    show_mutes,
    show_previews,
    show_route,
    unmute,
)
from ._demo import LATENCY_SECONDS, Summary, load_parts, play
from ._preview import find_registry, sample_event
from ._terminal import make_console
from .testing import StandInDiscord

_PAUSE = 0.5
"""seconds after each scene of the demo, to read along"""


def preview(
    event_type: str,
    /,
    *values: str,
    templates: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    config: Path | None = None,
    plugin: str | None = None,
    invite_url: str | None = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Show what plugins would send for an event; nothing is sent.

    A message in Discord is shown as Discord would lay it out, and below it how much of Discord's limits
    it uses. It is also shown if no plugin of the configuration shows anything. Events and templates of
    plugins are known. Errors in templates make it exit with 1; a warning, such as of an address that
    Discord does not accept, does not.

    :param event_type: such as peer_joined; party_card and party_recap show the card of a made-up party
    :param values: fields of the event, each as name=value; what is missing is made up
    :param templates: a folder of your own templates, or builtin:de; may be given several times
    :param config: the configuration whose plugins and templates are used, too; lanrage.yaml in this
        folder by default, and without one the installed plugins
    :param plugin: the section of the configuration whose plugin to show; all by default
    :param invite_url: the voice chat invite that messages in Discord show
    :param json: print what would be sent as JSON instead, one document after another
    """
    on_problems = _go_on if config is None else None
    bus = load_bus(config, on_problems=on_problems)
    try:
        sample = sample_event(bus.events, event_type, values)
        event = find_registry(bus.events, event_type).from_dict(sample)
        invite = validate_invite_url(invite_url) if invite_url else None
        bus.templates = (*map(template_folder, templates), *bus.templates)
        return show_previews(bus, event, plugin=plugin, invite_url=invite, as_json=json)
    except (EventDecodeError, LookupError, ValueError) as error:
        return _misuse(error)


def demo(*, backend: Literal["asyncio", "trio"] = "asyncio") -> int:
    """Play a LAN evening to a stand-in for Discord, without any account.

    It takes some seconds, since its clock jumps to the next event, and exits with 1 if an event was lost.

    :param backend: the library that runs the tasks
    """
    import_module(backend)  # a missing one is reported with what to install
    name, options = virtual_time(backend)
    summary = anyio.run(_play, backend=name, backend_options=options)
    write_lines([str(summary)])
    return summary.exit_code


async def _play() -> Summary:
    discord = StandInDiscord(latency=LATENCY_SECONDS)
    parts = list(load_parts(lambda line: write_errors([line])))
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        console = make_console(sys.stdout)
        return await play(discord, console, parts=parts, http=http, pause=partial(sleep, _PAUSE))


def route(
    event_type: str,
    /,
    *values: str,
    config: Path | None = None,
    plugin: str | None = None,
) -> int:
    """Show which webhooks post an event, how, and which line of the configuration says so.

    It also says what quiet hours and mutes make of it now. Nothing is posted. It exits with 1 if no
    webhook would post the event, apart from quiet hours and mutes.

    :param event_type: such as peer_joined
    :param values: fields of the event, each as name=value, such as party_id=red; what is missing is
        made up
    :param config: the configuration; lanrage.yaml in this folder by default
    :param plugin: the section of the configuration, if several post to Discord
    """
    try:
        return show_route(find_plugin(config, plugin), event_type, values)
    except (EventDecodeError, LookupError, ValueError) as error:
        return _misuse(error)


def post_test(
    webhook: str | None = None,
    /,
    *,
    config: Path | None = None,
    plugin: str | None = None,
) -> int:
    """Post one test message to Discord, and show what Discord answers.

    The message is the one that the setup page sends. It exits with 1 if Discord does not take it. The
    daemon need not run.

    :param webhook: the name of a webhook; by default webhook_url, or else the first one
    :param config: the configuration; lanrage.yaml in this folder by default
    :param plugin: the section of the configuration, if several post to Discord
    """
    return _run_on(config, plugin, lambda found: anyio.run(post_test_message, found, webhook))


def _go_on(problems: Sequence[str]) -> None:
    write_errors([*problems, "so this shows what is right in it, and what is built in"])


def mute_webhooks(
    duration: str | None = None,
    /,
    *,
    webhook: str | None = None,
    why: str = "",
    then: Literal["hold", "silent", "drop"] = "hold",
    config: Path | None = None,
    plugin: str | None = None,
) -> int:
    """Let Discord's webhooks post nothing for a while, or show which of them are quiet now.

    What happens meanwhile is posted at the end as one digest. A daemon that runs does it at once, and
    the next one goes on with it. Routes that are important are posted all the same.

    :param duration: for how long, such as 2h or 90m; at most 31d. Without it, the state is shown
    :param webhook: the name of the only webhook to mute
    :param why: the reason, which the page and the health of the daemon show
    :param then: hold posts at the end what happened meanwhile, silent posts it without a notification,
        and drop does not post it at all
    :param config: the configuration; lanrage.yaml in this folder by default
    :param plugin: the section of the configuration, if several post to Discord
    """
    if duration is None:
        return _run_on(config, plugin, show_mutes)

    muting = partial(mute, duration=duration, webhook=webhook, why=why, then=then)
    return _run_on(config, plugin, lambda found: anyio.run(muting, found))


def unmute_webhooks(
    *, webhook: str | None = None, config: Path | None = None, plugin: str | None = None
) -> int:
    """End what the command mute, the page or the API has muted; what was held is posted at once.

    It does nothing, and exits with 0, if nothing is muted. Quiet hours of the configuration stay.

    :param webhook: the name of the only webhook to unmute; by default all mutes end
    :param config: the configuration; lanrage.yaml in this folder by default
    :param plugin: the section of the configuration, if several post to Discord
    """
    return _run_on(config, plugin, lambda found: anyio.run(unmute, found, webhook))


def _run_on(config: Path | None, plugin: str | None, run: Callable[[ConfiguredPlugin], int]) -> int:
    """Run something on the plugin that a command is about, and return its exit code."""
    try:
        found = find_plugin(config, plugin)
    except LookupError as error:
        return _misuse(error)

    return run(found)


def _misuse(error: Exception) -> int:
    write_errors([error_text(error)])
    return ExitCode.MISUSE
