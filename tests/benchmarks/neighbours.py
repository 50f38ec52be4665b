"""What a plugin that is full, slow or idle costs the others, and what a subscription takes.

Run it with ``python -m tests.benchmarks.neighbours``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import process_time

import anyio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from lanrage_events import EventBus, Notification, PeerJoined, PeerLeft, hookimpl
from lanrage_events.abc import PluginOptions, WhenFull

from ._buses import OURS, wait_handled
from ._figures import Check, ratio_at_most
from ._parts import BACKENDS, Cell, Panel, Part, Table
from ._process import ROOT
from ._rounds import interleave, median_ratio, on

PLUGINS = (1, 30)
EVENTS = 60_000
"""divided by the number of plugins"""
SMOKE_EVENTS = 600
MAILBOX_SIZE = 64
"""of the neighbours"""
WARM_UP_EVENTS = 100
SLOW_SECONDS = 0.002

# What an event may cost beside another plugin, in times what it costs without that.
FULL_MAX = 2.0
FULL_OF_OTHERS_MAX = 1.1
IDLE_MAX = 1.1
MANY_IDLE_MAX = 1.15

SUBSCRIPTIONS = 5000
SMOKE_SUBSCRIPTIONS = 100
SUBSCRIPTION_KB_MAX = 10.5


class FastPlugin:
    """Counts, and notes when it has handled the last event."""

    def __init__(self) -> None:
        self.handled = 0
        self.done = anyio.Event()

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        """Count an event."""
        self.handled += 1

    @hookimpl
    def peer_left(self, event: PeerLeft) -> None:
        """Note the last event."""
        if event.peer_name == "last":
            self.done.set()


class Hanging:
    """Never ends handling its first event."""

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        """Hang."""
        await anyio.sleep_forever()


class HangingOnOthers:
    """Never ends handling its first event, of a type that is not published any more."""

    @hookimpl
    async def notification(self, event: Notification) -> None:
        """Hang."""
        await anyio.sleep_forever()


class Slow:
    """Takes its time for each event."""

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        """Sleep."""
        await anyio.sleep(SLOW_SECONDS)


class Idle:
    """Wants events of another type only."""

    @hookimpl
    def notification(self, event: Notification) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A plugin beside the measured ones."""

    name: str
    make: Callable[[], object]
    limit: float
    when_full: WhenFull = "drop_oldest"
    count: int = 1


