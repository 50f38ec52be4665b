"""SIGHUP and watching: signals and files, so real time."""

from __future__ import annotations

import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import pytest
from anyio.abc import ObjectReceiveStream

from lanrage_events._daemon import prepare, reload_requests

pytestmark = pytest.mark.real_clock


Requests = AbstractAsyncContextManager[ObjectReceiveStream[str]]


def requests_for(file: Path, watch: bool) -> Requests:
    file.write_text(f"watch: {str(watch).lower()}\nplugins:\n  log: {{}}\n", encoding="utf-8")
    return reload_requests(prepare(file)[0])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
async def test_sighup_asks_for_a_reload(tmp_path: Path) -> None:
    async with requests_for(tmp_path / "lanrage.yaml", watch=False) as requests:
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGHUP)
        with anyio.fail_after(10):
            assert await requests.receive() == "SIGHUP"


@pytest.mark.slow
async def test_change_of_the_file_asks_for_a_reload_if_it_is_watched(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    async with requests_for(file, watch=True) as requests, anyio.create_task_group() as tasks:

        async def change() -> None:
            # Watching begins at some moment, so one change might come too early.
            for number in range(1000):
                new = tmp_path / "new"
                new.write_text(f"plugins: {{}} # {number}", encoding="utf-8")
                os.replace(new, file)
                await anyio.sleep(0.1)

        tasks.start_soon(change)
        with anyio.fail_after(30):
            assert await requests.receive() == f"a change of {file}"

        tasks.cancel_scope.cancel()
