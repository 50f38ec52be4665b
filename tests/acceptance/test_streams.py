"""Every command where stdout or stderr is closed, full or without a reader."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

EVENT = '{"type": "notification", "title": "Ann", "message": "is here"}\n'
COMMANDS = (
    "--help",
    "--version",
    "--install-completion --shell bash --output script",
    "schema",
    "plugins",
    "plugins --json",
    "events",
    "events --schema",
    "init new.yaml",
    "new-plugin bingo",
    "check log.yaml",
    "check missing.yaml",
    "outbox --help",
    "preview peer_joined",
    "route peer_joined --config discord.yaml",
    "logfile-test minecraft server.log",
    "publish --file -",
    "demo",
)
# They write to stdout only when something answers, or nothing at all.
QUIET_COMMANDS = (
    "run --stdin log.yaml",
    "run missing.yaml",
    "reload log.yaml",
    "outbox list --config log.yaml",
    "outbox show 1 --config log.yaml",
    "outbox retry --all --config log.yaml",
    "outbox drop --all --config log.yaml",
    "publish notification title=a message=b --timeout 0s --url http://127.0.0.1:9",
    "stream --url http://127.0.0.1:9",
    "top --url http://127.0.0.1:9",
    "test --config log.yaml",
    "not-a-command",
)
OWN_COMMANDS = {
    "run", "init", "check", "reload", "schema", "plugins", "events", "new-plugin", "outbox",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.yaml").write_text("state_folder: state\nplugins: {log: }", "utf-8")
    url = "https://discord.com/api/webhooks/123456789012345678/" + "made-up_" * 8
    (tmp_path / "discord.yaml").write_text(
        f"state_folder: state\nplugins: {{discord: {{webhooks: {{lan: {{url: '{url}'}}}}}}}}",
        "utf-8",
    )
    line = "[12:00:00] [Server thread/INFO]: Ann joined the game\n"
    (tmp_path / "server.log").write_text(line, "utf-8")
    return tmp_path


def run(folder: Path, command: str, redirection: str) -> subprocess.CompletedProcess[str]:
    script = f'exec "$0" -m lanrage_events {command} {redirection}'
    return subprocess.run(
        ["sh", "-c", script, sys.executable],
        check=False,
        cwd=folder,
        input="",
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_command_is_tried() -> None:
    tried = {command.split()[0] for command in (*COMMANDS, *QUIET_COMMANDS)}

    assert tried >= OWN_COMMANDS | {p.name for p in entry_points(group="lanrage_events.commands")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_stdout_is_an_error_in_one_line(folder: Path, command: str) -> None:
    done = run(folder, command, ">/dev/full")

    assert done.stderr == "lanrage-events: cannot write the output: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("command", [*COMMANDS, *QUIET_COMMANDS])
def test_a_closed_stdout_gets_nothing(folder: Path, command: str) -> None:
    done = run(folder, command, ">&-")

    assert "Traceback" not in done.stderr
    assert done.stderr or done.returncode in (0, 78)


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("run missing.yaml", 78), ("not-a-command", 2), ("run --stdin log.yaml", 0)],
)
def test_a_stderr_that_takes_nothing_changes_nothing(
    folder: Path, command: str, code: int, redirection: str
) -> None:
    assert run(folder, command, redirection).returncode == code


def test_no_file_gets_the_number_of_a_closed_stream(folder: Path) -> None:
    """An outbox or a log that got number 1 or 2 would hold what others print."""
    (folder / "log.yaml").write_text(
        "state_folder: state\nplugins: {log: {path: events.jsonl}}", "utf-8"
    )
    (folder / "input").write_text(EVENT, "utf-8")
    done = run(folder, "run --stdin log.yaml", "<input >&- 2>&-")

    assert done.returncode == 0
    assert [line[0] for line in (folder / "events.jsonl").read_text("utf-8").splitlines()] == ["{"]


def test_without_standard_input_a_file_is_asked_for(folder: Path) -> None:
    done = run(folder, "publish --file -", "<&-")

    assert done.stderr == "this process has no standard input: name a file\n"
    assert done.returncode == 2
