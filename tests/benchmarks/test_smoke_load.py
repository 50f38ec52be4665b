"""The parts that start a daemon or many lanes run at all: small, and without judging times."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real_clock

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["compose", "scale", "idle", "long_run"])
def test_part_shows_a_table_and_whether_its_bounds_are_kept(part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", part, "--smoke"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=55,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"## {part}" in done.stdout
    assert re.search(f"^(kept  |missed) {part}: ", done.stdout, re.MULTILINE)
    assert "MISSED" not in done.stdout
