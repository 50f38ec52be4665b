"""SIGHUP and watching: signals and files, so real time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from lanrage_events._daemon.reload import reload_requests
from lanrage_events.config._load import load_config
from lanrage_events.config._models import DaemonConfig

pytestmark = pytest.mark.real_clock


def config(folder: Path, watch: bool) -> DaemonConfig:
    file = folder / "lanrage.yaml"
    file.write_text(f"watch: {str(watch).lower()}\nplugins:\n  log: {{}}\n", encoding="utf-8")
    return load_config(file)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
async def test_sighup_asks_for_a_reload(tmp_path: Path) -> None:
    async with reload_requests(config(tmp_path, watch=False)) as requests:
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGHUP)
        with anyio.fail_after(10):
            assert await requests.receive() == "SIGHUP"


async def test_change_of_the_file_asks_for_a_reload_if_it_is_watched(tmp_path: Path) -> None:
    settings = config(tmp_path, watch=True)
    async with reload_requests(settings) as requests, anyio.create_task_group() as tasks:

        async def change() -> None:
            # Watching begins at some moment, so one change might come too early.
            for number in range(1000):
                new = tmp_path / "new"
                new.write_text(f"plugins: {{}} # {number}", encoding="utf-8")
                os.replace(new, settings.file)
                await anyio.sleep(0.1)

        tasks.start_soon(change)
        with anyio.fail_after(30):
            assert await requests.receive() == f"a change of {settings.file}"

        tasks.cancel_scope.cancel()
