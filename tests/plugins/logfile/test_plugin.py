from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanrage_events import EventBus, PluginStartError
from lanrage_events_logfile import LogfileConfig, LogfilePlugin


def joined(*names: str) -> str:
    return "".join(f"[20:15:00] [Server thread/INFO]: {name} joined the game\n" for name in names)


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
