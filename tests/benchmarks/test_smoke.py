"""The benchmarks run at all: small, and without judging times."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

from . import delivery, dispatch
from ._figures import Figures, Run
from ._parts import Cell
from ._render import show
from ._rounds import interleave, median_ratio
from ._scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.real_clock

ROOT = Path(__file__).parents[2]
QUICK_PARTS = ["dispatch", "isolation", "events", "start_up", "outbox"]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=55,
        check=False,
    )


def test_benchmark_of_delivery_shows_each_scenario_and_that_our_bounds_are_kept() -> None:
    done = run("delivery", "--smoke", "--senders", "lanrage-events", "httpx loop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    ours = [row for row in rows if row[1] == "lanrage-events"]
    others = [row for row in rows if row[1] == "httpx loop"]
    assert len(ours) == 4
    assert {row[-1] for row in ours} == {"kept |"}
    assert [row[3] for row in ours] == ["0"] * 4
    # It takes no notice of the limit, and keeps nothing when it is killed.
    assert len(others) == 2
    assert all(int(row[3]) > 0 for row in others)


def test_benchmark_of_delivery_refuses_a_scenario_that_there_is_not() -> None:
    done = run("delivery", "tea-party")
    assert done.returncode == 2
    assert "no scenario is named tea-party" in done.stderr


@pytest.mark.parametrize("part", QUICK_PARTS)
def test_suite_shows_a_part_and_whether_its_bounds_are_kept(part: str, tmp_path: Path) -> None:
    done = run("__main__", part, "--smoke", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"<!-- {part} -->\n" in (tmp_path / "benchmarks.md").read_text("utf-8")
    assert re.search(f"^(kept  |missed) {part}: ", done.stdout, re.MULTILINE)
    rows = [line for line in done.stdout.splitlines() if re.match(r"\| (asyncio|trio) \| ", line)]
    if part == "dispatch":
        assert len(rows) == len(list(dispatch.cases()))


def test_suite_replaces_only_what_it_measured(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Ours\n\n<!-- events -->\nold\n<!-- end of events -->\n\nMore.\n", "utf-8")
    assert run("events", "--smoke", "--output", str(tmp_path)).returncode == 0
    text = page.read_text("utf-8")
    assert text.startswith("# Ours\n\n<!-- events -->\n")
    assert text.endswith("<!-- end of events -->\n\nMore.\n")
    assert "old" not in text
    assert "| make | lanrage-events |" in text


def test_suite_refuses_a_part_that_there_is_not() -> None:
    done = run("__main__", "tea-party")
    assert done.returncode == 2
    assert "no part is named tea-party" in done.stderr


def test_median_ratio_is_of_the_same_rounds() -> None:
    # A machine that became ten times slower changes nothing.
    assert median_ratio([2.0, 20.0, 3.0], [1.0, 10.0, 1.5]) == 2.0
    assert interleave({"a": lambda: 1.0, "b": lambda: 2.0}, 3) == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_cpu_time_is_compared_with_that_of_a_loop_that_was_alone_too() -> None:
    burst, steady = (
        next(scenario for scenario in SCENARIOS if scenario.name == name)
        for name in ("burst-embeds", "steady")
    )

    def result(scenario: Scenario, sender: str, cpu: float) -> delivery.Result:
        used = {"cpu": cpu, "memory": None}
        return delivery.Result(scenario, sender, Figures(Run([], {}, used, 1), expected=200))

    ours = [result(burst, delivery.OURS, 0.06), result(steady, delivery.OURS, 9.0)]
    others = [result(burst, delivery.LOOP, 0.1), result(burst, "Apprise", 9.0)]
    [check] = delivery.cpu_of_loop(ours, [*ours, *others], "trio")
    assert not check.passed
    assert check.text == "burst-embeds on trio: CPU, to the loop's: 0.60 x (at most 0.5 x)"
    assert [delivery.is_alone(one.scenario, one.sender) for one in (*ours, *others)] == [
        True,
        False,
        True,
        False,
    ]


def test_what_is_compared_is_measured_one_right_after_another() -> None:
    calls: list[str] = []

    def note(name: str) -> float:
        calls.append(name)
        return 1.0

    names = [kind + number for number in "123" for kind in "abcd"]
    interleave({name: partial(note, name) for name in names}, 5, compared=lambda name: name[0])
    kinds = [kind for kind, _ in groupby(calls, key=lambda name: name[0])]
    assert len(calls) == 5 * len(names)
    # Where two rounds meet, the same kind may come twice.
    assert 5 * 4 - 4 <= len(kinds) <= 5 * 4
    assert len({tuple(calls[n : n + 12]) for n in range(0, len(calls), 12)}) > 1


@pytest.mark.parametrize(
    ("cell", "shown"),
    [(None, ""), ("x", "x"), (1234, "1,234"), (1234.5, "1,234"), (3.14159, "3.14"), (0.0, "0.00")],
)
def test_numbers_are_shown_with_the_digits_that_count(cell: Cell, shown: str) -> None:
    assert show(cell) == shown


def test_benchmark_of_http_events_shows_each_backend() -> None:
    done = run("http_events", "--smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = done.stdout.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| asyncio", "| trio"]
