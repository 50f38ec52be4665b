"""How long it takes until it runs: imports, the command line, the daemon.

Run it with ``python -m tests.benchmarks.start_up``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

from ._figures import ratio_at_most
from ._parts import Panel, Part, Table
from ._process import ROOT
from ._rounds import interleave, median_ratio

IMPORT_MAX = 1.5
"""times what importing AnyIO and pluggy takes, which it needs"""

CONFIGURATIONS = {
    "run to ready, plugin log": "plugins:\n  log: {path: events.jsonl}\n",
    "run to ready, plugins log, discord and http": (
        "plugins:\n"
        "  log: {path: events.jsonl}\n"
        "  discord: {webhook_url: 'https://discord.com/api/webhooks/1/made-up'}\n"
        "  http: {port: 0}\n"
    ),
}
_TIMED = "from time import process_time as now; began = now(); import {}; print(now() - began)"
_READY = "ready, with the plugins"


def seconds_of_import(modules: str) -> float:
    """Return how long an import takes in a new process, without the process's own start."""
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(modules)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return float(done.stdout)


def seconds_of_process(*words: str) -> float:
    """Return how long a process takes from its start to its end."""
    started = perf_counter()
    subprocess.run(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=60
    )
    return perf_counter() - started


def seconds_to_ready(configuration: str, backend: str = "asyncio") -> float:
    """Return how long the daemon takes from the start of its process until it says it is ready."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "lanrage.yaml"
        file.write_text(f"state_folder: state\n{configuration}", "utf-8")
        words = ["-m", "lanrage_events", "run", str(file), "--backend", backend]
        started = perf_counter()
        with subprocess.Popen(
            [sys.executable, *words], cwd=folder, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                if _READY in line:
                    break

            seconds = perf_counter() - started
            process.terminate()
            process.communicate(timeout=60)

    if not lines or _READY not in lines[-1]:
        raise RuntimeError("the daemon did not start: " + "".join(lines))

    return seconds


def contenders(smoke: bool) -> dict[str, Callable[[], float]]:
    """Return what is measured."""
    found: dict[str, Callable[[], float]] = {
        "import anyio, pluggy": partial(seconds_of_import, "anyio, pluggy"),
        "import lanrage_events": partial(seconds_of_import, "lanrage_events"),
        "from lanrage_events import EventBus": partial(
            seconds_of_import, "lanrage_events; lanrage_events.EventBus"
        ),
        "process that does nothing": partial(seconds_of_process, "-c", "pass"),
        "process that imports anyio and pluggy": partial(
            seconds_of_process, "-c", "import anyio, pluggy"
        ),
        "lanrage-events --version": partial(
            seconds_of_process, "-m", "lanrage_events", "--version"
        ),
        "lanrage-events --help": partial(seconds_of_process, "-m", "lanrage_events", "--help"),
    }
    for name, configuration in CONFIGURATIONS.items():
        found[f"lanrage-events {name}"] = partial(seconds_to_ready, configuration)
        if smoke:
            break

    return found


def _base(name: str) -> str:
    is_import = name.startswith(("import ", "from "))
    return "import anyio, pluggy" if is_import else "process that imports anyio and pluggy"


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure everything."""
    measured = contenders(smoke)
    # Once for the files that Python compiles and the machine keeps in memory.
    if not smoke:
        for measure in measured.values():
            measure()

    times = interleave(measured, rounds)
    import_ratio = median_ratio(times["import lanrage_events"], times["import anyio, pluggy"])
    yield Table(
        ["what", "ms", "times the same of anyio and pluggy"],
        [
            (name, statistics.median(values) * 1000, median_ratio(values, times[_base(name)]))
            for name, values in times.items()
        ],
        "Milliseconds: of the imports alone, in CPU time; else from the start of a process to its end, or until the "
        "daemon says that it is ready.",
        [ratio_at_most("import lanrage_events, to AnyIO and pluggy", import_ratio, IMPORT_MAX)],
        [
            Panel(
                "start-up",
                "ms",
                bars={name: statistics.median(values) * 1000 for name, values in times.items()},
                ours=[name for name in times if "lanrage" in name],
            )
        ],
    )


PART = Part(
    "start_up",
    "how long it takes to import, to ask for help, and until the daemon is ready",
    run,
    ["anyio", "pluggy"],
)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
