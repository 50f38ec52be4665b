"""Measures delivery to Discord, ours and others', and prints a table in Markdown.

Run it with ``python -m tests.benchmarks.delivery``; see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import anyio

from ._figures import ROUND_TRIP_SECONDS, Check, Figures, Run, ratio_at_most
from ._parts import Part, Table
from ._peers import PEERS, installed
from ._process import Child, Line, start
from ._render import markdown
from ._scenarios import OUTAGE_SECONDS, SCENARIOS, SMOKE, Scenario, smaller

OURS = "lanrage-events"
# They mostly wait, so two of ours do not disturb each other.
OURS_TOGETHER = 2
TOGETHER = 8
LOOP = "httpx loop"
# The same burst, told in different styles; the loop does it in one.
BURSTS = ("burst-digest", "burst-immediate", "burst-embeds")
LOOP_SCENARIO = "burst-embeds"
CPU_OF_LOOP_MAX = 0.5
"""times the CPU time that a plain loop takes"""
COLUMNS = (
    "scenario",
    "sender",
    "sent",
    "lost",
    "twice",
    "429",
    "requests",
    "first to last, s",
    "p99, s",
    "CPU s per 1,000",
    "peak MB",
    "bounds",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the scenarios are run."""

    backend: str
    judge_times: bool
    folder: Path
    """where the outboxes and what the processes write to stderr go"""


