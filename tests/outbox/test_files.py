from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events.outbox import (
    Outbox,
    OutboxEntry,
    OutboxError,
    OutboxInUse,
    OutboxItem,
    OutboxUnreadable,
    close_outboxes,
)
from lanrage_events.outbox._file import open_file
from lanrage_events.outbox._schema import APPLICATION_ID, MIGRATIONS

pytestmark = pytest.mark.real_clock

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX alone has it")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )


def start_script(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a script in a process of its own, to read what it prints while it runs."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def say_when_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def bodies(entries: list[OutboxEntry]) -> list[str]:
    return [entry.body for entry in entries]


def backend_of(anyio_backend: tuple[str, object]) -> str:
    return anyio_backend[0]


def siblings(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def contents(path: Path) -> dict[str, bytes]:
    """Return what is in the folder of an outbox, but for the room that it keeps on the disk."""
    return {
        file.name: file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".reserve"
    }


def count_commits(path: Path) -> int:
    """Count the transactions in a write-ahead log: https://www.sqlite.org/fileformat2.html#walformat"""
    log = path.with_name(path.name + "-wal").read_bytes()
    page_size = struct.unpack(">I", log[8:12])[0]
    salts = log[16:24]
    commits = 0
    for start in range(32, len(log), 24 + page_size):
        size_after_commit = struct.unpack(">I", log[start + 4 : start + 8])[0]
        if log[start + 8 : start + 16] == salts and size_after_commit:
            commits += 1

    return commits


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[Callable[[], None]]:
    """Keep other processes from writing, until the function is called."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def unlock() -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")

        try:
            yield unlock
        finally:
            unlock()


@asynccontextmanager
async def busy(outbox: Outbox) -> AsyncIterator[Callable[[], None]]:
    """Keep the thread of an outbox from doing anything, until the function is called."""
    begun, over = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        over.wait()

    assert outbox._worker is not None
    async with anyio.create_task_group() as task_group:
        task_group.start_soon(outbox._worker.call, block)
        await anyio.to_thread.run_sync(begun.wait)
        try:
            yield over.set
        finally:
            over.set()


# Threads and group commit


async def test_it_works_from_a_thread(path: Path) -> None:
    async with Outbox(path) as outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(3)])
        await outbox.acknowledge(ids[:1])

        assert bodies(await outbox.read("a")) == ["1", "2"]

    async with Outbox(path) as outbox:
        assert bodies(await outbox.read("a")) == ["1", "2"]


async def test_an_outbox_in_memory_can_have_a_thread_too() -> None:
    async with Outbox(inline=False) as outbox:
        await outbox.put("a", "1")

        assert bodies(await outbox.read("a")) == ["1"]


async def test_puts_that_come_in_meanwhile_are_committed_together(path: Path) -> None:
    async with Outbox(path) as outbox:
        before = count_commits(path)
        async with busy(outbox) as unblock, anyio.create_task_group() as task_group:
            for n in range(200):
                task_group.start_soon(outbox.put, "a", str(n))

            await wait_all_tasks_blocked()
            unblock()

        assert len(await outbox.read("a", limit=300)) == 200
        assert count_commits(path) == before + 1


async def test_one_that_cannot_be_put_does_not_spoil_its_group(path: Path) -> None:
    async def expect(error: type[Exception], item: OutboxItem) -> None:
        with pytest.raises(error):
            await outbox.put_many([item])

    async with Outbox(path, max_bytes=10) as outbox:
        async with busy(outbox) as unblock, anyio.create_task_group() as task_group:
            task_group.start_soon(outbox.put, "a", "1")
            task_group.start_soon(outbox.put, "a", "2")
            task_group.start_soon(expect, ValueError, OutboxItem("", "3"))
            task_group.start_soon(expect, OutboxError, OutboxItem("a", "x" * 11))
            task_group.start_soon(outbox.put, "a", "4")
            await wait_all_tasks_blocked()
            unblock()

        assert sorted(bodies(await outbox.read("a"))) == ["1", "2", "4"]
        statistics = outbox.statistics()
        assert (statistics.put, statistics.rejected, statistics.pending) == (3, 1, 3)


async def test_cancelling_one_put_leaves_the_others_alone(path: Path) -> None:
    scopes = [anyio.CancelScope() for _ in range(10)]

    async def put(n: int) -> None:
        with scopes[n]:
            await outbox.put("a", str(n))

    async with Outbox(path) as outbox:
        async with busy(outbox) as unblock, anyio.create_task_group() as task_group:
            for n in range(10):
                task_group.start_soon(put, n)

            await wait_all_tasks_blocked()
            for scope in scopes[::2]:
                scope.cancel()

            await wait_all_tasks_blocked()
            unblock()

        assert set(bodies(await outbox.read("a"))) == {"1", "3", "5", "7", "9"}
        assert outbox.statistics().pending == 5


async def test_closing_waits_for_what_was_begun(path: Path) -> None:
    async with Outbox(path):
        pass

    async def unlock_while_it_is_closed() -> None:
        await wait_all_tasks_blocked()
        unlock()

    async with locked(path) as unlock, anyio.create_task_group() as task_group:
        async with Outbox(path) as outbox:
            task_group.start_soon(outbox.put, "a", "1")
            task_group.start_soon(outbox.put, "a", "2")
            await wait_all_tasks_blocked()
            task_group.start_soon(unlock_while_it_is_closed)

        async with Outbox(path) as outbox:
            assert sorted(bodies(await outbox.read("a"))) == ["1", "2"]


async def test_a_cancelled_user_closes_it_all_the_same(path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with Outbox(path) as outbox:
            await outbox.put("a", "1")
            scope.cancel()
            await outbox.put("a", "2")

    async with Outbox(path) as outbox:
        assert bodies(await outbox.read("a")) == ["1"]


@pytest.mark.parametrize("anyio_backend", [("asyncio", {})], ids=["asyncio"])
async def test_cancelling_as_asyncio_does_breaks_nothing(path: Path) -> None:
    async with Outbox(path) as outbox:
        async with busy(outbox) as unblock:
            tasks = [asyncio.create_task(outbox.put("a", str(n))) for n in range(5)]
            await wait_all_tasks_blocked()
            for task in tasks[:4]:
                task.cancel()

            await wait_all_tasks_blocked()
            assert all(task.cancelled() for task in tasks[:4])
            unblock()
            await tasks[4]

        assert bodies(await outbox.read("a")) == ["4"]
        assert outbox.statistics().pending == 1


@pytest.mark.parametrize("anyio_backend", [("asyncio", {})], ids=["asyncio"])
async def test_cancelling_as_asyncio_does_while_it_is_opened_leaves_nothing_behind(
    path: Path,
) -> None:
    async with Outbox(path):
        pass

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")

    async def use() -> None:
        async with Outbox(path):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(use())
    await wait_all_tasks_blocked()
    task.cancel()
    await wait_all_tasks_blocked()
    task.cancel()
    await wait_all_tasks_blocked()
    assert not task.done()
    connection.close()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with Outbox(path):
        pass


@pytest.mark.slow
async def test_a_process_whose_event_loop_died_can_end(path: Path) -> None:
    result = run_script(
        """
        import sys

        import anyio

        from lanrage_events.outbox import Outbox

        async def main():
            outbox = Outbox(sys.argv[1])
            await outbox.__aenter__()
            await outbox.put("a", "1")
            print("put")

        anyio.run(main)
        """,
        path,
    )

    assert (result.returncode, result.stdout) == (0, "put\n")


# One owner


HOLDER = """
    import sys

    import anyio

    from lanrage_events.outbox import Outbox

    async def main():
        async with Outbox(sys.argv[1]) as outbox:
            await outbox.put("a", "1")
            print("ready")
            sys.stdin.read()

    anyio.run(main)
"""


@pytest.mark.slow
async def test_a_second_process_is_rejected_with_the_first_one(path: Path) -> None:
    with start_script(HOLDER, path) as holder:
        assert say_when_ready(holder) == "ready"
        with pytest.raises(OutboxInUse) as caught:
            async with Outbox(path):
                pass

        assert caught.value.pid == holder.pid
        assert caught.value.host == socket.gethostname()
        assert f"in use by process {holder.pid} on {socket.gethostname()} since 20" in str(
            caught.value
        )
        holder.kill()

    async with Outbox(path) as outbox:
        assert bodies(await outbox.read("a")) == ["1"]


async def test_a_second_outbox_of_one_process_is_rejected(path: Path) -> None:
    link = path.parent.with_name("link")
    link.symlink_to(path.parent)
    async with Outbox(path):
        for second in (path, link / path.name):
            with pytest.raises(OutboxInUse, match=f"process {os.getpid()} on"):
                async with Outbox(second):
                    pass

    async with Outbox(link / path.name):
        pass


async def test_an_owner_that_did_not_say_who_it_is(path: Path) -> None:
    async with Outbox(path):
        path.with_name("outbox.db.lock").write_text("[]", "utf-8")
        with pytest.raises(OutboxInUse, match="in use by another process: stop it"):
            async with Outbox(path):
                pass


async def test_another_process_neither_uses_nor_closes_what_it_inherited(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Outbox(path) as outbox:
        with monkeypatch.context() as context:
            context.setattr(os, "getpid", lambda: 1)
            with pytest.raises(RuntimeError, match="this process was forked"):
                await outbox.put("a", "1")

            await outbox.__aexit__(None, None, None)

        await outbox.put("a", "2")


@pytest.mark.slow
@posix_only
async def test_a_forked_child_neither_uses_it_nor_keeps_it(path: Path) -> None:
    result = run_script(
        """
        import os
        import sys

        import anyio

        from lanrage_events.outbox import Outbox

        async def main():
            read_end, write_end = os.pipe()
            closed, close = os.pipe()
            async with Outbox(sys.argv[1]) as outbox:
                await outbox.put("a", "1")
                child = os.fork()
                if child == 0:
                    os.write(close, b"x")  # what is inherited is closed by now
                    os.close(write_end)
                    try:
                        await outbox.put("a", "2")
                    except RuntimeError as error:
                        print(error, flush=True)

                    await outbox.__aexit__(None, None, None)
                    os.read(read_end, 1)
                    os._exit(0)

            os.read(closed, 1)
            async with Outbox(sys.argv[1]) as outbox:
                print([entry.body for entry in await outbox.read("a")], flush=True)

            os.close(write_end)
            os.waitpid(child, 0)

        anyio.run(main)
        """,
        path,
    )

    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == [
        "['1']",
        "this process was forked: open another outbox in it",
    ]


# Killed, full, read-only


WRITER = """
    import sys

    import anyio

    from lanrage_events.outbox import Outbox

    async def write(outbox, lane):
        last = None
        for n in range(100_000):
            id = await outbox.put(lane, str(n))
            print("put", id)
            if n % 3 == 2:
                print("acknowledging", last)
                await outbox.acknowledge([last])
                print("acknowledged", last)

            last = id

    async def main():
        async with Outbox(sys.argv[1]) as outbox, anyio.create_task_group() as task_group:
            for lane in "abc":
                task_group.start_soon(write, outbox, lane)

    anyio.run(main, backend=sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.either_backend
async def test_nothing_is_lost_when_the_process_is_killed(
    path: Path, anyio_backend: tuple[str, object]
) -> None:
    reported: dict[str, set[int]] = {"put": set(), "acknowledging": set(), "acknowledged": set()}
    for round in range(6):
        with start_script(WRITER, path, backend_of(anyio_backend)) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(20 + 61 * round)]
            writer.kill()
            lines += writer.stdout.readlines()

        for line in lines:
            if line.endswith("\n"):
                what, id = line.split()
                assert int(id) not in reported[what]
                reported[what].add(int(id))

    async with Outbox(path, max_entries=10**6) as outbox:
        assert outbox.moved_aside is None
        present = {entry.id for entry in await outbox.pending(limit=10**6)}
        assert len(reported["put"]) > 500
        assert reported["put"] - present <= reported["acknowledging"]
        assert not reported["acknowledged"] & present
        assert outbox.statistics().pending == len(present)
        for lane in await outbox.lanes():
            entries = await outbox.read(lane.name, limit=10**6)
            assert lane.pending == len(entries)
            assert lane.bytes == sum(entry.size for entry in entries)


FULL_DISK = """
    import logging
    import resource
    import sys
    from datetime import UTC, datetime

    import anyio

    from lanrage_events.outbox import Outbox, OutboxError, OutboxItem

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main():
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
        async with Outbox(sys.argv[1]) as outbox:
            ids = list(await outbox.put_many([OutboxItem("a", "x" * 1000)] * 10))
            await outbox.put("b", "too late", expires=datetime.now(UTC))
            limit(0)
            for _ in range(3):
                try:
                    await outbox.put("a", "new")
                except OutboxError as error:
                    assert error is outbox.problem, error

            try:
                await outbox.postpone_lane("a")
            except OutboxError as error:
                print("postpone", type(error).__name__)

            await outbox.acknowledge(ids[:3])
            await outbox.dead_letter(ids[3:5], "HTTP 400", "detail")
            assert [entry.id for entry in await outbox.read("a")] == ids[5:]
            assert [entry.id for entry in await outbox.read("a", limit=2)] == ids[5:7]
            statistics = outbox.statistics()
            print(statistics.pending, statistics.failed, statistics.unwritten)
            await outbox.acknowledge(ids[5:])
            assert await outbox.read("a") == []
            assert await outbox.next_due("a") is None
            assert await outbox.expire() == []
            assert await outbox.read("b") == []
            if sys.argv[3] == "close":
                return

            limit(resource.RLIM_INFINITY)
            if sys.argv[3] == "close in time":
                return

            (expiry,) = await outbox.expire()
            assert expiry.count == 1
            new = await outbox.put("a", "new")
            assert outbox.problem is None
            assert [entry.id for entry in await outbox.pending()] == [new]
            (first, second) = await outbox.dead_letters()
            assert (first.id, first.reason, first.detail) == (ids[3], "HTTP 400", "detail")
            statistics = outbox.statistics()
            print(statistics.pending, statistics.failed, statistics.unwritten, statistics.dead)
            # What the failed transactions would have added is not counted.
            assert statistics.bytes == len("new")

    try:
        anyio.run(main, backend=sys.argv[2])
    finally:
        limit(resource.RLIM_INFINITY)
"""


@pytest.mark.slow
@posix_only
async def test_a_full_disk_loses_nothing_and_it_recovers(
    path: Path, anyio_backend: tuple[str, object]
) -> None:
    result = run_script(FULL_DISK, path, backend_of(anyio_backend), "recover")

    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"ERROR outbox {path}: disk I/O error (SQLITE_IOERR_WRITE); ")
    assert lines[0].endswith(" MB are free on its disk")
    assert lines[1:] == [
        "postpone OutboxError",
        "11 3 5",
        f"WARNING outbox {path} can be written again",
        "1 3 0 2",
    ]


@pytest.mark.slow
@posix_only
async def test_what_could_not_be_written_until_the_end_is_read_again(
    path: Path, anyio_backend: tuple[str, object]
) -> None:
    result = run_script(FULL_DISK, path, backend_of(anyio_backend), "close")

    assert result.returncode == 0, result.stderr
    assert "10 entries that are done could not be removed" in result.stdout
    async with Outbox(path) as outbox:
        assert outbox.moved_aside is None
        assert len(await outbox.read("a")) == 10


@pytest.mark.slow
@posix_only
async def test_what_could_not_be_written_is_written_in_the_end(
    path: Path, anyio_backend: tuple[str, object]
) -> None:
    result = run_script(FULL_DISK, path, backend_of(anyio_backend), "close in time")

    assert result.returncode == 0, result.stderr
    async with Outbox(path) as outbox:
        assert await outbox.read("a") == []
        assert len(await outbox.dead_letters()) == 2


READ_ONLY = """
    import os
    import sys
    from pathlib import Path

    import anyio

    from lanrage_events.outbox import Outbox, OutboxError

    async def main():
        try:
            async with Outbox(sys.argv[1]):
                print("entered")
        except OutboxError as error:
            print(error)

    # Nobody may read where Python is, perhaps: import all of it before.
    anyio.run(anyio.sleep, 0)
    if os.getuid() == 0:
        os.setuid(65534)

    anyio.run(main)
"""


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("nothing", "outbox.db.lock: Permission denied"),
        ("outbox", "attempt to write a readonly database (SQLITE_READONLY_DIRECTORY)"),
        ("garbage", "Permission denied"),
    ],
)
def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(
    content: str, problem: str
) -> None:
    # Not tmp_path, which is in a folder that only root may enter if these tests run as root.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        if content != "nothing":
            make_outbox_file(path)
            for file in path.parent.iterdir():
                file.chmod(0o666)

        if content == "garbage":
            make_garbage(path)

        path.parent.chmod(0o555)
        try:
            result = run_script(READ_ONLY, path)
        finally:
            path.parent.chmod(0o755)

    assert result.stdout == f"outbox {path}: {problem}\n", result.stderr


