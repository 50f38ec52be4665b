from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lanrage_events._file_lock import FileLock, LockedError, is_locked


def test_a_file_has_one_owner_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = FileLock(path)
    assert is_locked(path)
    with pytest.raises(LockedError):
        FileLock(path)

    first.release()
    first.release()  # twice does no harm
    assert not is_locked(path)
    FileLock(path).release()
    assert path.exists()


def test_others_read_what_the_owner_wrote(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock = FileLock(path)
    lock.write({"long": "x" * 100})
    lock.write({"pid": 1})
    assert path.read_text() == '{"pid": 1}'
    assert lock.read(100) == b'{"pid": 1}'
    lock.release()


def test_looking_for_an_owner_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        is_locked(tmp_path / "x.lock")

    assert not list(tmp_path.iterdir())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.lock").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(tmp_path / "x.lock")

    with pytest.raises(OSError, match="symbolic link"):
        is_locked(tmp_path / "x.lock")

    assert not (tmp_path / "other").exists()


def test_a_process_that_was_killed_owns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    code = (
        "import os, pathlib, sys\n"
        "from lanrage_events._file_lock import FileLock, is_locked\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "lock = FileLock(path)\n"
        "lock.write({'pid': os.getpid()})\n"
        "assert is_locked(path)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == 9
    assert path.read_text().startswith('{"pid": ')
    assert not is_locked(path)
