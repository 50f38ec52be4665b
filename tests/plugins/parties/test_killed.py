"""What SIGKILL leaves: all that was acknowledged, and each recap once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 15  # of each


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize(("what", "backend"), [("evening", "asyncio"), ("ends", "trio")])
def test_a_kill_costs_nothing_that_was_acknowledged(
    tmp_path: Path, what: str, backend: str
) -> None:
    """More often: ``python tests/plugins/parties/killing.py evening FOLDER 600 asyncio 1``."""
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(script), what, str(tmp_path), str(KILLS), backend, "1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = done.stdout.splitlines()

    assert done.stderr == ""
    assert done.returncode == 0
    assert len(lines) == 1, done.stdout
    assert lines[0].startswith(f"{KILLS} kills, ")
