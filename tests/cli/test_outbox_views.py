"""What ``outbox list`` shows of the databases beside an outbox: worker threads, so real time."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from lanrage_events._cli import main
from lanrage_events.outbox import Outbox
from lanrage_events.state import Database

pytestmark = pytest.mark.real_clock

Run = Callable[..., tuple[int, str, str]]
SCHEMA = (
    "CREATE TABLE boards (id INTEGER PRIMARY KEY, name TEXT, reason TEXT)",
    "CREATE VIEW outbox_list AS SELECT id AS board, name AS shown_name, reason FROM boards",
)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    async def make() -> None:
        async with Outbox(tmp_path / "pager.outbox"):
            pass

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["outbox", "list", *words, "--state-folder", str(tmp_path)])
        output = capsys.readouterr()
        return code, output.out, output.err

    anyio.run(make)
    return run


def put(path: Path, *names: str, schema: tuple[str, ...] = SCHEMA) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        rows = [(name,) for name in names]
        connection.executemany("INSERT INTO boards (name) VALUES (?)", rows)

    async def write() -> None:
        async with Database(path, schema) as database:
            await database.run(insert)

    anyio.run(write)


def test_the_view_of_a_database_beside_an_outbox_is_listed(tmp_path: Path, run: Run) -> None:
    put(tmp_path / "pager.boards", "Hall A", "\x1b[31mHall\nB")
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out == (
        "the outbox is empty\n"
        "\n"
        "BOARD  SHOWN NAME         REASON\n"
        "1      Hall A             -\n"
        "2      \\u001b[31mHall\\nB  -\n"
    )


def test_the_view_of_the_page_is_listed(tmp_path: Path, run: Run) -> None:
    page = (Path(__file__).parents[2] / "docs" / "outbox.md").read_text("utf-8")
    [view] = re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    table = "CREATE TABLE boards (id INTEGER PRIMARY KEY, name TEXT, title TEXT, problem TEXT)"
    put(tmp_path / "pager.boards", "Hall A", schema=(table, view))
    assert "BOARD  TITLE  PROBLEM\n1      -      -\n" in run()[1]


@pytest.mark.slow
def test_views_as_json_and_up_to_a_limit(tmp_path: Path, run: Run) -> None:
    put(tmp_path / "pager.boards", "Hall A", "Hall B", "Hall C")
    boards = json.loads(run("--json", "--limit", "2")[1])["boards"]
    assert boards == [
        {"board": 1, "shown_name": "Hall A", "reason": None},
        {"board": 2, "shown_name": "Hall B", "reason": None},
    ]
    assert "1 more boards: give a higher --limit" in run("--limit", "2")[1]
    for which in ("pending", "dead"):
        assert "Hall A" not in run("--which", which)[1]


def test_what_belongs_to_others_or_lists_nothing_is_not_shown(tmp_path: Path, run: Run) -> None:
    put(tmp_path / "other.boards", "Of another plugin")
    put(tmp_path / "pager.more.boards", "Of another plugin, too")
    put(tmp_path / "pager.silent", "Without a view", schema=SCHEMA[:1])
    (tmp_path / "pager.notes").write_text("no database", "utf-8")
    (tmp_path / "pager.folder").mkdir()
    assert run() == (0, "the outbox is empty\n", "")


def test_a_database_that_is_in_use_is_read_as_it_is(tmp_path: Path, run: Run) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO boards (name) VALUES ('Hall A')")

    async def list_beside() -> tuple[int, str, str]:
        async with Database(tmp_path / "pager.boards", SCHEMA) as database:
            await database.run(insert)
            return await to_thread.run_sync(run)

    code, out, err = anyio.run(list_beside)
    assert (code, err) == (0, "")
    assert "Hall A" in out


def test_a_database_that_cannot_be_read_is_an_error(tmp_path: Path, run: Run) -> None:
    put(tmp_path / "pager.boards", "Hall A")
    data = bytearray((tmp_path / "pager.boards").read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    (tmp_path / "pager.boards").write_bytes(data)
    code, out, err = run()
    assert (code, out) == (1, "the outbox is empty\n")
    assert "pager.boards cannot be read: " in err
    code, out, _ = run("--json")
    assert code == 1
    assert "boards" not in json.loads(out)


def test_values_that_json_does_not_have_are_texts(tmp_path: Path, run: Run) -> None:
    view = "CREATE VIEW outbox_list AS SELECT 9e999 AS far, x'00ff' AS raw, 1.5 AS part FROM boards"
    put(tmp_path / "pager.boards", "Hall A", schema=(SCHEMA[0], view))
    assert json.loads(run("--json")[1], parse_constant=pytest.fail)["boards"] == [
        {"far": "inf", "raw": "b'\\x00\\xff'", "part": 1.5}
    ]


def test_a_view_without_an_end_is_given_up(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanrage_events._cli.outbox_views.READ_SECONDS", 0.1)
    view = """CREATE VIEW outbox_list AS
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"""
    put(tmp_path / "pager.boards", schema=(SCHEMA[0], view))
    code, _, err = run()
    assert code == 1
    assert "pager.boards cannot be read: interrupted" in err


def test_a_limit_beyond_what_sqlite_counts_is_an_error(run: Run) -> None:
    code, _, err = run("--limit", str(10**30))
    assert code == 2
    assert "limit" in err
