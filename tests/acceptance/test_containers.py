"""The program where a container runs it: without a home, and as a user that no one knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UID = "54321"
# The tests may run from a home that other users cannot read.
AS_STRANGER = (
    "setpriv", "--reuid", UID, "--regid", UID, "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "env", "-i",
)  # fmt: skip

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("setpriv") is None or os.geteuid() != 0,
        reason="only root can run a program as another user, with setpriv of util-linux",
    ),
]


def as_stranger(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AS_STRANGER, sys.executable, "-m", "lanrage_events", *words],
        cwd=folder,
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.yaml").write_text("plugins: {log: }", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["run", "log.yaml"], "log.yaml:1:1"),
        (["check", "log.yaml"], "log.yaml:1:1"),
        (["events", "log.yaml"], "log.yaml:1:1"),
        (["reload", "log.yaml"], "log.yaml:1:1"),
        (["outbox", "list", "--config", "log.yaml"], "log.yaml:1:1"),
        (["run"], "(no lanrage.yaml):1:1"),
        (["check"], "(no lanrage.yaml):1:1"),
        (["outbox", "list"], "(no lanrage.yaml):1:1"),
    ],
    ids=" ".join,
)
def test_without_a_home_folder_one_line_asks_for_the_state_folder(
    folder: Path, words: list[str], file: str
) -> None:
    done = as_stranger(folder, *words)
    lines = (done.stdout + done.stderr).splitlines()

    assert done.returncode == 78
    assert [line for line in lines if line.startswith(f"{file}: state_folder: ")] == lines[:1]
    assert "has no home folder" in lines[0]
    assert "Traceback" not in done.stdout + done.stderr


def test_what_needs_no_state_folder_runs_without_a_home(folder: Path) -> None:
    assert as_stranger(folder, "plugins").returncode == 0
    assert "Ann" in as_stranger(folder, "preview", "peer_joined", "peer_name=Ann").stdout

    done = as_stranger(folder, "--install-completion", "--shell", "bash")
    assert done.returncode == 1
    assert done.stderr == (
        "lanrage-events: the user who runs this has no home folder: name a file with --output\n"
    )


def test_with_a_state_folder_it_runs_as_a_user_that_no_one_knows(folder: Path) -> None:
    state = folder / "state"
    state.mkdir()
    os.chown(state, int(UID), int(UID))
    text = "state_folder: state\nplugins: {log: {path: state/events.jsonl}}"
    (folder / "log.yaml").write_text(text, "utf-8")
    event = '{"type": "notification", "title": "Ann", "message": "is here"}\n'
    done = as_stranger(folder, "run", "--stdin", "log.yaml", stdin=event)

    assert done.returncode == 0, done.stderr
    assert "Ann" in (state / "events.jsonl").read_text("utf-8")
