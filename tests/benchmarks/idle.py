"""What the daemon costs while nothing happens: wake-ups, CPU time and memory.

Run it with ``python -m tests.benchmarks.idle``, or as a part of ``python -m tests.benchmarks``. It
reads what Linux shows of a process below ``/proc``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ._figures import Check
from ._parts import BACKENDS, SMOKE_BACKENDS, Cell, Panel, Part, Table
from ._process import ROOT

SECONDS = 60.0
SMOKE_SECONDS = 0.1
# What the start has left to do is done after this.
SETTLE_SECONDS = 4.0
MEMORY_MAX_MEGABYTES = 88

_PLUGINS = (
    "  log: {path: events.jsonl}\n"
    "  discord: {webhook_url: 'https://discord.com/api/webhooks/1/made-up'}\n"
    "  presence: {client_id: '123456789012345678'}\n"
    "  parties:\n"
    "  http: {port: 0}\n"
)
_LOGFILE = "  logfile: {files: [{path: game.log, preset: minecraft}]}\n"
CONFIGURATIONS: Mapping[str, tuple[str, float]] = {
    "all plugins but logfile": (f"plugins:\n{_PLUGINS}", 0.0),
    "all plugins; logfile follows a file": (f"plugins:\n{_PLUGINS}{_LOGFILE}", 25.0),
    "the same and watch": (f"watch: true\nplugins:\n{_PLUGINS}{_LOGFILE}", 50.0),
}
"""what is run, and how many wake-ups a second libraries may cause: watchfiles looks 20 times a
second whether there is something to do, once for each use of it"""

STEPS: Mapping[str, str] = {
    "Python": "",
    "AnyIO and pluggy": "anyio, pluggy",
    "pydantic": "pydantic",
    "Jinja2 and PyYAML": "jinja2, jinja2.sandbox, yaml",
    "structlog and watchfiles": "structlog, watchfiles",
    "cyclopts": "cyclopts",
    "the core": "lanrage_events, lanrage_events._cli.app, lanrage_events._daemon.daemon",
    "httpx": "httpx, httpx._transports.default",
    "plugin discord": "lanrage_events_discord",
    "plugin presence": "lanrage_events_presence",
    "plugins log, logfile and parties": "lanrage_events_log, lanrage_events_logfile, lanrage_events_parties",
    "Starlette, anycorn and plugin http": "lanrage_events_http, starlette.routing, anycorn",
}
"""what is imported one after another"""

_READY = "ready, with the plugins"
_MEMORY = (
    "import importlib, sys\n"
    "for step in sys.argv[1:]:\n"
    "    for name in filter(None, step.split(', ')):\n"
    "        importlib.import_module(name)\n"
    "    with open('/proc/self/status') as status:\n"
    "        print(next(int(line.split()[1]) for line in status if line.startswith('VmRSS')))\n"
)


@dataclass(slots=True)
class Use:
    """What a process has used since its start."""

    cpu: float
    """seconds"""
    wakes: int
    """how often its event loop was woken"""
    others: int
    """how often its other threads were woken"""
    megabytes: float

    @classmethod
    def of(cls, pid: int) -> Use:
        """Read what Linux shows."""
        process = Path(f"/proc/{pid}")
        stat = (process / "stat").read_text("ascii", "replace").rpartition(") ")[2].split()
        wakes = {
            int(task.name): _number(task / "status", "voluntary_ctxt_switches")
            for task in (process / "task").iterdir()
        }
        return cls(
            (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"),
            wakes.pop(pid),
            sum(wakes.values()),
            _number(process / "status", "VmRSS") / 1024,
        )


def _number(file: Path, name: str) -> int:
    lines = file.read_text("utf-8", "replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@contextmanager
def running(configuration: str, backend: str) -> Iterator[int]:
    """Run the daemon as users do, and give its process id once it is ready."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "game.log").touch()
        file = folder / "lanrage.yaml"
        file.write_text(f"state_folder: state\nbackend: {backend}\n{configuration}", "utf-8")
        with (
            (folder / "stderr.txt").open("w", encoding="utf-8") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "lanrage_events", "run", str(file)],
                cwd=folder,
                stderr=errors,
            ) as process,
        ):
            try:
                _wait_ready(process, folder / "stderr.txt")
                yield process.pid
            finally:
                process.terminate()


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    while _READY not in (said := log.read_text("utf-8")):
        if process.poll() is not None:
            raise RuntimeError(f"the daemon did not start: {said}")

        time.sleep(0.05)


def idle(seconds: float, settle: float, backends: Sequence[str], names: Collection[str]) -> Table:
    """Measure the daemon while nothing happens."""
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    with ExitStack() as stack:
        # All at the same time, since they do nothing.
        pids = {
            (name, backend): stack.enter_context(running(configuration, backend))
            for name, (configuration, _) in CONFIGURATIONS.items()
            if name in names
            for backend in backends
        }
        time.sleep(settle)
        before = {key: Use.of(pid) for key, pid in pids.items()}
        time.sleep(seconds)
        after = {key: Use.of(pid) for key, pid in pids.items()}

    for (name, backend), end in after.items():
        begin = before[name, backend]
        loop = (end.wakes - begin.wakes) / seconds
        others = (end.others - begin.others) / seconds
        cpu = (end.cpu - begin.cpu) / seconds * 60
        rows.append((name, backend, loop, others, cpu, end.megabytes))
        what, allowed = f"{name}, {backend}", CONFIGURATIONS[name][1]
        total = loop + others
        text = f"{what}: {total:.2f} wake-ups a second (at most {allowed:g}, watchfiles')"
        checks.append(Check(text, total <= allowed, is_time=True))
        limit = MEMORY_MAX_MEGABYTES
        text = f"{what}: {end.megabytes:.0f} MB (below {limit})"
        checks.append(Check(text, end.megabytes < limit))

    return Table(
        [
            "daemon with",
            "backend",
            "wake-ups of the event loop a second",
            "of other threads",
            "CPU s a minute",
            "MB",
        ],
        rows,
        f"The daemon as `lanrage-events run` starts it, {seconds:g} seconds without an event.",
        checks,
    )


def memory(steps: Mapping[str, str]) -> Table:
    """Measure what of the memory is whose."""
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, *steps.values()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="ascii",
        check=True,
    )
    totals = [int(line) / 1024 for line in done.stdout.split()]
    parts = [total - before for total, before in zip(totals, [0.0, *totals], strict=False)]
    return Table(
        ["imported", "MB more", "MB in all"],
        list(zip(steps, parts, totals, strict=True)),
        "Memory that each import adds to a process, one after another.",
        panels=[
            Panel("memory after imports", "MB more", bars=dict(zip(steps, parts, strict=True)))
        ],
    )


def run(_rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure both."""
    if not Path("/proc/self/task").exists():
        yield Table(
            ["daemon with"], caption="This system does not show how often it wakes a process."
        )
        return

    if smoke:
        yield idle(SMOKE_SECONDS, 0.0, SMOKE_BACKENDS, [*CONFIGURATIONS][-1:])
        yield memory(dict([*STEPS.items()][:2]))
    else:
        yield idle(SECONDS, SETTLE_SECONDS, BACKENDS, CONFIGURATIONS)
        yield memory(STEPS)


PART = Part("idle", "what the daemon costs while nothing happens", run, rounds=1)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
