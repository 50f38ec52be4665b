"""The daemon of the long run: it takes events by HTTP, and tells what it holds when it is asked."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from lanrage_events import EventBus
from lanrage_events_discord import DiscordPlugin
from lanrage_events_http import HTTPConfig, HTTPPlugin
from lanrage_events_log import LogConfig, LogPlugin

from ._ours import configuration
from ._process import Line, hear, memory_megabytes, say


def held(bus: EventBus, discord: DiscordPlugin) -> Line:
    """Return what the process holds now, and what it has done."""
    gc.collect()
    descriptors = 0
    with suppress(OSError):
        descriptors = len(os.listdir("/proc/self/fd"))

    lanes = discord.lanes.values()
    return {
        "megabytes": memory_megabytes("VmRSS"),
        "descriptors": descriptors,
        "tasks": len(anyio.get_running_tasks()),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "pending": discord.pending,
        "sent": sum(lane.sent for lane in lanes),
        "cancelled": sum(lane.cancelled for lane in lanes),
        "requests": sum(lane.requests for lane in lanes),
        "messages": sum(lane.messages for lane in lanes),
        "dead": sum(lane.failed for lane in lanes),
        "handled": bus.statistics().plugins["discord"].handled,
    }


async def main(job: Line) -> None:
    """Serve until the parent ends it."""
    folder = Path(job["state_folder"])
    bus = EventBus(state_folder=folder, drain_timeout=5)
    http = HTTPPlugin(HTTPConfig(port=0))
    discord = DiscordPlugin(configuration(job))
    bus.register(http, "http")
    bus.register(discord, "discord")
    bus.register(LogPlugin(LogConfig(path=folder / "events.jsonl")), "log")
    async with bus:
        say(url=http.url)
        while (do := (await anyio.to_thread.run_sync(hear))["do"]) != "end":
            say(**(held(bus, discord) if do == "count" else {"pending": discord.pending}))


if __name__ == "__main__":
    _job = hear()
    anyio.run(main, _job, backend=_job["backend"])
