from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, PeerJoined, PluginStartError, hookimpl
from lanrage_events_logfile import LogfileConfig, LogfilePlugin


def joined(*names: str) -> str:
    return "".join(f"[20:15:00] [Server thread/INFO]: {name} joined the game\n" for name in names)


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def kept_offset(tmp_path: Path) -> int:
    data = json.loads((tmp_path / "state" / "logfile.positions.json").read_text("utf-8"))
    [position] = data["files"].values()
    return int(position["mark"]["offset"])


async def test_an_event_that_a_durable_plugin_refuses_is_told_again_with_the_same_id(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(start="beginning") as server:
        first = kept_offset(tmp_path)
        server.durable.refuses = True
        append(log, joined("Bob", "Cid"))
        await server.settle()
        await anyio.sleep(600)

        assert server.told == ["+Ann"]
        assert kept_offset(tmp_path) == first
        assert server.health.status == "degraded"
        assert "no space left on device" in server.health.detail
        assert "bytes behind" not in server.health.detail
        assert 8 < len(server.durable.refused) < 20
        assert len({event.id for event in server.durable.refused}) == 1
        ours = [r for r in caplog.records if r.name.startswith("lanrage_events_logfile")]
        assert len([record for record in ours if record.levelname == "WARNING"]) == 1

        server.durable.refuses = False
        await anyio.sleep(60)

        assert server.told == ["+Ann", "+Bob", "+Cid"]
        assert server.ids[1] == server.durable.refused[0].id
        assert server.health.status == "ok"
        assert kept_offset(tmp_path) == log.stat().st_size


async def test_a_stop_while_an_event_does_not_arrive_leaves_it_for_the_next_start(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning") as server:
        durable.refuses = True
        append(log, joined("Bob", "Cid"))
        await server.settle()

    refused = durable.refused[0]
    durable.refuses = False
    async with evening(durable) as server:
        assert server.told == ["+Ann", "+Bob", "+Cid"]
        assert server.ids[1] == refused.id
        # Those are all whom it was told of, and not Bob from before.
        assert [event.type for event in durable.events] == ["peer_joined"] * 3


class Slow:
    """A durable plugin that takes a second for each event."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    async def event(self, event: Event) -> None:
        await anyio.sleep(1)
        self.events.append(event)


async def test_a_stop_while_catching_up_ends_after_the_event_in_hand(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    names = [f"P{number}" for number in range(100)]
    append(log, joined(*names))
    slow = Slow()
    async with evening(slow, start="beginning"):
        await anyio.sleep(10.5)

    assert len(slow.events) == 11
    assert kept_offset(tmp_path) == len(joined(*names[:11]))
    async with evening(slow):
        await anyio.sleep(200)

    assert [event.to_dict()["peer_name"] for event in slow.events] == names


async def test_a_slow_plugin_holds_up_reading(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined(*[f"P{number}" for number in range(3000)]))
    async with evening(Slow(), start="beginning") as server:
        await anyio.sleep(5.5)

        assert server.bus.statistics().plugins["durable"].pending <= 1
        assert server.health.status == "ok"
        assert server.health.detail.endswith("bytes behind")


async def test_without_a_durable_plugin_all_are_waited_for_and_none_can_stop_it(
    tmp_path: Path,
) -> None:
    log = tmp_path / "latest.log"
    names = [f"P{number}" for number in range(500)]
    append(log, joined(*names))
    seen: list[str] = []

    def handle(event: PeerJoined) -> None:
        seen.append(event.peer_name)
        raise OSError("no space left on device")

    config = LogfileConfig(path=log, preset="minecraft", start="beginning", poll=3600)
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, handle, mailbox_size=2, name="handler")
        bus.subscribe(PeerJoined, lambda _: None, mailbox_size=1, when_full="drop_newest")
        bus.register(LogfilePlugin(config))
        await anyio.sleep(1)

        assert seen == names
        assert bus.statistics().plugins["handler"].dropped == 0


async def test_a_position_that_cannot_be_written_holds_everything_up(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(start="beginning") as server:
        # A folder in place of the file that takes the place of the old one.
        new = tmp_path / "state" / "logfile.positions.json.new"
        new.mkdir()
        append(log, joined("Bob", "Cid"))
        await server.settle()
        await anyio.sleep(100)

        assert server.told == ["+Ann", "+Bob"]
        assert "cannot write" in server.health.detail

        new.rmdir()
        await anyio.sleep(60)

        assert server.told == ["+Ann", "+Bob", "+Cid"]
        assert server.health.status == "ok"


async def test_a_stop_while_the_position_cannot_be_written_does_not_hang(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        (tmp_path / "state" / "logfile.positions.json.new").mkdir()
        append(log, joined("Ann", "Bob"))
        await server.settle()
        started = anyio.current_time()

    assert anyio.current_time() - started < 1
    assert server.told == ["+Ann"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2, "files": {}}', '{"version": 1, "files": 3}', "\ufffd"],
)
async def test_positions_that_cannot_be_read_are_told_and_begin_anew(
    evening: Any, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "logfile.positions.json").write_text(text, "utf-8")
    async with evening() as server:
        append(log, joined("Ann"))
        await server.settle()

        assert server.told == ["+Ann"]
        assert "cannot be read, so every file counts as new" in caplog.text


@pytest.mark.parametrize("position", [None, 3, {}, {"mark": {}}, {"mark": None, "file_id": "x"}])
async def test_a_position_that_cannot_be_read_is_told_and_begins_anew(
    evening: Any, tmp_path: Path, position: object, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "logfile.positions.json").write_text(
        json.dumps({"version": 1, "files": {str(log): position}}), "utf-8"
    )
    async with evening() as server:
        append(log, joined("Ann"))
        await server.settle()

        assert server.told == ["+Ann"]
        assert ("so it counts as new" in caplog.text) == (position is not None)


async def test_a_line_that_lacks_a_field_is_counted_and_warned_of_once(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    settings = {
        "preset": None,
        "patterns": {"notification": r"(?P<title>\w+): ?(?P<message>\w+)?(?P<color>#.*)?"},
    }
    async with evening(**settings) as server:
        append(log, "Pizza:\nPizza: here\nBeer:\nPizza: #red\n")
        await server.settle()

        assert [event.to_dict()["message"] for event in server.durable.events] == ["here"]
        assert server.counts["logfile_failed"] == 3
        warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert len(warnings) == 2
        assert "matches patterns.notification but is not a valid event: message: required" in warnings[0]


async def test_one_line_can_give_several_events_with_ids_of_their_own(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    settings = {
        "patterns": {"notification": r"(?P<message>.* joined the game)"},
        "fields": {"notification": {"title": "Minecraft"}},
    }
    async with evening(**settings) as server:
        append(log, joined("Ann"))
        await server.settle()

        assert [event.type for event in server.durable.events] == ["peer_joined", "notification"]
        assert len(set(server.ids)) == 2


async def test_lines_that_give_nothing_move_the_position_too(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        with log.open("w", encoding="utf-8") as file:
            for _ in range(30_000):
                file.write(
                    "[20:15:00] [Server thread/INFO]: <Ann> a chat that is a little longer\n"
                )

        await server.settle()
        assert kept_offset(tmp_path) == log.stat().st_size


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

        assert server.told == ["+Ann", "+Bob", "+Cid"]
        assert [event.party_name for event in server.durable.events] == ["Minecraft", "LAN", "LAN"]


async def test_patterns_that_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    config = LogfileConfig.model_validate(
        {"path": tmp_path / "x.log", "patterns": {"peer_joind": "x"}, "poll": 1.0}
    )
    async with EventBus() as bus:
        with pytest.raises(PluginStartError, match="did you mean 'peer_joined'"):
            await bus.plugins.register_and_wait(LogfilePlugin(config), "logfile")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs what POSIX offers")
async def test_a_file_that_may_not_be_read_is_told_once_and_tried_again(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "locked"
    log = folder / "latest.log"
    user = os.geteuid()
    async with evening(path=log) as server:
        folder.mkdir()
        append(log, joined("Ann"))
        folder.chmod(0)
        # Root may read everything, so be somebody else.
        os.seteuid(65534 if user == 0 else user)
        try:
            await server.settle()
            await anyio.sleep(1000)
            assert server.health.status == "degraded"
            assert server.health.detail.startswith(f"cannot read '{log}': Permission denied")
        finally:
            os.seteuid(user)

        folder.chmod(0o755)
        await anyio.sleep(61)

        assert server.told == ["+Ann"]
        assert server.health.status == "ok"
        assert caplog.text.count("Permission denied") == 1


async def test_positions_that_may_not_be_read_stop_the_start(evening: Any, tmp_path: Path) -> None:
    (tmp_path / "state" / "logfile.positions.json").mkdir(parents=True)
    with pytest.raises(PluginStartError, match="positions.json' cannot be read"):
        async with evening():
            raise AssertionError
