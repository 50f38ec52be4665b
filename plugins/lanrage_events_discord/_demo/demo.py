"""A short LAN evening, told to a stand-in for Discord on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import httpx
from pydantic import SecretStr

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PeerJoined,
    PeerLeft,
)

from .._config import DiscordConfig
from .._plugin import DiscordPlugin
from .._terminal import draw_message
from ..testing import StandInDiscord
from .scenes import DemoPart

if TYPE_CHECKING:
    from rich.console import Console

# As long as Discord takes to answer somebody at home.
LATENCY_SECONDS = 0.1
# Long enough to read along; the window of a batch ends within it.
PAUSE_SECONDS = 1.0
DRAIN_SECONDS = 5.0

_INVITE_URL = "https://discord.gg/lanrage"
_PARTY_ID = "lan-42"
_PARTY = "Friday LAN"
_GAME = "Quake III Arena"
_REGULARS = ("Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Juno", "Kai", "Lou", "Mia")
# What some call themselves: it must neither notify everybody nor become a link.
_PRANKSTER = "**@everyone** [free skins](https://evil.example)"


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens at once."""

    caption: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the events."""

    events: int
    delivered: int
    """events that Discord accepted"""
    messages: int
    """messages that told them"""
    refused: int
    """requests that the stand-in refused"""

    @property
    def is_good(self) -> bool:
        """Whether each event was told, and nothing refused."""
        return self.delivered == self.events and not self.refused

    def __str__(self) -> str:
        saved = _count(self.events - self.messages, "request")
        lost = _count(self.events - self.delivered, "event")
        return (
            f"{_count(self.events, 'event')}, {_count(self.messages, 'message')}: {saved} saved, "
            f"{lost} lost, {_count(self.refused, 'request')} refused."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def scenes() -> Iterator[Scene]:
    """Yield what happens in the evening, the events of each scene made when it begins."""
    yield Scene(
        "Ann opens a party",
        [PartyCreated(party_id=_PARTY_ID, party_name=_PARTY, host="Ann")],
    )
    yield Scene(
        f"{len(_REGULARS)} friends come through the door, all at once",
        [_joined(name) for name in _REGULARS],
    )
    yield Scene("somebody with a funny name joins", [_joined(_PRANKSTER)])
    yield Scene(
        "a game starts",
        [GameStarted(party_id=_PARTY_ID, game_name=_GAME, players=("Ann", *_REGULARS[:7]))],
    )
    yield Scene(
        "the game ends",
        [GameEnded(party_id=_PARTY_ID, game_name=_GAME, duration=3_661.0, avg_latency=23.4)],
    )
    yield Scene(
        "pizza arrives, and nine have to go home",
        [
            Notification(title="🍕 Pizza is here", message="Kitchen, while it is **hot**."),
            *(PeerLeft(party_id=_PARTY_ID, peer_name=n, party_name=_PARTY) for n in _REGULARS[:9]),
        ],
    )


def evening(parts: Iterable[DemoPart]) -> Iterator[Scene]:
    """Yield the scenes, with those of other plugins before the party breaks up."""
    *earlier, last = scenes()
    yield from earlier
    for part in parts:
        yield from (Scene(caption, events) for caption, events in part.scenes())

    yield last


def _joined(name: str) -> PeerJoined:
    return PeerJoined(party_id=_PARTY_ID, peer_name=name, party_name=_PARTY)


async def play(
    discord: StandInDiscord,
    console: Console,
    *,
    parts: Iterable[DemoPart] = (),
    http: httpx.AsyncClient | None = None,
) -> Summary:
    """Play the evening through a bus, and draw each message as it arrives.

    :param discord: where the messages go
    :param console: where they are drawn
    :param parts: what other plugins add
    :param http: the client to send with; one that uses the network by default
    """
    webhook = discord.create_webhook()
    config = DiscordConfig(
        webhook_url=SecretStr(webhook.url), invite_url=_INVITE_URL, allow_hosts=(discord.host,)
    )
    plugin = DiscordPlugin(config, http=http)
    bus = EventBus(drain_timeout=DRAIN_SECONDS)
    bus.register(plugin, "discord")
    parts = tuple(parts)
    mark = ">" if console.options.ascii_only else "▸"
    published = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_draw_messages, discord, console)
        async with bus:
            for scene in evening(parts):
                console.out(f"{mark} {scene.caption}\n", highlight=False)
                for event in scene.events:
                    await bus.publish(event)

                published += len(scene.events)
                await anyio.sleep(PAUSE_SECONDS)
                for line in (line for part in parts for line in part.lines(scene.events)):
                    console.out(f"{line}\n", highlight=False)

        tasks.cancel_scope.cancel()

    [lane] = plugin.lanes.values()
    return Summary(published, lane.sent, lane.messages, len(discord.journal.refused))


async def _draw_messages(discord: StandInDiscord, console: Console) -> None:
    async for record in discord.journal.follow():
        if record.accepted:
            console.print(draw_message(record.body), "", crop=False)
        else:
            console.out(f"refused with status {record.status}: {record.reason}\n", highlight=False)
