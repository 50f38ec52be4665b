"""Files that the installed daemon would both read and write."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ._daemons import COMMAND, GUARD_SECONDS

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    events = [
        {"type": "peer_joined", "id": f"{n}", "peer_name": "A", "party_name": "L"} for n in "123"
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    return tmp_path


def configure(**plugins: object) -> None:
    config = {"state_folder": "state", "plugins": plugins}
    Path("lanrage.yaml").write_text(json.dumps(config), encoding="utf-8")


def run(*arguments: str, stdin: str, stderr: str = "out") -> tuple[int, str]:
    with open(stdin, "rb") as given, open(stderr, "ab") as output:
        process = subprocess.run(
            [*COMMAND, *arguments],
            stdin=given,
            stdout=output,
            stderr=output,
            timeout=GUARD_SECONDS,
            check=False,
        )

    return process.returncode, Path(stderr).read_text(encoding="utf-8")


def lines(file: str) -> int:
    return len(Path(file).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", ["events.jsonl", "soft", "hard"])
def test_what_the_log_writes_is_not_read(folder: Path, name: str) -> None:
    (folder / "soft").symlink_to("events.jsonl")
    os.link("events.jsonl", "hard")
    configure(log={"path": "events.jsonl"})

    code, log = run("run", "--stdin", stdin=name)

    assert code == 78
    assert "plugins.log: it writes events to the file that is standard input" in log
    assert log.startswith("lanrage.yaml:1:")
    assert lines("events.jsonl") == 3


def test_the_documented_replay_posts_each_event_once(folder: Path) -> None:
    configure(log={"path": "events.jsonl"})
    (folder / "events.jsonl").rename("friday.jsonl")
    with open("friday.jsonl", "a", encoding="utf-8") as file:
        file.write(Path("friday.jsonl").read_text(encoding="utf-8"))

    code, log = run("run", "--stdin", stdin="friday.jsonl")

    assert code == 0
    assert "3 events read and delivered, 3 repeated events skipped" in log
    assert lines("events.jsonl") == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/stdin")
@pytest.mark.parametrize("plugins", [{"log": {"path": "/dev/stdin"}}, {"log": None}])
def test_neither_is_it_read_under_another_name(plugins: dict[str, object]) -> None:
    configure(**plugins)
    stderr = "out" if plugins["log"] else "events.jsonl"

    code, log = run("run", "--stdin", stdin="events.jsonl", stderr=stderr)

    assert code == 78
    assert "it writes events to the file that is standard input" in log


def test_what_the_daemon_logs_is_not_read() -> None:
    configure(log={"path": "other.jsonl"})

    code, log = run("run", "--stdin", stdin="events.jsonl", stderr="events.jsonl")

    assert code == 78
    assert "standard input is the file to which the output of this command goes" in log


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell and cat")
def test_what_comes_back_through_a_pipe_is_skipped() -> None:
    configure(log={"path": "events.jsonl"})
    command = f"cat events.jsonl events.jsonl | {sys.executable} -m lanrage_events run --stdin"

    process = subprocess.run(
        ["sh", "-c", command], capture_output=True, timeout=GUARD_SECONDS, check=False
    )

    assert process.returncode == 0
    assert b"3 events read and delivered" in process.stderr
    assert lines("events.jsonl") == 6


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_configuration_is_no_log(command: str) -> None:
    configure(log={"path": "lanrage.yaml"})
    before = Path("lanrage.yaml").read_text(encoding="utf-8")

    code, log = run(command, stdin="events.jsonl")

    assert code == 78
    assert "it writes events to this configuration file: change its path" in log
    assert Path("lanrage.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(("command", "path"), [("check", "*.jsonl"), ("run", "hard")])
def test_what_the_log_writes_is_not_followed(command: str, path: str) -> None:
    os.link("events.jsonl", "hard")
    patterns = {"notification": "(?P<title>.*)"}
    fields = {"notification": {"message": "x"}}
    configure(
        log={"path": "events.jsonl"},
        logfile={"path": path, "patterns": patterns, "fields": fields, "poll": "1s"},
    )

    code, log = run(command, stdin="events.jsonl")

    assert code == 78
    assert "the plugin 'log' writes events to it, which would be read again" in log
    assert lines("events.jsonl") == 3


def test_a_dry_run_ends_although_its_output_is_appended_to_the_file() -> None:
    Path("p.yaml").write_text(
        json.dumps(
            {
                "patterns": {"notification": "(?P<title>.*)"},
                "fields": {"notification": {"message": "x"}},
            }
        )
    )
    with open("events.jsonl", "ab") as output:
        process = subprocess.run(
            [*COMMAND, "logfile-test", "p.yaml", "events.jsonl", "--json"],
            stdout=output,
            timeout=GUARD_SECONDS,
            check=False,
        )

    assert process.returncode == 0
    assert lines("events.jsonl") == 7


@pytest.mark.parametrize("path", ["secret", "state/discord.settings.json"])
def test_what_the_daemon_reads_or_keeps_is_no_log(folder: Path, path: str) -> None:
    (folder / "secret").write_text("https://discord.com/api/webhooks/1/x", encoding="utf-8")
    (folder / "state").mkdir(mode=0o700)
    configure(discord={"webhook_url": "${file:secret}"}, log={"path": path})

    code, log = run("run", stdin="events.jsonl")

    assert code == 78
    assert "plugins.log: it writes events to " in log
    assert (folder / "secret").read_text(encoding="utf-8").endswith("/x")


def test_each_error_that_only_the_start_finds_is_a_line() -> None:
    patterns = {"notification": "(?P<title>.*)"}
    follow = {"patterns": patterns, "fields": {"notification": {"message": "x"}}, "poll": "1s"}
    Path("more.jsonl").touch()
    configure(
        log={"path": "events.jsonl"},
        more={"use": "log", "path": "more.jsonl"},
        logfile={"files": ["events.jsonl", "more.jsonl"], **follow},
    )

    code, log = run("run", stdin="events.jsonl")

    assert code == 78
    assert "\\n" not in log
    errors = [line for line in log.splitlines() if "could not start" in line]
    assert ["'log' writes" in line for line in errors] == [True, False]
    assert ["'more' writes" in line for line in errors] == [False, True]


def test_a_port_that_is_in_use_may_be_free_at_the_next_start() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        configure(http={"port": listener.getsockname()[1]})

        code, log = run("run", stdin="events.jsonl")

    assert code == 1
    assert "plugin 'http': could not start: port: 127.0.0.1:" in log
