"""The cost of publishing an event to plugins and having them handle it, beside other libraries.

Run it with ``python -m tests.benchmarks.dispatch``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time

from ._buses import BUSES, DISTRIBUTIONS, OURS, AsyncPlugin, Bus, Plugin, SyncPlugin, installed
from ._figures import Check, ratio_at_least
from ._parts import BACKENDS, Cell, Panel, Part, Table
from ._rounds import interleave, median_ratio, on

PM_HOOK = "pm.hook"
EVENTS = 20_000
SMOKE_EVENTS = 200
WARM_UP_EVENTS = 20
PLUGINS = (1, 3, 10)
MANY_PLUGINS = (30, 100)
"""with which only a call of pluggy's hook is compared, the cheapest that keeps plugins apart"""
KINDS: dict[str, type[SyncPlugin | AsyncPlugin]] = {"sync": SyncPlugin, "async": AsyncPlugin}

# How many times our cost others take at least, by what and how many plugins they call.
PM_HOOK_MIN = 1.0
PM_HOOK_MANY_MIN = {
    ("asyncio", 30): 1.1,
    ("asyncio", 100): 1.0,
    ("trio", 30): 1.05,
    ("trio", 100): 0.95,
}
PM_HOOK_ONE_MIN = {"sync": 1.5, "async": 1.7}
BLINKER_MIN = 1.7
QUEUE_MIN = {1: 1.3, 3: 1.6, 10: 1.6}
BUBUS_MIN = 400.0
TRIO_MIN = 0.8
"""of what we reach on asyncio"""


@dataclass(frozen=True, slots=True)
class Case:
    """What is called, and where."""

    backend: str
    kind: str
    plugins: int


async def seconds_an_event(bus: Bus, case: Case, events: int) -> float:
    """Return what one event takes, from publishing it until all have handled it.

    These are seconds of CPU time, so that it is the same when the machine has other things to do.
    """
    plugins: list[Plugin] = [KINDS[case.kind]() for _ in range(case.plugins)]
    published = bus.make_events(max(events // bus.slowness, 1))
    async with bus.open(plugins) as publish:
        warm_up = bus.make_events(max(WARM_UP_EVENTS // bus.slowness, 1))
        await publish(warm_up)
        started = process_time()
        await publish(published)
        seconds = process_time() - started

    if any(plugin.handled != len(published) + len(warm_up) for plugin in plugins):
        raise RuntimeError(f"{bus.name} lost events, so its time means nothing")

    return seconds / len(published)


def measure(events: int, rounds: int) -> dict[tuple[Case, str], list[float]]:
    """Return what an event cost in each round, in each case, by each bus."""
    return interleave(
        {
            (case, bus.name): on(case.backend, seconds_an_event, bus, case, events_of(case, events))
            for case in cases()
            for bus in installed()
            if case.backend in bus.backends
            and (case.plugins in PLUGINS or bus.name in (OURS.name, PM_HOOK))
        },
        rounds,
        # The same on the other backend, too.
        compared=lambda key: (key[0].kind, key[0].plugins),
    )


def events_of(case: Case, events: int) -> int:
    """Return how many events a case gets: many plugins take no longer than ten."""
    return events * max(PLUGINS) // max(case.plugins, *PLUGINS)


def cases() -> Iterator[Case]:
    """Return what is measured."""
    for backend in BACKENDS:
        for kind in KINDS:
            for plugins in (*PLUGINS, *MANY_PLUGINS):
                yield Case(backend, kind, plugins)


def bound(bus: str, case: Case) -> float | None:
    """Return how many times our cost a bus takes at least, None if nothing is said."""
    match bus:
        case "pm.hook" if case.plugins == 1:
            return PM_HOOK_ONE_MIN[case.kind]
        case "pm.hook":
            return PM_HOOK_MANY_MIN.get((case.backend, case.plugins), PM_HOOK_MIN)
        case "blinker":
            return BLINKER_MIN
        case "asyncio.Queue":
            return QUEUE_MIN[case.plugins]
        case "bubus":
            return BUBUS_MIN

    return None


def checks(costs: dict[tuple[Case, str], list[float]]) -> Iterator[Check]:
    """Judge the ratios."""
    for (case, bus), values in costs.items():
        limit = bound(bus, case)
        own = costs[case, OURS.name]
        if limit is not None:
            what = f"{bus}, {case.plugins} {case.kind} on {case.backend}"
            yield ratio_at_least(what, median_ratio(values, own), limit)

        if bus == OURS.name and case.backend == "trio":
            on_asyncio = costs[Case("asyncio", case.kind, case.plugins), OURS.name]
            what = f"trio to asyncio, {case.plugins} {case.kind}"
            yield ratio_at_least(what, median_ratio(on_asyncio, own), TRIO_MIN)


def panel(kind: str, costs: dict[tuple[Case, str], list[float]]) -> Panel:
    """Draw the cost by the number of plugins."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for (case, bus), values in costs.items():
        if (case.backend, case.kind) == ("asyncio", kind):
            point = float(case.plugins), statistics.median(values) * 1e6
            lines.setdefault(bus, []).append(point)

    return Panel(
        f"{kind} hooks, asyncio", "µs of CPU time an event", lines=lines, x="plugins", log=True
    )


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure every bus in every case."""
    costs = measure(SMOKE_EVENTS if smoke else EVENTS, rounds)
    names = [bus.name for bus in BUSES]
    rows: list[Sequence[Cell]] = []
    for case in cases():
        own = costs[case, OURS.name]
        row: list[Cell] = [case.backend, case.kind, case.plugins]
        for name in names:
            values = costs.get((case, name))
            if values is None:
                row.append("–")
            elif name == OURS.name:
                row.append(f"{statistics.median(values) * 1e6:.2f}")
            else:
                cost = statistics.median(values) * 1e6
                row.append(f"{cost:,.2f} ({median_ratio(values, own):,.1f} x)")

        rows.append(row)

    yield Table(
        ["backend", "hooks", "plugins", *names],
        rows,
        "Microseconds of CPU time an event, and how many times ours that is: the median of the "
        "ratios of each round.",
        list(checks(costs)),
        [panel(kind, costs) for kind in KINDS],
    )


PART = Part("dispatch", "what it costs to publish an event and have it handled", run, DISTRIBUTIONS)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
