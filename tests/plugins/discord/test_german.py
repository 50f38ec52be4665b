"""The plugin posts in the language of its templates from the first message to the last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import GameEnded
from lanrage_events.outbox import Outbox
from lanrage_events.templates import template_folder
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._rendering import COUNT, Digest, Entry
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]

TEMPLATES = (template_folder("builtin:de"),)


def embeds(discord: StandInDiscord) -> list[dict[str, Any]]:
    [webhook] = discord.webhooks
    return [embed for message in webhook.messages for embed in message["embeds"]]


async def test_messages_digests_and_the_test_message_are_german(running: Running) -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    batch = {"window": 2.0, "immediate": False}
    async with running(discord, webhook_url=url, templates=TEMPLATES, batch=batch) as setup:
        await setup.post("/test", {})
        await setup.publish("Ann")
        await setup.settle()
        await setup.publish("Ben", "Cy")
        await setup.settle()
        await setup.bus.publish(GameEnded(game_name="Quake", duration=60))
        await setup.settle()

    assert [embed["title"] for embed in embeds(discord)] == [
        "✅ LANrage kann hier posten",
        "👋 Ann ist dabei",
        "📋 2 Neuigkeiten",
        "🏁 Spiel beendet: Quake",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["of this version", "of the version before"])
@pytest.mark.either_backend
async def test_what_waited_in_the_outbox_is_caught_up_in_german(
    running: Running, tmp_path: Path, stored: str
) -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    now = datetime.now(UTC)
    async with Outbox(tmp_path / "discord.outbox", inline=True) as outbox:
        for name in ("Ann", "Ben"):
            heading = f"👋 **{COUNT} neu bei** LAN" if stored == "of this version" else ""
            shown = Digest("joined", heading, name if heading else "")
            entry = Entry(name, "peer_joined", now, Embed(title=name), shown)
            await outbox.put("default", entry.to_json(), label="peer_joined")

        await outbox.put("default", "{}", label="game_ended", expires=now - timedelta(hours=1))

    await anyio.sleep(1)
    async with running(
        discord, webhook_url=url, templates=TEMPLATES, state_folder=tmp_path
    ) as setup:
        await setup.settle()

    digest, expired = embeds(discord)
    assert digest["title"] == "📋 Was ihr verpasst habt: 2 Neuigkeiten"
    assert ("**2 neu bei** LAN" if stored == "of this version" else "**Neu dabei** × 2") in digest[
        "description"
    ]
    assert expired["description"] == (
        "⌛ 1 Neuigkeit war zu alt, um noch gepostet zu werden: 1 Spiel beendet"
    )
    assert digest["footer"] == expired["footer"] == {"text": "LANrage"}
