"""What SIGKILL leaves: cards that show all that was acknowledged, each once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 15  # on each backend


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cards_show_what_was_acknowledged_after_kills(tmp_path: Path, backend: str) -> None:
    """More often: ``python tests/plugins/discord/cards/killing.py FOLDER 600 asyncio 1``."""
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(script), str(tmp_path), str(KILLS), backend, "1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert " events acknowledged, " in line
