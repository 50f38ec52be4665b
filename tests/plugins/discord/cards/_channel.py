"""A channel in which cards are posted, for the tests of what is done for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyEnded,
    PeerJoined,
    PeerLeft,
)
from lanrage_events_discord._client import validate_webhook_url
from lanrage_events_discord.testing import Record, StandInDiscord, StandInWebhook

Running = Callable[..., AbstractAsyncContextManager[Any]]


class Parties:
    """Stands in for the plugin that says when a party is over, which these tests do themselves."""


Parties.__module__ = "lanrage_events_parties"


def now() -> datetime:
    """Return the time of day, as virtual as the clock of the event loop."""
    return datetime.fromtimestamp(anyio.current_time(), UTC)


class Channel:
    """A channel with a webhook, whose cards a plugin posts."""

    def __init__(self, running: Running, *, forum: bool = False, **discord: Any) -> None:
        self._running = running
        self.discord = StandInDiscord(**{"latency": 0.04, **discord})
        self.webhook = self.discord.create_webhook(forum=forum)
        self.plugin: Any = None
        self.setup: Any = None
        self._bus: Any = None

    @asynccontextmanager
    async def open(
        self, folder: Path | None = None, more: Any = None, **card: Any
    ) -> AsyncIterator[Channel]:
        """Run the plugin with a card as configured.

        :param more: the configuration besides
        """
        config = {"webhook_url": self.webhook.url, "cards": [card], **(more or {})}
        plugins = {"parties": Parties()}
        async with self._running(self.discord, folder, plugins=plugins, **config) as setup:
            self.plugin, self._bus, self.setup = setup.plugin, setup.bus, setup
            yield self

    async def replace(self) -> None:
        """Replace the plugin by another one, as a reload of the configuration does."""
        self.plugin = type(self.plugin)(self.plugin.config, http=self.plugin._http)
        await self._bus.plugins.replace("discord", self.plugin)

    async def publish(self, *events: Event) -> None:
        """Publish events that the plugin has kept when this returns."""
        for event in events:
            await self._bus.publish_and_wait(event)

    async def join(self, *names: str, party: str = "LAN") -> None:
        """Let players join."""
        await self.publish(
            *(PeerJoined(peer_name=name, party_name=party, time=now()) for name in names)
        )

    async def leave(self, *names: str, party: str = "LAN") -> None:
        """Let players leave."""
        await self.publish(
            *(PeerLeft(peer_name=name, party_name=party, time=now()) for name in names)
        )

    async def play(self, *games: str) -> None:
        """Let games begin and end."""
        for game in games:
            await self.publish(GameStarted(game_name=game, players=("Ann",), time=now()))
            await anyio.sleep(60)
            await self.publish(GameEnded(game_name=game, duration=60.0, time=now()))

    async def end(self, party: str = "LAN") -> None:
        """Let a party be over."""
        time = now()
        await self.publish(
            PartyEnded(
                party_name=party,
                since=time,
                duration=1.0,
                peak=1,
                visitors=1,
                players=(),
                games=(),
                time=time,
            )
        )

    async def notify(self) -> None:
        """Let the lane post a message that no card shows."""
        await self.publish(Notification(title="Food is here", message="Pizza"))

    def use(self, webhook: StandInWebhook) -> None:
        """Give the lane the URL of another webhook, as the page does."""
        self.webhook = webhook
        self.runtime.lanes["default"].use(validate_webhook_url(webhook.url))

    @property
    def runtime(self) -> Any:
        """What the plugin runs."""
        return self.plugin._runtime

    @property
    def open_cards(self) -> list[Any]:
        """The cards of which something is still to be done, or may be."""
        found: list[Any] = self.runtime.cards.open()
        return found

    @property
    def states(self) -> list[tuple[str, str]]:
        """The state of each open card, and why."""
        states = [self.runtime.cards.state_of(card) for card in self.open_cards]
        return [(str(one.status), one.reason) for one in states]

    @property
    def statistics(self) -> Any:
        """What was done."""
        (found,) = self.runtime.cards.statistics.values()
        return found

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The messages of cards, as people see them."""
        return [one for one in self.webhook.messages if "Food" not in text(one)]

    @property
    def done(self) -> list[tuple[str, int]]:
        """What was asked for, each with Discord's code."""
        return [(record.action, record.code) for record in self.discord.journal]

    def since(self, count: int) -> list[Record]:
        """Return the requests after some."""
        return list(self.discord.journal)[count:]


def text(message: Any) -> str:
    """Return all that a message shows."""
    embeds = [
        f"{one.get('title')} {one.get('description')} {one.get('fields')}"
        for one in message["embeds"]
    ]
    return "\n".join([message["content"], *embeds])
