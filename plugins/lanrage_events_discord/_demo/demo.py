"""The demo: plays a short LAN evening to a stand-in for Discord on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import httpx
from pydantic import SecretStr

from lanrage_events import EventBus
from lanrage_events.cli import ExitCode, counted

from .._config import BatchConfig, DiscordConfig, SettleConfig
from .._plugin import DiscordPlugin
from .._terminal import draw_message
from ..testing import StandInDiscord
from .scenes import MORNING, NIGHT, DemoPart, evening

if TYPE_CHECKING:
    from rich.console import Console

# About as long as Discord takes to answer a computer at home.
LATENCY_SECONDS = 0.1
DRAIN_SECONDS = 5.0
NIGHT_SECONDS = 28_800.0

_INVITE_URL = "https://discord.gg/lanrage"


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of the events."""

    events: int
    delivered: int
    """events that Discord accepted"""
    cancelled: int
    """joins and leaves that came to nothing, so that they were not posted"""
    messages: int
    """messages that showed them"""
    rejected: int
    """requests that the stand-in rejected"""

    @property
    def exit_code(self) -> ExitCode:
        """0 if each event was delivered and nothing rejected, else 1."""
        is_good = not (self._lost or self.rejected)
        return ExitCode.DONE if is_good else ExitCode.FAILED

    @property
    def _lost(self) -> int:
        return self.events - self.delivered - self.cancelled

    def __str__(self) -> str:
        saved = counted(self.events - self.messages, "request")
        lost = counted(self._lost, "event")
        return (
            f"{counted(self.events, 'event')}, {counted(self.messages, 'message')}: {saved} saved, "
            f"{lost} lost, {counted(self.rejected, 'request')} rejected."
        )


async def play(
    discord: StandInDiscord,
    console: Console,
    *,
    parts: Iterable[DemoPart] = (),
    http: httpx.AsyncClient | None = None,
    pause: float = 1.0,
) -> Summary:
    """Play the evening through a bus, and draw each message as it arrives.

    :param discord: where the messages go
    :param console: where they are drawn
    :param parts: what other plugins add
    :param http: the client to send with; one that uses the network by default
    :param pause: seconds after each scene, long enough to read along and for a batch to end
    """
    webhook = discord.create_webhook()
    config = DiscordConfig(
        webhook_url=SecretStr(webhook.url),
        invite_url=_INVITE_URL,
        allow_hosts=(discord.host,),
        # So that who leaves is posted in its scene, and who comes back in it is not.
        batch=BatchConfig(settle=SettleConfig(leave=pause / 2)),
    )
    plugin = DiscordPlugin(config, http=http)
    # A hook that holds the event loop on a slow machine is nothing to see in a demonstration.
    bus = EventBus(drain_timeout=DRAIN_SECONDS, blocked_after=None)
    bus.register(plugin, "discord")
    parts = tuple(parts)
    screen = _Screen(console)
    mark = ">" if console.options.ascii_only else "▸"
    published = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_draw_messages, discord, screen)
        async with bus:
            for caption, events in evening(parts):
                screen.write(f"{mark} {caption}")
                if screen.is_gone:
                    break

                if caption == NIGHT:
                    await plugin.mute(NIGHT_SECONDS, why="people sleep")
                elif caption == MORNING:
                    await plugin.unmute()

                for event in events:
                    await bus.publish(event)

                published += len(events)
                await anyio.sleep(pause)
                for line in (line for part in parts for line in part.lines(events)):
                    screen.write(line)

        tasks.cancel_scope.cancel()

    [lane] = plugin.lanes.values()
    rejected = len(discord.journal.rejected)
    return Summary(published, lane.sent, lane.cancelled, lane.messages, rejected)


class _Screen:
    """Draws on a console until its reader has exited, such as ``head``."""

    def __init__(self, console: Console) -> None:
        self.is_gone = False
        """whether the reader has exited, so that nothing needs to be drawn any more"""
        self._console = console

    def write(self, line: str) -> None:
        """Write a line of text, and an empty one."""
        self._do(lambda: self._console.out(f"{line}\n", highlight=False))

    def draw(self, body: Mapping[str, object]) -> None:
        """Draw the JSON body of a message."""
        self._do(lambda: self._console.print(draw_message(body), "", crop=False))

    def _do(self, write: Callable[[], object]) -> None:
        if self.is_gone:
            return

        try:
            write()
        except BrokenPipeError:
            self.is_gone = True


async def _draw_messages(discord: StandInDiscord, screen: _Screen) -> None:
    async for record in discord.journal.follow():
        if record.accepted:
            screen.draw(record.body)
        else:
            screen.write(f"rejected with status {record.status}: {record.reason}")
