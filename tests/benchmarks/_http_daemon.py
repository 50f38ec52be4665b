"""The process that takes events by HTTP and keeps them in Discord's outbox."""

from __future__ import annotations

import gc
from pathlib import Path

import anyio
import anyio.to_thread

from lanrage_events import EventBus
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_http import HTTPConfig, HTTPPlugin

from ._process import Line, hear, say


async def main(job: Line) -> None:
    """Serve until the parent ends it."""
    bus = EventBus(state_folder=Path(job["state_folder"]))
    http = HTTPPlugin(HTTPConfig(port=0))
    discord = DiscordConfig.model_validate(
        {"webhook_url": job["urls"][0], "allow_hosts": [job["host"]]}
    )
    bus.register(http, "http")
    bus.register(DiscordPlugin(discord), "discord")
    async with bus:
        say(url=http.url)
        while (await anyio.to_thread.run_sync(hear))["do"] != "end":
            statistics = bus.statistics().plugins["discord"]
            say(handled=statistics.handled, failed=statistics.failed)


if __name__ == "__main__":
    _job = hear()
    gc.freeze()  # as "lanrage-events run" does
    anyio.run(main, _job, backend=_job["backend"])
