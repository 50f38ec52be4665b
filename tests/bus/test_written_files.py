"""Which plugin writes to a file, however the file is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lanrage_events import EventBus, hookimpl


class Writer:
    def __init__(self, *files: object) -> None:
        self._files = files

    @hookimpl
    def written_files(self) -> tuple[object, ...]:
        return self._files


def bus_with(*files: object) -> EventBus:
    bus = EventBus()
    bus.register(Writer(), "nothing")
    bus.register(Writer(*files), "log")
    return bus


def test_each_name_of_a_file_is_recognized(tmp_path: Path) -> None:
    file, other = tmp_path / "events.jsonl", tmp_path / "other.jsonl"
    file.touch()
    other.touch()
    os.link(file, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(file)
    bus = bus_with(file)

    for name in ("events.jsonl", "hard", "soft", "../" + tmp_path.name + "/soft"):
        assert bus.writer_of(tmp_path / name) == "log"

    with file.open() as opened:
        assert bus.writer_of(opened.fileno()) == "log"
        file.rename(tmp_path / "rotated")
        assert bus.writer_of(opened.fileno()) is None

    assert bus.writer_of(other) is None


def test_a_file_that_does_not_exist_is_known_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    bus = bus_with(tmp_path / "new")

    assert bus.writer_of(tmp_path / "folder" / "new") == "log"
    assert bus.writer_of(tmp_path / "newer") is None
    assert bus_with(1 << 20).writer_of(tmp_path / "new") is None


def test_a_descriptor_may_be_written(tmp_path: Path) -> None:
    with (tmp_path / "events").open("w") as file:
        assert bus_with(file.fileno()).writer_of(tmp_path / "events") == "log"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other pipes")
def test_pipes_and_devices_may_be_read_and_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader, writer = os.pipe()
    try:
        for file in (tmp_path / "fifo", Path("/dev/null"), reader):
            assert bus_with(file).writer_of(file) is None
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("answer", [None, 1.5, "events", [1.5]])
def test_another_answer_is_reported_and_counts_as_none(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong:
        @hookimpl
        def written_files(self) -> object:
            return answer

    bus = EventBus()
    bus.register(Wrong(), "wrong")
    assert bus.writer_of(0) is None
    if answer != "events":
        assert "must return a list of paths and file descriptors" in caplog.text
