from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from lanrage_events import Event, EventBus, Health, Notification
from lanrage_events_log import LogConfig, LogPlugin

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs what POSIX offers")
DEV_FULL = Path("/dev/full")
needs_dev_full = pytest.mark.skipif(not DEV_FULL.exists(), reason="needs /dev/full")


def numbered(number: int) -> Event:
    return Notification(id=f"e-{number}", title=str(number), message="-")


def numbers(text: str) -> list[int]:
    return [int(json.loads(line)["title"]) for line in text.splitlines() if line]


def plugin_for(path: Path | None) -> LogPlugin:
    return LogPlugin(LogConfig(path=path))


async def test_lines_are_appended_to_what_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await plugin_for(path).event(numbered(1))
    await plugin_for(path).event(numbered(2))

    assert numbers(path.read_text("utf-8")) == [1, 2]


async def test_each_line_is_in_the_file_when_the_hook_returns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    for number in range(3):
        await plugin.event(numbered(number))
        assert numbers(path.read_text("utf-8")) == list(range(number + 1))


@posix_only
async def test_a_new_file_is_not_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    umask = os.umask(0)
    try:
        await plugin_for(path).event(numbered(1))
    finally:
        os.umask(umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix_only
async def test_a_renamed_file_is_left_alone_and_a_new_one_begun(tmp_path: Path) -> None:
    path, rotated = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    path.rename(rotated)
    await plugin.event(numbered(2))

    assert numbers(rotated.read_text("utf-8")) == [1]
    assert numbers(path.read_text("utf-8")) == [2]


@posix_only
async def test_a_file_replaced_by_another_is_written_to_from_then_on(tmp_path: Path) -> None:
    path, other = tmp_path / "events.jsonl", tmp_path / "other"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    other.touch()
    other.rename(path)
    await plugin.event(numbered(2))

    assert numbers(path.read_text("utf-8")) == [2]


@posix_only
async def test_a_removed_file_is_created_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    path.unlink()
    await plugin.event(numbered(2))

    assert numbers(path.read_text("utf-8")) == [2]


async def test_a_truncated_file_is_written_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    os.truncate(path, 0)
    await plugin.event(numbered(2))

    assert numbers(path.read_text("utf-8")) == [2]


@posix_only
async def test_reopening_leaks_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    await plugin.event(numbered(0))
    before = next_descriptor()
    for number in range(20):
        path.unlink()
        await plugin.event(numbered(number))

    assert next_descriptor() == before


@posix_only
async def test_the_file_is_closed_when_the_bus_is_left(tmp_path: Path) -> None:
    before = next_descriptor()
    async with EventBus() as bus:
        bus.register(plugin_for(tmp_path / "events.jsonl"))
        await bus.publish_and_wait(numbered(1))
        assert next_descriptor() != before

    assert next_descriptor() == before


def next_descriptor() -> int:
    """Return the lowest descriptor that is free."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


@posix_only
async def test_a_removed_folder_costs_lines_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "events.jsonl"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    path.unlink()
    folder.rmdir()
    await plugin.event(numbered(2))
    folder.mkdir()
    await plugin.event(numbered(3))

    assert numbers(path.read_text("utf-8")) == [3]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@needs_dev_full
async def test_a_full_disk_is_logged_once_and_its_end_with_the_number_of_lost_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    path.symlink_to(DEV_FULL)
    plugin = plugin_for(path)
    for number in range(3):
        await plugin.event(numbered(number))

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"cannot write to '{path}': No space left on device; events are not logged")
    ]
    assert plugin.health() == Health(
        "degraded", f"cannot write to '{path}': No space left on device; 3 lines lost", 3
    )

    path.unlink()
    caplog.clear()
    await plugin.event(numbered(3))
    await plugin.event(numbered(4))

    assert numbers(path.read_text("utf-8")) == [3, 4]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"writing to '{path}' works again; 3 lines lost")
    ]
    assert plugin.health() == Health("ok", "3 lines lost since the start", 3)


@needs_dev_full
async def test_a_disk_that_is_full_again_is_logged_again_and_the_losses_are_added_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    for _ in range(2):
        path.symlink_to(DEV_FULL)
        await plugin.event(numbered(0))
        assert "; 1 line lost" in plugin.health().detail
        path.unlink()
        await plugin.event(numbered(1))
        path.unlink()

    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"] * 2
    assert plugin.health() == Health("ok", "2 lines lost since the start", 2)


def test_a_plugin_that_lost_nothing_is_well(tmp_path: Path) -> None:
    assert plugin_for(tmp_path / "events.jsonl").health() == Health()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let files of this process grow to ``size`` bytes: a small disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@posix_only
async def test_a_line_cut_by_a_full_disk_is_not_glued_to_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    size = path.stat().st_size
    with file_size_limit(size + 10):
        await plugin.event(numbered(2))
        await plugin.event(numbered(3))

    await plugin.event(numbered(4))
    first, cut, last, rest = path.read_text("utf-8").split("\n")

    assert numbers(first) == [1]
    assert numbered(2).to_json().startswith(cut)
    assert len(cut) == 10
    assert numbers(last) == [4]
    assert rest == ""
    assert "2 lines lost" in caplog.messages[-1]


@posix_only
async def test_only_one_newline_ends_a_cut_line_when_the_disk_fills_up_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = plugin_for(path)
    await plugin.event(numbered(1))
    size = path.stat().st_size
    with file_size_limit(size + 10):
        await plugin.event(numbered(2))

    with file_size_limit(size + 11):
        await plugin.event(numbered(3))

    await plugin.event(numbered(4))

    assert path.read_text("utf-8").count("\n") == 3
    assert numbers(path.read_text("utf-8").splitlines()[-1]) == [4]


async def test_a_line_cut_by_a_crash_is_not_glued_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"type":"notif', encoding="utf-8")
    await plugin_for(path).event(numbered(1))

    cut, line = path.read_text("utf-8").splitlines()
    assert cut == '{"type":"notif'
    assert numbers(line) == [1]


@posix_only
async def test_a_named_pipe_without_reader_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    plugin = plugin_for(path)
    await plugin.event(numbered(1))

    assert plugin.health().status == "degraded"

    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await plugin.event(numbered(2))
        assert numbers(os.read(reader, 65536).decode()) == [2]
    finally:
        os.close(reader)

    assert plugin.health() == Health("ok", "1 line lost since the start", 1)


@contextmanager
def piped_stderr() -> Iterator[int]:
    """Make stderr a pipe and give the end to read from."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w", encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        yield reader

    with suppress(OSError):  # a test may have closed it
        os.close(reader)


def read_all(descriptor: int) -> str:
    chunks = []
    while True:
        try:
            chunks.append(os.read(descriptor, 65536))
        except BlockingIOError:
            return b"".join(chunks).decode()


async def test_without_a_path_lines_go_to_stderr() -> None:
    with piped_stderr() as reader:
        plugin = plugin_for(None)
        await plugin.event(numbered(1))
        await plugin.event(numbered(2))

        assert numbers(read_all(reader)) == [1, 2]


@posix_only
async def test_a_slow_reader_of_stderr_slows_the_writer_and_costs_no_line() -> None:
    with piped_stderr() as reader:
        plugin = plugin_for(None)
        done = False
        text = ""

        async def write() -> None:
            nonlocal done
            for number in range(2000):
                await plugin.event(numbered(number))

            done = True

        async with anyio.create_task_group() as tg:
            tg.start_soon(write)
            while not done:
                # Only when the pipe is full and the writer waits.
                await anyio.wait_all_tasks_blocked()
                text += read_all(reader)

        assert numbers(text + read_all(reader)) == list(range(2000))
        assert plugin.health() == Health()


@posix_only
async def test_a_slow_reader_of_stderr_slows_publishers_and_costs_no_event() -> None:
    with piped_stderr() as reader:
        done = False
        text = ""

        async def publish() -> None:
            nonlocal done
            async with EventBus() as bus:
                bus.register(plugin_for(None), mailbox_size=4)
                for number in range(2000):
                    await bus.publish(numbered(number))

            done = True

        async with anyio.create_task_group() as tg:
            tg.start_soon(publish)
            while not done:
                await anyio.wait_all_tasks_blocked()
                text += read_all(reader)

        assert numbers(text + read_all(reader)) == list(range(2000))


@posix_only
async def test_a_reader_that_hangs_holds_the_writer_up_only_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with piped_stderr() as reader:
        plugin = plugin_for(None)
        started = anyio.current_time()
        number = 0
        while plugin.health().status == "ok":
            await plugin.event(numbered(number))
            number += 1

        first_loss = anyio.current_time()
        for _ in range(100):
            await plugin.event(numbered(number))

        assert first_loss - started == pytest.approx(5.0)
        assert anyio.current_time() == first_loss
        assert plugin.health().detail == (
            "cannot write to stderr: its reader does not read; 101 lines lost"
        )
        # It would go to stderr, and wait there.
        assert caplog.records == []

        read_all(reader)
        await plugin.event(numbered(-1))

        assert numbers(read_all(reader))[-1] == -1
        assert caplog.messages == ["writing to stderr works again; 101 lines lost"]


@posix_only
async def test_a_line_longer_than_the_pipe_is_written_whole() -> None:
    with piped_stderr() as reader:
        plugin = plugin_for(None)
        event = Notification(title="1", message="x" * 300_000)
        text = ""

        async with anyio.create_task_group() as tg:
            tg.start_soon(plugin.event, event)
            while not text.endswith("\n"):
                await anyio.wait_all_tasks_blocked()
                text += read_all(reader)

        assert json.loads(text) == event.to_dict()


@posix_only
async def test_a_line_cut_by_cancellation_is_not_glued_to_the_next() -> None:
    with piped_stderr() as reader:
        plugin = plugin_for(None)
        async with anyio.create_task_group() as tg:
            tg.start_soon(plugin.event, Notification(title="cut", message="x" * 300_000))
            await anyio.wait_all_tasks_blocked()
            tg.cancel_scope.cancel()

        cut = read_all(reader)
        await plugin.event(numbered(1))

        assert "\n" not in cut
        end_of_cut, line = read_all(reader).splitlines()
        assert end_of_cut == ""
        assert numbers(line) == [1]


@posix_only
async def test_a_closed_reader_of_stderr_does_not_raise() -> None:
    with piped_stderr() as reader:
        plugin = plugin_for(None)
        await plugin.event(numbered(1))
        os.close(reader)
        await plugin.event(numbered(2))

        assert plugin.health().detail == "cannot write to stderr: Broken pipe; 1 line lost"
