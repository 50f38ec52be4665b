from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lanrage_events import EventBus, PluginStartError, hookimpl
from lanrage_events.forgetting import Forgotten, forget
from lanrage_events_logfile import LogfileConfig, LogfilePlugin


def joined(*names: str) -> str:
    return "".join(
        f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
        for name in names
    )


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


async def test_a_reload_goes_on_where_it_was(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        append(log, joined("Ann"))
        await server.settle()
        append(log, joined("Bob"))
        settings = {"path": log, "preset": "minecraft", "party_name": "LAN"}
        plugin = LogfilePlugin(LogfileConfig.model_validate(settings), changes=server.bell)
        await server.bus.plugins.replace("logfile", plugin)
        append(log, joined("Cid"))
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "+Cid"]
        assert [event.party_name for event in server.durable.events] == ["Minecraft", "LAN", "LAN"]


async def test_patterns_that_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    config = LogfileConfig.model_validate(
        {"path": tmp_path / "x.log", "patterns": {"peer_joind": "x"}, "poll": 1.0}
    )
    async with EventBus() as bus:
        with pytest.raises(PluginStartError, match="did you mean 'peer_joined'"):
            await bus.plugins.register_and_wait(LogfilePlugin(config), "logfile")


async def test_lines_count_as_input_of_the_bus(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        await server.settle()
        assert server.bus.statistics().seconds_since_input == {}
        append(log, "a line without an event\n")
        await server.settle()
        assert server.bus.statistics().seconds_since_input.keys() == {"logfile"}


class Writer:
    """Writes events to files, which may change while it runs."""

    def __init__(self, *files: Path) -> None:
        self.files = files

    @hookimpl
    def written_files(self) -> tuple[Path, ...]:
        return self.files


@pytest.mark.parametrize("path", ["events.log", "hard.log", "*.log", "new-?.log"])
async def test_a_file_that_a_plugin_writes_stops_the_start(tmp_path: Path, path: str) -> None:
    log = tmp_path / "events.log"
    log.touch()
    os.link(log, tmp_path / "hard.log")
    settings = {"path": tmp_path / path, "preset": "minecraft", "poll": 1.0}
    plugin = LogfilePlugin(LogfileConfig.model_validate(settings))
    async with EventBus() as bus:
        bus.register(Writer(log, tmp_path / "new-1.log"), "log")
        message = "the plugin 'log' writes events to it, which would be read again"
        with pytest.raises(PluginStartError, match=message):
            await bus.plugins.register_and_wait(plugin, "logfile")


async def test_a_file_is_not_read_any_more_when_a_plugin_begins_to_write_it(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    writer = Writer()
    async with evening() as server:
        server.bus.register(writer, "log")
        append(log, joined("Ann"))
        await server.settle()
        writer.files = (log,)
        append(log, joined("Bob"))
        await server.settle()
        assert server.seen == ["+Ann"]
        assert server.health.status == "degraded"
        assert "the plugin 'log' writes events to it" in server.health.detail

        writer.files = ()
        await server.settle()
        assert server.seen == ["+Ann", "+Bob"]
        assert server.health.status == "ok"


async def test_a_person_is_forgotten_as_if_never_seen(evening: Any, tmp_path: Path) -> None:
    log, saved = tmp_path / "latest.log", tmp_path / "state" / "logfile.positions.json"
    log.touch()
    async with evening() as server:
        append(log, joined("Ann", "Bob"))
        await server.settle()
        [found] = (await forget(server.bus, "ANN")).found
        assert found == Forgotten("plugin 'logfile'", {"players in game logs": 1})
        assert "Ann" not in saved.read_text()
        # A player who plays on is one again.
        append(log, joined("Bob", "Ann"))
        await server.settle()
        assert server.seen == ["+Ann", "+Bob", "+Ann"]

    bus = EventBus(state_folder=tmp_path / "state")
    config = LogfileConfig.model_validate({"path": log, "preset": "minecraft"})
    bus.register(LogfilePlugin(config), "logfile")
    assert (await forget(bus, "ann")).found == [found]
    assert '"Bob"' in saved.read_text()
    assert "Ann" not in saved.read_text()
    assert (await forget(bus, "ann")).found == []