NEIGHBOURS = (
    Neighbour("hangs, drop_oldest", Hanging, FULL_MAX),
    Neighbour("hangs, drop_newest", Hanging, FULL_MAX, "drop_newest"),
    Neighbour("takes 2 ms an event, drop_oldest", Slow, FULL_MAX),
    Neighbour("hangs on another type, drop_oldest", HangingOnOthers, FULL_OF_OTHERS_MAX),
    Neighbour("hangs on another type, block", HangingOnOthers, FULL_OF_OTHERS_MAX, "block"),
    Neighbour("idle", Idle, IDLE_MAX),
    Neighbour("100 idle ones", Idle, MANY_IDLE_MAX, count=100),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured, and where."""

    backend: str
    plugins: int
    neighbour: Neighbour | None


async def seconds_an_event(case: Case, events: int) -> float:
    """Return the seconds of CPU time from publishing an event until all fast plugins handled it."""
    fast = [FastPlugin() for _ in range(case.plugins)]
    async with EventBus(drain_timeout=0) as bus:
        for number, plugin in enumerate(fast):
            bus.register(plugin, f"fast {number}")

        if case.neighbour is not None:
            one = case.neighbour
            options: PluginOptions = {"mailbox_size": MAILBOX_SIZE, "when_full": one.when_full}
            for number in range(one.count):
                bus.register(one.make(), f"neighbour {number}", **options)

        # After this, whatever is going to be full is full, and each route is known.
        await bus.publish(PeerLeft(peer_name="first", party_name="LAN"))
        for event in OURS.make_events(WARM_UP_EVENTS):
            await bus.publish(event)

        with suppress(anyio.WouldBlock):
            for _ in range(WARM_UP_EVENTS):
                bus.publish_nowait(Notification(title="a", message="b"))
                await checkpoint()

        await wait_handled(fast, WARM_UP_EVENTS)
        await wait_all_tasks_blocked()
        published = OURS.make_events(events)
        started = process_time()
        for event in published:
            await bus.publish(event)

        await bus.publish(PeerLeft(peer_name="last", party_name="LAN"))
        for plugin in fast:
            await plugin.done.wait()

        seconds = process_time() - started

    if any(plugin.handled != events + WARM_UP_EVENTS for plugin in fast):
        raise RuntimeError("the bus lost events, so its time means nothing")

    return seconds / events


def neighbours(rounds: int, smoke: bool) -> Table:
    """Measure what a neighbour costs."""
    events = SMOKE_EVENTS if smoke else EVENTS
    cases = [
        Case(backend, plugins, neighbour)
        for backend in BACKENDS
        for plugins in PLUGINS
        for neighbour in (None, *NEIGHBOURS)
    ]
    costs = interleave(
        {case: on(case.backend, seconds_an_event, case, events // case.plugins) for case in cases},
        rounds,
        compared=lambda case: (case.backend, case.plugins),
    )
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    bars: dict[str, float] = {}
    for backend in BACKENDS:
        alone = [
            f"{statistics.median(costs[Case(backend, plugins, None)]) * 1e6:.2f}"
            for plugins in PLUGINS
        ]
        rows.append((backend, "none", *alone))
        for neighbour in NEIGHBOURS:
            row: list[Cell] = [backend, neighbour.name]
            for plugins in PLUGINS:
                values = costs[Case(backend, plugins, neighbour)]
                ratio = median_ratio(values, costs[Case(backend, plugins, None)])
                row.append(f"{statistics.median(values) * 1e6:.2f} ({ratio:.2f} x)")
                what = f"{plugins} on {backend} beside: {neighbour.name}"
                checks.append(ratio_at_most(what, ratio, neighbour.limit))
                if (backend, plugins) == (BACKENDS[0], 1):
                    bars[neighbour.name] = ratio

            rows.append(row)

    return Table(
        ["backend", "neighbour", *(f"plugins: {plugins}" for plugins in PLUGINS)],
        rows,
        "Microseconds of CPU time an event, and how many times that is what it is without the "
        "neighbour: the median of the ratios of each round.",
        checks,
        [Panel("one plugin beside another, asyncio", "times the cost without it", bars=bars)],
    )


def subscriptions(smoke: bool) -> Table:
    """Measure what a subscription takes."""
    count = SMOKE_SUBSCRIPTIONS if smoke else SUBSCRIPTIONS
    table = Table(
        ["backend", "KB a subscription", "KB once all have handled an event at once"],
        caption=f"Memory that the process takes more for {count:,} subscriptions.",
    )
    for backend in BACKENDS:
        idle, after = kilobytes_a_subscription(backend, count)
        table.rows.append((backend, idle, after))
        if idle is not None:
            limit = SUBSCRIPTION_KB_MAX
            text = f"{idle:.1f} KB a subscription on {backend} (at most {limit:g})"
            table.checks.append(Check(text, idle <= limit, is_time=True))

    return table


def kilobytes_a_subscription(backend: str, count: int) -> tuple[float | None, float | None]:
    """Return what a subscription takes, and after an event, measured by a process of its own."""
    words = [sys.executable, "-m", f"{__package__}._subscriptions_process", backend, str(count)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    kilobytes = json.loads(done.stdout)
    return kilobytes["idle"], kilobytes["after"]


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure both."""
    disabled = logging.root.manager.disable
    logging.disable()  # what is dropped is logged once a second
    try:
        yield neighbours(rounds, smoke)
    finally:
        logging.disable(disabled)

    yield subscriptions(smoke)


PART = Part("neighbours", "what a full, slow or idle plugin costs the others", run)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
