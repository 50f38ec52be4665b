"""An outbox on a file system of its own that is full, at any moment.

Where no file system can be mounted, ``test_files`` limits the size of a file instead.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lanrage_events.outbox import Outbox, OutboxError, OutboxItem
from lanrage_events.state import StateFile

T = TypeVar("T")

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system as Linux does"),
]

BODY = "x" * 400


class SmallDisk:
    """A file system of a few megabytes, and a file that takes what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "pager.outbox"
        self._filler = folder / "filler"

    def free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self, left: int = 0) -> None:
        """Let another program take the room, but for some bytes."""
        with self._filler.open("ab", buffering=0) as file:
            while (size := self.free() - left) > 0:
                if not _write(file, min(size, 1024 * 1024)):
                    return

    def refill(self, left: int) -> None:
        """Let the other program leave this much room."""
        with self._filler.open("r+b") as file:
            file.truncate(max(0, file.seek(0, os.SEEK_END) - left + self.free()))

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        mount("-o", f"remount,{how}", self.folder)


def _write(file: FileIO, size: int) -> int:
    try:
        return file.write(bytes(size))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise

        return 0


def mount(*arguments: object) -> None:
    command = ["mount", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if result.returncode:
        pytest.skip(f"no file system can be mounted here: {result.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or os.geteuid():
        pytest.skip("no file system can be mounted here: only root can")

    mount("-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", folder)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def spoil(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


async def put_until_full(outbox: Outbox, lane: str) -> list[int]:
    """Put one by one until there is no room."""
    ids: list[int] = []
    while True:
        try:
            ids.append(await outbox.put(lane, BODY))
        except OutboxError as error:
            if "new entries are rejected, and those in it are still" not in str(error):
                raise

            return ids


@pytest.mark.slow
@pytest.mark.either_backend
async def test_a_backlog_drains_on_a_full_disk(
    disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    async with Outbox(disk.path) as outbox:
        expired = await outbox.put_many(
            [OutboxItem("late", BODY, expires=datetime.now(UTC)) for _ in range(500)]
        )
        ids = [*await outbox.put_many([OutboxItem("a", BODY) for _ in range(3000)])]
        disk.fill()
        ids += await put_until_full(outbox, "a")
        assert outbox.problem is not None
        for id in ids[:1000]:
            await outbox.acknowledge([id])

        await outbox.acknowledge(ids[1000:2000])
        await outbox.dead_letter(ids[2000:2500], "HTTP 400", "detail" * 20)
        assert sum(expiry.count for expiry in await outbox.expire()) == len(expired)
        assert outbox.statistics().unwritten == 0
        assert disk.free() < 256 * 1024

    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    # Nothing that was done comes back, although the disk is still full.
    disk.fill()
    async with Outbox(disk.path) as outbox:
        assert [entry.id for entry in await outbox.pending(limit=10**6)] == ids[2500:]
        assert [letter.id for letter in await outbox.dead_letters(limit=1000)] == ids[2000:2500]
        while entries := await outbox.read("a", limit=500):
            await outbox.acknowledge(entry.id for entry in entries)

        assert outbox.statistics().unwritten == 0

    async with Outbox(disk.path) as outbox:
        assert outbox.moved_aside is None
        assert await outbox.pending() == []


@pytest.mark.slow
@pytest.mark.either_backend
async def test_every_entry_of_a_backlog_can_become_a_dead_letter_on_a_full_disk(
    disk: SmallDisk,
) -> None:
    async with Outbox(disk.path) as outbox:
        ids = await outbox.put_many([OutboxItem("a", BODY) for _ in range(5000)])
        disk.fill()
        for id in ids[:500]:
            await outbox.dead_letter([id], "HTTP 400", "detail")

        await outbox.dead_letter(ids[500:], "HTTP 400", "detail")
        assert outbox.statistics().unwritten == 0
        assert await outbox.retry(ids[:100]) == 100
        await outbox.dead_letter(ids[:100], "HTTP 400", "detail")

    async with Outbox(disk.path) as outbox:
        assert outbox.statistics().dead == 5000
        assert await outbox.pending() == []


@pytest.mark.slow
@pytest.mark.either_backend
async def test_puts_are_taken_again_once_there_is_room(
    disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    async with Outbox(disk.path) as outbox:
        disk.fill()
        ids = await put_until_full(outbox, "a")
        # Room in the file itself.
        await outbox.acknowledge(ids)
        assert outbox.problem is None
        assert "can be written again" in caplog.text
        for _ in range(3):
            ids = await put_until_full(outbox, "a")
            assert len(ids) > 500
            await outbox.acknowledge(ids)

        # Room on the disk. Nothing needs to be put to see that.
        ids = await put_until_full(outbox, "a")
        assert outbox.problem is not None
        disk.empty()
        assert outbox.problem is None
        await outbox.put_many([OutboxItem("a", BODY) for _ in range(5000)])
        assert outbox.statistics().pending == len(ids) + 5000
        assert outbox.statistics().unwritten == 0


@pytest.mark.slow
@pytest.mark.either_backend
async def test_the_log_leaves_its_room_to_the_entries(disk: SmallDisk) -> None:
    async with Outbox(disk.path) as outbox:
        ids = await put_until_full(outbox, "a")
        # 12 MB without the reserve, for entries of some 450 bytes each.
        assert len(ids) > 12_000
        assert disk.free() < 256 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("end", ["closed", "killed"])
@pytest.mark.either_backend
async def test_it_opens_on_a_full_disk(disk: SmallDisk, end: str) -> None:
    if end == "closed":
        async with Outbox(disk.path) as outbox:
            await outbox.put_many([OutboxItem("a", BODY) for _ in range(100)])
    else:
        script = (
            "import anyio, os, sys\n"
            "from lanrage_events.outbox import Outbox, OutboxItem\n"
            "async def main():\n"
            "    async with Outbox(sys.argv[1]) as outbox:\n"
            "        await outbox.put_many([OutboxItem('a', 'x' * 400) for _ in range(100)])\n"
            "        os._exit(0)\n"
            "anyio.run(main)\n"
        )
        await anyio.run_process([sys.executable, "-c", script, str(disk.path)])

    disk.fill()
    async with Outbox(disk.path) as outbox:
        for entry in await outbox.read("a"):
            await outbox.acknowledge([entry.id])

        assert outbox.statistics().unwritten == 0

    disk.fill()
    async with Outbox(disk.path) as outbox:
        assert await outbox.pending() == []
        id = await outbox.put("a", "there is room in the file")
        assert [entry.id for entry in await outbox.pending()] == [id]


def needed_more(error: OutboxError | None) -> float:
    """Return how many MB more an outbox says that it needs."""
    found = re.search(
        r"it needs ([0-9.]+) MB more than the [0-9.]+ MB that are free: free some, "
        r"or set state_folder to another disk$",
        str(error),
    )
    assert found is not None, error
    return float(found[1])


@pytest.mark.parametrize("left", [1_000_000, 1_900_000, 4_000_000])
async def test_an_outbox_without_room_says_so_from_the_start(
    disk: SmallDisk, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fill(left)
    async with Outbox(disk.path) as outbox:
        problem = outbox.problem
        assert "No space left on device: new entries are rejected" in str(problem)
        assert caplog.messages == [str(problem)]
        with pytest.raises(OutboxError, match="it needs"):
            await outbox.put("a", BODY)

        assert len(caplog.messages) == 1
        more = needed_more(outbox.problem)
        # What it asks for is enough, and the number is true.
        disk.refill(disk.free() + int(more * 1e6))
        assert outbox.problem is None
        await outbox.put_many([OutboxItem("a", BODY) for _ in range(500)])
        assert "can be written again" in caplog.text


async def test_a_disk_that_is_full_from_the_start_is_an_error(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(OutboxError, match="full|No space left|disk I/O error"):
        async with Outbox(disk.path):
            pass

    disk.empty()
    async with Outbox(disk.path) as outbox:
        await outbox.put("a", BODY)


@pytest.mark.slow
@pytest.mark.either_backend
async def test_a_disk_that_fills_at_any_moment_loses_and_repeats_nothing(disk: SmallDisk) -> None:
    for left in range(0, 200 * 1024, 12 * 1024):
        disk.path = disk.folder / f"{left}.outbox"
        done: set[int] = set()
        async with Outbox(disk.path) as outbox:
            ids = set(await outbox.put_many([OutboxItem("a", BODY) for _ in range(200)]))
            disk.fill(left)
            for _ in range(40):
                with suppress(OutboxError):
                    ids.update(await outbox.put_many([OutboxItem("b", BODY * 30)] * 2))

                chosen = sorted(ids - done)[:4]
                await outbox.acknowledge(chosen[:3])
                await outbox.dead_letter(chosen[3:], "HTTP 400")
                done.update(chosen)

            assert outbox.statistics().unwritten == 0

        async with Outbox(disk.path) as outbox:
            assert {entry.id for entry in await outbox.pending(limit=1000)} == ids - done
            assert outbox.statistics().dead == 40

        disk.empty()
        for file in disk.folder.iterdir():
            file.unlink()


async def test_a_damaged_file_stays_until_there_is_room_for_a_copy(disk: SmallDisk) -> None:
    async with Outbox(disk.path) as outbox:
        ids = list(await outbox.put_many([OutboxItem("a", BODY) for _ in range(2000)]))

    spoil(disk.path, "UPDATE entries SET body = CAST(x'ff' AS TEXT) WHERE id = 10")
    spoil(disk.path, "UPDATE ids SET next_id = 1")
    disk.fill()
    for _ in range(2):
        with pytest.raises(
            OutboxError, match="no room on its disk to copy .* of it: free [0-9]+ MB"
        ):
            async with Outbox(disk.path):
                pass

    disk.empty()
    async with Outbox(disk.path) as outbox:
        assert outbox.moved_aside is not None
        assert [entry.id for entry in await outbox.read("a", limit=9999)] == [*ids[:9], *ids[10:]]
        assert [letter.id for letter in await outbox.dead_letters()] == [10]


@pytest.mark.slow
async def test_a_file_that_is_damaged_on_a_full_disk_is_copied_later(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: seconds)
    async with Outbox(disk.path, inline=True) as outbox:
        ids = list[int]()
        for _ in range(10):
            ids += await outbox.put_many([OutboxItem("a", BODY) for _ in range(1000)])

        spoil(disk.path, "UPDATE entries SET body = CAST(x'ff' AS TEXT) WHERE id = 10")
        disk.fill()
        # Others take the room of the log at once, when it is closed.
        with open(f"{disk.path}-wal", "rb"):  # noqa: ASYNC230
            for _ in range(2):
                seconds += 100
                with pytest.raises(OutboxError, match="damaged"):
                    await outbox.read("a")

            await outbox.acknowledge(ids[:5])
            assert outbox.problem is not None

        disk.remount("size=24m")
        seconds += 100
        assert [entry.id for entry in await outbox.read("a", limit=3)] == ids[5:8]
        assert outbox.problem is None
        assert outbox.statistics().unwritten == 0
        await outbox.put("a", BODY)


async def test_a_read_only_file_system_is_an_error_until_it_is_not(disk: SmallDisk) -> None:
    async with Outbox(disk.path) as outbox:
        id = await outbox.put("a", "1")

    disk.remount("ro")
    with pytest.raises(OutboxError, match=r"pager\.outbox.*Read-only file system"):
        async with Outbox(disk.path):
            pass

    disk.remount("rw")
    async with Outbox(disk.path) as outbox:
        assert [entry.id for entry in await outbox.pending()] == [id]
        await outbox.put("a", "2")


async def test_a_state_file_keeps_its_content_on_a_full_disk(disk: SmallDisk) -> None:
    file = StateFile(disk.folder / "settings.json")
    await file.save({"a": 1})
    disk.fill()
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            await file.save({"a": "x" * 10_000})

        assert file.read({}) == {"a": 1}

    assert {path.name for path in disk.folder.iterdir()} == {"filler", "settings.json"}
    disk.empty()
    await file.save({"a": 2})
    assert file.read({}) == {"a": 2}


LIMITED = """
    import resource
    import sys

    import anyio

    from lanrage_events.outbox import Outbox, OutboxError

    async def main():
        async with Outbox(sys.argv[1]) as outbox:
            # No file may be longer than the log is from the start.
            limit = 4 * 1024 * 1024
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            ids = []
            try:
                while True:
                    ids.append(await outbox.put("a", "x" * 3000))
            except OutboxError as error:
                assert error is outbox.problem

            for id in ids[:200]:
                await outbox.acknowledge([id])

            await outbox.dead_letter(ids[200:300], "HTTP 400")
            assert outbox.statistics().unwritten == 0
            await outbox.put("a", "there is room in the file")
            assert outbox.problem is None
            print(len(ids), outbox.statistics().pending)

    anyio.run(main)
"""


@pytest.mark.slow
async def test_a_file_that_cannot_grow_is_used_without_a_disk_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "pager.outbox"
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(path)]
    result = await anyio.run_process(command, check=False)
    assert result.returncode == 0, result.stderr.decode()
    put, pending = map(int, result.stdout.split())
    assert put > 500
    assert pending == put - 299
    async with Outbox(path) as outbox:
        assert outbox.statistics().pending == pending
        assert outbox.statistics().dead == 100


class FullDiskMachine(RuleBasedStateMachine):
    """What was done never comes back, and what was put and is not done is never lost.

    Others fill and empty the disk, and the process is killed, at any moment.
    """

    def __init__(self, backend: str, disk: SmallDisk) -> None:
        super().__init__()
        self.disk = disk
        disk.empty()
        for file in disk.folder.iterdir():
            file.unlink()

        self.path = disk.folder / f"{uuid4()}.outbox"
        self.time = datetime(2026, 3, 6, tzinfo=UTC)
        self.waiting: set[int] = set()
        self.expiring: dict[int, datetime] = {}
        self.dead: set[int] = set()
        self.portals = ExitStack()
        self.portal = self.portals.enter_context(start_blocking_portal(backend))
        self.opened = ExitStack()

    @initialize()
    def open(self) -> None:
        self.outbox = Outbox(self.path, inline=True, now=lambda: self.time)
        self.opened.enter_context(self.portal.wrap_async_context_manager(self.outbox))
        assert self.outbox.moved_aside is None

    def teardown(self) -> None:
        self.opened.close()
        self.portals.close()

    def call(self, method: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        return self.portal.call(partial(method, *args, **options))

    @rule(
        count=st.sampled_from([1, 3, 400]),
        size=st.sampled_from([10, 400, 9000]),
        seconds=st.none() | st.integers(1, 5),
    )
    def put(self, count: int, size: int, seconds: int | None) -> None:
        expires = None if seconds is None else self.time + timedelta(seconds=seconds)
        items = [OutboxItem("ab"[n % 2], "x" * size, expires=expires) for n in range(count)]
        try:
            ids = self.call(self.outbox.put_many, items)
        except OutboxError:
            assert self.outbox.problem is not None
            return

        self.waiting.update(ids)
        if expires is not None:
            self.expiring.update(dict.fromkeys(ids, expires))

    def choose(self, count: int, first: int) -> list[int]:
        ids = sorted(self.waiting)
        first %= max(1, len(ids))
        return ids[first : first + count]

    @rule(count=st.sampled_from([1, 5, 300, 10**6]), first=st.integers(0, 10**6))
    def acknowledge(self, count: int, first: int) -> None:
        ids = self.choose(count, first)
        self.call(self.outbox.acknowledge, ids)
        self.waiting.difference_update(ids)

    @rule(count=st.sampled_from([1, 5, 300]), first=st.integers(0, 10**6))
    def dead_letter(self, count: int, first: int) -> None:
        ids = self.choose(count, first)
        self.call(self.outbox.dead_letter, ids, "HTTP 400", "detail")
        self.waiting.difference_update(ids)
        self.dead.update(ids)

    @rule(seconds=st.integers(1, 4))
    def expire(self, seconds: int) -> None:
        self.time += timedelta(seconds=seconds)
        ids = {id for id in self.waiting if self.expiring.get(id, self.time) < self.time}
        ids |= {id for id in self.waiting if self.expiring.get(id) == self.time}
        found = self.call(self.outbox.expire)
        assert sum(expiry.count for expiry in found) == len(ids)
        self.waiting -= ids

    @rule(left=st.sampled_from([0, 0, 4096, 40_000, 300_000]))
    def fill(self, left: int) -> None:
        self.disk.fill(left)

    @rule()
    def empty(self) -> None:
        self.disk.empty()
        self.put(1, 10, None)
        assert self.outbox.problem is None

    @rule()
    def close_and_open(self) -> None:
        self.opened.close()
        self.open()

    @rule()
    def kill_and_open(self) -> None:
        """Copy what a killed process would leave, while the room that it took is kept."""
        names = [self.path.name + suffix for suffix in ("", "-wal", "-shm")]
        with ExitStack() as files:
            kept = {
                name: files.enter_context((self.disk.folder / name).open("rb")) for name in names
            }
            content = {name: file.read() for name, file in kept.items()}
            self.opened.close()
            self.path = self.disk.folder / f"{uuid4()}.outbox"

        for file in self.disk.folder.glob("*.outbox*"):
            file.unlink()

        for name, data in content.items():
            suffix = name.partition(".outbox")[2]
            self.path.with_name(self.path.name + suffix).write_bytes(data)

        self.open()

    @invariant()
    def everything_is_written_and_nothing_comes_back(self) -> None:
        if hasattr(self, "outbox"):
            assert self.outbox.statistics().unwritten == 0
            found = self.call(self.outbox.pending, limit=10**6)
            assert {entry.id for entry in found} == self.waiting
            assert self.outbox.statistics().dead == len(self.dead)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_full_disk_against_a_simple_model(backend: str, disk: SmallDisk) -> None:
    class Machine(FullDiskMachine):
        def __init__(self) -> None:
            super().__init__(backend, disk)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