@dataclass(slots=True)
class Result:
    """A row of the table."""

    scenario: Scenario
    sender: str
    figures: Figures
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every bound was kept."""
        return all(check.passed for check in self.checks)


async def run(scenario: Scenario, sender: str, settings: Settings) -> Result:
    """Let one sender do one scenario, with a stand-in of its own."""
    folder = settings.folder / f"{scenario.name}-{sender}"
    folder.mkdir()
    errors = folder / "stderr.txt"
    options = {"latency": ROUND_TRIP_SECONDS, **scenario.discord, "webhooks": scenario.webhooks}
    async with start("_stand_in", errors, **options) as discord:
        place = await discord.receive()
        job: Line = {
            **place,
            "sender": sender,
            "backend": settings.backend,
            "offsets": scenario.offsets,
            "routed": scenario.routed,
            "long_name": scenario.long_name,
            "batch": {"style": scenario.style, "immediate": scenario.immediate},
            "state_folder": str(folder),
            "drain_timeout": scenario.drain_timeout,
            "seconds": scenario.seconds,
        }
        outage_end = 0.0
        module = "_ours" if sender == OURS else "_peers"
        async with start(module, errors, **job) as process:
            await process.receive()
            for fault in scenario.faults:
                await discord.ask(**fault)

            await process.send(do="begin")
            if scenario.outage_after is not None:
                await anyio.sleep(scenario.outage_after)
                cut = {"do": "fault", "name": "refuse_connections", "seconds": OUTAGE_SECONDS}
                outage_end = (await discord.ask(**cut))["time"] + OUTAGE_SECONDS

            if scenario.end == "kill" and sender != OURS:
                published = await _kill_peer(scenario, discord, process)
                used: Line = {}
            else:
                published = await process.receive()
                used = await _end(scenario, sender, discord, process)

        if scenario.end in ("kill", "term") and sender == OURS:
            async with start("_ours", errors, **job | {"offsets": ()}) as process:
                await process.receive()
                await process.send(do="begin")
                await process.receive()
                await _wait_told(scenario, discord)
                restarted = await process.ask(do="end")

            used = used and {
                "cpu": used["cpu"] + restarted["cpu"],
                "memory": max(used["memory"] or 0, restarted["memory"] or 0) or None,
            }

        report = await discord.ask(do="report", texts=scenario.long_name)

    figures = Figures.of(Run(report["records"], published, used, scenario.webhooks, outage_end))
    result = Result(scenario, sender, figures)
    if sender == OURS:
        checks = scenario.checks(figures)
        result.checks = [c for c in checks if settings.judge_times or not c.is_time]

    return result


async def _end(scenario: Scenario, sender: str, discord: Child, process: Child) -> Line:
    """End a sender that has published everything, and return what it used."""
    if sender != OURS:
        return await process.ask(do="end")

    match scenario.end:
        case "kill":
            await discord.ask(do="wait_accepted", count=1, more=True, timeout=scenario.seconds)
            process.process.kill()
            await process.process.wait()
            return {}
        case "term":
            await discord.ask(do="wait_accepted", count=1, more=True, timeout=scenario.seconds)
            process.process.terminate()
            return await process.receive()
        case "told":
            await _wait_told(scenario, discord)

    return await process.ask(do="end")


async def _wait_told(scenario: Scenario, discord: Child) -> None:
    await discord.ask(do="wait_told", count=scenario.expected, timeout=scenario.seconds)


async def _kill_peer(scenario: Scenario, discord: Child, process: Child) -> Line:
    """Kill a sender that keeps nothing, in the middle of its work."""
    await discord.ask(do="wait_accepted", count=3, timeout=scenario.seconds)
    process.process.kill()
    await process.process.wait()
    names = [f"player{number:05}" for number in range(len(scenario.offsets))]
    return {"began": 0.0, "times": dict.fromkeys(names, 0.0), "longest_publish": 0.0}


def is_alone(scenario: Scenario, sender: str) -> bool:
    """Whether nothing else may run beside it."""
    return scenario.alone and (sender == OURS or (scenario.name, sender) == (LOOP_SCENARIO, LOOP))


async def lane_memory(settings: Settings, webhooks: int = 2000) -> str | None:
    """Return what a lane that has nothing to do takes, in words."""
    taken: list[float] = []
    for count in (1, 1 + webhooks):
        folder = settings.folder / f"idle-{count}"
        folder.mkdir()
        async with start("_stand_in", folder / "stderr.txt", webhooks=count) as discord:
            job = {
                **await discord.receive(),
                "backend": settings.backend,
                "offsets": (),
                "routed": False,
                "long_name": False,
                "batch": {},
                "state_folder": str(folder),
                "drain_timeout": 1.0,
            }
            async with start("_ours", folder / "stderr.txt", **job) as process:
                ready = await process.receive()
                if ready["before"] is None:
                    return None

                taken += (ready["before"], ready["after"])

    one_before, one_after, before, after = taken
    lane = (after - before - (one_after - one_before)) * 1024 / webhooks
    configured = (before - one_before) * 1024 / webhooks
    return (
        f"A webhook that has nothing to do takes {lane:.1f} KB, "
        f"and {configured:.1f} KB for its configuration (measured with {webhooks:,})."
    )


def row(result: Result) -> tuple[str, ...]:
    """Return a row of the table."""
    figures = result.figures
    bounds = "" if result.sender != OURS else "kept" if result.passed else "**missed**"
    p99 = None if result.scenario.end == "kill" else figures.p99
    return (
        result.scenario.title,
        result.sender,
        f"{figures.sent:,}",
        f"{figures.lost:,}",
        f"{figures.twice:,}",
        f"{figures.statuses[429]:,}",
        f"{figures.requests:,}",
        f"{figures.seconds:.1f}",
        _number(p99, 2),
        _number(figures.cpu, 2),
        _number(figures.memory, 0),
        bounds,
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def versions(senders: Iterable[str]) -> str:
    """Return what was measured, in one line."""
    peers = ", ".join(f"{name} {installed(name)}" for name in senders if name != OURS)
    return (
        f"{OURS} {version('lanrage-events')}, {peers or 'no others'}; "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()}, {os.cpu_count()} CPUs"
    )


def write(text: str) -> None:
    """Print a line at once, also into a file."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def measure(
    scenarios: list[Scenario], senders: list[str], settings: Settings, together: int
) -> list[Result]:
    """Run one by one what must be alone, then all others side by side."""
    results: list[Result] = []

    async def measure_one(scenario: Scenario, sender: str) -> None:
        results.append(await run(scenario, sender, settings))
        if settings.judge_times:
            sys.stderr.write(f"{scenario.name}: {sender}\n")

    few, many = anyio.CapacityLimiter(OURS_TOGETHER), anyio.CapacityLimiter(together)
    jobs = [
        (scenario, sender)
        for scenario in scenarios
        for sender in senders
        if sender == OURS or scenario.peers
    ]
    alone = [job for job in jobs if settings.judge_times and is_alone(*job)]
    for scenario, sender in alone:
        await measure_one(scenario, sender)

    async def measure_beside(scenario: Scenario, sender: str) -> None:
        async with few if sender == OURS else many:
            await measure_one(scenario, sender)

    async with anyio.create_task_group() as tasks:
        for scenario, sender in jobs:
            if (scenario, sender) not in alone:
                tasks.start_soon(measure_beside, scenario, sender)

    order = [(scenario.name, sender) for scenario in scenarios for sender in senders]
    return sorted(results, key=lambda result: order.index((result.scenario.name, result.sender)))


