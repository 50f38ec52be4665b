"""A bus with one of our plugins that is cancelled at any moment ends, and can be entered again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lanrage_events import EventBus
from lanrage_events.testing import make_plugin

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

DRAIN_TIMEOUT = 2.0
# Nobody listens there, and nothing is published.
WEBHOOK = "http://127.0.0.1:9/api/webhooks/123456789012345678/made-up-token-0123456789abcdefghij"
CONFIGS: dict[str, dict[str, Any]] = {
    "discord": {"webhook_url": WEBHOOK, "allow_hosts": ["127.0.0.1:9"]},
    "http": {"port": 0},
    "log": {"path": "events.jsonl"},
    "logfile": {"path": "latest.log", "preset": "minecraft"},
    "parties": {},
    "presence": {},
    "webhook": {"targets": {"nowhere": {"url": "http://127.0.0.1:9/"}}},
}
MILLISECONDS = (0, 1, 3, 6, 10, 15, 25, 60)
"""when it is cancelled: while the plugin starts, while it runs and while it ends"""


def once(task: asyncio.Task[None]) -> None:
    task.cancel()


def thrice(task: asyncio.Task[None]) -> None:
    for _ in range(3):
        task.cancel()


def each_tick(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
        asyncio.get_running_loop().call_soon(each_tick, task)


async def live(name: str, folder: Path) -> None:
    bus = EventBus(drain_timeout=DRAIN_TIMEOUT, state_folder=folder)
    bus.register(make_plugin(name, CONFIGS[name]), name)
    async with bus:
        await anyio.sleep(0.01)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("cancel", [once, thrice, each_tick])
@pytest.mark.parametrize("name", CONFIGS)
async def test_native_cancellation(
    name: str,
    cancel: Callable[[asyncio.Task[None]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latest.log").touch()
    await live(name, tmp_path)
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    for milliseconds in MILLISECONDS:
        task = asyncio.create_task(live(name, tmp_path))
        await anyio.sleep(milliseconds / 1000)
        cancel(task)
        done, _ = await asyncio.wait([task], timeout=DRAIN_TIMEOUT + 1)
        assert done, f"hangs when it is cancelled after {milliseconds} ms"
        assert asyncio.all_tasks() == tasks
        # What it holds, such as its outbox and its port, is free again.
        await live(name, tmp_path)

    for thread in set(threading.enumerate()) - threads:
        if thread.name != "AnyIO worker thread":
            await anyio.to_thread.run_sync(thread.join, 5)
            assert not thread.is_alive(), thread
