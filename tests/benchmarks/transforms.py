"""The cost of publishing events that a transform gets, beside events that none gets.

Run it with ``python -m tests.benchmarks.transforms``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time

from lanrage_events import EventBus, Notification, PeerJoined, hookimpl

from ._buses import SyncPlugin
from ._figures import Check, ratio_at_most
from ._parts import BACKENDS, Cell, Panel, Part, Table
from ._rounds import interleave, median_ratio, on

EVENTS = 20_000
SMOKE_EVENTS = 200
WARM_UP_EVENTS = 200
PLUGINS = (1, 3)

NONE = "no transform"
BOUNDS: dict[tuple[str, int], float] = {
    ("of another class", 1): 1.05,
    ("returns the event", 1): 2.0,
    ("changes the event", 1): 5.0,
}
"""how many times the cost without a transform each takes at most, with so many plugins"""


class OfAnotherClass:
    """Transforms events of another class."""

    @hookimpl
    def transform(self, event: Notification) -> Notification:
        """Return a notification."""
        return event


class ReturnsTheEvent:
    """Lets events pass as they are."""

    @hookimpl
    def transform(self, event: PeerJoined) -> PeerJoined:
        """Return an event."""
        return event


class ChangesTheEvent:
    """Makes another event of each."""

    @hookimpl
    def transform(self, event: PeerJoined) -> PeerJoined:
        """Return an event with another name."""
        return event.replace(peer_name="a player")


TRANSFORMS: dict[str, type | None] = {
    NONE: None,
    "of another class": OfAnotherClass,
    "returns the event": ReturnsTheEvent,
    "changes the event": ChangesTheEvent,
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is published, and where."""

    backend: str
    plugins: int
    transform: str


async def seconds_an_event(case: Case, events: int) -> float:
    """Return what one event takes in seconds of CPU time, until all have handled it."""
    plugins = [SyncPlugin() for _ in range(case.plugins)]
    made = [PeerJoined(peer_name="Ann", party_name="Friday LAN") for _ in range(events)]
    transform = TRANSFORMS[case.transform]
    async with EventBus() as bus:
        for number, plugin in enumerate(plugins):
            bus.register(plugin, str(number))

        if transform is not None:
            bus.register(transform())

        for event in made[:WARM_UP_EVENTS]:
            await bus.publish(event)

        await bus.drain()
        started = process_time()
        for event in made:
            await bus.publish(event)

        await bus.drain()
        seconds = process_time() - started

    if any(plugin.handled != events + len(made[:WARM_UP_EVENTS]) for plugin in plugins):
        raise RuntimeError(f"{case} lost events, so its time means nothing")

    return seconds / events


def checks(costs: dict[Case, list[float]]) -> Iterator[Check]:
    """Judge the ratios."""
    for (transform, plugins), limit in BOUNDS.items():
        for backend in BACKENDS:
            ratio = median_ratio(
                costs[Case(backend, plugins, transform)], costs[Case(backend, plugins, NONE)]
            )
            what = f"a transform that is {transform}" if "of" in transform else transform
            receivers = f"{plugins} plugin{'' if plugins == 1 else 's'}"
            yield ratio_at_most(f"{what}, {receivers} on {backend}", ratio, limit)


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure every case."""
    events = SMOKE_EVENTS if smoke else EVENTS
    cases = [Case(b, p, t) for b in BACKENDS for p in PLUGINS for t in TRANSFORMS]
    costs = interleave(
        {case: on(case.backend, seconds_an_event, case, events) for case in cases},
        rounds,
        compared=lambda case: (case.backend, case.plugins),
    )
    rows: list[Sequence[Cell]] = []
    for case, values in costs.items():
        ratio = median_ratio(values, costs[Case(case.backend, case.plugins, NONE)])
        cost = f"{statistics.median(values) * 1e6:.2f}"
        rows.append((case.backend, case.plugins, case.transform, cost, f"{ratio:.2f} x"))

    bars = {
        transform: statistics.median(costs[Case("asyncio", 1, transform)]) * 1e6
        for transform in TRANSFORMS
    }
    yield Table(
        ["backend", "plugins", "transform", "µs of CPU time", "times no transform"],
        rows,
        "Microseconds of CPU time an event, until all plugins have handled it.",
        list(checks(costs)),
        [Panel("one plugin, asyncio", "µs of CPU time an event", bars=bars, ours=list(bars))],
    )


PART = Part("transforms", "what a transform adds to the cost of publishing", run, [])


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
