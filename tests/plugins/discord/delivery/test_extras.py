"""Content, names, pictures and buttons of templates, by what the stand-in for Discord receives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Notification, PeerJoined
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

pytestmark = pytest.mark.slow

JOINED = """\
content: "**{{ peer_name }}** is here"
username: "{{ party_name }}"
buttons: [{label: "See {{ peer_name }}", url: "https://example.org/{{ peer_name }}"}]
"""


def joined(name: str = "Ann", party: str = "Friday LAN") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party)


@asynccontextmanager
async def running(
    discord: StandInDiscord, folder: Path, template: str = JOINED, **config: Any
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    (folder / "discord").mkdir()
    (folder / "discord" / "peer_joined.yaml").write_text(template, encoding="utf-8")
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
        bus = EventBus(templates=[folder])
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


def labels(message: dict[str, Any]) -> list[str]:
    return [one["label"] for row in message["components"] for one in row["components"]]


async def test_message_of_an_event_has_what_its_template_adds(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, tmp_path, webhook_url=webhook.url) as (bus, _):
        await bus.publish(joined("A*n"))
        await anyio.sleep(5)
        await bus.publish(Notification(title="a", message="b"))

    first, second = webhook.messages
    assert first["content"] == "**A\\*n** is here"
    assert first["author"]["username"] == "Friday LAN"
    assert labels(first) == ["See A*n"]
    assert (second["content"], labels(second)) == ("", [])
    assert second["author"]["username"] == webhook.name
    assert [one.query.get("with_components") for one in discord.journal] == ["true", None]
    assert all(one.body["allowed_mentions"] == {"parse": []} for one in discord.journal)


async def test_name_of_the_template_wins_over_that_of_the_webhook(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = {"url": discord.create_webhook().url, "username": "LAN bot"}
    async with running(discord, tmp_path, webhooks={"default": webhook}) as (bus, _):
        for party in ("Friday LAN", "My Discord"):
            await bus.publish(joined(party=party))
            await anyio.sleep(5)

    assert [one.body["username"] for one in discord.journal] == ["Friday LAN", "LAN bot"]


async def test_batch_is_divided_by_names_only(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, tmp_path, webhook_url=webhook.url) as (bus, _):
        for party in ("one", "one", "two", "one"):
            await bus.publish(joined(party=party))

        await anyio.sleep(20)

    shown = [(m["author"]["username"], m["content"], labels(m)) for m in webhook.messages]
    single = "**Ann** is here", ["See Ann"]
    assert shown == [("one", "", []), ("two", *single), ("one", *single)]


async def test_mentions_stand_above_the_content_and_share_its_room(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    roles = [str(10**17 + n) for n in range(50)]
    routes = [{"events": "peer_joined", "mention": {"roles": roles, "cooldown": "1h"}}]
    template = "content: '<@&42> @everyone {{ peer_name }} {% for n in range(190) %}0123456789{% endfor %}'"
    async with running(discord, tmp_path, template, webhook_url=webhook.url, routes=routes) as (
        bus,
        plugin,
    ):
        for _ in range(2):
            await bus.publish(joined("<@43>"))
            await anyio.sleep(5)

        assert plugin.pending == 0

    first, second = (record.body for record in discord.journal.accepted)
    mentions, _, text = first["content"].partition("\n")
    assert mentions == " ".join(f"<@&{role}>" for role in roles)
    assert text.startswith("<@&42> @everyone \\<\\@43> 0123")
    assert text.endswith("…")
    assert len(first["content"]) == 2000
    assert first["allowed_mentions"] == {"parse": [], "roles": roles, "users": []}
    assert second["content"].startswith("<@&42> @everyone \\<\\@43> 0123")
    assert second["allowed_mentions"] == {"parse": []}