async def test_a_folder_that_cannot_be_created_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutboxError, match="cannot create its folder"):
        async with Outbox(tmp_path / "file" / "outbox.db"):
            pass


async def test_a_path_that_is_a_folder_is_an_error_at_the_start(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(OutboxError, match="expected a file, but this is something else"):
            async with Outbox(tmp_path):
                pass


async def test_a_lock_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    os.mkdir(path.with_name("outbox.db.lock"))
    with pytest.raises(OutboxError, match="outbox.db.lock: Is a directory"):
        async with Outbox(path):
            pass


async def test_a_file_system_without_shared_memory_is_an_error_at_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_without_memory(database: Path | str, **options: Any) -> sqlite3.Connection:
        uri = database.as_uri() if isinstance(database, Path) else database.partition("?")[0]
        connection: sqlite3.Connection = connect(f"{uri}?vfs=unix-none", **{**options, "uri": True})
        return connection

    async with Outbox(path):
        pass

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")

    monkeypatch.setattr(sqlite3, "connect", connect_without_memory)
    with pytest.raises(OutboxError, match="give a path on a local disk"):
        async with Outbox(path):
            pass


async def test_a_file_that_vanishes_is_noticed(path: Path) -> None:
    async with Outbox(path) as outbox:
        id = await outbox.put("a", "1")
        os.unlink(path)
        with pytest.raises(OutboxError, match="was removed or replaced while it was in use"):
            await outbox.put("a", "2")

        await outbox.acknowledge([id])
        assert outbox.problem is not None

    async with Outbox(path) as outbox:
        assert await outbox.pending() == []


async def test_a_folder_that_vanishes_does_not_keep_it_from_closing(path: Path) -> None:
    async with Outbox(path) as outbox:
        await outbox.put("a", "1")
        shutil.rmtree(path.parent)

    async with Outbox(path) as outbox:
        assert await outbox.pending() == []


@pytest.mark.slow
async def test_a_file_that_another_process_locks_too_long_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_impatiently(database: Path, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(database, **{**options, "timeout": 0.05})
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_impatiently)
    failed: list[str] = []

    async def put(outbox: Outbox, n: int) -> None:
        try:
            await outbox.put("a", str(n))
        except OutboxError as error:
            failed.append(str(error))

    async with Outbox(path) as outbox:
        async with locked(path), anyio.create_task_group() as task_group:
            for n in range(50):
                task_group.start_soon(put, outbox, n)

        assert len(failed) == 50
        assert all("database is locked (SQLITE_BUSY)" in message for message in failed)
        await outbox.put("a", "50")
        assert bodies(await outbox.read("a")) == ["50"]
        assert outbox.statistics().failed == 50


# What is found at the path


def make_garbage(path: Path) -> None:
    path.write_bytes(b"This is a shopping list.\n" * 1000)


def make_truncated(path: Path) -> None:
    make_outbox_file(path)
    path.write_bytes(path.read_bytes()[:9000])


def make_overwritten(path: Path) -> None:
    make_outbox_file(path)
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 6] = os.urandom(4096 * 4)
    path.write_bytes(data)


