"""Whether a process uses a state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events.config import is_running
from lanrage_events.outbox import Outbox

pytestmark = pytest.mark.real_clock


async def test_a_folder_is_used_while_a_process_has_something_open_in_it(tmp_path: Path) -> None:
    assert not is_running(tmp_path / "state")
    async with Outbox(tmp_path / "state" / "x.outbox"):
        assert is_running(tmp_path / "state")

    assert not is_running(tmp_path / "state")
