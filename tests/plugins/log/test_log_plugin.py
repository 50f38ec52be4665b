from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from lanrage_events import EventBus, Notification, PeerJoined, PluginStartError
from lanrage_events_log import LogConfig, LogPlugin

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs what POSIX offers")


async def test_every_event_published_on_the_bus_is_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = [Notification(title=str(number), message="-") for number in range(3000)]
    async with EventBus() as bus:
        bus.register(LogPlugin(LogConfig(path=path)))
        for event in events:
            await bus.publish(event)

    assert path.read_text("utf-8") == "".join(event.to_json() + "\n" for event in events)


async def test_an_event_that_is_handled_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    async with EventBus() as bus:
        bus.register(LogPlugin(LogConfig(path=path)))
        await bus.publish_and_wait(event)
        assert path.read_text("utf-8") == event.to_json() + "\n"


async def test_the_file_is_made_when_the_bus_starts(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with EventBus() as bus:
        await bus.register_and_wait(LogPlugin(LogConfig(path=path)))
        assert path.exists()


async def start_error(path: Path | None) -> str:
    async with EventBus() as bus:
        with pytest.raises(PluginStartError) as caught:
            await bus.register_and_wait(LogPlugin(LogConfig(path=path)), "log")

    return str(caught.value)


async def test_a_missing_folder_stops_the_start_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "events.jsonl"

    message = await start_error(path)

    assert str(path) in message
    assert f"create the folder '{path.parent}' or change 'path'" in message


async def test_a_folder_as_path_stops_the_start_with_the_remedy(tmp_path: Path) -> None:
    assert "'path' must name a file" in await start_error(tmp_path)


@posix_only
async def test_a_path_below_a_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "Not a directory; change 'path'" in await start_error(tmp_path / "file" / "events")


@posix_only
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write everywhere")
async def test_a_folder_without_permission_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(0o500)

    assert "the right to write there" in await start_error(folder / "events.jsonl")


async def test_a_process_without_stderr_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        message = await start_error(None)

    assert "this process has no stderr; set 'path'" in message


async def test_a_stderr_that_is_no_file_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", io.StringIO())
        message = await start_error(None)

    assert "cannot write to stderr: fileno; set 'path'" in message


async def test_names_that_no_event_type_has_are_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = LogConfig(
        path=tmp_path / "events.jsonl",
        include=("peer_joind", "party_event", "game_*"),
        exclude=("zzz",),
        levels={"event": "info", "notifications": "debug"},
    )
    async with EventBus() as bus:
        await bus.register_and_wait(LogPlugin(config))

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "include: no event type is called 'peer_joind', did you mean 'peer_joined'?",
        "exclude: no event type is called 'zzz'",
        "levels: no event type is called 'notifications', did you mean 'notification'?",
    ]
