"""The command with a daemon that the test plays; tests/acceptance has a real one."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lanrage_events._cli.errors import CommandError
from lanrage_events._cli.reload import run
from lanrage_events._daemon import Instance, instance_path
from lanrage_events.config._load import load_config

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")

Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("lanrage.yaml").write_text("state_folder: state\nplugins: {log: {path: x.jsonl}}\n")
    return tmp_path


@pytest.fixture
def instance(folder: Path) -> Iterator[Instance]:
    instance = Instance.open(load_config(None))
    assert instance is not None
    yield instance
    instance.close()


@pytest.fixture
def on_hangup() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Return a function that sets what this process does when it is asked to reload."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda function: void(signal.signal(signal.SIGHUP, lambda *_: void(function())))
    signal.signal(signal.SIGHUP, before)


def answer(instance: Instance, messages: list[str]) -> None:
    instance.begin_reload()
    instance.end_reload(is_complete=True, is_invalid=False, messages=messages)


def void(_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("is_complete", "is_invalid", "code"), [(True, False, 0), (False, False, 1), (False, True, 78)]
)
def test_what_the_daemon_did_is_printed(
    instance: Instance,
    on_hangup: Callable[[Callable[[], object]], None],
    command: Command,
    is_complete: bool,
    is_invalid: bool,
    code: int,
) -> None:
    def reload() -> None:
        instance.begin_reload()
        instance.end_reload(is_complete=is_complete, is_invalid=is_invalid, messages=["a\x1b", "b"])

    on_hangup(reload)
    assert command("reload") == (code, "a\\u001b\nb\n")


def test_one_that_had_begun_before_is_not_the_answer(
    instance: Instance, on_hangup: Callable[[Callable[[], object]], None], command: Command
) -> None:
    def reload() -> None:
        instance.end_reload(is_complete=True, is_invalid=False, messages=["the old file"])
        instance.begin_reload()
        instance.end_reload(is_complete=True, is_invalid=False, messages=["the new file"])

    instance.begin_reload()
    on_hangup(reload)
    assert command("reload") == (0, "the new file\n")


@pytest.mark.parametrize("words", [["reload"], ["reload", "lanrage.yaml"]])
def test_without_a_daemon_it_says_what_to_do(command: Command, words: list[str]) -> None:
    code, output = command(*words)
    assert code == 1
    assert output.startswith("lanrage-events: no daemon runs with lanrage.yaml, as far as ")
    assert "start it with 'lanrage-events run'" in output
    assert "if state_folder has changed since it started, give the earlier folder" in output


def test_a_daemon_that_ends_instead_is_reported(
    instance: Instance, on_hangup: Callable[[Callable[[], object]], None]
) -> None:
    on_hangup(instance.close)
    with pytest.raises(CommandError, match="ended before it had reloaded: see its log"):
        run(None, None)


def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(
    instance: Instance, on_hangup: Callable[[Callable[[], object]], None]
) -> None:
    received: list[int] = []
    on_hangup(lambda: received.append(1))
    with pytest.raises(CommandError, match=r"has not finished the reload within 0\.1 seconds"):
        run(None, None, seconds=0.1)

    assert received


def test_a_daemon_in_another_container_is_not_sent_a_signal(
    instance: Instance, folder: Path
) -> None:
    owner = {"pid": os.getpid(), "host": "elsewhere", "since": ""}
    instance_path(folder / "state", Path("lanrage.yaml")).write_text(json.dumps(owner))
    with pytest.raises(CommandError, match="runs on elsewhere or in a container of that name"):
        run(None, None)


def test_the_file_may_be_wrong_in_any_other_key(
    instance: Instance, on_hangup: Callable[[Callable[[], object]], None]
) -> None:
    # Only the daemon has the variable.
    Path("lanrage.yaml").write_text(
        "state_folder: state\nbackend: x\nplugins: {discord: {webhook_url: '${NOT_SET_HERE}'}, lgo: }\n"
    )
    on_hangup(lambda: answer(instance, []))
    assert run(None, None) == 0


def test_a_state_folder_that_only_the_daemon_knows_is_given(
    instance: Instance, on_hangup: Callable[[Callable[[], object]], None], command: Command
) -> None:
    Path("lanrage.yaml").write_text("state_folder: ${NOT_SET_HERE}\nplugins: {log: {path: x}}\n")
    code, output = command("reload")
    assert code == 78
    assert output == (
        "lanrage.yaml:1:15: state_folder: the environment variable NOT_SET_HERE is not set\n"
        "the daemon is found by its state folder: give it with --state-folder\n"
    )
    on_hangup(lambda: answer(instance, ["done"]))
    assert command("reload", "--state-folder", "state") == (0, "done\n")


def test_a_file_that_does_not_exist_is_reported(command: Command) -> None:
    code, output = command("reload", "nope.yaml")
    assert code == 78
    assert output.startswith("nope.yaml: the file does not exist\n")
