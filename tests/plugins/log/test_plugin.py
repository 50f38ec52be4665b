from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from lanrage_events import EventBus, Notification, PeerJoined, PluginStartError
from lanrage_events.config import EventTypes
from lanrage_events_log import LogConfig, LogPlugin

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs what POSIX offers")
DEV_FULL = Path("/dev/full")


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
        await bus.plugins.register_and_wait(LogPlugin(LogConfig(path=path)))
        assert path.exists()


async def start_error(path: Path | None) -> str:
    async with EventBus() as bus:
        with pytest.raises(PluginStartError) as caught:
            await bus.plugins.register_and_wait(LogPlugin(LogConfig(path=path)), "log")

    return str(caught.value)


@pytest.mark.slow
async def test_a_missing_folder_stops_the_start_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "events.jsonl"

    message = await start_error(path)

    assert str(path) in message
    assert f"create the folder '{path.parent}' or change 'path'" in message


async def test_a_folder_as_path_stops_the_start_with_the_remedy(tmp_path: Path) -> None:
    assert "'path' must name a file" in await start_error(tmp_path)


@posix_only
@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
@pytest.mark.parametrize("folder", ["state", "other"])
async def test_a_link_in_the_state_folder_is_not_followed(tmp_path: Path, folder: str) -> None:
    place, target = tmp_path / folder, tmp_path / "precious"
    os.mkdir(place)
    os.symlink(target, place / "events.log")
    bus = EventBus(state_folder=tmp_path / "state")
    bus.register(LogPlugin(LogConfig(path=place / "events.log")), name="log")
    if folder == "state":
        with pytest.raises(PluginStartError, match="symbolic link to .*precious; give the path"):
            async with bus:
                pass
    else:
        async with bus:
            pass

    assert (target.name in os.listdir(tmp_path)) is (folder == "other")


async def test_a_path_below_a_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "Not a directory; change 'path'" in await start_error(tmp_path / "file" / "events")


@contextmanager
def without_privileges() -> Iterator[None]:
    """Drop the privileges of root, who may write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)

    try:
        yield
    finally:
        os.seteuid(user)


@posix_only
async def test_a_folder_without_permission_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(0o500)
    with without_privileges():
        assert "the right to write there" in await start_error(folder / "events.jsonl")


@posix_only
async def test_a_file_that_can_no_longer_be_looked_up_is_written_to_all_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    path = folder / "events.jsonl"
    plugin = LogPlugin(LogConfig(path=path))
    await plugin.event(Notification(title="1", message="-"))
    folder.chmod(0)
    with without_privileges():
        await plugin.event(Notification(title="2", message="-"))

    folder.chmod(0o700)

    assert path.read_text("utf-8").count("\n") == 2


async def test_a_process_without_stderr_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        message = await start_error(None)

    assert "this process has no stderr; set 'path'" in message


async def test_a_stderr_that_is_not_a_file_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", io.StringIO())
        message = await start_error(None)

    assert "cannot write to stderr: fileno; set 'path'" in message


def warnings_of(config: LogConfig, folder: Path | None = None) -> list[str]:
    bus = EventBus(state_folder=folder)
    bus.register(LogPlugin(config), "log")
    return [f"{'W' if p.warning else 'E'} {p}" for p in bus.plugins.problems("log")]


def test_names_that_no_event_type_has_are_found(tmp_path: Path) -> None:
    config = LogConfig(
        path=tmp_path / "events.jsonl",
        include=EventTypes(["party_event", "peer_joind", "game_*"]),
        exclude=EventTypes(["zzz"]),
        levels={"event": "info", "notifications": "debug"},
    )
    assert warnings_of(config) == [
        "W include.1: no event type is named 'peer_joind', did you mean 'peer_joined'?",
        "W exclude.0: no event type is named 'zzz'",
        (
            "W levels.notifications: no event type is named 'notifications', "
            "did you mean 'notification'?"
        ),
    ]


def test_a_selection_that_leaves_nothing_is_found() -> None:
    nothing = "no event type is left to write"
    config = LogConfig(include=EventTypes(["peer_*"]), exclude=EventTypes(["party_event"]))
    assert warnings_of(config) == [f"W include: {nothing}"]
    assert warnings_of(LogConfig(level="warning")) == [f"W {nothing}"]
    assert warnings_of(LogConfig(level="warning", levels={"peer_left": "error"})) == []


def test_a_path_that_cannot_be_written_is_found_without_creating_it(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    state = tmp_path / "state"

    def found(path: str) -> list[str]:
        return warnings_of(LogConfig(path=tmp_path / path), state)

    prefix = f"E path: cannot write to '{tmp_path}"
    assert found("events.jsonl") == []
    assert found("plain") == []
    assert found(".") == [f"{prefix}': Is a directory; 'path' must name a file"]
    assert found("plain/events.jsonl") == [
        f"{prefix}/plain/events.jsonl': Not a directory; change 'path'"
    ]
    remedy = f"create the folder '{tmp_path}/gone' or change 'path'"
    assert found("gone/e") == [f"{prefix}/gone/e': No such file or directory; {remedy}"]
    # It may be created before the start, as systemd does.
    assert found("state/e") == [
        (
            f"W path: cannot write to '{state}/e': No such file or directory; create the folder "
            f"'{state}' or change 'path'"
        )
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain"]


def test_two_plugins_with_one_file_are_found(tmp_path: Path) -> None:
    bus = EventBus()
    file = tmp_path / "events.jsonl"
    file.touch()
    (tmp_path / "link").symlink_to(file)
    bus.register(LogPlugin(LogConfig(path=file)), "first")
    bus.register(LogPlugin(LogConfig()), "screen")
    bus.register(LogPlugin(LogConfig(path=tmp_path / "link")), "second")
    assert bus.plugins.problems("first") == bus.plugins.problems("screen") == []
    [problem] = bus.plugins.problems("second")
    assert (problem.path, problem.warning) == (("path",), True)
    assert problem.message == "the plugin 'first' writes to this file, too"


@pytest.mark.parametrize("line_format", ["json", "text"])
async def test_a_secret_that_the_bus_knows_is_not_written(
    tmp_path: Path, line_format: Literal["json", "text"]
) -> None:
    path = tmp_path / "events.jsonl"
    secret = 'made-up-"secret"'
    async with EventBus() as bus:
        bus.redactor.add(secret)
        bus.register(LogPlugin(LogConfig(path=path, format=line_format)))
        await bus.publish(Notification(title="Leak", message=f"it is {secret}!"))

    text = path.read_text("utf-8")
    assert "made-up" not in text
    assert "it is **********!" in text
    if line_format == "json":
        assert json.loads(text)["message"] == "it is **********!"


@pytest.mark.skipif(not DEV_FULL.exists(), reason="needs /dev/full")
async def test_the_health_of_the_bus_shows_that_lines_are_lost(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.symlink_to(DEV_FULL)
    async with EventBus() as bus:
        bus.register(LogPlugin(LogConfig(path=path)), "log")
        await bus.publish_and_wait(Notification(title="1", message="-"))
        assert bus.health()["log"].status == "degraded"
        assert "1 line lost" in bus.health()["log"].detail


async def test_a_plugin_can_be_used_on_one_bus_after_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = LogPlugin(LogConfig(path=path))
    for _ in range(2):
        async with EventBus() as bus:
            bus.register(plugin)
            await bus.publish(Notification(title="1", message="-"))

    assert path.read_text("utf-8").count("\n") == 2
