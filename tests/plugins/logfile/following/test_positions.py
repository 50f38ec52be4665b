from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from lanrage_events import PluginStartError
from lanrage_events.forgetting import forget
from lanrage_events_logfile._following.follower import SAVE_EVENTS


@pytest.fixture
def keeps_open() -> bool:
    """Run each test once: positions do not depend on it."""
    return True


def joined(*names: str) -> str:
    return "".join(
        f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
        for name in names
    )


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def kept_offset(tmp_path: Path) -> int:
    data = json.loads((tmp_path / "state" / "logfile.positions.json").read_text("utf-8"))
    [position] = data["files"].values()
    return int(position["mark"]["offset"])


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
        append(log, joined("Dan"))
        await server.settle()
        await anyio.sleep(100)

        assert server.seen == ["+Ann", "+Bob", "+Cid"]
        assert "cannot write" in server.health.detail

        new.rmdir()
        await anyio.sleep(60)

        assert server.seen == ["+Ann", "+Bob", "+Cid", "+Dan"]
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
    assert server.seen == ["+Ann", "+Bob"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2, "files": {}}', '{"version": 1, "files": 3}', "\ufffd"],
)
async def test_positions_that_cannot_be_read_are_logged_and_ignored(
    evening: Any, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old"))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "logfile.positions.json").write_text(text, "utf-8")
    async with evening() as server:
        append(log, joined("Ann"))
        await server.settle()

        assert server.seen == ["+Ann"]
        assert "cannot be read, so every file counts as new" in caplog.text


@pytest.mark.parametrize("position", [None, 3, {}, {"mark": {}}, {"mark": None, "file_id": "x"}])
async def test_a_position_that_cannot_be_read_is_logged_and_ignored(
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

        assert server.seen == ["+Ann"]
        assert ("so it counts as new" in caplog.text) == (position is not None)


@pytest.mark.slow
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


async def test_positions_that_may_not_be_read_stop_the_start(evening: Any, tmp_path: Path) -> None:
    (tmp_path / "state" / "logfile.positions.json").mkdir(parents=True)
    with pytest.raises(PluginStartError, match="positions.json' cannot be read"):
        async with evening():
            raise AssertionError


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_stop_in_the_middle_of_a_batch_repeats_nothing_and_loses_nothing(
    evening: Any, tmp_path: Path, durable: Any, is_cancelled: bool
) -> None:
    log = tmp_path / "latest.log"
    names = [f"P{number}" for number in range(10)]
    durable.fails_at = 4
    log.touch()
    with anyio.CancelScope() as scope:
        async with evening(durable) as server:
            append(log, joined(*names))
            await server.settle()
            assert server.seen == [f"+{name}" for name in names[:4]]
            if is_cancelled:
                scope.cancel()
                await checkpoint()

    durable.fails_at = None
    async with evening(durable) as server:
        assert server.seen == [f"+{name}" for name in names]


async def test_a_person_is_forgotten_while_an_event_waits(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log, saved = tmp_path / "latest.log", tmp_path / "state" / "logfile.positions.json"
    durable.fails_at = 1
    log.touch()
    async with evening(durable) as server:
        append(log, joined("Ann", "Bob"))
        await server.settle()
        await forget(server.bus, "Ann")

    assert "Ann" not in saved.read_text("utf-8")


async def test_positions_are_written_once_a_batch(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        written = set()
        durable_event = server.durable.events.append

        class Noting(list[Any]):
            def append(self, event: Any) -> None:
                written.add(kept_offset(tmp_path))
                durable_event(event)

        server.durable.events = Noting()
        append(log, joined(*(f"P{number}" for number in range(3 * SAVE_EVENTS))))
        await server.settle()
        assert len(written) == 3
        assert kept_offset(tmp_path) == log.stat().st_size
