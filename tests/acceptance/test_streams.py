"""Every command where stdout or stderr is closed, full or without a reader."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
    "forget Ann --config log.yaml",
    "mute 1h --url http://127.0.0.1:9",
    "unmute --url http://127.0.0.1:9",
    "parties --url http://127.0.0.1:9",
    "not-a-command",
)
OWN_COMMANDS = {
    "run", "init", "check", "reload", "schema", "plugins", "events", "new-plugin", "outbox",
}  # fmt: skip


# Each command runs in a process of its own, which has imported already what most of them import.
FORKS = """
import json, os, sys
import lanrage_events_discord._plugin, lanrage_events_http._plugin
from lanrage_events.__main__ import run_process
import lanrage_events._cli.outbox_actions, lanrage_events._daemon.daemon

for folder, words in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        os.chdir(folder)
        opened = os.open("stderr", os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, 2)
        os.close(opened)
        sys.argv = ["lanrage-events", *words]
        run_process()

    with open(os.path.join(folder, "code"), "w") as file:
        file.write(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def make_folder(tmp_path: Path) -> Path:
    (tmp_path / "log.yaml").write_text("state_folder: state\nplugins: {log: }", "utf-8")
    url = "https://discord.com/api/webhooks/123456789012345678/" + "made-up_" * 8
    (tmp_path / "discord.yaml").write_text(
        f"state_folder: state\nplugins: {{discord: {{webhooks: {{lan: {{url: '{url}'}}}}}}}}",
        "utf-8",
    )
    line = "[12:00:00] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)\n"
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


def run_each(
    tmp_path: Path, commands: Sequence[str], redirection: str
) -> Iterator[tuple[str, int, str]]:
    """Run commands one after another, each in a folder of its own; yield exit codes and errors."""
    folders = {command: tmp_path / str(number) for number, command in enumerate(commands)}
    for one in folders.values():
        one.mkdir()
        make_folder(one)

    jobs = json.dumps([(str(one), command.split()) for command, one in folders.items()])
    script = f'exec "$0" -c "$1" "$2" {redirection}'
    subprocess.run(
        ["sh", "-c", script, sys.executable, FORKS, jobs], check=True, input=b"", timeout=120
    )
    for command, one in folders.items():
        code = int((one / "code").read_text("utf-8"))
        yield command, code, (one / "stderr").read_text("utf-8")


def test_every_command_is_tried() -> None:
    tried = {command.split()[0] for command in (*COMMANDS, *QUIET_COMMANDS)}

    assert tried >= OWN_COMMANDS | {p.name for p in entry_points(group="lanrage_events.commands")}


@pytest.mark.parametrize("part", range(3))
def test_a_full_stdout_is_an_error_in_one_line(tmp_path: Path, part: int) -> None:
    message = "lanrage-events: cannot write the output: No space left on device\n"
    done = [*run_each(tmp_path, COMMANDS[part::3], ">/dev/full")]

    assert done == [(command, 1, message) for command in COMMANDS[part::3]]


@pytest.mark.parametrize("part", range(4))
def test_a_closed_stdout_gets_nothing(tmp_path: Path, part: int) -> None:
    for command, code, errors in run_each(tmp_path, (*COMMANDS, *QUIET_COMMANDS)[part::4], ">&-"):
        assert "Traceback" not in errors, command
        assert errors or code in (0, 78), command


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
