"""Discord notifications for programs that need nothing else of the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr

from lanrage_events import (
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PeerJoined,
    PeerLeft,
)

from ._client import validate_invite_url, validate_webhook_url
from ._config import BatchConfig, DiscordConfig, SettleConfig
from ._plugin import DiscordPlugin


class DiscordNotifier:
    """Sends notifications to one Discord channel; made by :func:`quick_setup`.

    Each method returns as soon as the notification is queued. Later errors are retried, counted and
    logged, and never raised here.

    :param bus: delivers the events; other plugins and subscriptions may be added to it
    """

    def __init__(self, bus: EventBus, plugin: DiscordPlugin) -> None:
        self.bus = bus
        self._plugin = plugin

    @property
    def pending(self) -> int:
        """Notifications that Discord has not accepted yet."""
        return self._plugin.pending

    async def notify_party_created(self, party_id: str, party_name: str, host: str) -> None:
        """Announce a new party."""
        await self.bus.publish(PartyCreated(party_id=party_id, party_name=party_name, host=host))

    async def notify_peer_joined(self, peer_name: str, party_name: str) -> None:
        """Announce a player who joined a party."""
        await self.bus.publish(PeerJoined(peer_name=peer_name, party_name=party_name))

    async def notify_peer_left(self, peer_name: str, party_name: str) -> None:
        """Announce a player who left a party."""
        await self.bus.publish(PeerLeft(peer_name=peer_name, party_name=party_name))

    async def notify_game_started(self, game_name: str, players: Iterable[str]) -> None:
        """Announce a game that a party started."""
        await self.bus.publish(GameStarted(game_name=game_name, players=tuple(players)))

    async def notify_game_ended(
        self, game_name: str, duration: float, avg_latency: float | None = None
    ) -> None:
        """Announce the end of a game.

        :param duration: how long it took, in seconds
        :param avg_latency: the players' mean latency in milliseconds, None if not measured
        """
        await self.bus.publish(
            GameEnded(game_name=game_name, duration=duration, avg_latency=avg_latency)
        )

    async def send_notification(self, title: str, message: str, color: int | None = None) -> None:
        """Send free text.

        :param color: 0xRRGGBB, None for the default
        """
        await self.bus.publish(Notification(title=title, message=message, color=color))


@asynccontextmanager
async def quick_setup(
    webhook_url: str,
    invite_url: str | None = None,
    *,
    allow_hosts: Iterable[str] = (),
    drain_timeout: float = 10.0,
    http: httpx.AsyncClient | None = None,
) -> AsyncIterator[DiscordNotifier]:
    """Send notifications to one Discord channel while the block runs; at its end, send what is queued.

    :param webhook_url: the webhook's URL as copied from Discord
    :param invite_url: an invite to the voice channel, shown with a new party
    :param allow_hosts: hosts that the URL may name beside Discord's own, for proxies and tests
    :param drain_timeout: seconds that sending the rest may take at the end
    :param http: the client to send with, which stays open; one of its own by default
    :raises ValueError: if a URL is not valid; the message says why, without the token
    """
    # Before pydantic, whose error would name a field that the caller does not know.
    hosts = tuple(allow_hosts)
    validate_webhook_url(webhook_url, hosts)
    if invite_url is not None:
        invite_url = validate_invite_url(invite_url)

    config = DiscordConfig(
        webhook_url=SecretStr(webhook_url),
        invite_url=invite_url,
        allow_hosts=hosts,
        # The caller of a method wants that notification.
        batch=BatchConfig(settle=SettleConfig(leave=0.0)),
    )
    plugin = DiscordPlugin(config, http=http)
    bus = EventBus(drain_timeout=drain_timeout)
    bus.register(plugin, "discord")
    async with bus:
        yield DiscordNotifier(bus, plugin)
