from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from lanrage_events.state import StateFile

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX alone has it")

DATA = {"name": "Jürgen \ud800", "list": [1, None]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "plugin.json"


def written(path: Path) -> str:
    return path.read_text("ascii")


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each thing that was forced to the disk is a file."""
    found: list[bool] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        found.append(stat.S_ISREG(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return found


@pytest.mark.parametrize("indent", [None, 1])
async def test_what_is_saved_can_be_read(path: Path, indent: int | None) -> None:
    file = StateFile(path, indent=indent, inline=True)
    assert file.read("nothing") == "nothing"
    await file.save(DATA)
    assert StateFile(path).read(None) == DATA
    assert written(path) == json.dumps(DATA, indent=indent)
    await file.save([])
    assert file.read(None) == []
    assert names(path.parent) == [path.name]


@pytest.mark.real_clock
async def test_it_is_saved_in_a_thread(path: Path) -> None:
    await StateFile(path).save(DATA)
    assert StateFile(path).read(None) == DATA


async def test_without_a_path_nothing_is_kept() -> None:
    file = StateFile(None, inline=True)
    await file.save(DATA)
    assert file.read("nothing") == "nothing"
    assert "without a path" in repr(file)
    with pytest.raises(OSError, match="no path"):
        file.move_aside()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such permissions")
def test_only_the_owner_may_read_it(path: Path) -> None:
    path.parent.mkdir()
    left_over = path.with_name("plugin.json.new")
    left_over.write_text("{}", encoding="utf-8")
    left_over.chmod(0o666)
    path.write_text("{}", encoding="utf-8")
    path.chmod(0o666)
    StateFile(path).write(DATA)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"url": "made-up-secret"', b"\xc3"]
)
def test_damaged_content_is_an_error_without_the_content(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    file = StateFile(path)
    with pytest.raises(ValueError, match=r"^it is damaged$") as caught:
        file.read(None)

    assert caught.value.__suppress_context__
    aside = file.move_aside()
    assert (aside.name, aside.read_bytes()) == ("plugin.json.damaged", damage)
    assert file.read("nothing") == "nothing"


def test_what_cannot_be_read_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OSError, match="plugin.json"):
        StateFile(path).read(None)


def test_a_write_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StateFile(path)
    file.write(DATA)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="No space"):
                file.write([])

    assert file.read(None) == DATA
    assert names(path.parent) == [path.name]


def test_values_that_are_not_json_change_nothing(path: Path) -> None:
    file = StateFile(path)
    file.write(DATA)
    with pytest.raises(TypeError):
        file.write(object())

    assert file.read(None) == DATA


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be synced")
def test_a_write_waits_until_the_disk_has_the_file_and_its_name(
    path: Path, synced: list[bool]
) -> None:
    StateFile(path).write(DATA)
    assert synced == [True, False]


def test_a_write_that_need_not_survive_a_loss_of_power_does_not_wait(
    path: Path, synced: list[bool]
) -> None:
    StateFile(path, survives_power_loss=False).write(DATA)
    assert synced == []


@posix_only
@pytest.mark.parametrize("exists", [False, True])
def test_links_are_not_followed(path: Path, exists: bool) -> None:
    other = path.with_name("precious.json")
    path.parent.mkdir()
    path.symlink_to(other)
    if exists:
        other.write_text('"precious"', "ascii")

    file = StateFile(path)
    with pytest.raises(OSError, match=r"it is a symbolic link to .*precious\.json; give the path"):
        file.read(None)

    file.write(DATA)
    assert not path.is_symlink()
    assert file.read(None) == DATA
    assert not exists or written(other) == '"precious"'


@posix_only
def test_a_pipe_is_not_waited_for(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(OSError, match="it is not a regular file"):
        StateFile(path).read(None)


@posix_only
@pytest.mark.parametrize(
    ("mode", "remedy"), [(0o777, "chmod go-w"), (0o1777, "chmod go-w"), (0o755, None)]
)
def test_a_folder_that_others_can_write_to_is_warned_of_once(
    path: Path, mode: int, remedy: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.parent.chmod(mode)
    for name in ("one.json", "two.json"):
        StateFile(path.with_name(name)).write(DATA)

    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == (remedy is not None)
    assert remedy is None or (
        warnings[0] == f"the state folder {path.parent.resolve()} is not safe, since other users"
        f" can write to it: {remedy} '{path.parent.resolve()}'"
    )


@posix_only
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give it away")
def test_a_folder_of_another_user_is_warned_of(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    os.chown(path.parent, 65534, 65534)
    StateFile(path).write(DATA)
    # Whose daemon can read what root wrote.
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (65534, 0o600)
    assert "it belongs to another user (" in caplog.text
    assert f"run this as that user, or chown 0 '{path.parent.resolve()}'" in caplog.text
