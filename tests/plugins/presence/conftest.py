from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanrage_events_presence.testing import StandInDiscordClient


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which programs look for Discord's socket first."""
    # Not tmp_path: the path of a socket has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="ipc-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    for variable in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.delenv(variable, raising=False)

    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def discord(runtime_folder: Path) -> StandInDiscordClient:
    """Discord's stand-in, which is not running yet."""
    return StandInDiscordClient(runtime_folder)
