"""The process that says what cards take that are open and idle, and what their parties do."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import httpx

from lanrage_events import EventBus, Parties, PeerJoined
from lanrage_events.state import Database
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin

from ._process import memory_megabytes, say

A_BATCH = 100


async def main(folder: Path, cards: int) -> None:
    """Post cards, and keep their webhook; without any, go on with those that were posted.

    :param folder: keeps the state
    """
    discord = StandInDiscord(limit=None, global_limit=None, latency=0.001)
    url = folder / "url.txt"
    if cards:
        url.write_text(discord.create_webhook().url, "ascii")

    # What the plugin `parties` keeps is not what cards take.
    (folder / "parties.parties").unlink(missing_ok=True)
    config = {"webhook_url": url.read_text("ascii"), "cards": [{"bump": "never"}]}
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
        async with EventBus(state_folder=folder, blocked_after=None) as bus:
            bus.register(PartiesPlugin(PartiesConfig()), "parties")
            bus.register(plugin, "discord")
            for first in range(0, cards, A_BATCH):
                await bus.publish_many_and_wait(
                    [
                        PeerJoined(peer_name="Ann", party_id=f"party{n}", party_name=f"LAN {n}")
                        for n in range(first, min(first + A_BATCH, cards))
                    ]
                )

            await anyio.sleep(600)
            say(requests=len(discord.journal), memory=memory_megabytes("VmRSS"))


def follow(folder: Path) -> None:
    """Say what the parties alone take that have these cards."""
    known = Parties()
    before = memory_megabytes("VmRSS")
    with Database.reading(folder / "discord.cards") as connection:
        for (text,) in connection.execute("SELECT content FROM parties"):
            known.load(text)

    after = memory_megabytes("VmRSS")
    say(memory=None if before is None or after is None else after - before, parties=len(known))


if __name__ == "__main__":
    _folder, _what = Path(sys.argv[1]), sys.argv[2]
    if _what == "parties":
        follow(_folder)
    else:
        _backend, _options = virtual_time("asyncio")
        anyio.run(main, _folder, int(_what), backend=_backend, backend_options=_options)
