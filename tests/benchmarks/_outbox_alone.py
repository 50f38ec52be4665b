"""The process that only puts entries into an outbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import anyio

from lanrage_events.outbox import Outbox, OutboxItem

from ._process import Line, hear, say


async def main(job: Line) -> None:
    """Put as many entries as the parent says, and tell how many seconds that took."""
    expires = datetime.now(UTC) + timedelta(hours=12)
    item = OutboxItem("default", job["body"], "peer_joined", expires)
    batch = [item] * job["batch"]
    async with Outbox(Path(job["state_folder"]) / "alone.outbox") as outbox:
        for _ in range(job["warm_up"]):
            await outbox.put_many(batch)

        started = perf_counter()
        for _ in range(job["requests"]):
            await outbox.put_many(batch)

        say(seconds=perf_counter() - started)


if __name__ == "__main__":
    _job = hear()
    anyio.run(main, _job, backend=_job["backend"])
