from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str]]

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a state folder with a database that a process has open, and files beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lanrage.yaml").write_text("state_folder: ./state\nplugins: {log: }\n")
    state = tmp_path / "state"
    (state / "sub").mkdir(parents=True)
    (state / "discord.settings.json").write_text('{"a": 1}')
    (state / "sub" / "more").write_bytes(b"\0\xff")
    (state / "discord.settings.json.new").write_text("{")
    (state / "daemon-lanrage-0.lock").touch()
    with closing(sqlite3.connect(state / "discord.outbox", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE entries (text)")
        database.execute("INSERT INTO entries VALUES ('one')")
        (state / "discord.outbox.lock").touch()
        yield state


def entries(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("SELECT text FROM entries")]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


KEPT = {"discord.settings.json", "discord.outbox", "sub/more"}


def test_a_backup_has_the_state_and_not_what_belongs_to_the_process(command: Command) -> None:
    assert command("backup", "copy") == (0, f"copied 3 files of {Path.cwd()}/state to copy\n")
    assert names(Path("copy")) == KEPT | {"backup.json"}
    assert entries(Path("copy/discord.outbox")) == ["one"]
    assert Path("copy/sub/more").read_bytes() == b"\0\xff"


def test_a_restored_state_folder_is_what_it_was(command: Command) -> None:
    assert command("backup", "copy")[0] == 0
    code, output = command("restore", "copy", "--state-folder", "deep/er/state")
    assert code == 0
    assert output.startswith("restored 3 files to deep/er/state, as they were on ")
    assert names(Path("deep/er/state")) == KEPT
    assert entries(Path("deep/er/state/discord.outbox")) == ["one"]
    assert os.listdir("deep/er") == ["state"]


@pytest.mark.slow
def test_a_folder_that_is_empty_may_be_where_a_disk_is_mounted(command: Command) -> None:
    for folder in ("copy", "other"):
        Path(folder).mkdir()

    before = Path("other").stat().st_ino
    assert command("backup", "copy")[0] == 0
    assert command("restore", "copy", "--state-folder", "other")[0] == 0
    assert Path("other").stat().st_ino == before
    assert names(Path("other")) == KEPT


@posix
def test_only_the_owner_can_read_the_copies(command: Command) -> None:
    assert command("backup", "copy")[0] == 0
    assert command("restore", "copy", "--state-folder", "other")[0] == 0
    for folder in (Path("copy"), Path("other")):
        assert folder.stat().st_mode & 0o777 == 0o700
        for name in KEPT:
            assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_nothing_that_exists_is_overwritten(command: Command, state: Path) -> None:
    assert command("backup", "copy")[0] == 0
    code, output = command("backup", "copy")
    assert (code, output) == (
        1,
        "lanrage-events: copy exists, and is left as it is: name a new folder\n",
    )
    code, output = command("restore", "copy")
    assert code == 1
    assert f"the state folder {state} is not empty, and is left as it is" in output


def test_a_backup_inside_the_state_folder_would_grow_each_time(
    command: Command, state: Path
) -> None:
    code, output = command("backup", "state/copy")
    assert code == 1
    assert "is inside the state folder" in output
    assert not (state / "copy").exists()


def test_without_a_state_folder_there_is_nothing_to_copy(command: Command) -> None:
    code, output = command("backup", "copy", "--state-folder", "gone")
    assert (code, output) == (
        1,
        "lanrage-events: there is no state folder gone: no daemon ever ran with it\n",
    )


def test_a_state_folder_that_is_not_known_can_be_given(command: Command) -> None:
    Path("lanrage.yaml").write_text("state_folder: ${NOT_SET_HERE}\nplugins: {log: }\n")
    code, output = command("backup", "copy")
    assert code == 78
    assert "give it with --state-folder" in output
    assert command("backup", "copy", "--state-folder", "state")[0] == 0


@posix
def test_a_copy_that_fails_leaves_nothing_behind(command: Command, state: Path) -> None:
    (state / "pager.outbox").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    code, output = command("backup", "to/copy")
    assert code == 1
    assert "pager.outbox cannot be copied: " in output
    assert os.listdir("to") == []


@pytest.mark.slow
@posix
def test_a_link_is_not_followed(command: Command, state: Path) -> None:
    (state / "link").symlink_to("/etc/passwd")
    assert command("backup", "copy")[0] == 0
    assert names(Path("copy")) == KEPT | {"backup.json"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "message"),
    [
        (None, "is not a folder that 'lanrage-events backup' wrote: No such file or directory"),
        ("{", "is damaged: use another backup"),
        ("[]", "is damaged: use another backup"),
        ('{"format": 1}', "is damaged: use another backup"),
        (
            json.dumps({"format": 1, "files": ["../x"], "host": "a", "time": "b"}),
            "is damaged: use another backup",
        ),
        (
            json.dumps({"format": 9, "version": "7.0"}),
            "was written by version 7.0: restore it with that version",
        ),
    ],
)
def test_what_is_no_backup_is_not_restored(
    command: Command, label: str | None, message: str
) -> None:
    Path("copy").mkdir()
    if label is not None:
        Path("copy/backup.json").write_text(label)

    code, output = command("restore", "copy", "--state-folder", "other")
    assert code == 1
    assert message in output
    assert not Path("other").exists()


def test_a_backup_that_lacks_a_file_is_not_restored(command: Command) -> None:
    assert command("backup", "copy")[0] == 0
    Path("copy/sub/more").unlink()
    code, output = command("restore", "copy", "--state-folder", "other")
    assert code == 1
    assert "cannot copy copy/sub/more: No such file or directory" in output
    assert not Path("other").exists()
