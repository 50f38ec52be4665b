"""The files that match a wildcard, older copies, and zeros in files."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events_logfile._following.follower import QUIET_SECONDS


@pytest.fixture
def keeps_open(anyio_backend_name: str) -> bool:
    """Pair the two ways with the backends, since they do not depend on each other."""
    return anyio_backend_name == "asyncio"


def line(text: str, clock: str = "20:15:00") -> str:
    return f"[{clock}] [Server thread/INFO]: {text}\n"


def joined(*names: str) -> str:
    return "".join(line(f"{name}[/::1] logged in with entity id 1 at ()") for name in names)


def left(*names: str) -> str:
    return "".join(line(f"{name} lost connection: Disconnected") for name in names)


def append(path: Path, text: str, second: int | None = None) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)

    if second is not None:
        touch(path, second)


def touch(path: Path, second: int) -> None:
    """Let a file be changed at some second, as servers do in the order of their files."""
    time = 1_000_000_000 + second
    os.utime(path, (time, time))


async def test_an_older_file_that_is_touched_does_not_take_the_place_of_the_live_one(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    old, live = tmp_path / "1.log", tmp_path / "2.log"
    append(old, joined("Old"), 1)
    append(live, joined("Before"), 2)
    async with evening(durable, path=tmp_path / "*.log") as server:
        touch(old, 9)
        await server.settle()
        append(live, joined("Ann"), 10)
        await server.settle()
        assert server.seen == ["+Ann"]

    touch(old, 11)
    append(live, joined("Bob"), 11)
    async with evening(durable, path=tmp_path / "*.log") as server:
        touch(old, 12)
        await server.settle()
        append(live, left("Ann"), 13)
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "-Ann"]
        assert server.health.status == "ok"


async def test_a_file_that_was_left_and_grows_is_live_again(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    live, other = tmp_path / "server.log", tmp_path / "notes.log"
    append(live, joined("Before"), 1)
    async with evening(durable, path=tmp_path / "*.log") as server:
        append(live, joined("Ann"), 2)
        await server.settle()
        append(other, "Buy pizza\n", 3)
        await server.settle()
        append(live, joined("Bob"), 4)
        await server.settle()
        append(live, left("Ann"), 5)
        await server.settle()
        assert server.seen == ["+Ann", "+Bob", "-Ann"]

        append(other, "and beer\n", 6)
        await server.settle()

    append(live, left("Bob") + "[20:15:00] [Server thr", 7)
    async with evening(durable, path=tmp_path / "*.log") as server:
        append(other, "and cola\n", 8)
        await server.settle()
        append(live, "ead/INFO]: Cid[/::1] logged in with entity id 1 at ()\n", 9)
        await server.settle()

        assert server.seen == ["+Ann", "+Bob", "-Ann", "-Bob", "+Cid"]
        assert len(set(server.ids)) == 5


@pytest.mark.parametrize("rest", ["[20:15:00] [Server thr", "\0" * 100])
async def test_two_files_with_an_incomplete_line_are_not_read_in_turns_for_ever(
    evening: Any, tmp_path: Path, durable: Any, rest: str
) -> None:
    first, second = tmp_path / "1.log", tmp_path / "2.log"
    append(first, "", 1)
    seen: list[str] = []
    for _ in range(2):
        async with evening(durable, path=tmp_path / "*.log") as server:
            append(first, rest, 2)
            await server.settle()
            append(second, rest, 3)
            await server.settle()
            append(first, "\n" + joined("Ann") + left("Ann") + rest, 4)
            await server.settle()
            append(second, "\n" + joined("Bob") + left("Bob") + rest, 5)
            await server.settle()
            seen = server.seen

    assert seen == ["+Ann", "-Ann", "+Bob", "-Bob"] * 2


async def test_another_file_that_grows_unread_is_said_and_read_when_the_first_is_quiet(
    evening: Any, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.log", tmp_path / "2.log"
    append(second, joined("Old"), 1)
    append(first, joined("Old"), 2)
    async with evening(path=tmp_path / "*.log") as server:
        append(second, joined("Ann"), 3)
        await server.settle()
        assert server.seen == []
        assert server.health.status == "degraded"
        assert server.health.detail == (
            f"'{second}' matches '{tmp_path / '*.log'}' too and grows, but is not read: give it an "
            "entry of its own"
        )

        # As long as the first one grows, it is the live one.
        await anyio.sleep(QUIET_SECONDS - 1)
        append(first, joined("Bob"), 4)
        await server.settle()
        await anyio.sleep(QUIET_SECONDS - 1)
        assert server.seen == ["+Bob"]

        await anyio.sleep(2)
        assert server.seen == ["+Bob", "+Ann"]
        assert server.health.status == "ok"


@pytest.mark.parametrize("first", ["latest.log", "debug.log"])
@pytest.mark.slow
async def test_of_a_log_and_its_double_one_is_read_through_restarts_of_the_server(
    evening: Any, tmp_path: Path, first: str, durable: Any
) -> None:
    latest, debug = tmp_path / "latest.log", tmp_path / "debug.log"
    names = iter(f"P{number}" for number in range(20))
    second = 0

    def write(text: str) -> None:
        nonlocal second
        for path in (latest, debug) if first == "latest.log" else (debug, latest):
            second += 1
            append(path, text if path == latest else line("noise") + text, second)

    write(line("Starting"))
    for number in range(3):
        async with evening(durable, path=tmp_path / "*.log") as server:
            for _ in range(2):
                write(joined(next(names)))
                await server.settle()
                append(debug, line("noise"), second := second + 1)
                await server.settle()
                await anyio.sleep(2 * QUIET_SECONDS)

            assert server.health.status == "ok"
            assert server.health.detail == (
                f"'{debug}' is not read, since its lines are in 'latest.log' as well"
            )
            latest.rename(tmp_path / f"2026-11-{number}.log")
            debug.rename(tmp_path / f"debug-{number}.log.1")
            write(line("Starting", f"21:0{number}:00") + joined(next(names)))
            if number:
                await server.settle()

    async with evening(durable, path=tmp_path / "*.log") as server:
        assert server.seen == [f"+P{number}" for number in range(9)]


async def test_only_the_doubles_are_read_where_nothing_else_matches(
    evening: Any, tmp_path: Path
) -> None:
    append(tmp_path / "latest.log", "")
    append(tmp_path / "debug.log", "")
    async with evening(path=tmp_path / "debug*.log") as server:
        append(tmp_path / "debug.log", joined("Ann"))
        await server.settle()
        assert server.seen == ["+Ann"]
        assert server.health.detail == ""


async def test_a_copy_of_what_was_read_is_not_new(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    live, copy = tmp_path / "server.log", tmp_path / "server-copy.log"
    append(live, "", 1)
    async with evening(durable, path=tmp_path / "*.log") as server:
        for name in ("Ann", "Bob"):
            append(live, joined(name) + left(name), 2)
            await server.settle()

        shutil.copyfile(live, copy)
        touch(copy, 3)
        await server.settle()
        append(live, joined("Cid"), 4)
        await server.settle()
        assert server.seen == ["+Ann", "-Ann", "+Bob", "-Bob", "+Cid"]

    touch(copy, 5)
    async with evening(durable, path=tmp_path / "*.log") as server:
        append(live, left("Cid"), 6)
        await server.settle()
        assert server.seen[4:] == ["+Cid", "-Cid"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["server.log", "*.log"])
@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("lines", [2, 6])
async def test_a_file_that_is_replaced_by_an_older_copy_is_not_reported_again(
    evening: Any,
    tmp_path: Path,
    path: str,
    is_moved: bool,
    is_stopped: bool,
    lines: int,
    durable: Any,
) -> None:
    live, backup = tmp_path / "server.log", tmp_path / "backup.txt"
    append(live, "")

    def restore() -> None:
        if is_moved:
            backup.rename(live)
        else:
            shutil.copyfile(backup, live)

    names = [f"P{number}" for number in range(8)]
    before = [sign + name for name in names for sign in "+-"]
    async with evening(durable, path=tmp_path / path) as server:
        for number, name in enumerate(names):
            if number == lines:
                shutil.copyfile(live, backup)

            append(live, joined(name) + left(name))
            await server.settle()

        if not is_stopped:
            restore()
            await server.settle()
            append(live, joined("Ann"))
            await server.settle()
            assert server.seen == [*before, "+Ann"]

    if is_stopped:
        restore()
        async with evening(durable, path=tmp_path / path) as server:
            append(live, joined("Ann"))
            await server.settle()
            await anyio.sleep(2 * QUIET_SECONDS)
            assert server.seen == [*before, "+Ann"]


async def test_a_server_without_times_that_starts_again_is_no_older_copy(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    settings = {
        "patterns": {"peer_joined": "(?P<peer_name>.+) in", "peer_left": "(?P<peer_name>.+) out"}
    }
    run = "Version 1\n" * 30 + "Ann in\nAnn out\n"
    append(log, "")
    async with evening(path=log, preset=None, **settings) as server:
        for _ in range(2):
            append(log, run)
            await server.settle()
            append(log, "Bob in\nBob out\n")
            await server.settle()
            log.write_text("", "utf-8")
            await server.settle()

        assert server.seen == ["+Ann", "-Ann", "+Bob", "-Bob"] * 2


async def test_a_file_in_the_place_of_one_that_was_removed_is_new(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    """Its inode may be the same."""
    old, live = tmp_path / "1.log", tmp_path / "2.log"
    append(old, joined("Old"), 1)
    append(live, joined("Before"), 2)
    async with evening(durable, path=tmp_path / "*.log"):
        pass

    old.write_text(joined("Ann", "Bob").replace("20:15", "20:16"), "utf-8")
    touch(old, 3)
    async with evening(durable, path=tmp_path / "*.log") as server:
        assert server.seen == ["+Ann", "+Bob"]


@pytest.mark.slow
async def test_logs_of_a_server_that_rotates_by_number_are_read_once(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "x.log"
    append(log, line("Starting"), 0)
    names, second = [], 0
    for number in range(8):
        async with evening(durable, path=tmp_path / "x*.log") as server:
            for moment in range(2):
                name = f"P{number}{moment}"
                names.append(f"+{name}")
                second += 1
                append(log, line("Turn", f"2{moment}:15:{number:02}") + joined(name), second)
                if moment == 0:
                    await server.settle()
                    for old in range(3, 0, -1):
                        if (path := tmp_path / f"x.{old}.log").exists():
                            path.rename(tmp_path / f"x.{old + 1}.log")

                    log.rename(tmp_path / "x.1.log")

            if number % 2:
                await server.settle()

        (tmp_path / "x.4.log").unlink(missing_ok=True)

    async with evening(durable, path=tmp_path / "x*.log") as server:
        assert server.seen == names


@pytest.mark.parametrize("torn", ["", "[20:15:00] [Server thr"])
@pytest.mark.parametrize("zeros", [600, 40_000, 65_536])
async def test_zeros_of_a_power_loss_lose_nothing_behind_them(
    evening: Any, tmp_path: Path, torn: str, zeros: int
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old"))
    async with evening() as server:
        append(log, joined("Ann") + torn)
        await server.settle()
        append(log, "\0" * zeros)
        await server.settle()
        append(log, joined("Bob"))
        await server.settle()
        assert server.seen == ["+Ann", "+Bob"]


async def test_a_server_that_writes_on_where_it_was_in_a_truncated_file_is_read(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    async with evening() as server:
        with log.open("r+b", buffering=0) as file:  # without O_APPEND
            file.write((line("x" * 50) * 500 + joined("Ann")).encode())
            await server.settle()
            for name in ("Bob", "Cid"):
                os.truncate(log, 0)
                await server.settle()
                file.write(joined(name).encode())
                await server.settle()

        assert server.seen == ["+Ann", "+Bob", "+Cid"]


async def test_zeros_at_the_end_that_become_a_line_are_read(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(start="beginning") as server:
        text = joined("Bob").encode()
        with log.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.write(bytes(len(text)))
            file.flush()
            await server.settle()
            assert server.health.detail == ""
            file.seek(end)
            file.write(text)

        await server.settle()
        assert server.seen == ["+Ann", "+Bob"]


async def test_positions_of_the_version_before_go_on(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    old, live, later = (tmp_path / f"{number}.log" for number in range(3))
    append(old, joined("Old"), 1)
    append(live, joined("Before"), 2)
    async with evening(durable, path=tmp_path / "*.log"):
        pass

    state = tmp_path / "state" / "logfile.positions.json"
    data = json.loads(state.read_text())
    for position in data["files"].values():
        del position["seen"], position["samples"]

    state.write_text(json.dumps(data))
    append(live, joined("Ann"), 3)
    append(later, joined("Bob"), 4)
    async with evening(durable, path=tmp_path / "*.log") as server:
        touch(old, 5)
        await server.settle()
        append(later, left("Bob"), 6)
        await server.settle()
        assert server.seen == ["+Ann", "+Bob", "-Bob"]


async def test_a_position_between_the_bytes_of_a_newline_goes_on_with_the_next_line(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    """The version before has read UTF-16 with a byte order mark as UTF-8."""
    log = tmp_path / "latest.log"
    log.write_bytes(joined("Old").encode("utf-16"))
    async with evening(durable):
        pass

    state = tmp_path / "state" / "logfile.positions.json"
    data = json.loads(state.read_text())
    [position] = data["files"].values()
    position["mark"] = None
    (tmp_path / "part").write_bytes(log.read_bytes()[:-1])
    async with evening(durable, path=tmp_path / "part", start="beginning"):
        pass

    with log.open("ab") as file:
        file.write(joined("Ann").encode("utf-16-le"))

    async with evening(durable) as server:
        assert server.seen[-1] == "+Ann"


async def test_a_log_that_is_packed_under_a_wildcard_is_read_to_its_end(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Old"))
    async with evening(durable, path=tmp_path / "*.log"):
        pass

    append(log, joined("Ann"))
    (tmp_path / "2026-11-24-1.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, joined("Bob"))
    async with evening(durable, path=tmp_path / "*.log") as server:
        assert server.seen == ["+Ann", "+Bob"]
