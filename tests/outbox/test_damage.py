"""Damaged files: each start works, and what can be read is delivered."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from lanrage_events.outbox import Outbox, OutboxError, OutboxItem, OutboxUnreadable

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

PAGE = 4096
SEEDS_AT_ONCE = 40
LANES = "abc"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "pager.outbox"


def with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def moved(path: Path) -> list[Path]:
    """Return what was moved aside, in order."""
    found = path.parent.glob(f"{path.name}.corrupt-*")
    return sorted(file for file in found if not file.name.endswith(("-wal", "-shm")))


async def fill(path: Path, *, kill: bool = False) -> set[int]:
    """Write an outbox with a bit of everything, and return the ids that wait."""
    rng = random.Random(1)
    later = datetime.now(UTC) + timedelta(days=1)
    async with Outbox(path) as outbox:
        items = [
            OutboxItem(
                rng.choice(LANES),
                json.dumps({"n": n, "text": "x" * rng.choice([50, 300, 300, 6000])}),
                "Notification",
                later if n % 3 == 0 else None,
            )
            for n in range(400)
        ]
        ids = list(await outbox.put_many(items))
        done = rng.sample(ids, 100)
        await outbox.acknowledge(done)
        await outbox.dead_letter(rng.sample(sorted({*ids} - {*done}), 40), "HTTP 400")
        waiting = {entry.id for entry in await outbox.pending(limit=1000)}
        await outbox.postpone(rng.sample(sorted(waiting), 30), later, "error")
        if kill:
            connection = outbox._store._connection
            connection.execute("PRAGMA wal_checkpoint(FULL)")
            await outbox.acknowledge(rng.sample(sorted(waiting), 50))
            await outbox.put_many(items[:50])
            waiting = {entry.id for entry in await outbox.pending(limit=1000)}
            for suffix in ("", "-wal", "-shm"):
                shutil.copy(with_suffix(path, suffix), with_suffix(path, f"{suffix}.kept"))

    if kill:
        for suffix in ("", "-wal", "-shm"):
            with_suffix(path, f"{suffix}.kept").rename(with_suffix(path, suffix))

        with_suffix(path, ".lock").write_text("{}")

    return waiting


def used_pages(data: bytearray) -> list[int]:
    pages = ((start, data[start : start + PAGE]) for start in range(0, len(data), PAGE))
    return [start for start, page in pages if page.count(0) < len(page)]


def damage(path: Path, seed: int) -> str:
    """Damage a file in one of many ways, and return in which."""
    rng = random.Random(seed)
    kind = rng.choice(["bytes", "bytes", "truncate", "swap", "header", "log", "zeros"])
    log = with_suffix(path, "-wal")
    target = log if kind == "log" and log.exists() else path
    data = bytearray(target.read_bytes())
    used = used_pages(data)
    if kind in {"bytes", "log"}:
        for _ in range(rng.choice([1, 3, 20])):
            start = min(len(data) - 1, rng.choice(used) + rng.randrange(PAGE))
            length = min(rng.choice([1, 4, 50, 4000]), len(data) - start)
            data[start : start + length] = rng.randbytes(length)
    elif kind == "truncate":
        del data[rng.randrange(used[-1] + PAGE) :]
    elif kind == "swap":
        one, two = rng.sample([start for start in used if start + PAGE <= len(data)], 2)
        first, second = data[one : one + PAGE], data[two : two + PAGE]
        data[one : one + PAGE], data[two : two + PAGE] = second, first
    elif kind == "header":
        data[rng.randrange(100)] = rng.randrange(256)
    else:
        start = rng.choice(used)
        data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))

    target.write_bytes(data)
    return kind


async def use(path: Path, *, limit: int = 50) -> tuple[Path | None, Path | None]:
    """Start, deliver everything, and expect that nothing is left but what is postponed.

    Return what was moved aside at the start and until the end.
    """
    async with Outbox(path) as outbox:
        moved_at_start = outbox.moved_aside
        new = await outbox.put("new", "hello")
        delivered = set[int]()
        for lane in {*LANES, *(lane.name for lane in await outbox.lanes())}:
            await outbox.expire(lane)
            while entries := await outbox.read(lane, limit=limit):
                delivered.update(entry.id for entry in entries)
                await outbox.acknowledge(entry.id for entry in entries)

        assert new in delivered
        await outbox.dead_letters(limit=10_000)
        left = await outbox.pending(limit=10_000)
        assert all(entry.postponed_until is not None for entry in left)
        statistics = outbox.statistics()
        assert (statistics.pending, statistics.unwritten) == (len(left), 0)
        assert statistics.dead == len(await outbox.dead_letters(limit=10_000))
        assert outbox.problem is None
        return moved_at_start, outbox.moved_aside


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(first, first + SEEDS_AT_ONCE), marks=[pytest.mark.slow] if first else [])
        for first in range(0, 400, SEEDS_AT_ONCE)
    ],
    ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}",
)
def test_each_start_works_whatever_is_damaged(
    tmp_path: Path, seeds: range, caplog: pytest.LogCaptureFixture
) -> None:
    for kill in (False, True):
        (tmp_path / str(kill)).mkdir()
        anyio.run(lambda: fill(tmp_path / str(kill) / "pager.outbox", kill=kill))  # noqa: B023

    for seed in seeds:
        folder = tmp_path / "used"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / str(bool(seed % 2)), folder)
        path = folder / "pager.outbox"
        kind = damage(path, seed)
        files = {suffix: with_suffix(path, suffix) for suffix in ("", "-wal")}
        before = {suffix: file.read_bytes() for suffix, file in files.items() if file.exists()}
        caplog.clear()
        try:
            moved_at_start, moved_aside = anyio.run(use, path)
            again = anyio.run(use, path)
        except OutboxUnreadable as error:
            # One bit may make the number of a version that is to come.
            if kind != "header" or "has schema version" not in str(error):
                raise

            continue

        assert again == (None, None), (seed, kind)
        assert moved(path)[-1:] == ([] if moved_aside is None else [moved_aside])
        if moved_aside is not None:
            assert f"It was renamed to {moved_aside}" in caplog.text
            for suffix, data in before.items() if moved_at_start is not None else ():
                assert with_suffix(moved_aside, suffix).read_bytes() == data


def hide_from_an_index(path: Path) -> None:
    """Let an index lack some entries."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        select = "SELECT sql FROM sqlite_master WHERE name = 'entries_ready'"
        (sql,) = connection.execute(select).fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'entries_ready'"
        ).fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'entries_ready'")

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET lane = 'b' WHERE id % 3 = 0")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('index', 'entries_ready', 'entries', ?, ?)",
            (root, sql),
        )


