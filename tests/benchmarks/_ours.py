"""The process that tells events in Discord with lanrage-events."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import anyio
import anyio.to_thread

from lanrage_events import EventBus, PeerJoined
from lanrage_events_discord import DiscordConfig, DiscordPlugin

from ._process import Line, Meter, hear, memory_megabytes, say


def configuration(job: Line) -> DiscordConfig:
    """Return the plugin's configuration, with a route for each webhook if the job asks for it."""
    webhooks = {f"webhook{index}": {"url": url} for index, url in enumerate(job["urls"])}
    routes = [{"where": {"party_id": name}, "webhook": name, "stop": True} for name in webhooks]
    return DiscordConfig.model_validate(
        {
            "allow_hosts": [job["host"]],
            "webhooks": webhooks,
            "routes": routes if job["routed"] else [],
            "batch": job["batch"],
        }
    )


def events(job: Line) -> list[tuple[float, PeerJoined]]:
    """Return the job's events and how many seconds after its begin each of them happens."""
    names = [f"player{number:05}" for number in range(len(job["offsets"]))]
    if job["long_name"]:
        names[len(names) // 2] += "x" * 5000

    parties = [f"webhook{index}" for index in range(len(job["urls"]))] if job["routed"] else [None]
    return [
        (offset, PeerJoined(peer_name=name, party_name="Friday LAN", party_id=party))
        for offset, name in zip(job["offsets"], names, strict=True)
        for party in parties
    ]


async def publish(bus: EventBus, job: Line) -> Line:
    """Publish the job's events when they happen, and return what that took."""
    began = time.monotonic()
    times: dict[str, float] = {}
    longest = 0.0
    for offset, event in events(job):
        delay = began + offset - time.monotonic()
        if delay > 0:
            await anyio.sleep(delay)

        before = time.monotonic()
        times.setdefault(event.peer_name[:11], before)
        await bus.publish(event)
        longest = max(longest, time.monotonic() - before)

    await bus.drain()
    return {"began": began, "times": times, "longest_publish": longest}


async def main(job: Line) -> None:
    """Do one job; the parent says when to begin and when to end."""
    config = configuration(job)
    before = memory_megabytes("VmRSS")
    plugin = DiscordPlugin(config)
    bus = EventBus(state_folder=Path(job["state_folder"]), drain_timeout=job["drain_timeout"])
    bus.register(plugin, "discord")
    meter = Meter()
    async with bus, anyio.create_task_group() as tasks:
        # Whatever a lane that has nothing to do needs is there after a moment.
        await anyio.sleep(0.2)
        after = memory_megabytes("VmRSS")
        meter.begin()
        say(ready=True, before=before, after=after)

        async def end_on_sigterm() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    tasks.cancel_scope.cancel()

        if os.name == "posix":
            tasks.start_soon(end_on_sigterm)

        if (await anyio.to_thread.run_sync(hear))["do"] == "begin":
            say(**await publish(bus, job))
            # The parent may end us by a signal instead, and then says no more.
            await anyio.to_thread.run_sync(hear, abandon_on_cancel=True)

        tasks.cancel_scope.cancel()

    say(**meter.read())
    # A thread may still wait for the parent's next line.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    _job = hear()
    anyio.run(main, _job, backend=_job["backend"])
