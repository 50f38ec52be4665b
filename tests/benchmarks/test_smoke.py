"""The benchmarks run at all: small, and without judging times."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

from . import delivery, dispatch
from ._figures import Figures, Run
from ._parts import PARTS, Cell, Part
from ._render import show, write
from ._rounds import interleave, median_ratio
from ._scenarios import SCENARIOS, Scenario

ROOT = Path(__file__).parents[2]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments],
        cwd=ROOT,
        # Measuring the coverage of what is measured would take time and memory.
        env={k: value for k, value in os.environ.items() if not k.startswith("COVERAGE")},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )


@pytest.mark.real_clock
@pytest.mark.slow
def test_benchmark_of_delivery_shows_each_scenario_and_that_our_bounds_are_kept() -> None:
    done = run("delivery", "--smoke", "--senders", "lanrage-events", "httpx loop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    ours = [row for row in rows if row[1] == "lanrage-events"]
    others = [row for row in rows if row[1] == "httpx loop"]
    assert len(ours) == 2
    assert {row[-1] for row in ours} == {"kept |"}
    assert [row[3] for row in ours] == ["0"] * 2
    # It takes no notice of the limit, and keeps nothing when it is killed.
    assert len(others) == 2
    assert all(int(row[3]) > 0 for row in others)


@pytest.mark.slow
@pytest.mark.real_clock
def test_benchmark_of_delivery_rejects_an_unknown_scenario() -> None:
    done = run("delivery", "tea-party")
    assert done.returncode == 2
    assert "no scenario is named tea-party" in done.stderr


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        (
            "dispatch",
            "transforms",
            "parties",
            "isolation",
            "neighbours",
            "events",
            "start_up",
            "outbox",
        ),
        ("compose", "scale", "cards", "idle", "long_run"),
    ],
    ids=["quick", "load"],
)
def test_suite_shows_each_part_and_whether_its_bounds_are_kept(
    parts: Sequence[str], tmp_path: Path
) -> None:
    done = run("__main__", *parts, "--smoke", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISSED" not in done.stdout
    page = (tmp_path / "benchmarks.md").read_text("utf-8")
    shown = [*re.split("^## ", done.stdout, flags=re.MULTILINE)][1:]
    assert [text.split()[0] for text in shown] == [part for part in PARTS if part in parts]
    for part, text in zip([part for part in PARTS if part in parts], shown, strict=True):
        assert f"<!-- {part} -->\n" in page
        assert re.search(f"^(kept  |missed) {part}: ", text, re.MULTILINE)
        if part == "dispatch":
            rows = re.findall(r"^\| (?:asyncio|trio) \| ", text, re.MULTILINE)
            assert len(rows) == len(list(dispatch.cases()))


def test_only_what_was_measured_is_replaced_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Ours\n\n<!-- events -->\nold\n<!-- end of events -->\n\nMore.\n", "utf-8")
    write(tmp_path, Part("events", "what events cost", lambda rounds, smoke: []), "| new |", [])
    assert page.read_text("utf-8") == (
        "# Ours\n\n<!-- events -->\n\n| new |\n\n<!-- end of events -->\n\nMore.\n"
    )


@pytest.mark.real_clock
def test_suite_rejects_an_unknown_part() -> None:
    done = run("__main__", "tea-party")
    assert done.returncode == 2
    assert "no part is named tea-party" in done.stderr


@pytest.mark.slow
def test_median_ratio_is_of_the_same_rounds() -> None:
    # A machine that became ten times slower changes nothing.
    assert median_ratio([2.0, 20.0, 3.0], [1.0, 10.0, 1.5]) == 2.0
    contenders = {"a": lambda: 1.0, "b": lambda: 2.0}
    assert interleave(contenders, 3, settle=int) == {"a": [1.0] * 3, "b": [2.0] * 3}


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


@pytest.mark.slow
def test_what_is_compared_is_measured_one_right_after_another() -> None:
    calls: list[str] = []

    def note(name: str) -> float:
        calls.append(name)
        return 1.0

    names = [kind + number for number in "123" for kind in "abcd"]
    contenders = {name: partial(note, name) for name in names}
    interleave(contenders, 5, compared=lambda name: name[0], settle=int)
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


@pytest.mark.real_clock
@pytest.mark.slow
def test_benchmark_of_http_events_shows_the_rates_on_a_backend() -> None:
    done = run("http_events", "--smoke", "--backend", "trio")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row.split(" | ")[0] for row in done.stdout.splitlines()[2:]] == ["| trio"]
