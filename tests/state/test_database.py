from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from lanrage_events.state import Database

SCHEMA = ("CREATE TABLE names (name TEXT)",)


def add(name: str) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute("INSERT INTO names VALUES (?)", (name,))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM names ORDER BY rowid")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "x.names"


async def test_what_was_written_is_there_after_the_next_start(path: Path) -> None:
    async with Database(path, SCHEMA) as database:
        await database.run(add("Ann"))

    async with Database(path, SCHEMA) as database:
        assert await database.run(names) == ["Ann"]


async def test_only_the_owner_can_read_it(path: Path) -> None:
    async with Database(path, SCHEMA):
        pass

    assert mode(path) == 0o600


async def test_without_a_path_nothing_is_kept() -> None:
    for _ in range(2):
        async with Database(None, SCHEMA) as database:
            assert await database.run(names) == []
            await database.run(add("Ann"))
            assert await database.run(names) == ["Ann"]


async def test_a_transaction_that_fails_writes_nothing(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        add("Ann")(connection)
        connection.execute("INSERT INTO unknown VALUES (1)")

    async with Database(path, SCHEMA) as database:
        with pytest.raises(OSError, match=r"no such table.*x\.names"):
            await database.run(fail)

        assert await database.run(names) == []
        assert database.losses == 0


async def test_what_is_raised_in_a_transaction_is_raised_to_the_caller(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        add("Ann")(connection)
        raise LookupError("no")

    async with Database(path, SCHEMA) as database:
        with pytest.raises(LookupError, match="no"):
            await database.run(fail)

        assert await database.run(names) == []


async def test_a_later_version_adds_tables(path: Path) -> None:
    async with Database(path, SCHEMA) as database:
        await database.run(add("Ann"))

    later = (*SCHEMA, "CREATE TABLE ages (age INTEGER)")
    async with Database(path, later) as database:
        assert await database.run(names) == ["Ann"]
        assert await database.run(lambda c: c.execute("SELECT * FROM ages").fetchall()) == []

    with pytest.raises(OSError, match="a newer version of lanrage-events has written it"):
        async with Database(path, SCHEMA):
            pass

    assert sorted(file.name for file in path.parent.iterdir()) == ["x.names", "x.names.lock"]


async def test_a_second_process_cannot_write_to_it(path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    path.parent.mkdir()
    with path.with_name("x.names.lock").open("w") as lock:
        lock.write('{"pid": 4711}')
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OSError, match=r"process 4711 uses it: stop that one"):
            async with Database(path, SCHEMA):
                pass

    assert [file.name for file in path.parent.iterdir()] == ["x.names.lock"]
    async with Database(path, SCHEMA) as database:
        await database.run(add("Ann"))
        with path.with_name("x.names.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with path.with_name("x.names.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_the_database_of_another_program_is_moved_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE names (age INTEGER)")

    async with Database(path, SCHEMA) as database:
        await database.run(add("Ann"))
        assert await database.run(names) == ["Ann"]

    assert "another program has written it" in caplog.text
    assert path.with_name("x.names.damaged").exists()


async def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    write(path / "x", b"")
    with pytest.raises(OSError, match="it is a folder: move it away"):
        async with Database(path, SCHEMA):
            pass


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 4000])
async def test_a_damaged_file_is_moved_aside(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        write(path, content)
        async with Database(path, SCHEMA) as database:
            assert await database.run(names) == []

        aside = path.with_name("x.names.damaged" + (f"-{number}" if number > 1 else ""))
        assert aside.read_bytes() == content
        assert f"{path} cannot be read: " in caplog.text
        assert f"It is {aside} now" in caplog.text


async def test_a_file_that_is_damaged_later_is_replaced(path: Path) -> None:
    async with Database(path, SCHEMA) as database:
        for _ in range(500):
            await database.run(add("Ann" * 100))

        await database.run(lambda c: c.execute("SELECT 1").fetchall())
        async with Database(path, SCHEMA) as other:  # it empties the log
            await other.run(lambda c: c.execute("SELECT 1").fetchall())

        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 40_000)

        with pytest.raises(OSError, match="so a new one was begun"):
            await database.run(lambda c: [add("Ben")(c), names(c)])

        assert database.losses == 1
        await database.run(add("Ben"))
        assert await database.run(names) == ["Ben"]


async def test_a_file_that_is_removed_is_begun_again(path: Path) -> None:
    async with Database(path, SCHEMA) as database:
        await database.run(add("Ann"))
        remove(path)
        with pytest.raises(OSError, match="it was removed or replaced while it was in use"):
            await database.run(add("Ben"))

        assert database.losses == 1
        await database.run(add("Ben"))

    async with Database(path, SCHEMA) as database:
        assert await database.run(names) == ["Ben"]


async def test_what_was_deleted_is_not_in_the_file_after_compacting(path: Path) -> None:
    def found() -> bool:
        return any(b"Ann" in file.read_bytes() for file in path.parent.iterdir())

    async with Database(path, SCHEMA) as database:
        for name in ("Ann", "Ben"):
            await database.run(add(name))

        await database.run(
            lambda connection: connection.execute("DELETE FROM names WHERE name = 'Ann'")
        )
        assert found()
        await database.compact()
        assert not found()
        assert await database.run(names) == ["Ben"]


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_link_is_not_followed(path: Path, tmp_path: Path, suffix: str) -> None:
    path.parent.mkdir()
    path.with_name(path.name + suffix).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        async with Database(path, SCHEMA):
            pass

    assert not (tmp_path / "elsewhere").exists()


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(OSError, match="state"):
        async with Database(tmp_path / "state" / "x.names", SCHEMA):
            pass


async def test_others_read_it_meanwhile(path: Path) -> None:
    with pytest.raises(FileNotFoundError), Database.reading(path):
        pass

    async with Database(path, SCHEMA) as database:
        await database.run(add("Ann"))
        with Database.reading(path) as connection:
            assert names(connection) == ["Ann"]
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                add("Ben")(connection)

    write(path, b"no database" * 1000)
    with pytest.raises(OSError, match="not a database"), Database.reading(path) as connection:
        names(connection)


@pytest.mark.real_clock
async def test_transactions_run_in_the_order_of_their_calls_in_a_thread(path: Path) -> None:
    found: list[str] = []
    async with Database(path, SCHEMA) as database, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(database.run, add(str(number)))
            await anyio.wait_all_tasks_blocked()

        found += await database.run(names)

    assert found == [str(number) for number in range(20)]


@pytest.mark.real_clock
async def test_a_cancelled_caller_does_not_cancel_its_transaction(path: Path) -> None:
    async with Database(path, SCHEMA) as database:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await database.run(add("Ann"))

        assert await database.run(names) == ["Ann"]


WRITER = """
import sys
from pathlib import Path

import anyio

from lanrage_events.state import Database


async def main():
    async with Database(Path(sys.argv[1]), ["CREATE TABLE names (name)"]) as database:
        for n in range(100_000):
            await database.run(lambda c: c.execute("INSERT INTO names VALUES (?)", (n,)) and None)
            print(n, flush=True)


anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.real_clock
def test_what_was_written_survives_sigkill(path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.kill()
        lines += process.stdout.readlines()

    written = sum(line.endswith("\n") for line in lines)
    with Database.reading(path) as connection:
        found = names(connection)

    assert written >= 200
    assert len(found) in (written, written + 1)
    assert found == [*range(len(found))]


async def test_it_shows_its_path(path: Path) -> None:
    assert repr(Database(path, SCHEMA)) == f"<Database {path}>"
    assert repr(Database(None, SCHEMA)) == "<Database in memory>"
