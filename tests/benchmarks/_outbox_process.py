"""The process that has an outbox open and does with it what the parent asks for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import anyio.to_thread

from lanrage_events.outbox import Outbox, OutboxItem

from ._process import Line, hear, memory_megabytes, say

BATCH = 100
FILL = 10_000
LANES = 20
LANE = "lane 0"
NO_LIMIT = 2**60


class Service:
    """Does one thing many times, and tells how many seconds that took.

    :param outbox: an open one
    :param body: what each entry holds
    """

    def __init__(self, outbox: Outbox, body: str) -> None:
        self.outbox = outbox
        self.body = body
        self.operations: dict[str, Callable[[int], Coroutine[Any, Any, None]]] = {
            "put": self.put,
            "put, batches": self.put_batches,
            "put, tasks": self.put_in_tasks,
            "acknowledge": self.acknowledge,
            "acknowledge, batches": self.acknowledge_batches,
            "read": self.read,
        }
        self._ids: list[int] = []

    async def fill(self, count: int) -> None:
        """Put a backlog into many lanes, some entries in each at a time as batches come."""
        lanes = [f"lane {number}" for number in range(LANES)]
        for start in range(0, count, FILL):
            numbers = range(start, min(start + FILL, count))
            chosen = (lanes[number // BATCH % LANES] for number in numbers)
            items = [OutboxItem(lane, self.body, "peer_joined") for lane in chosen]
            await self.outbox.put_many(items)

    async def measure(self, do: str, count: int) -> float:
        """Do something so many times, and return the seconds of one."""
        if do.startswith("acknowledge"):
            # What a delivering plugin has: the first of the lane, which it has just read.
            self._ids = [entry.id for entry in await self.outbox.read(LANE, limit=count)]

        started = perf_counter()
        await self.operations[do](count)
        seconds = perf_counter() - started
        return seconds / count

    async def put(self, count: int) -> None:
        """Put one by one."""
        for _ in range(count):
            await self.outbox.put(LANE, self.body, label="peer_joined")

    async def put_batches(self, count: int) -> None:
        """Put a hundred at once."""
        batch = [OutboxItem(LANE, self.body, "peer_joined")] * BATCH
        for _ in range(count // BATCH):
            await self.outbox.put_many(batch)

    async def put_in_tasks(self, count: int) -> None:
        """Put one by one in a hundred tasks, whose entries share transactions."""
        async with anyio.create_task_group() as tasks:
            for _ in range(BATCH):
                tasks.start_soon(self.put, count // BATCH)

    async def acknowledge(self, count: int) -> None:
        """Acknowledge one by one."""
        for id in self._ids:
            await self.outbox.acknowledge([id])

    async def acknowledge_batches(self, count: int) -> None:
        """Acknowledge a hundred at once."""
        for start in range(0, count, BATCH):
            await self.outbox.acknowledge(self._ids[start : start + BATCH])

    async def read(self, count: int) -> None:
        """Read the first hundred of a lane."""
        for _ in range(count // BATCH):
            await self.outbox.read(LANE, limit=BATCH)


async def main(job: Line) -> None:
    """Open the outbox, and serve until the parent ends it."""
    before = memory_megabytes("VmRSS")
    started = perf_counter()
    path = Path(job["file"])
    async with Outbox(path, max_entries=NO_LIMIT, max_bytes=NO_LIMIT) as outbox:
        seconds = perf_counter() - started
        say(seconds=seconds, before=before, after=memory_megabytes("VmRSS"))
        service = Service(outbox, job["body"])
        while (line := await anyio.to_thread.run_sync(hear))["do"] != "end":
            if line["do"] == "fill":
                await service.fill(line["count"])
                say(pending=outbox.statistics().pending)
            elif line["do"] == "memory":
                say(now=memory_megabytes("VmRSS"), peak=memory_megabytes())
            else:
                say(seconds=await service.measure(**line))

    say(ended=True)


if __name__ == "__main__":
    _job = hear()
    anyio.run(main, _job, backend=_job["backend"])
