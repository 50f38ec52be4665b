from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanrage_events._daemon import Instance, find_daemon, instance_path
from lanrage_events.config._load import load_config
from lanrage_events.config._models import DaemonConfig


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DaemonConfig:
    monkeypatch.chdir(tmp_path)
    Path("lanrage.yaml").write_text("state_folder: state\nplugins: {log: {path: x.jsonl}}\n")
    return load_config(None)


@pytest.fixture
def path(config: DaemonConfig) -> Path:
    return instance_path(config.state_folder, config.file)


@pytest.fixture
def instance(config: DaemonConfig) -> Iterator[Instance]:
    instance = Instance.open(config)
    assert instance is not None
    yield instance
    instance.close()


def test_a_daemon_is_found_while_it_runs(config: DaemonConfig, path: Path) -> None:
    assert find_daemon(path) is None
    instance = Instance.open(config)
    assert instance is not None
    daemon = find_daemon(path)
    assert daemon is not None
    assert daemon.pid == os.getpid()
    assert (daemon.begun, daemon.done) == (0, 0)
    instance.close()
    assert find_daemon(path) is None
    assert path.read_text() == "{}"


def test_its_file_is_readable_only_for_its_owner(instance: Instance, path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_what_a_killed_process_left_is_no_daemon(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"pid": 1, "host": "here", "since": "2026-01-01T00:00:00+00:00"}')
    assert find_daemon(path) is None


@pytest.mark.parametrize("text", ["", '{"pid": 1', "[]", "{}", "\x00"])
def test_what_is_half_written_is_no_daemon_yet(instance: Instance, path: Path, text: str) -> None:
    path.write_text(text)
    assert find_daemon(path) is None


def test_a_file_of_a_later_version_is_read(instance: Instance, path: Path) -> None:
    path.write_text('{"pid": 7, "host": "here", "since": "now", "colour": "red"}')
    daemon = find_daemon(path)
    assert daemon is not None
    assert daemon.pid == 7


def test_what_a_reload_did_can_be_read(instance: Instance, path: Path) -> None:
    instance.begin_reload()
    during = find_daemon(path)
    assert during is not None
    assert (during.begun, during.done) == (1, 0)
    instance.end_reload(is_complete=False, is_invalid=True, messages=["first", "zweite €"])
    daemon = find_daemon(path)
    assert daemon is not None
    assert (daemon.begun, daemon.done) == (1, 1)
    assert (daemon.is_complete, daemon.is_invalid) == (False, True)
    assert daemon.messages == ("first", "zweite €")


@pytest.mark.slow
def test_the_file_stays_small_whatever_a_reload_says(instance: Instance, path: Path) -> None:
    instance.begin_reload()
    instance.end_reload(
        is_complete=True, is_invalid=False, messages=["\U0001f600" * 9000 for _ in range(9000)]
    )
    daemon = find_daemon(path)
    assert daemon is not None
    assert len(daemon.messages) == 101
    assert daemon.messages[-1] == "and 8900 more, which the daemon's log has"
    assert path.stat().st_size < 2_000_000


def test_of_two_daemons_the_first_is_found(
    config: DaemonConfig, path: Path, instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    assert Instance.open(config) is None
    [record] = caplog.records
    assert record.getMessage() == (
        f"another daemon, process {os.getpid()}, runs with lanrage.yaml: 'lanrage-events reload' "
        "reloads only that one"
    )
    assert find_daemon(path) is not None


def test_configurations_may_share_a_state_folder(config: DaemonConfig, instance: Instance) -> None:
    Path("other.yaml").write_text("state_folder: state\nplugins: {log: {path: x.jsonl}}\n")
    other = Instance.open(load_config(Path("other.yaml")))
    assert other is not None
    other.close()


def test_a_state_folder_that_cannot_be_written_is_logged(
    config: DaemonConfig, caplog: pytest.LogCaptureFixture
) -> None:
    config.state_folder.write_text("a file")
    assert Instance.open(config) is None
    assert "does not find this daemon, since" in caplog.text
    assert "cannot be written: File exists" in caplog.text
