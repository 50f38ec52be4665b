"""What cards cost in requests, how late they are, and what they take while nothing happens.

Run it with ``python -m tests.benchmarks.cards``, or as a part of ``python -m tests.benchmarks``. All but
the memory is in virtual time, and the same on each machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio

from lanrage_events.testing import virtual_time

from ._card_scenarios import SCENARIOS, Figure, Scenario
from ._figures import Check, equal
from ._parts import BACKENDS, SMOKE_BACKENDS, Backend, Cell, Part, Table
from ._process import ROOT, Line

CARDS = 10_000
SMOKE_CARDS = 200
MEMORY_MAX_MEGABYTES = 20


def play(scenario: Scenario, backend: Backend) -> list[Figure]:
    """Play a scenario in virtual time, and return its figures."""
    name, options = virtual_time(backend)
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(scenario, Path(folder), backend=name, backend_options=options)


def figures(scenarios: Sequence[Scenario], backends: Sequence[Backend]) -> Table:
    """Play scenarios on each backend."""
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    for scenario in scenarios:
        for found in zip(*(play(scenario, backend) for backend in backends), strict=True):
            first = found[0]
            rows.append((first.what, *map(str, found), first.bound, first.other))
            checks += [one.check for one in found]

    return Table(
        ["", *backends, "bound", "DiscordGSM"],
        rows,
        "What Discord gets and shows, in virtual time, beside what DiscordGSM does by its source.",
        checks,
    )


def memory(cards: int) -> Table:
    """Measure what cards take that are open and idle, in processes that have just started."""
    with tempfile.TemporaryDirectory() as name:
        one, all_of_them = Path(name) / "one", Path(name) / "all"
        before = _idle(one, 1)
        after = _idle(all_of_them, cards)
        parties = _run(all_of_them, "parties")["memory"]

    rows: list[Sequence[Cell]] = []
    checks = [equal("requests after a restart", after["requests"])]
    if parties is not None:
        taken = after["memory"] - before["memory"]
        rows.append((cards, taken, parties, taken - parties))
        text = f"{taken - parties:.1f} MB for {cards:,} idle cards (at most {MEMORY_MAX_MEGABYTES})"
        checks.append(Check(text, taken - parties <= MEMORY_MAX_MEGABYTES, is_time=True))

    return Table(
        ["idle cards", "MB in all", "of it parties", "of it cards"],
        rows,
        "What open cards take after a restart, and what [parties](parties.md) of that number take alone.",
        checks,
    )


def _idle(folder: Path, cards: int) -> Line:
    """Post cards, and return what a new process says that goes on with them."""
    folder.mkdir()
    _run(folder, str(cards))
    return _run(folder, "0")


def _run(folder: Path, what: str) -> Line:
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}._cards_process", str(folder), what],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    line: Line = json.loads(done.stdout)
    return line


def run(_rounds: int, smoke: bool) -> Iterator[Table]:
    """Play all scenarios, and measure memory."""
    if smoke:
        yield figures(SCENARIOS[:1], SMOKE_BACKENDS)
    else:
        yield figures(SCENARIOS, BACKENDS)

    yield memory(SMOKE_CARDS if smoke else CARDS)


PART = Part("cards", "how a party is shown by one message that is edited", run, rounds=1)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
