"""What more webhooks, routes, event types, plugins and waiting events cost in one process.

Run it with ``python -m tests.benchmarks.scale``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, make_dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import anyio

from lanrage_events import Event, EventBus, PeerJoined, Redactor, hookimpl
from lanrage_events.events import EventRegistry
from lanrage_events_discord import DiscordConfig
from lanrage_events_discord._routing import Router

from ._backlog import cost_of_message
from ._figures import Check, ratio_at_most
from ._parts import BACKENDS, SMOKE_BACKENDS, Cell, Panel, Part, Table
from ._process import Line, start
from ._rounds import interleave, median_ratio

LANES = (1, 100, 1_000, 10_000)
SMOKE_LANES = (1, 4)
# Just below what Discord takes from one address.
RATE_PER_SECOND = 40
EVENTS = 200
SMOKE_EVENTS = 5
IDLE_SECONDS = 5.0
LANE_MAX_KILOBYTES = 4.0

SIZES = (1, 10, 100, 1_000, 10_000)
SMOKE_SIZES = (1, 4)
PLUGINS = (1, 10, 100)
TIMES = 2_000
SMOKE_TIMES = 20
GROWTH_MAX = 2.0
"""times what it costs with the fewest: it hardly depends on how many there are"""
WAITING: dict[int, int] = {200: 20, 1_000: 100, 10_000: 500, 100_000: 500}
"""how many events wait, and how many messages are looked at: these show ten events each"""
SMOKE_WAITING = {20: 2, 60: 6}
BACKLOG_ROUNDS_MAX = 3
"""since 100,000 events take their time to be put"""
BACKLOG_GROWTH_MAX = 1.3
"""times what a message costs with the fewest: reading the outbox included"""
PLUGIN_GROWTH_MAX = 0.6
"""times as much for each plugin as for the only one: each of them has to be called"""
_OURS = "lanrage-events"


async def lanes(backend: str, webhooks: int, smoke: bool) -> Line:
    """Return what a process with so many webhooks says of itself."""
    with tempfile.TemporaryDirectory() as name:
        errors = Path(name) / "stderr.txt"
        async with start("_stand_in", errors, webhooks=webhooks) as discord:
            job = {
                **await discord.receive(),
                "backend": backend,
                "state_folder": name,
                "routed": True,
                "batch": {},
                "rate": RATE_PER_SECOND,
                "events": SMOKE_EVENTS if smoke else EVENTS,
                "idle": 0.0 if smoke else IDLE_SECONDS,
            }
            async with start("_lanes_process", errors, **job) as process:
                return await process.receive()


def many_lanes(smoke: bool) -> Table:
    """Measure lanes that have something to do now and then."""
    counts = SMOKE_LANES if smoke else LANES
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    points: dict[str, list[tuple[float, float]]] = {}
    for backend in SMOKE_BACKENDS if smoke else BACKENDS:
        said = {count: anyio.run(lanes, backend, count, smoke) for count in counts}
        first = said[counts[0]]
        idle: float | None = None
        for count, one in said.items():
            more = count - counts[0]
            idle, after = (
                (one[when] - one["before"] - (first[when] - first["before"])) * 1024 / more
                if more
                else None
                for when in ("idle", "after")
            )
            cpu = one["cpu"] / (SMOKE_EVENTS if smoke else EVENTS) * 1000
            wakes = one["wakes"]
            rows.append(
                (backend, count, one["start"], one["tasks"], wakes, idle, after, cpu),
            )
            points.setdefault(f"{_OURS}, {backend}", []).append((count, cpu))

        limit = LANE_MAX_KILOBYTES
        assert idle is not None  # of the last one
        text = f"{idle:.1f} KB a lane of {counts[-1]:,} idle ones, {backend} (below {limit:g})"
        checks.append(Check(text, idle < limit, is_time=smoke))
        wakes = said[counts[-1]]["wakes"]
        text = f"{wakes} wake-ups in {IDLE_SECONDS:g} seconds without an event, {backend}"
        checks.append(Check(text, wakes <= 2, is_time=True))
        tasks = said[counts[-1]]["tasks"]
        text = f"{tasks} tasks with {counts[-1]:,} idle lanes, {backend}, as with one"
        checks.append(Check(text, tasks == first["tasks"]))
        # With one lane, events of the same window share a message.
        growth = said[counts[-1]]["cpu"] / said[counts[1]]["cpu"]
        what = f"CPU of an event with {counts[-1]:,} lanes, to {counts[1]:,}, {backend}"
        checks.append(ratio_at_most(what, growth, GROWTH_MAX))

    return Table(
        [
            "backend",
            "webhooks",
            "s to start",
            "tasks",
            "wake-ups",
            "KB an idle lane",
            "KB a lane after a trickle",
            "CPU ms an event",
        ],
        rows,
        f"First {IDLE_SECONDS:g} seconds without an event, whose end is one wake-up, then "
        f"{RATE_PER_SECOND} events a second, each for any one of the webhooks, delivered to a "
        "stand-in for Discord.",
        checks,
        [Panel("an event, delivered", "CPU ms", lines=points, x="webhooks")],
    )


def seconds(call: Callable[[], object], times: int) -> float:
    """Return how many seconds of CPU time one call takes."""
    call()
    started = process_time()
    for _ in range(times):
        call()

    return (process_time() - started) / times


def routing(count: int) -> Callable[[], object]:
    """Return what finds the one of so many routes that an event takes."""
    names = [f"webhook{number}" for number in range(count)]
    config = DiscordConfig.model_validate(
        {
            "webhooks": {
                name: {"url": f"https://discord.com/api/webhooks/{number}/made-up"}
                for number, name in enumerate(names, 1)
            },
            "routes": [{"where": {"party_id": name}, "webhook": name} for name in names],
        }
    )
    router = Router(config.routes, names)
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN", party_id=names[-1])
    return partial(router.route, event)


def decoding(count: int) -> Callable[[], object]:
    """Return what decodes an event of one of so many types."""
    registry = EventRegistry()
    for number in range(count):
        cls = make_dataclass(
            f"Thing{number}Seen",
            [("name", str)],
            bases=(Event,),
            frozen=True,
            kw_only=True,
            slots=True,
        )
        registry.register(cls)

    name = registry.types()[-1].type
    return partial(registry.from_json, f'{{"type": "{name}", "name": "Ann"}}')


def redacting(count: int) -> Callable[[], object]:
    """Return what looks for so many secrets in a line of a log."""
    redactor = Redactor()
    for number in range(count):
        redactor.add(f"https://discord.com/api/webhooks/{number}/made-up-token-{number:060}")

    return partial(redactor.redact, "webhook 'default' works again after 12.3 s, as it should " * 2)


@dataclass(eq=False)
class Counting:
    """A plugin that counts."""

    count: int = 0

    @hookimpl
    def event(self, event: Event) -> None:
        """Count."""
        self.count += 1


def publishing(count: int) -> Callable[[], object]:
    """Return what publishes events to so many plugins, and waits until all have them."""

    async def publish() -> None:
        bus: Any = EventBus()
        for number in range(count):
            bus.register(Counting(), f"plugin{number}")

        event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
        async with bus:
            for _ in range(SMOKE_TIMES * 50):
                await bus.publish(event)

            await bus.drain()

    return partial(anyio.run, publish)


def numbers(rounds: int, smoke: bool) -> Table:
    """Measure what one event costs with more and more of each."""
    kinds: dict[str, Callable[[int], Callable[[], object]]] = {
        "routes: to find one's own": routing,
        "event types: to decode one": decoding,
        "secrets: to redact a line": redacting,
    }
    sizes = SMOKE_SIZES if smoke else SIZES
    # Types are classes, and making one takes a millisecond.
    limits = {"event types: to decode one": 1_000}
    contenders = {
        (kind, size): partial(seconds, make(size), SMOKE_TIMES if smoke else TIMES)
        for kind, make in kinds.items()
        for size in sizes
        if size <= limits.get(kind, size)
    }
    taken = interleave(contenders, rounds, compared=lambda key: key[0])
    plugins = interleave(
        {size: partial(seconds, publishing(size), 1) for size in PLUGINS[: len(sizes)]}, rounds
    )
    events = SMOKE_TIMES * 50
    rows: list[Sequence[Cell]] = [
        (kind, size, statistics.median(values) * 1e6) for (kind, size), values in taken.items()
    ]
    rows += [
        ("plugins: to publish to all", size, statistics.median(values) / events * 1e6)
        for size, values in plugins.items()
    ]
    checks = [
        ratio_at_most(
            f"{kind}, with {size:,}",
            median_ratio(taken[kind, size], taken[kind, sizes[0]]),
            GROWTH_MAX,
        )
        for kind, size in ((kind, max(s for k, s in taken if k == kind)) for kind in kinds)
        if kind != "secrets: to redact a line"
    ]
    most = max(plugins)
    checks.append(
        ratio_at_most(
            f"to publish to {most} plugins, for each of them, to one alone",
            median_ratio(plugins[most], plugins[1]) / most,
            PLUGIN_GROWTH_MAX,
        )
    )
    return Table(
        ["what there is more of", "how many", "µs of CPU time"],
        rows,
        "What an event, or a line of the log, costs with more and more of each.",
        checks,
    )


def backlogs(rounds: int, smoke: bool) -> Table:
    """Measure messages of embeds while more and more events wait."""
    waiting = SMOKE_WAITING if smoke else WAITING
    backends = SMOKE_BACKENDS if smoke else BACKENDS
    taken = interleave(
        {
            (backend, count): partial(cost_of_message, count, "embeds", messages, backend)
            for backend in backends
            for count, messages in waiting.items()
        },
        min(rounds, BACKLOG_ROUNDS_MAX),
        compared=lambda key: key[0],
    )
    fewest = min(waiting)
    return Table(
        ["backend", "events that wait", "CPU µs a message"],
        [(*key, statistics.median(values) * 1e6) for key, values in taken.items()],
        "A message of ten embeds, from the outbox to an answer that the same process gives, which "
        "is a part of it.",
        [
            ratio_at_most(
                f"CPU of a message while {count:,} events wait, to {fewest:,}, {backend}",
                median_ratio(taken[backend, count], taken[backend, fewest]),
                BACKLOG_GROWTH_MAX,
            )
            for backend in backends
            for count in waiting
            if count != fewest
        ],
        [
            Panel(
                "a message while events wait",
                "CPU µs",
                lines={
                    f"{_OURS}, {backend}": [
                        (count, statistics.median(taken[backend, count]) * 1e6) for count in waiting
                    ]
                    for backend in backends
                },
                x="events that wait",
            )
        ],
    )


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure all of them."""
    yield many_lanes(smoke)
    yield numbers(rounds, smoke)
    yield backlogs(rounds, smoke)


PART = Part(
    "scale",
    "what more webhooks, routes, event types, plugins and waiting events cost",
    run,
    rounds=5,
)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
