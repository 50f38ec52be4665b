"""An hour's worth of traffic in some minutes, with faults, and what the process holds meanwhile.

Run it with ``python -m tests.benchmarks.long_run``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import httpx

from ._figures import Check
from ._parts import BACKENDS, SMOKE_BACKENDS, Cell, Panel, Part, Table
from ._process import Child, Line, start

# A large LAN party: three events a second, all hour long.
EVENTS = 10_800
SECONDS = 150.0
SMOKE_EVENTS = 20
SMOKE_SECONDS = 1.0
WEBHOOKS = 5
SAMPLES = 30
# What Discord and the network do wrong, all the time.
FAULTS: tuple[Line, ...] = (
    {"name": "fail", "status": 503, "probability": 0.05, "seed": 1},
    {"name": "fail", "status": 429, "probability": 0.02, "seed": 2},
    {"name": "reset", "accepted": True, "probability": 0.02, "seed": 3},
    {"name": "reset", "probability": 0.03, "seed": 4},
    {"name": "drip", "seconds": 0.3, "probability": 0.02, "seed": 5},
)
OUTAGE_SECONDS = 5.0

GROWTH_MAX_MEGABYTES = 3.0
"""from the second quarter to the last: buffers that grow to their bounds have done so by then"""
OBJECTS_MAX = 5_000
"""of Python's that may hold others, from the second quarter to the last"""
DESCRIPTORS_MAX = 8
"""that come and go: connections to Discord, and one of each client"""
TASKS_MAX = 2 * WEBHOOKS + 6
"""that come and go: two a lane that sends, and those of a request"""


def body(chooser: random.Random) -> list[Line]:
    """Return some events, as a game server would post them."""
    events: list[Line] = []
    for _ in range(chooser.randint(1, 9)):
        name = f"player{chooser.randrange(500):05}"
        kinds: tuple[Line, ...] = (
            {"type": "peer_joined", "peer_name": name, "party_name": "Friday LAN"},
            {"type": "peer_left", "peer_name": name, "party_name": "Friday LAN"},
            {"type": "game_started", "game_name": "Quake", "players": [name]},
            {"type": "notification", "title": name, "message": "*x* " * 20},
        )
        events.append(chooser.choice(kinds))

    return events


async def post(url: str, count: int, seconds: float) -> int:
    """Post about so many events in so many seconds, and return how many they were."""
    chooser = random.Random(1)
    posted = 0
    began = anyio.current_time()
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        while posted < count:
            events = body(chooser)
            answer = await client.post("/api/events", json=events)
            if answer.status_code != 202:
                raise RuntimeError(f"{answer.status_code}: {answer.text}")

            posted += len(events)
            await anyio.sleep_until(began + seconds * posted / count)

    return posted


async def sample(daemon: Child, discord: Child, seconds: float, samples: list[Line]) -> None:
    """Ask again and again what the process holds, with an outage in the first quarter."""
    began = anyio.current_time()
    for number in range(1, SAMPLES + 1):
        await anyio.sleep_until(began + seconds * number / SAMPLES)
        samples.append(await daemon.ask(do="count"))
        # Early, so that what an outage piles up is there when the comparison begins.
        if number == SAMPLES // 8:
            outage = min(OUTAGE_SECONDS, seconds / SAMPLES)
            await discord.ask(do="fault", name="refuse_connections", seconds=outage)


async def measure(backend: str, count: int, seconds: float) -> tuple[list[Line], int]:
    """Return what the process said of itself, the last time when all was delivered."""
    samples: list[Line] = []
    posted = 0
    with tempfile.TemporaryDirectory() as name:
        errors = Path(name) / "stderr.txt"
        async with start("_stand_in", errors, webhooks=WEBHOOKS, latency=0.02) as discord:
            place = await discord.receive()
            for fault in FAULTS:
                await discord.ask(do="fault", **fault)

            job = {
                **place,
                "backend": backend,
                "state_folder": name,
                "routed": False,
                "batch": {},
            }
            async with start("_long_run_process", errors, **job) as daemon:
                url = (await daemon.receive())["url"]
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(sample, daemon, discord, seconds, samples)
                    posted = await post(url, count, seconds)

                with anyio.move_on_after(120):
                    while (await daemon.ask(do="wait"))["pending"]:  # noqa: ASYNC110 - of a process
                        await anyio.sleep(0.5)

                samples.append(await daemon.ask(do="count"))

    return samples, posted


def quarters(samples: Sequence[Line], what: str) -> tuple[float, float]:
    """Return the medians of the second quarter and of the last one."""
    values = [float(one[what]) for one in samples[:SAMPLES]]
    quarter = len(values) // 4
    return statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])


def run(_rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure on both backends."""
    count, seconds = (SMOKE_EVENTS, SMOKE_SECONDS) if smoke else (EVENTS, SECONDS)
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    lines: dict[str, list[tuple[float, float]]] = {}
    for backend in SMOKE_BACKENDS if smoke else BACKENDS:
        samples, posted = anyio.run(measure, backend, count, seconds)
        last = samples[-1]
        expected = posted * WEBHOOKS
        lost = expected - last["sent"] - last["cancelled"] - last["dead"]
        checks.append(Check(f"{lost} lost of {expected:,}, {backend}", lost == 0))
        faults = last["requests"] - last["messages"]
        checks.append(Check(f"{faults} faults met, {backend}", smoke or faults > 0))
        for what, limit in (
            ("megabytes", GROWTH_MAX_MEGABYTES),
            ("objects", OBJECTS_MAX),
            ("descriptors", DESCRIPTORS_MAX),
            ("tasks", TASKS_MAX),
            ("threads", 1),
        ):
            early, late = quarters(samples, what)
            rows.append((backend, what, early, late, max(float(one[what]) for one in samples)))
            text = f"{late - early:+.1f} {what} from the second quarter to the last, {backend}"
            checks.append(
                Check(f"{text} (at most {limit:g})", late - early <= limit, is_time=smoke)
            )

        rows.append((backend, "events delivered", None, None, last["sent"]))
        rows.append((backend, "events cancelled", None, None, last["cancelled"]))
        rows.append((backend, "requests", None, None, last["requests"]))
        rows.append((backend, "requests that failed on purpose", None, None, faults))
        lines[f"lanrage-events, {backend}"] = [
            (60 * number / SAMPLES, one["megabytes"])
            for number, one in enumerate(samples[:SAMPLES], 1)
        ]

    yield Table(
        ["backend", "what", "second quarter", "last quarter", "most"],
        rows,
        f"{count:,} events, an hour of them, in {seconds:g} seconds by HTTP, each for "
        f"{WEBHOOKS} webhooks, while the stand-in for Discord fails, resets, drips and is away.",
        checks,
        [Panel("an hour of traffic", "MB", lines=lines, x="minutes of the hour")],
    )


PART = Part("long_run", "whether memory, files and tasks stay as they are", run, rounds=1)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
