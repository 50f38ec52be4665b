from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, PluginStartError
from lanrage_events.cli import install_command
from lanrage_events_logfile import LogfileConfig, LogfilePlugin
from lanrage_events_logfile._following import Poll, Watch

pytestmark = pytest.mark.real_clock


def append(path: Path, *names: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        for name in names:
            file.write(
                f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
            )


@asynccontextmanager
async def following(
    changes: Watch | None = None, **settings: Any
) -> AsyncIterator[Callable[[], Any]]:
    """Run the plugin, and give what waits for the next event."""
    config = LogfileConfig.model_validate({"preset": "minecraft", **settings})
    async with EventBus() as bus, bus.stream(Event, when_full="block") as events:
        await bus.plugins.register_and_wait(LogfilePlugin(config, changes=changes), "logfile")

        async def next_name() -> str:
            with anyio.fail_after(20):
                event = await anext(events)

            return str(event.to_dict()["peer_name"])

        yield next_name


@pytest.mark.parametrize("poll", [pytest.param(None, marks=pytest.mark.slow), 0.05])
async def test_changes_are_noticed(tmp_path: Path, poll: float | None) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with following(path=log, poll=poll) as next_name:
        append(log, "Ann")
        assert await next_name() == "Ann"
        append(log, "Bob")
        log.rename(tmp_path / "old.log")
        append(log, "Cid")
        assert [await next_name(), await next_name()] == ["Bob", "Cid"]


@pytest.mark.slow
async def test_a_folder_that_appears_later_and_goes_and_comes_again_is_noticed(
    tmp_path: Path,
) -> None:
    log = tmp_path / "srv" / "logs" / "latest.log"
    async with following(path=log) as next_name:
        for name in ("Ann", "Bob"):
            log.parent.mkdir(parents=True)
            append(log, name)
            assert await next_name() == name
            append(log, f"{name}2")
            assert await next_name() == f"{name}2"
            shutil.rmtree(tmp_path / "srv")


@pytest.mark.slow
async def test_a_file_behind_a_link_is_noticed(tmp_path: Path) -> None:
    log, link = tmp_path / "real" / "latest.log", tmp_path / "link.log"
    log.parent.mkdir()
    log.touch()
    try:
        link.symlink_to(log)
    except OSError:
        pytest.skip("links cannot be made here")

    async with following(path=link) as next_name:
        append(log, "Ann")
        assert await next_name() == "Ann"


async def test_where_nothing_can_be_watched_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import watchfiles

    def fail(*_: object, **__: object) -> AsyncIterator[object]:
        async def changes() -> AsyncIterator[object]:
            raise OSError("inotify limit reached")
            yield

        return changes()

    monkeypatch.setattr(watchfiles, "awatch", fail)
    log = tmp_path / "latest.log"
    log.touch()
    async with following(Watch(Poll(0.05)), path=log) as next_name:
        append(log, "Ann")
        assert await next_name() == "Ann"

    assert "checked every 0.05 seconds: inotify limit reached" in caplog.text


async def test_without_the_extra_the_start_fails_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(PluginStartError, match=re.escape(f"{install_command('daemon')}, or look")):
        async with following(path=tmp_path / "latest.log"):
            raise AssertionError

    async with following(path=tmp_path / "latest.log", poll=1.0):
        pass


@pytest.mark.slow
async def test_the_watch_restarts_if_a_folder_appears_while_it_starts(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    wakes = 0
    asked = 0

    def folders() -> list[Path]:
        nonlocal asked
        asked += 1
        if asked == 2:
            folder.mkdir()

        return [folder]

    woken = anyio.Event()

    def wake() -> None:
        nonlocal wakes
        wakes += 1
        if (folder / "x").exists():
            woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Watch().run, folders, wake)
        while wakes < 2:
            await anyio.lowlevel.checkpoint()

        (folder / "x").touch()
        with anyio.fail_after(20):
            await woken.wait()

        tasks.cancel_scope.cancel()


@pytest.mark.slow
async def test_watching_ends_soon_when_the_bus_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lanrage_events")
    log = tmp_path / "latest.log"
    log.touch()
    with anyio.fail_after(10):
        async with following(path=log):
            pass

    assert "dropped" not in caplog.text
