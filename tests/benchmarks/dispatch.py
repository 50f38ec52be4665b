"""Publish to and drain plugins, beside a plain call of pluggy's hook to the same implementations.

Run it with ``python -m tests.benchmarks.dispatch``; it prints a Markdown table of the median cost
and of the ratio, which is what counts: above 1 the bus is the cheaper one.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter

import anyio
import pluggy

from lanrage_events import EventBus, PeerJoined, hookimpl, hookspecs

EVENTS = 20_000
ROUNDS = 7
PLUGINS = (1, 3, 10)


class SyncPlugin:
    handled = 0

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        self.handled += 1


class AsyncPlugin:
    handled = 0

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        self.handled += 1


Plugin = type[SyncPlugin] | type[AsyncPlugin]


async def bus_seconds(plugin: Plugin, count: int, events: int) -> float:
    """Return how long it takes to publish events and drain them."""
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    plugins = [plugin() for _ in range(count)]
    async with EventBus() as bus:
        for number, one in enumerate(plugins):
            bus.register(one, str(number))

        await bus.drain()
        started = perf_counter()
        for _ in range(events):
            await bus.publish(event)

        await bus.drain()
        seconds = perf_counter() - started

    if any(one.handled != events for one in plugins):
        raise RuntimeError("the bus lost events, so its time means nothing")

    return seconds


async def hook_seconds(plugin: Plugin, count: int, events: int) -> float:
    """Return how long pluggy's own call of the hook takes."""
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    manager = pluggy.PluginManager("lanrage_events")
    manager.add_hookspecs(hookspecs)
    for number in range(count):
        manager.register(plugin(), str(number))

    started = perf_counter()
    if plugin is SyncPlugin:
        for _ in range(events):
            manager.hook.peer_joined(event=event)
    else:
        for _ in range(events):
            for result in manager.hook.peer_joined(event=event):
                await result

    return perf_counter() - started


async def compare(backend: str, events: int, rounds: int) -> list[str]:
    """Return the rows of the table for one backend."""
    rows = []
    kinds: list[tuple[str, Plugin]] = [("sync", SyncPlugin), ("async", AsyncPlugin)]
    for name, plugin in kinds:
        for count in PLUGINS:
            ours: list[float] = []
            theirs: list[float] = []
            timed: list[tuple[list[float], Callable[[Plugin, int, int], Awaitable[float]]]] = [
                (ours, bus_seconds),
                (theirs, hook_seconds),
            ]
            # In turn, so that a machine whose speed drifts is fair to both.
            for _ in range(rounds):
                for times, measure in timed:
                    times.append(await measure(plugin, count, events) / events * 1e6)

            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            bus, hook = statistics.median(ours), statistics.median(theirs)
            rows.append(f"| {backend} | {name} | {count} | {bus:.2f} | {hook:.2f} | {ratio:.2f} |")

    return rows


def main(events: int = EVENTS, rounds: int = ROUNDS) -> None:
    """Print the table."""
    lines = [
        "| backend | hooks | plugins | bus, µs an event | pm.hook, µs | pm.hook / bus |",
        "|---|---|---|---|---|---|",
    ]
    for backend in ("asyncio", "trio"):
        lines += anyio.run(compare, backend, events, rounds, backend=backend)

    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
