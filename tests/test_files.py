"""Files that are read within a limit: real pipes and devices."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lanrage_events.cli import read_file

needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFO")
needs_zero = pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")


@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_a_file_within_the_limit_is_read_whole(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * size)
    assert read_file(file, 100) == b"x" * size


def test_a_file_beyond_the_limit_is_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 101)
    with pytest.raises(OSError, match="larger than 100 bytes"):
        read_file(file, 100)


def test_line_ends_and_control_characters_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a\r\nb\x1ac")
    assert read_file(str(file), 100) == b"a\r\nb\x1ac"


@needs_zero
def test_a_device_without_an_end_stops_at_the_limit() -> None:
    with pytest.raises(OSError, match="larger than 1,000,000 bytes"):
        read_file("/dev/zero", 1_000_000)


@needs_fifo
def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TimeoutError, match="no program wrote to this pipe within 0.05 seconds"):
        read_file(tmp_path / "fifo", 100, timeout=0.05)


@needs_fifo
def test_a_pipe_whose_writer_does_not_end_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR)
    try:
        os.write(writer, b"begun")
        with pytest.raises(TimeoutError, match="its end did not come within 0.05 seconds"):
            read_file(tmp_path / "fifo", 100, timeout=0.05)
    finally:
        os.close(writer)


@needs_fifo
def test_what_comes_through_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        with fifo.open("wb", buffering=0) as file:  # waits for the reader
            for _ in range(3):
                file.write(b"x" * 50_000)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_file(fifo, 1_000_000) == b"x" * 150_000
    writer.join()


@pytest.mark.parametrize(("name", "error"), [(".", OSError), ("missing", FileNotFoundError)])
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        read_file(tmp_path / name, 100)
