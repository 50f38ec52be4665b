"""The cost of keeping entries safe, and what a long backlog adds to it.

Run it with ``python -m tests.benchmarks.outbox``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from ._figures import Check, ratio_at_least
from ._parts import BACKENDS, SMOKE_BACKENDS, Cell, Panel, Part, Table
from ._process import Child, Line, start
from ._rounds import median_ratio

BACKLOG = 1_000_000
SMOKE_BACKLOG = 200
TIMES = 4000
SMOKE_TIMES = 10
# The first of a lane, one of 20, must be there to be read and acknowledged.
NEARLY_EMPTY = TIMES * 20
SMOKE_NEARLY_EMPTY = 2 * SMOKE_TIMES * 20

FLAT_MIN = 0.7
"""of the rate without a backlog"""
BACKLOG_MEGABYTES_MAX = 20.0
OPENING_SECONDS_MAX = 1.0

OPERATIONS = {
    "put": "put, one by one",
    "put, tasks": "put, one by one in 100 tasks",
    "put, batches": "put, 100 at once",
    "read": "read, 100 at once",
    "acknowledge": "acknowledge, one by one",
    "acknowledge, batches": "acknowledge, 100 at once",
}
EMPTY, FULL, BARE = "nearly empty", "with the backlog", "sqlite3 alone"
# As long as that of one event for Discord.
BODY = json.dumps({"embed": {"title": "👋 Ann joined", "description": "x" * 250}})


@dataclass(slots=True)
class Found:
    """What was measured on one backend."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """of one entry, by who and what"""
    openings: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, float | None] = field(default_factory=dict)
    file_megabytes: float = 0.0


async def measure(backend: str, rounds: int, smoke: bool, folder: Path) -> Found:
    """Measure an outbox with hardly anything in it, one with a backlog, and sqlite3."""
    found = Found()
    errors = folder / "stderr.txt"
    full, small = folder / "full.outbox", folder / "small.outbox"
    job: Line = {"backend": backend, "body": BODY}
    backlog = SMOKE_BACKLOG if smoke else BACKLOG
    async with AsyncExitStack() as processes:
        children: dict[str, Child] = {}
        for who, file, count in (
            (EMPTY, small, SMOKE_NEARLY_EMPTY if smoke else NEARLY_EMPTY),
            (FULL, full, backlog),
        ):
            process = start("_outbox_process", errors, **job, file=str(file))
            children[who] = child = await processes.enter_async_context(process)
            await child.receive()
            await child.ask(do="fill", count=count)

        process = start("_bare_sqlite", errors, **job, file=str(folder / "bare.sqlite"))
        children[BARE] = await processes.enter_async_context(process)
        await children[BARE].receive()
        found.file_megabytes = full.stat().st_size / 1e6
        await _measure_operations(found, children, rounds, SMOKE_TIMES if smoke else TIMES)
        await children[FULL].ask(do="end")
        await children[EMPTY].ask(do="end")

    await _measure_openings(found, job, errors, {FULL: full, EMPTY: small}, rounds)
    return found


async def _measure_operations(
    found: Found, children: dict[str, Child], rounds: int, times: int
) -> None:
    order = list(children)
    shuffler = random.Random(rounds)
    for _ in range(rounds):
        for operation in OPERATIONS:
            shuffler.shuffle(order)
            for who in order:
                if who != BARE or operation != "put, tasks":
                    answer = await children[who].ask(do=operation, count=times)
                    found.seconds.setdefault((who, operation), []).append(answer["seconds"])


async def _measure_openings(
    found: Found, job: Line, errors: Path, files: dict[str, Path], rounds: int
) -> None:
    """Open what was closed in an orderly way, and what was killed, and look at the memory."""
    for _ in range(rounds):
        for who, file in files.items():
            for how in ("closed", "killed"):
                async with start("_outbox_process", errors, **job, file=str(file)) as child:
                    opened = await child.receive()
                    key = f"opened, {who}, after it was {how}"
                    found.openings.setdefault(key, []).append(opened["seconds"])
                    if how == "closed" and opened["before"] is not None:
                        found.memory[who] = opened["after"] - opened["before"]

                    # Something is in the log that it leaves behind if it is killed.
                    await child.ask(do="put", count=1)
                    if how == "killed":
                        await child.ask(do="end")
                    else:
                        child.process.kill()
                        await child.process.wait()


def checks(backend: str, found: Found) -> Iterator[Check]:
    """Judge what a backlog costs."""
    for operation, words in OPERATIONS.items():
        ratio = median_ratio(found.seconds[EMPTY, operation], found.seconds[FULL, operation])
        what = f"{words} on {backend}, with the backlog to without"
        yield ratio_at_least(what, ratio, FLAT_MIN)

    seconds = statistics.median(found.openings[f"opened, {FULL}, after it was closed"])
    yield Check(
        f"opened with the backlog on {backend} in {seconds:.2f} s (at most {OPENING_SECONDS_MAX})",
        seconds <= OPENING_SECONDS_MAX,
        is_time=True,
    )
    memory = found.memory.get(FULL)
    if memory is not None:
        yield Check(
            f"the backlog takes {memory:.1f} MB on {backend} (at most {BACKLOG_MEGABYTES_MAX:g})",
            memory <= BACKLOG_MEGABYTES_MAX,
        )


def rates(found: dict[str, Found], few: int, backlog: int) -> Table:
    """Return how many entries a second."""
    rows: list[Sequence[Cell]] = []
    for backend, one in found.items():
        for operation, words in OPERATIONS.items():
            empty = one.seconds[EMPTY, operation]
            full = one.seconds[FULL, operation]
            bare = one.seconds.get((BARE, operation))
            rows.append(
                (
                    backend,
                    words,
                    round(1 / statistics.median(empty)),
                    round(1 / statistics.median(full)),
                    f"{median_ratio(empty, full):.2f}",
                    "–" if bare is None else round(1 / statistics.median(bare)),
                )
            )

    one = found[BACKENDS[0]]
    return Table(
        ["backend", "what", EMPTY, FULL, "ratio", BARE],
        rows,
        f"Entries of {len(BODY)} characters a second, in a file with {few:,} others and in "
        f"one with a backlog of {backlog:,} ({one.file_megabytes:,.0f} MB); and rows a "
        "second that SQLite takes in a thread that does nothing else, without what an outbox knows "
        "of lanes, postponements, limits and dead letters. "
        f"SQLite {sqlite3.sqlite_version}.",
        [check for backend, one in found.items() for check in checks(backend, one)],
        [
            Panel(
                "entries a second, asyncio",
                "entries a second",
                bars={
                    f"{words}, {who}": 1 / statistics.median(one.seconds[who, operation])
                    for operation, words in OPERATIONS.items()
                    if operation != "put, tasks"
                    for who in (EMPTY, FULL, BARE)
                },
                log=True,
                ours=[f"{words}, {who}" for words in OPERATIONS.values() for who in (EMPTY, FULL)],
            )
        ],
    )


def openings(found: Found) -> Table:
    """Return how long it takes to open an outbox, and what it keeps in memory."""
    rows: list[Sequence[Cell]] = []
    for how, seconds in found.openings.items():
        who = FULL if FULL in how else EMPTY
        memory = found.memory.get(who) if how.endswith("closed") else None
        rows.append((how, statistics.median(seconds) * 1000, memory))

    return Table(
        ["what", "ms", "memory, MB"],
        rows,
        "Until it can be used, and how much more memory the process has then.",
    )


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure on both backends."""
    found: dict[str, Found] = {}
    for backend in SMOKE_BACKENDS if smoke else BACKENDS:
        with tempfile.TemporaryDirectory() as folder:
            found[backend] = anyio.run(measure, backend, rounds, smoke, Path(folder))

    yield (
        rates(found, SMOKE_NEARLY_EMPTY, SMOKE_BACKLOG)
        if smoke
        else rates(found, NEARLY_EMPTY, BACKLOG)
    )
    yield openings(found[BACKENDS[0]])


PART = Part("outbox", "what it costs to keep entries safe, without and with a long backlog", run)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
