from __future__ import annotations

import httpx
import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events_discord import quick_setup
from lanrage_events_discord.testing import StandInDiscord


async def test_all_notifications_arrive_in_order_with_their_faces() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        quick_setup(webhook.url, "https://discord.gg/abc123", http=http) as notifier,
    ):
        await notifier.notify_party_created("p1", "Friday LAN", "Ann")
        await notifier.notify_peer_joined("Bob", "Friday LAN")
        await notifier.notify_peer_left("Bob", "Friday LAN")
        await notifier.notify_game_started("Quake", ["Ann", "Bob"])
        await notifier.notify_game_ended("Quake", 90.0, 23.0)
        await notifier.send_notification("Pizza", "is here", 0xFF0000)

    # How many are told in the first message depends on which task was quicker.
    told = "\n".join(
        f"{embed['title']}\n{embed['description']}"
        for message in webhook.messages
        for embed in message["embeds"]
    )
    words = ("Friday LAN", "joined", "left", "Quake", "1m 30s", "Pizza")
    places = [told.index(word) for word in words]
    assert places == sorted(places)


async def test_invite_is_shown_with_a_new_party() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        quick_setup(webhook.url, "https://discord.gg/abc123", http=http) as notifier,
    ):
        await notifier.notify_party_created("p1", "Friday LAN", "Ann")

    (message,) = webhook.messages
    assert message["embeds"][0]["title"] == "🎮 Party Created: Friday LAN"
    assert "[Join Voice Chat](https://discord.gg/abc123)" in message["embeds"][0]["description"]


async def test_single_notification_has_its_color() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        quick_setup(webhook.url, http=http) as notifier,
    ):
        await notifier.send_notification("Pizza", "is here", 0xFF0000)
        assert isinstance(notifier.bus, EventBus)

    (message,) = webhook.messages
    assert message["embeds"][0]["color"] == 0xFF0000
    assert notifier.pending == 0


@pytest.mark.parametrize(
    ("webhook_url", "invite_url", "message"),
    [
        ("https://discord.com.evil.example/api/webhooks/1/made-up-token", None, "host"),
        ("https://discord.com/api/webhooks/1", None, "token"),
        ("https://discord.com/api/webhooks/1/made-up-token", "https://example.org", "invite"),
    ],
)
async def test_wrong_url_is_rejected_at_once(
    webhook_url: str, invite_url: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        async with quick_setup(webhook_url, invite_url):
            raise AssertionError("it must not start")

    assert "made-up-token" not in str(caught.value)


async def test_what_goes_wrong_never_reaches_the_publisher(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    webhook.delete()
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        quick_setup(webhook.url, http=http) as notifier,
    ):
        await notifier.notify_peer_joined("Ann", "LAN")
        await notifier.bus.publish_and_wait(PeerJoined(peer_name="Bob", party_name="LAN"))

    assert "2 events are lost: they were kept in memory only" in caplog.text
