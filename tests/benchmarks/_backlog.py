"""The cost of a message while more or fewer events wait behind it."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from time import process_time

import anyio
import httpx

from lanrage_events import EventBus, PeerJoined
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

HELD_SECONDS = 3600.0


class InlinePlugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)


async def _drain(waiting: int, style: str, messages: int, folder: Path) -> float:
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    config = DiscordConfig.model_validate({"webhook_url": webhook.url, "batch": {"style": style}})
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = InlinePlugin(config, http=http)
        bus = EventBus(drain_timeout=0.1, state_folder=folder)
        bus.register(plugin, "discord")
        async with bus:
            # Nothing leaves before everything waits.
            discord.faults.fail(429, retry_after=HELD_SECONDS, times=1)
            for number in range(waiting):
                await bus.publish(PeerJoined(peer_name=f"player{number:06}", party_name="LAN"))

            await bus.drain()
            await anyio.sleep(HELD_SECONDS - 1)
            began = process_time()
            await discord.journal.wait_for(lambda journal: len(journal) > messages)
            return (process_time() - began) / messages


def cost_of_message(waiting: int, style: str, messages: int, backend: str = "asyncio") -> float:
    """Return the seconds of CPU time that each of the first messages takes.

    Nothing is waited for in real time, and who answers is in the same process.

    :param waiting: how many events wait before the first of them
    """
    name, options = virtual_time("trio" if backend == "trio" else "asyncio")
    with tempfile.TemporaryDirectory() as folder:
        drain = partial(_drain, waiting, style, messages, Path(folder))
        return anyio.run(drain, backend=name, backend_options=options)