def measure_all(
    names: Sequence[str],
    senders: Sequence[str],
    backend: str,
    smoke: bool,
    together: int = TOGETHER,
    with_idle: bool = True,
) -> tuple[list[Result], str | None]:
    """Measure scenarios, all if none is named, and what an idle lane takes unless it is small."""
    names = names or (SMOKE if smoke else [scenario.name for scenario in SCENARIOS])
    chosen = [scenario for scenario in SCENARIOS if scenario.name in names]
    if smoke:
        chosen = [smaller(scenario) for scenario in chosen]

    async def measure_in(folder: Path) -> tuple[list[Result], str | None]:
        settings = Settings(backend, not smoke, folder)
        results = await measure(chosen, [*senders], settings, together)
        return results, await lane_memory(settings) if with_idle and not smoke else None

    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(measure_in, Path(folder))


def table(results: Iterable[Result]) -> Table:
    """Return what was measured, each of our bounds with its scenario's name."""
    results = list(results)
    return Table(
        COLUMNS,
        [row(result) for result in results],
        checks=[
            replace(check, text=f"{result.scenario.name}: {check.text}")
            for result in results
            for check in result.checks
        ],
    )


def cpu_of_loop(ours: Iterable[Result], loops: Iterable[Result], backend: str) -> Iterator[Check]:
    """Compare the CPU time that a burst takes, in whichever style, with that of a plain loop.

    :param loops: results of which some are the loop's, which knows no backend
    """
    by_loop = [
        one.figures.cpu
        for one in loops
        if (one.scenario.name, one.sender) == (LOOP_SCENARIO, LOOP) and one.figures.cpu
    ]
    for result in ours:
        cpu = result.figures.cpu
        if by_loop and cpu is not None and result.sender == OURS and result.scenario.name in BURSTS:
            what = f"{result.scenario.name} on {backend}: CPU, to the loop's"
            yield ratio_at_most(what, cpu / statistics.median(by_loop), CPU_OF_LOOP_MAX)


def run_part(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure everything, as often as that is asked for, and ours on Trio too."""
    senders = [OURS, *(name for name in PEERS if installed(name))]
    on_asyncio: list[Result] = []
    for number in range(rounds):
        results, idle = measure_all([], senders, "asyncio", smoke)
        on_asyncio += results
        found = table(results)
        found.checks += cpu_of_loop(results, results, "asyncio")
        found.caption = " ".join([f"Round {number + 1} of {rounds}."] * (rounds > 1) + [idle or ""])
        yield found

    results, idle = measure_all([], [OURS], "trio", smoke)
    found = table(results)
    found.checks += cpu_of_loop(results, on_asyncio, "trio")
    found.caption = f"The same on Trio. {idle or ''}".strip()
    yield found


PART = Part(
    "delivery",
    "what becomes of notifications when Discord is slow, strict or away",
    run_part,
    [distribution for distribution, _ in PEERS.values()],
    rounds=1,
)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.delivery", description=__doc__
    )
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"which ones (all): {', '.join(names)}"
    )
    parser.add_argument(
        "--senders",
        nargs="+",
        choices=[OURS, *PEERS],
        default=[OURS, *PEERS],
        help="who (all that are installed)",
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument(
        "--together",
        type=int,
        default=TOGETHER,
        help="how many of the others run at the same time (8)",
    )
    parser.add_argument(
        "--smoke", action="store_true", help="small scenarios for some seconds, times not judged"
    )
    read = parser.parse_args()
    if unknown := set(read.scenarios) - set(names):
        parser.error(f"no scenario is named {', '.join(sorted(unknown))}")

    return read


def main() -> int:
    """Measure, and return 1 if one of our bounds was missed."""
    read = arguments()
    senders = [name for name in read.senders if name == OURS or installed(name)]
    for name in set(read.senders) - set(senders):
        write(f"{name} is not installed: pip install 'lanrage-events[bench]'")

    results, idle = measure_all(
        read.scenarios, senders, read.backend, read.smoke, read.together, not read.scenarios
    )
    found = table(results)
    write(f"{versions(senders)}, {read.backend}\n\n{markdown(found)}")
    write(f"\n{idle}\n" if idle else "")
    if not read.smoke:
        found.checks += cpu_of_loop(results, results, read.backend)

    for check in found.checks:
        write(f"{'kept  ' if check.passed else 'MISSED'} {check.text}")

    return 0 if all(check.passed for check in found.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
