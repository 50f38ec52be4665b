"""The demo: plays a LAN evening to a stand-in for Discord on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx
from pydantic import SecretStr

from lanrage_events import Event, EventBus
from lanrage_events.cli import ExitCode, counted
from lanrage_events.events import utc_now

from .._config import DEFAULT_WEBHOOK, CardConfig, DiscordConfig, RouteConfig, WebhookConfig
from .._plugin import DiscordPlugin
from .._quiet import QuietConfig
from .._terminal import draw_message
from ..testing import StandInDiscord
from .film import CardFilm
from .scenes import BEGIN, PARTY, QUIET, DemoPart, evening, has_card, plugins_of

if TYPE_CHECKING:
    from rich.console import Console

# About as long as Discord takes to answer a computer at home.
LATENCY_SECONDS = 0.1
DRAIN_SECONDS = 5.0

# Until what a scene posts at once has arrived.
_SHOWN_SECONDS = 5.0
_HALF_A_MINUTE = timedelta(seconds=30)
_LOBBY = "lobby"
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
    edits: int = 0
    """how often the card of the party was edited"""

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
        rejected = f", {counted(self.rejected, 'request')} rejected" if self.rejected else ""
        card = f"\nThe card is one message, edited {counted(self.edits, 'time')}."
        return (
            f"{counted(self.events, 'event')}, {counted(self.messages, 'message')}: {saved} saved, "
            f"{lost} lost, {self.cancelled} came to nothing{rejected}."
            f"{card if self.edits else ''}"
        )


async def play(
    discord: StandInDiscord,
    console: Console,
    *,
    parts: Iterable[DemoPart] = (),
    http: httpx.AsyncClient | None = None,
    pause: Callable[[], object] = lambda: None,
) -> Summary:
    """Play the evening through a bus, and draw each message as it arrives.

    The evening takes twelve hours, so this is for the virtual time of :mod:`lanrage_events.testing`.

    :param discord: where the messages go
    :param console: where they are drawn
    :param parts: what other plugins add
    :param http: the client to send with; one that uses the network by default
    :param pause: called after each scene, so that people can read along
    """
    webhook, lobby = discord.create_webhook(), discord.create_webhook()
    quiet = {"from": QUIET[0], "to": QUIET[1], "time_zone": "UTC", "then": "hold"}
    cards = CardConfig.model_validate({"webhook": _LOBBY, "where": {"party_name": PARTY}})
    parts = tuple(parts)
    config = DiscordConfig(
        webhook_url=SecretStr(webhook.url),
        webhooks={_LOBBY: WebhookConfig(url=SecretStr(lobby.url))},
        invite_url=_INVITE_URL,
        allow_hosts=(discord.host,),
        routes=(RouteConfig(webhook=(DEFAULT_WEBHOOK,)),),
        cards=(cards,) if has_card(parts) else (),
        quiet=(QuietConfig.model_validate(quiet),),
    )
    plugin = DiscordPlugin(config, http=http)
    # A hook that holds the event loop on a slow machine is nothing to see in a demonstration.
    bus = EventBus(drain_timeout=DRAIN_SECONDS, blocked_after=None)
    bus.register(plugin, "discord")
    for name, other in plugins_of(parts).items():
        bus.register(other, name)

    seen: list[Event] = []
    bus.subscribe(Event, seen.append)
    screen = _Screen(console)
    card = CardFilm(console, lobby.id)
    mark = ">" if console.options.ascii_only else "▸"
    await anyio.sleep(_seconds_until_evening())
    begin = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_draw_messages, discord, screen, card)
        async with bus:
            lines = 0
            for moment in evening(parts):
                await anyio.sleep_until(begin + moment.minute * 60)
                screen.write(f"{mark} {utc_now() + _HALF_A_MINUTE:%H:%M} {moment.caption}")
                if screen.is_gone:
                    break

                for event in moment.events:
                    await bus.publish(event.replace(time=utc_now()))

                await anyio.sleep(_SHOWN_SECONDS)
                if moment.shows_card:
                    screen.run(partial(card.play, pause))

                for line in (line for part in parts for line in part.lines(seen[lines:])):
                    screen.write(line)

                lines = len(seen)
                pause()

            await anyio.sleep(2 * _HALF_A_MINUTE.total_seconds())

        tasks.cancel_scope.cancel()

    lane = plugin.lanes[DEFAULT_WEBHOOK]
    rejected = len(discord.journal.rejected)
    return Summary(
        len(seen), lane.sent, lane.cancelled, lane.messages, rejected, max(0, len(card) - 1)
    )


def _seconds_until_evening() -> float:
    now = utc_now()
    evening = datetime.combine(now, BEGIN)
    return (evening - now).total_seconds() % timedelta(days=1).total_seconds()


class _Screen:
    """Draws on a console until its reader has exited, such as ``head``."""

    def __init__(self, console: Console) -> None:
        self.is_gone = False
        """whether the reader has exited, so that nothing needs to be drawn any more"""
        self._console = console

    def write(self, line: str) -> None:
        """Write a line of text, and an empty one."""
        self.run(lambda: self._console.out(f"{line}\n", highlight=False))

    def draw(self, body: Mapping[str, object]) -> None:
        """Draw the JSON body of a message."""
        self.run(lambda: self._console.print(draw_message(body), "", crop=False))

    def run(self, write: Callable[[], object]) -> None:
        """Do what writes on the console."""
        if self.is_gone:
            return

        try:
            write()
        except BrokenPipeError:
            self.is_gone = True


async def _draw_messages(discord: StandInDiscord, screen: _Screen, card: CardFilm) -> None:
    async for record in discord.journal.follow():
        if record.accepted and record.webhook_id == card.webhook_id:
            card.add(record.body)
        elif record.accepted:
            screen.draw(record.body)
        else:
            screen.write(f"rejected with status {record.status}: {record.reason}")