def make_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def make_foreign_with_log(path: Path) -> None:
    source = path.with_name("source.db")
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.execute("PRAGMA application_id = 77")
        connection.commit()
        for suffix in ("", "-wal"):
            data = source.with_name(source.name + suffix).read_bytes()
            path.with_name(path.name + suffix).write_bytes(data)

    source.unlink()


def make_without_ids(path: Path) -> None:
    make_outbox_file(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM ids")
        connection.commit()


def make_without_tables(path: Path) -> None:
    make_outbox_file(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE ids")
        connection.commit()


def make_orphaned_log(path: Path) -> None:
    make_foreign_with_log(path)
    path.unlink()


def make_outbox_file(path: Path) -> None:
    async def fill() -> None:
        async with Outbox(path, inline=True) as outbox:
            await outbox.put_many([OutboxItem("a", "x" * 500) for _ in range(50)])

    anyio.run(fill)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_garbage, "file is not a database"),
        (make_truncated, "database disk image is malformed"),
        (make_foreign, "it belongs to another program"),
        (make_foreign_with_log, "it belongs to another program"),
        (make_orphaned_log, "it is a write-ahead log without its file"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_no_outbox_is_moved_aside_and_not_changed(
    path: Path,
    make: Callable[[Path], None],
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path.parent.mkdir()
    make(path)
    path.with_name("outbox.db.lock").unlink(missing_ok=True)
    before = contents(path)

    async def use() -> Path | None:
        async with Outbox(path) as outbox:
            await outbox.put("a", "new")
            assert bodies(await outbox.pending()) == ["new"]
            return outbox.moved_aside

    moved_aside = anyio.run(use)
    assert moved_aside is not None
    assert moved_aside.name.startswith("outbox.db.corrupt-2")
    for name, data in before.items():
        assert (
            moved_aside.with_name(name.replace("outbox.db", moved_aside.name)).read_bytes() == data
        )

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"outbox {path} cannot be read: {problem}" in caplog.text
    assert f"It was renamed to {moved_aside}, and a new outbox was created" in caplog.text


@pytest.mark.parametrize(
    ("make", "problem", "copied"),
    [
        (make_overwritten, "", range(50)),
        (make_without_ids, "its counter of ids is missing", range(50, 51)),
        (make_without_tables, "no such table: ids", range(50, 51)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_damaged_is_moved_aside_and_not_changed(
    path: Path,
    make: Callable[[Path], None],
    problem: str,
    copied: range,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path.parent.mkdir()
    make(path)
    before = contents(path)

    async def use() -> tuple[Path | None, list[str]]:
        async with Outbox(path) as outbox:
            await outbox.put("a", "new")
            return outbox.moved_aside, bodies(await outbox.pending())

    moved_aside, found = anyio.run(use)
    assert moved_aside is not None
    for name, data in before.items():
        if not name.endswith(".lock"):
            moved = moved_aside.with_name(name.replace("outbox.db", moved_aside.name))
            assert moved.read_bytes() == data

    assert found[-1] == "new"
    assert len(found) - 1 in copied
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"outbox {path} is damaged: {problem}" in caplog.text
    assert f"It was renamed to {moved_aside}. The new one has all of it that can be read" in (
        caplog.text
    )


async def test_several_files_can_be_moved_aside_in_one_second(path: Path) -> None:
    path.parent.mkdir()
    names = set()
    for _ in range(3):
        make_garbage(path)
        async with Outbox(path) as outbox:
            assert outbox.moved_aside is not None
            names.add(outbox.moved_aside.name)

    assert len(names) == 3
    assert names <= siblings(path)


def make_empty_file(path: Path) -> None:
    path.touch()


def make_empty_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")


def make_header_only(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("make", [make_empty_file, make_empty_database, make_header_only])
async def test_a_file_that_was_just_created_is_used(
    path: Path, make: Callable[[Path], None]
) -> None:
    path.parent.mkdir()
    make(path)
    async with Outbox(path) as outbox:
        assert outbox.moved_aside is None
        await outbox.put("a", "1")


async def test_a_newer_version_is_rejected_and_not_touched(path: Path) -> None:
    async with Outbox(path) as outbox:
        await outbox.put("a", "1")

    with closing(sqlite3.connect(path)) as connection:
        add_column(connection)
        connection.execute("PRAGMA user_version = 999")

    before = contents(path)
    for _ in range(2):
        with pytest.raises(OutboxUnreadable, match="has schema version 999, and this version of"):
            async with Outbox(path):
                pass

        assert contents(path) == before


def add_column(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE entries ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")


def add_table(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.execute("INSERT INTO notes SELECT note FROM entries")


def fail(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE entries")
    connection.execute("SELECT nonsense")


def test_an_older_version_is_migrated_and_keeps_its_entries(path: Path) -> None:
    path.parent.mkdir()
    make_outbox_file(path)
    connection, moved_aside = open_file(path, migrations=[*MIGRATIONS, add_column, add_table])
    with closing(connection):
        assert moved_aside is None
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 2
        rows = connection.execute("SELECT body, note FROM entries").fetchall()
        assert [tuple(row) for row in rows] == [("x" * 500, "none")] * 50
        assert connection.execute("SELECT count(*) FROM notes").fetchone()[0] == 50


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    path.parent.mkdir()
    make_outbox_file(path)
    with pytest.raises(OutboxError, match="no such column: nonsense"):
        open_file(path, migrations=[*MIGRATIONS, fail])

    connection, _ = open_file(path)
    with closing(connection):
        assert connection.execute("SELECT count(*) FROM entries").fetchone()[0] == 50


def test_a_file_says_what_it_is(path: Path) -> None:
    path.parent.mkdir()
    make_outbox_file(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)


@pytest.mark.parametrize(("survives_power_loss", "level"), [(False, 1), (True, 2)])
async def test_commits_wait_for_the_disk_if_asked_to(
    path: Path, survives_power_loss: bool, level: int
) -> None:
    async with Outbox(path, inline=True, survives_power_loss=survives_power_loss) as outbox:
        connection = outbox._store._connection
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == level


@posix_only
async def test_others_cannot_read_the_files(path: Path) -> None:
    old_umask = os.umask(0)
    try:
        async with Outbox(path) as outbox:
            await outbox.put("a", "1")
            assert siblings(path) >= {"outbox.db", "outbox.db-wal", "outbox.db.lock"}
            for file in path.parent.iterdir():
                assert file.stat().st_mode & 0o777 == 0o600, file

            assert path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(old_umask)


def damage_quietly(path: Path) -> None:
    """Damage the rows of a file, so that its size and time of change stay."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(status.st_size - 250 * 4096)
        file.write(b"\xff" * 250 * 4096)

    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize("left", ["outbox.db", "outbox.db-wal"])
@pytest.mark.either_backend
async def test_a_large_file_that_was_not_closed_in_order_is_read_through(
    path: Path, left: str
) -> None:
    async with Outbox(path) as outbox:
        await outbox.put_many([OutboxItem("a", "x" * 500_000) for _ in range(40)])

    damage_quietly(path)
    path.with_name("outbox.db.lock").write_text("{}", "utf-8")
    path.with_name(left).touch()
    async with Outbox(path) as outbox:
        assert outbox.moved_aside is not None


# Administration


ADMIN = """
    import sys

    import anyio

    from lanrage_events.outbox import Outbox

    async def main():
        async with Outbox.administer(sys.argv[1]) as admin:
            for letter in await admin.dead_letters():
                print(letter.id, letter.reason)

            print(await admin.retry([int(sys.argv[2])]))
            print(await admin.notify_owner())

    anyio.run(main)
"""


@pytest.mark.slow
async def test_another_process_retries_while_the_owner_runs(path: Path) -> None:
    changes = []
    async with Outbox(path) as outbox, anyio.create_task_group() as task_group:
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("a", "2")])
        await outbox.dead_letter(ids, "HTTP 400")
        task_group.start_soon(outbox.listen, lambda: changes.append("changed"))
        await wait_all_tasks_blocked()
        async with await anyio.open_process(
            [sys.executable, "-c", textwrap.dedent(ADMIN), str(path), str(ids[1])]
        ) as process:
            with anyio.fail_after(30):
                await outbox.wait("a")

            assert process.stdout is not None
            output = b"".join([chunk async for chunk in process.stdout]).decode()

        assert output.splitlines() == [f"{ids[0]} HTTP 400", f"{ids[1]} HTTP 400", "1", "True"]
        assert bodies(await outbox.read("a")) == ["2"]
        assert outbox.statistics().dead == 1
        assert changes
        task_group.cancel_scope.cancel()


async def test_leaving_the_administration_notifies_the_owner(path: Path) -> None:
    changed = anyio.Event()
    async with Outbox(path) as outbox, anyio.create_task_group() as task_group:
        id = await outbox.put("a", "1")
        await outbox.dead_letter([id], "HTTP 400")
        task_group.start_soon(outbox.listen, changed.set)
        async with Outbox.administer(path) as admin:
            assert await admin.retry_lane("a") == 1

        with anyio.fail_after(10):
            await changed.wait()

        task_group.cancel_scope.cancel()


async def test_an_owner_that_does_not_listen_notices_at_its_next_transaction(path: Path) -> None:
    woken = anyio.Event()

    async def wait() -> None:
        await outbox.wait("a")
        woken.set()

    async with Outbox(path, max_entries=2) as outbox, anyio.create_task_group() as task_group:
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("a", "2")])
        await outbox.postpone_lane("a")
        task_group.start_soon(wait)
        await wait_all_tasks_blocked()
        async with Outbox.administer(path) as admin:
            assert await admin.drop(ids[:1]) == 1
            assert await admin.retry(ids[1:]) == 1
            admin._changed = False

        assert outbox.statistics().pending == 2
        assert not woken.is_set()
        await outbox.put("b", "3")
        with anyio.fail_after(10):
            await woken.wait()

        assert outbox.statistics().pending == 2
        assert bodies(await outbox.pending()) == ["2", "3"]
        with pytest.raises(OutboxError):
            await outbox.put("a", "4")


async def test_who_listens_hears_of_what_a_transaction_notices(path: Path) -> None:
    changed = anyio.Event()
    async with Outbox(path) as outbox, anyio.create_task_group() as task_group:
        id = await outbox.put("a", "1")
        task_group.start_soon(outbox.listen, changed.set)
        async with Outbox.administer(path) as admin:
            await admin.drop([id])
            admin._changed = False

        await wait_all_tasks_blocked()
        assert not changed.is_set()
        await outbox.pending()
        with anyio.fail_after(10):
            await changed.wait()

        task_group.cancel_scope.cancel()


async def test_an_administrator_looks_without_an_owner(path: Path) -> None:
    async with Outbox(path) as outbox:
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("b", "2")])
        await outbox.dead_letter(ids[:1], "HTTP 400")

    async with Outbox.administer(path) as admin:
        assert [lane.name for lane in await admin.lanes()] == ["a", "b"]
        assert bodies(await admin.pending("b")) == ["2"]
        assert await admin.show(ids[0]) == (await admin.dead_letters())[0]
        assert await admin.retry_lane("a") == 1
        assert await admin.notify_owner() is False
        assert await admin.drop_lane("b") == 1

    assert siblings(path) == {"outbox.db", "outbox.db.lock", "outbox.db.reserve"}
    async with Outbox(path) as outbox:
        assert bodies(await outbox.pending()) == ["1"]

    os.unlink(path.with_name("outbox.db.lock"))
    async with Outbox.administer(path) as admin:
        assert await admin.notify_owner() is False


@pytest.mark.slow
async def test_an_administrator_is_not_deceived_by_what_a_killed_owner_left(path: Path) -> None:
    with start_script(HOLDER, path) as holder:
        assert say_when_ready(holder) == "ready"
        holder.kill()

    async with Outbox.administer(path) as admin:
        assert bodies(await admin.pending()) == ["1"]
        with anyio.fail_after(10):
            assert await admin.notify_owner() is False


@pytest.mark.slow
async def test_an_owner_that_is_too_busy_to_answer(path: Path) -> None:
    async with Outbox(path), Outbox.administer(path) as admin:
        assert await admin.notify_owner() is False


async def test_who_does_not_know_the_token_is_not_heard(path: Path) -> None:
    changes = []
    async with Outbox(path) as outbox, anyio.create_task_group() as task_group:
        task_group.start_soon(outbox.listen, lambda: changes.append("changed"))
        text = json.loads(path.with_name("outbox.db.lock").read_text("utf-8"))
        async with await anyio.create_connected_udp_socket("127.0.0.1", text["port"]) as client:
            await client.send(b"wrong")
            await client.send(text["token"].encode())
            with anyio.fail_after(10):
                assert await client.receive() == text["token"].encode()

        await wait_all_tasks_blocked()
        assert changes == ["changed"]
        task_group.cancel_scope.cancel()


async def test_an_outbox_without_a_loopback_address_works(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bind(self: socket.socket, address: object) -> None:
        raise OSError("no loopback address")

    monkeypatch.setattr(socket.socket, "bind", bind)
    async with Outbox(path) as outbox, anyio.create_task_group() as task_group:
        assert "cannot be notified of changes at once" in caplog.text
        task_group.start_soon(outbox.listen)
        id = await outbox.put("a", "1")
        async with Outbox.administer(path) as admin:
            assert await admin.drop([id]) == 1
            assert await admin.notify_owner() is False

        task_group.cancel_scope.cancel()


async def test_there_is_nothing_to_administer(path: Path) -> None:
    with pytest.raises(OutboxError, match="there is no such file; nothing was ever put into it"):
        async with Outbox.administer(path):
            pass

    assert not path.parent.exists()


async def test_an_administrator_repairs_nothing(path: Path) -> None:
    path.parent.mkdir()
    make_garbage(path)
    before = contents(path)
    with pytest.raises(OutboxUnreadable, match="file is not a database"):
        async with Outbox.administer(path):
            pass

    assert contents(path) == before


async def test_a_folder_cannot_be_administered(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="expected a file, but this is something else"):
        async with Outbox.administer(tmp_path):
            pass


async def test_an_administrator_does_without_a_file_that_lacks_its_tables(path: Path) -> None:
    path.parent.mkdir()
    await anyio.to_thread.run_sync(make_without_tables, path)
    with pytest.raises(OutboxError, match="no such table: ids"):
        async with Outbox.administer(path):
            pass


def make_newer(path: Path) -> None:
    make_outbox_file(path)
    with closing(sqlite3.connect(path)) as connection:
        add_column(connection)
        connection.execute("PRAGMA user_version = 999")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_empty_database, "has schema version 0, expected 1: start the program that owns it"),
        (make_newer, "has schema version 999, and this version of"),
    ],
)
async def test_an_administrator_uses_only_its_own_version(
    path: Path, make: Callable[[Path], None], message: str
) -> None:
    os.mkdir(path.parent)
    await anyio.to_thread.run_sync(make, path)
    with pytest.raises(OutboxUnreadable, match=message):
        async with Outbox.administer(path):
            pass


async def test_all_outboxes_are_closed_although_the_event_loop_is_blocked(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    async with Outbox(paths[0]) as one, Outbox(paths[1]) as two:
        for outbox in (one, two):
            await outbox.put("lane", "body")

        # It blocks the loop, as a hook may that never ends.
        assert close_outboxes(10) == []
        for path in paths:
            lock = json.loads(path.with_name(f"{path.name}.lock").read_text())
            assert lock["closed"]
            assert not path.with_name(f"{path.name}-wal").exists()

        with pytest.raises(anyio.ClosedResourceError):
            await one.put("lane", "another")

        with pytest.raises(anyio.ClosedResourceError):
            await two.read("lane")

    async with Outbox(paths[0]) as outbox:
        assert [entry.body for entry in await outbox.read("lane")] == ["body"]


async def test_what_is_written_just_now_is_completed_before_an_outbox_is_closed(
    tmp_path: Path,
) -> None:
    stored: list[int] = []

    async def put(outbox: Outbox) -> None:
        try:
            while True:
                stored.append(await outbox.put("lane", str(len(stored))))
        except anyio.ClosedResourceError:
            pass

    async with Outbox(tmp_path / "box") as outbox, anyio.create_task_group() as tasks:
        tasks.start_soon(put, outbox)
        while len(stored) < 20:
            await anyio.lowlevel.checkpoint()

        assert close_outboxes(10) == []

    async with Outbox(tmp_path / "box") as outbox:
        ids = [entry.id for entry in await outbox.read("lane", limit=10_000)]
        assert set(stored) <= set(ids)


async def test_an_outbox_in_memory_and_one_that_is_closed_need_nothing(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "box"), Outbox():
        pass

    async with Outbox() as outbox:
        await outbox.put("lane", "body")
        assert close_outboxes(10) == []


async def test_a_compacted_file_has_only_what_waits_and_keeps_room_again(tmp_path: Path) -> None:
    path, log = tmp_path / "x.outbox", tmp_path / "x.outbox-wal"
    async with Outbox(path) as outbox:
        ids = await outbox.put_many(
            OutboxItem("lane", f"secret {n} {'x' * 9000}") for n in range(200)
        )
        await outbox.acknowledge(ids[1:])
        before = path.stat().st_size
        await outbox.compact()
        assert path.stat().st_size < before
        assert log.stat().st_size == 0
        assert b"secret 1 " not in path.read_bytes()
        await outbox.put("lane", "more")
        assert log.stat().st_size >= 4 * 1024 * 1024
        assert [entry.body.split()[:2] for entry in await outbox.read("lane")] == [
            ["secret", "0"],
            ["more"],
        ]

    with pytest.raises(anyio.ClosedResourceError):
        await outbox.compact()


async def test_an_outbox_in_memory_has_no_file_to_compact() -> None:
    async with Outbox() as outbox:
        await outbox.put("lane", "x")
        await outbox.compact()
        assert len(await outbox.read("lane")) == 1
