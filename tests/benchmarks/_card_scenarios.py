"""What is done with cards, in virtual time: parties that change, and what Discord shows of them."""

from __future__ import annotations

import json
import random
import re
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx

from lanrage_events import EventBus, Notification, PeerJoined, PeerLeft
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import Record, StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin

from ._figures import ROUND_TRIP_SECONDS, Check
from ._render import show

NAMES = [f"P{number:02}" for number in range(40)]
HOUR = 3600.0
EVERY = 2.0
"""seconds between two edits of a card"""
POSTS_A_MINUTE = 150
"""what Discord takes through one webhook"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, and what it must be."""

    what: str
    value: float
    most: float
    least: float = 0.0
    unit: str = ""
    other: str = ""
    """what DiscordGSM does, by its source"""

    @property
    def bound(self) -> str:
        """Return the bound as it is shown."""
        if self.least:
            return f"≥ {self.least:g}"

        return f"≤ {self.most:g}" if self.most else "0"

    def __str__(self) -> str:
        return f"{show(self.value)}{self.unit}"

    @property
    def check(self) -> Check:
        """Return whether it is kept."""
        text = f"{self.what}: {self} ({self.bound})"
        return Check(text, self.least <= self.value <= self.most)


class Channel:
    """A channel whose cards a plugin posts."""

    def __init__(self, folder: Path, latency: float = ROUND_TRIP_SECONDS) -> None:
        self.discord = StandInDiscord(latency=latency)
        self.webhook = self.discord.create_webhook()
        self.states: dict[str, list[tuple[float, frozenset[str]]]] = {}
        """by party, who was in it from when on"""
        self._folder = folder
        self._chance = random.Random(1)
        self._bus: EventBus

    @asynccontextmanager
    async def open(self, **config: Any) -> AsyncIterator[None]:
        """Run the plugin, with the file of its state."""
        card = {"every": f"{EVERY:g}s", "bump": "never", **config.pop("card", {})}
        config = {"webhook_url": self.webhook.url, "cards": [card], **config}
        async with httpx.AsyncClient(transport=self.discord.transport()) as http:
            plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
            async with EventBus(state_folder=self._folder, blocked_after=None) as self._bus:
                self._bus.register(PartiesPlugin(PartiesConfig()), "parties")
                self._bus.register(plugin, "discord")
                # Whoever was here when it ended is shown from then on.
                await anyio.sleep(1)
                yield

    async def change(self, party: str = "LAN") -> None:
        """Let one of forty players join or leave."""
        states = self.states.setdefault(party, [(0.0, frozenset())])
        before, name = states[-1][1], self._chance.choice(NAMES)
        kind = PeerLeft if name in before else PeerJoined
        states.append((anyio.current_time(), before ^ {name}))
        await self._bus.publish_and_wait(kind(peer_name=name, party_name=party))

    async def changes(self, number: int, seconds: float, *parties: str) -> None:
        """Let players join and leave, evenly in some time."""
        for _ in range(number):
            await self.change(self._chance.choice(parties or ("LAN",)))
            await anyio.sleep(seconds / number)

    async def notify(self, number: int, seconds: float) -> None:
        """Let messages be posted that no card shows."""
        for _ in range(number):
            await self._bus.publish_and_wait(Notification(title="Food is here", message="Pizza"))
            await anyio.sleep(seconds / number)

    def is_right(self, party: str = "LAN") -> bool:
        """Whether there is one card of a party, which shows who is in it."""
        cards = [one for one in self.webhook.messages if f' {party}"' in json.dumps(one)]
        return [players(one) for one in cards] == [self.states[party][-1][1]]

    def delays(self) -> Iterator[float]:
        """Yield how many seconds passed from each change to the first request that shows it.

        A request that shows what never was shows nothing.
        """
        times = [time for time, _ in self.states["LAN"]]
        shown: list[tuple[int, float]] = []
        for record in self.discord.journal.accepted:
            state = players(record.body)
            for index in range(bisect_right(times, record.time) - 1, -1, -1):
                if self.states["LAN"][index][1] == state:
                    shown.append((index, record.time))
                    break

        for index, time in enumerate(times[1:], 1):
            after = [at for last, at in shown if last >= index and at >= time]
            yield min(after, default=float("inf")) - time + self.discord.latency / 2

    def since(self, number: int) -> list[Record]:
        """Return the requests after some."""
        return list(self.discord.journal)[number:]


def players(body: Any) -> frozenset[str]:
    """Return who is in what a message shows."""
    return frozenset(re.findall(r"\bP\d\d\b", json.dumps(body)))


