"""A bus in a bot on discord.py, with its token in the environment variable ``DISCORD_TOKEN``."""

from __future__ import annotations

import os

import discord

from lanrage_events import BusRunner, EventBus, PeerJoined


class LanBot(discord.Client):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True, members=True))
        self.bus = EventBus()
        self.runner = BusRunner(self.bus)
        self.bus.subscribe(PeerJoined, lambda event: print(event.peer_name, "joined"))

    async def setup_hook(self) -> None:
        await self.runner.start()

    async def close(self) -> None:
        try:
            await self.runner.stop()
        finally:
            await super().close()

    async def on_member_join(self, member: discord.Member) -> None:
        await self.bus.publish(
            PeerJoined(peer_name=member.display_name, party_name=member.guild.name)
        )


if __name__ == "__main__":
    LanBot().run(os.environ["DISCORD_TOKEN"])