def overwrite_index_pages(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'entries_ready'"
        ).fetchone()

    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def forget_ids(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE ids SET next_id = 5")
        connection.commit()


def miscount(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE lanes SET pending = pending - 3")
        connection.commit()


def forget_the_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 1")


def change_the_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1677721601")


@pytest.mark.parametrize(
    "spoil",
    [
        hide_from_an_index,
        overwrite_index_pages,
        forget_ids,
        miscount,
        forget_the_application,
        change_the_version,
    ],
)
async def test_what_is_damaged_beside_the_entries_loses_none(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with Outbox(path) as outbox:
        ids = await outbox.put_many([OutboxItem("a", f"body {n}") for n in range(50)])
        await outbox.dead_letter(ids[:3], "HTTP 400", "detail")
        await outbox.postpone_lane("a", error="given up")

    spoil(path)
    async with Outbox(path) as outbox:
        assert outbox.moved_aside is not None
        assert "47 entries and 3 dead letters; 0 entries that cannot be read" in caplog.text
        found = await outbox.pending()
        assert [(entry.id, entry.body) for entry in found] == [
            (id, f"body {n}") for n, id in enumerate(ids) if n >= 3
        ]
        letters = await outbox.dead_letters()
        assert [(letter.id, letter.reason, letter.detail) for letter in letters] == [
            (id, "HTTP 400", "detail") for id in ids[:3]
        ]
        assert (await outbox.lanes())[0].last_error == "given up"
        assert await outbox.read("a") == []
        await outbox.resume_lane("a")
        assert await outbox.put("a", "new") > ids[-1]
        for lane in await outbox.lanes():
            entries = await outbox.read(lane.name, limit=1000)
            assert len(entries) == lane.pending
            await outbox.acknowledge(entry.id for entry in entries)

        assert await outbox.pending() == []


def change_row(path: Path, column: str, value: str, id: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE entries SET {column} = {value} WHERE id = ?", (id,))
        connection.commit()


async def test_one_entry_that_cannot_be_read_becomes_a_dead_letter_while_it_runs(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Outbox(path) as outbox:
        ids = [await outbox.put("a", str(n)) for n in range(5)]
        change_row(path, "body", "CAST(x'41ff42' AS TEXT)", ids[2])
        await outbox.acknowledge(ids[:1])
        entries = await outbox.read("a")
        letters = await outbox.dead_letters()
        assert [entry.id for entry in entries] == [ids[1], *ids[3:]]
        assert [(letter.id, letter.body) for letter in letters] == [(ids[2], "A\ufffdB")]
        assert "the file of the outbox is damaged" in letters[0].reason
        # What is under way is acknowledged in the new file.
        await outbox.acknowledge(entry.id for entry in entries)
        assert await outbox.pending() == []
        assert await outbox.put("a", "new") > ids[-1]
        statistics = outbox.statistics()
        assert (statistics.put, statistics.acknowledged, statistics.failed) == (6, 4, 0)
        assert [outbox.moved_aside] == moved(path)
        assert str(outbox.moved_aside) in caplog.text

    async with Outbox(path) as outbox:
        assert outbox.moved_aside is None
        assert [letter.id for letter in await outbox.dead_letters()] == [ids[2]]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("body", "x'32'"),
        ("label", "CAST(x'ff' AS TEXT)"),
        ("last_error", "CAST(x'ff' AS TEXT)"),
        ("put_time", "'yesterday'"),
        ("put_time", "9000000000000000000"),
        ("expires", "x'00'"),
        ("size", "'large'"),
        ("attempts", "x'00'"),
    ],
)
async def test_an_entry_is_delivered_whatever_else_of_it_is_damaged(
    path: Path, column: str, value: str
) -> None:
    async with Outbox(path) as outbox:
        ids = [await outbox.put("a", str(n)) for n in range(5)]
        change_row(path, column, value, ids[2])
        assert [entry.body for entry in await outbox.read("a")] == [*"01234"]
        await outbox.expire()
        await outbox.acknowledge(ids)
        assert await outbox.pending() == []
        statistics = outbox.statistics()
        assert (statistics.acknowledged, statistics.bytes, statistics.unwritten) == (5, 0, 0)


def damage_quietly(path: Path) -> None:
    """Damage a file that is large and was closed in order, so that it is not read at the start."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(status.st_size - 250 * PAGE)
        file.write(b"\xff" * 250 * PAGE)

    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


async def test_a_damage_that_is_found_while_it_runs_stops_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Outbox(path) as outbox:
        ids = await outbox.put_many([OutboxItem("ab"[n % 2], "x" * 500_000) for n in range(40)])

    damage_quietly(path)
    async with Outbox(path) as outbox, anyio.create_task_group() as task_group:
        assert outbox.moved_aside is None
        changed = anyio.Event()
        task_group.start_soon(outbox.listen, changed.set)
        entries = [*await outbox.read("a"), *await outbox.read("b")]
        letters = await outbox.dead_letters()
        assert sorted([entry.id for entry in (*entries, *letters)]) == list(ids)
        assert 1 <= len(letters) <= 4
        assert outbox.moved_aside is not None
        # Whoever delivers reads its lanes again.
        await changed.wait()
        task_group.cancel_scope.cancel()
        await outbox.acknowledge(entry.id for entry in entries)
        assert outbox.statistics().pending == 0

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1


async def test_one_after_the_other_is_not_copied_at_once(path: Path) -> None:
    """A disk that damages whatever is written must not be filled with copies."""
    async with Outbox(path) as outbox:
        ids = [await outbox.put("a", str(n)) for n in range(5)]
        change_row(path, "body", "CAST(x'ff' AS TEXT)", ids[2])
        assert len(await outbox.read("a")) == 4
        change_row(path, "body", "CAST(x'ff' AS TEXT)", ids[3])
        for _ in range(3):
            with pytest.raises(OutboxUnreadable, match="the file is damaged"):
                await outbox.read("a")

        assert len(moved(path)) == 1

    async with Outbox(path) as outbox:
        await outbox.read("a")
        assert len(moved(path)) == 2


async def test_an_administrator_leaves_a_damaged_file_to_its_owner(path: Path) -> None:
    async with Outbox(path) as outbox:
        ids = [await outbox.put("a", str(n)) for n in range(3)]

    change_row(path, "body", "CAST(x'ff' AS TEXT)", ids[1])
    async with Outbox.administer(path) as admin:
        with pytest.raises(OutboxUnreadable, match="its owner moves it aside when it notices"):
            await admin.pending()

    assert moved(path) == []


def spoil_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"garbage")


async def test_a_process_that_was_killed_between_two_renamings(path: Path) -> None:
    async with Outbox(path) as outbox:
        id = await outbox.put("a", "1")

    os.rename(path, with_suffix(path, ".salvaged"))
    async with Outbox(path) as outbox:
        assert [entry.id for entry in await outbox.pending()] == [id]

    # The copy was not complete.
    shutil.copy(path, with_suffix(path, ".salvaged"))
    async with Outbox(path) as outbox:
        assert outbox.moved_aside is None

    spoil_header(path)
    async with Outbox(path) as outbox:
        assert outbox.moved_aside is not None
        assert not with_suffix(path, ".salvaged").exists()


def link_to(other: Path, link: Path, content: str | None) -> None:
    if content is not None:
        other.write_text(content)

    link.symlink_to(other)


def content_of(file: Path) -> str:
    return file.read_text()


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock", ".reserve", ".salvaged"])
@pytest.mark.parametrize("exists", [False, True])
async def test_links_are_not_followed(path: Path, suffix: str, exists: bool) -> None:
    other = path.with_name("precious.txt")
    link_to(other, with_suffix(path, suffix), "precious" if exists else None)
    with pytest.raises(OutboxError, match="it is a symbolic link to .*precious.txt; give the path"):
        async with Outbox(path):
            pass

    assert (other.name in os.listdir(path.parent)) is exists
    assert not exists or content_of(other) == "precious"


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
async def test_the_folder_may_be_a_link(path: Path) -> None:
    link = path.parent.with_name("link")
    link.symlink_to(path.parent)
    async with Outbox(link / path.name) as outbox:
        await outbox.put("a", "1")

    assert set(os.listdir(path.parent)) >= {path.name}
