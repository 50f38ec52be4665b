"""The process that makes many subscriptions, and says what one of them takes."""

from __future__ import annotations

import sys

import anyio
from anyio import wait_all_tasks_blocked

from lanrage_events import EventBus, PeerJoined

from ._process import memory_megabytes, say

WARM_UP = 100


def handle(event: PeerJoined) -> None:
    """Do nothing."""


async def main(count: int) -> None:
    """Subscribe, then have an event handled, and say how much more memory each of it took."""
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    async with EventBus() as bus:
        for _ in range(WARM_UP):
            bus.subscribe(PeerJoined, handle)

        await bus.publish_and_wait(event)
        await wait_all_tasks_blocked()
        before = memory_megabytes("VmRSS")
        for _ in range(count):
            bus.subscribe(PeerJoined, handle)

        await wait_all_tasks_blocked()
        idle = memory_megabytes("VmRSS")
        await bus.publish_and_wait(event)
        await wait_all_tasks_blocked()
        after = memory_megabytes("VmRSS")

    if before is None or idle is None or after is None:
        say(idle=None, after=None)
    else:
        say(idle=(idle - before) * 1024 / count, after=(after - before) * 1024 / count)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[2]), backend=sys.argv[1])
