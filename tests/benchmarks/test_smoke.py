"""The benchmarks run at all: small, and without judging times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import dispatch

pytestmark = pytest.mark.real_clock

ROOT = Path(__file__).parents[2]


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
    assert sorted(row[3] for row in others) == ["35", "37"]


def test_benchmark_of_delivery_refuses_a_scenario_that_there_is_not() -> None:
    done = run("delivery", "tea-party")
    assert done.returncode == 2
    assert "no scenario is named tea-party" in done.stderr


def test_benchmark_of_dispatch_shows_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    dispatch.main(events=20, rounds=1)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 2 * 2 * len(dispatch.PLUGINS)


def test_benchmark_of_http_events_shows_each_backend() -> None:
    done = run("http_events", "--smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = done.stdout.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| asyncio", "| trio"]
