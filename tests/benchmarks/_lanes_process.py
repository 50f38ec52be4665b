"""The process that keeps many lanes, and tells now and then an event in one of them."""

from __future__ import annotations

import random
import time
from pathlib import Path

import anyio
import anyio.to_thread

from lanrage_events import EventBus, PeerJoined
from lanrage_events_discord import DiscordPlugin

from ._ours import configuration
from ._process import Line, Meter, hear, memory_megabytes, say

WARM_UP_EVENTS = 20


def wakes() -> int:
    """Return how often the threads of this process were woken so far."""
    lines = [
        line
        for task in Path("/proc/self/task").glob("*/status")
        for line in task.read_text("utf-8", "replace").splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))


async def trickle(bus: EventBus, plugin: DiscordPlugin, job: Line) -> None:
    """Tell so many events a second, each in any of the lanes, and wait for the last one."""
    chooser = random.Random(1)
    began = anyio.current_time()
    for number in range(job["events"]):
        await anyio.sleep_until(began + number / job["rate"])
        party = f"webhook{chooser.randrange(len(job['urls']))}"
        await bus.publish(PeerJoined(peer_name="Ann", party_name="Friday LAN", party_id=party))

    await bus.drain()
    while plugin.pending:  # noqa: ASYNC110 - nothing tells when it is delivered
        await anyio.sleep(0.05)


async def main(job: Line) -> None:
    """Start, be idle, be busy, be idle again, and tell what each of it took."""
    config = configuration(job)
    plugin = DiscordPlugin(config)
    bus = EventBus(state_folder=Path(job["state_folder"]), drain_timeout=5)
    bus.register(plugin, "discord")
    before = memory_megabytes("VmRSS")
    started = time.perf_counter()
    async with bus:
        start = time.perf_counter() - started
        await anyio.sleep(0.5)
        idle, tasks, woken = memory_megabytes("VmRSS"), len(anyio.get_running_tasks()), wakes()
        await anyio.sleep(job["idle"])
        woken = wakes() - woken
        await trickle(bus, plugin, {**job, "events": WARM_UP_EVENTS})
        meter = Meter()
        await trickle(bus, plugin, job)
        cpu = meter.read()["cpu"]
        after = memory_megabytes("VmRSS")

    say(
        before=before,
        start=start,
        idle=idle,
        tasks=tasks,
        wakes=woken,
        cpu=cpu,
        after=after,
    )


if __name__ == "__main__":
    _job = hear()
    anyio.run(main, _job, backend=_job["backend"])