async def an_evening(folder: Path) -> list[Figure]:
    """Let a party be busy for half a minute and quiet for hours, restart, and delete its card."""
    channel = Channel(folder)
    journal = channel.discord.journal
    async with channel.open():
        await channel.changes(300, 30)
        await anyio.sleep(10)
        busy, delays = len(journal), sorted(channel.delays())
        is_right = channel.is_right()
        await anyio.sleep(4 * HOUR)
        idle = len(journal) - busy

    async with channel.open():
        await anyio.sleep(60)
        restarted = len(journal) - busy - idle
        channel.webhook.delete_message(channel.webhook.messages[0]["id"])
        await anyio.sleep(600)
        deleted = anyio.current_time()
        await channel.change()
        await journal.wait_for(lambda _: channel.is_right())
        deleted = anyio.current_time() - deleted
        await anyio.sleep(60)
        is_right = is_right and channel.is_right()

    return [
        Figure("requests for 300 changes in 30 s", busy, 20, other="0 or 1"),
        Figure("p99 from change to card", delays[297], 2.2, unit=" s", other="up to 120 s"),
        Figure("cards that are wrong or twice in the end", int(not is_right), 0),
        Figure("answers with 429", journal.statuses[429], 0),
        Figure("requests in 4 idle hours", idle, 0, other="120"),
        Figure("requests of a restart without change", restarted, 0),
        Figure(
            "from the next change until a deleted card is back",
            deleted,
            EVERY + 1,
            unit=" s",
            other="never",
        ),
    ]


async def a_busy_party(folder: Path) -> list[Figure]:
    """Let a party be busy for two minutes."""
    channel = Channel(folder)
    async with channel.open():
        await channel.changes(1_200, 120)
        await anyio.sleep(10)

    delays = sorted(channel.delays())
    return [
        Figure("requests for 1,200 changes in 120 s", len(channel.discord.journal), 65, other="1"),
        Figure("p99 from change to card then", delays[1_188], 2.2, unit=" s", other="up to 120 s"),
        Figure("cards that are wrong or twice then", int(not channel.is_right()), 0),
    ]


async def a_slow_discord(folder: Path) -> list[Figure]:
    """Let a party be busy while Discord takes long to answer."""
    channel = Channel(folder, latency=0.9)
    async with channel.open(card={"every": "1s"}):
        await channel.changes(100, 10)
        await anyio.sleep(4)

    what = "cards that are wrong or twice, at 0.9 s an answer"
    return [Figure(what, int(not channel.is_right()), 0)]


async def old_cards(folder: Path) -> list[Figure]:
    """Let ten parties be busy whose cards are older than an hour, in one channel."""
    channel = Channel(folder)
    parties = [f"Party {letter}" for letter in "ABCDEFGHIJ"]
    async with channel.open():
        for party in parties:
            await channel.change(party)

        await anyio.sleep(HOUR + 60)
        await channel.changes(600, 60, *parties)
        last = anyio.current_time()
        await channel.discord.journal.wait_for(lambda _: all(map(channel.is_right, parties)))
        seconds = anyio.current_time() - last
        rejected = sum(record.code == 30046 for record in channel.discord.journal)

    return [
        Figure("answers with 30046 for 600 changes of 10 old cards", rejected, 3),
        Figure("until all of them are right", seconds, 45 if rejected else 25, unit=" s"),
    ]


async def posts_beside_a_card(folder: Path) -> list[Figure]:
    """Post as many messages as Discord takes, beside a card that changes all the time."""
    channel = Channel(folder)
    journal = channel.discord.journal
    async with channel.open(batch={"window": 0}, card={"every": "1s"}):
        await channel.change()
        await anyio.sleep(5)
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(channel.changes, 240, 60)
            tasks.start_soon(channel.notify, 240, 60)

        minute = [one for one in journal.accepted if began <= one.time < began + 60]

    posts = sum(one.action == "execute" for one in minute)
    ratio = posts / POSTS_A_MINUTE
    return [
        Figure("posts beside a busy card, of what Discord takes", ratio, 1.1, 0.95, unit=" x"),
        Figure("answers with 429 then", journal.statuses[429], 0),
    ]


Scenario: TypeAlias = Callable[[Path], Coroutine[Any, Any, list[Figure]]]

SCENARIOS: tuple[Scenario, ...] = (
    an_evening,
    a_busy_party,
    a_slow_discord,
    old_cards,
    posts_beside_a_card,
)
"""each is given an empty folder for its state"""
