"""What plugins cost each other, and what an event costs while it waits.

Run it with ``python -m tests.benchmarks.isolation``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import perf_counter

import anyio

from lanrage_events import EventBus, PeerJoined, hookimpl

from ._buses import (
    BUSES,
    DISTRIBUTIONS,
    OURS,
    AsyncPlugin,
    Bus,
    Plugin,
    SyncPlugin,
    installed,
)
from ._figures import Check, equal, ratio_at_most
from ._parts import BACKENDS, Cell, Panel, Part, Table
from ._rounds import interleave, median_ratio, on

SLEEP_SECONDS = 0.01
SLOW_EVENTS = 40
SMOKE_SLOW_EVENTS = 4
# 5 ms beside a plugin that takes 10 ms for each event.
FAST_SLEEPS_MAX = 0.5

REACHING_EVENTS = 40
RAISING_EVENTS = 10_000
SMOKE_RAISING_EVENTS = 100
RAISING_COST_MAX = 1.1
"""of the time that the others take beside a plugin that does nothing but count"""

PENDING_EVENTS = 100_000
SMOKE_PENDING_EVENTS = 100
PENDING_BYTES_MAX = 16.0
PLUGINS = (1, 3, 10)


class SlowPlugin(AsyncPlugin):
    """Takes its time for each event."""

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        """Sleep."""
        await anyio.sleep(SLEEP_SECONDS)
        self.handled += 1


class FinishingPlugin(AsyncPlugin):
    """Notes when it has handled the last event.

    :param events: how many there are
    """

    def __init__(self, events: int) -> None:
        self.events = events
        self.finished: float | None = None

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        """Count an event."""
        self.handled += 1
        if self.handled == self.events:
            self.finished = perf_counter()


class RaisingPlugin(SyncPlugin):
    """Fails on each event."""

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        """Count it, and fail."""
        self.handled += 1
        raise ValueError("this plugin fails on each event")


async def seconds_beside_slow(bus: Bus, events: int) -> float:
    """Return after how long a fast plugin has handled everything, beside a slow one."""
    fast = FinishingPlugin(events)
    async with bus.open([SlowPlugin(), fast]) as publish:
        published = bus.make_events(events)
        started = perf_counter()
        await publish(published)

    if fast.finished is None:
        raise RuntimeError(f"{bus.name} lost events, so its time means nothing")

    return fast.finished - started


async def handled_beside_raising(bus: Bus, events: int) -> int:
    """Return how many events the plugin got that got fewest, beside one that always raises."""
    handled: list[int] = []
    for place in range(3):
        plugins: list[Plugin] = [SyncPlugin(), SyncPlugin()]
        plugins.insert(place, RaisingPlugin())
        async with bus.open(plugins) as publish:
            for event in bus.make_events(events):
                with suppress(Exception):
                    await publish([event])

        handled += [plugin.handled for plugin in plugins]

    return min(handled)


async def seconds_of_others(other: type[SyncPlugin], events: int) -> float:
    """Return how long plugins took to handle everything, without what one beside them took."""
    plugins = [SyncPlugin(), other(), SyncPlugin()]
    async with EventBus() as bus:
        for number, plugin in enumerate(plugins):
            bus.register(plugin, str(number))

        await bus.drain()
        for event in OURS.make_events(events):
            await bus.publish(event)

        await bus.drain()
        plugin_statistics = bus.statistics().plugins

    if any(plugin.handled != events for plugin in plugins):
        raise RuntimeError("the bus lost events, so its time means nothing")

    return plugin_statistics["0"].hook_seconds + plugin_statistics["2"].hook_seconds


async def bytes_pending(plugins: int, events: int) -> float:
    """Return how many bytes an event that waits takes for each plugin, beyond the event."""
    async with EventBus() as bus:
        for number in range(plugins):
            bus.register(SyncPlugin(), str(number), mailbox_size=events)

        await bus.drain()
        published = OURS.make_events(events)
        bus.publish_nowait(published[0])
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for event in published[1:]:
            bus.publish_nowait(event)

        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        await bus.drain()

    return taken / (events - 1) / plugins


def isolation(rounds: int, smoke: bool) -> Table:
    """Measure what plugins cost each other."""
    slow_events = SMOKE_SLOW_EVENTS if smoke else SLOW_EVENTS
    raising_events = SMOKE_RAISING_EVENTS if smoke else RAISING_EVENTS
    seconds = interleave(
        {
            (bus.name, backend): on(backend, seconds_beside_slow, bus, slow_events)
            for bus in installed()
            for backend in bus.backends
        },
        rounds,
    )
    beside: dict[tuple[str, type], list[float]] = interleave(
        {
            (backend, other): on(backend, seconds_of_others, other, raising_events)
            for backend in BACKENDS
            for other in (SyncPlugin, RaisingPlugin)
        },
        rounds,
    )
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    for bus in installed():
        for backend in bus.backends:
            got = anyio.run(handled_beside_raising, bus, REACHING_EVENTS, backend=backend)
            time = statistics.median(seconds[bus.name, backend])
            rows.append((backend, bus.name, time * 1000, f"{got / REACHING_EVENTS:.0%}"))
            if bus is OURS:
                what = f"fast plugin beside a slow one on {backend}, to one sleep of 10 ms"
                checks.append(ratio_at_most(what, time / SLEEP_SECONDS, FAST_SLEEPS_MAX))
                checks.append(equal("events lost beside one that raises", REACHING_EVENTS - got))
                what = f"time of others beside one that raises on {backend}, to one that does not"
                ratio = median_ratio(beside[backend, RaisingPlugin], beside[backend, SyncPlugin])
                checks.append(ratio_at_most(what, ratio, RAISING_COST_MAX))

    names = [bus.name for bus in BUSES]
    return Table(
        [
            "backend",
            "by",
            f"fast plugin done beside a slow one, ms of {slow_events * SLEEP_SECONDS * 1000:.0f}",
            "events that reach the others beside one that raises",
        ],
        sorted(rows, key=lambda row: (str(row[0]), names.index(str(row[1])))),
        f"A fast and a slow plugin get {slow_events} events, on each of which the slow one sleeps "
        "for 10 ms; and of three plugins one raises an exception on each event.",
        checks,
        [
            Panel(
                "fast plugin beside a slow one, asyncio",
                "ms until it is done",
                bars={
                    name: statistics.median(values) * 1000
                    for (name, backend), values in seconds.items()
                    if backend == "asyncio"
                },
                log=True,
            )
        ],
    )


def pending(smoke: bool) -> Table:
    """Measure what an event costs while it waits."""
    events = SMOKE_PENDING_EVENTS if smoke else PENDING_EVENTS
    taken = {plugins: anyio.run(bytes_pending, plugins, events) for plugins in PLUGINS}
    return Table(
        ["plugins", "bytes an event and plugin"],
        list(taken.items()),
        f"Memory of {events:,} events that wait, beyond the events themselves.",
        [
            Check(
                f"{value:.1f} bytes a pending event with {plugins} plugins "
                f"(at most {PENDING_BYTES_MAX:g})",
                value <= PENDING_BYTES_MAX,
            )
            for plugins, value in taken.items()
        ],
    )


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure both."""
    disabled = logging.root.manager.disable
    logging.disable()  # what raises is logged by some, by us at most once a second
    try:
        yield isolation(rounds, smoke)
        yield pending(smoke)
    finally:
        logging.disable(disabled)


PART = Part("isolation", "what plugins cost each other, and a waiting event", run, DISTRIBUTIONS, 5)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
