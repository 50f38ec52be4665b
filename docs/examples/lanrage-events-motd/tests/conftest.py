from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from lanrage_events.testing import CheckedBus, anyio_backend, bus, real_time, running
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

from lanrage_events_motd import MotdPlugin

# Every async test runs on asyncio and on Trio, in virtual time unless it takes "real_time".
__all__ = ["anyio_backend", "bus", "real_time"]

CONFIG = {"text": "Pizza at eight", "remind_every": "2h"}


@pytest.fixture
async def plugin(bus: CheckedBus) -> AsyncIterator[MotdPlugin]:
    """Run the plugin on the bus, with its section of the YAML file."""
    async with running(bus, MotdPlugin, CONFIG) as plugin:
        yield plugin


@pytest.fixture
async def discord(bus: CheckedBus, plugin: MotdPlugin) -> AsyncIterator[StandInDiscord]:
    """Post the events of the bus to a stand-in for Discord."""
    discord = StandInDiscord()
    config = DiscordConfig.model_validate({"webhook_url": discord.create_webhook().url})
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        running(bus, DiscordPlugin(config, http=http)),
    ):
        yield discord
