"""The stand-in as a program."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import yaml

from lanrage_events_discord.testing._program import main

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_it_shows_what_to_configure_and_each_request(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lanrage_events_discord.testing", "--port", "0"]
    with Popen(words, stdout=PIPE, stderr=PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(7)]
        assert lines[0].startswith("The stand-in listens at http://127.0.0.1:")
        assert lines[2:4] == ["plugins:", "  discord:"]
        assert lines[4].startswith('    allow_hosts: ["127.0.0.1:')
        url = lines[5].removeprefix("    webhook_url: ")
        for body in ({"content": "Hello\x1b"}, {"content": ""}):
            request = urllib.request.Request(
                url, json.dumps(body).encode(), {"content-type": "application/json"}
            )
            try:
                urllib.request.urlopen(request).close()
            except urllib.error.HTTPError as error:
                error.close()

        assert process.stdout.readline() == "204 POST execute: Hello\\u001b\n"
        assert process.stdout.readline().startswith("400 POST execute: 50006")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.stderr.read() == ""


def post(url: str, body: object) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(request).close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_it_shows_threads_silence_and_pings_of_several_webhooks() -> None:
    words = ["-m", "lanrage_events_discord.testing", "lobby", "--forum", "parties", "--bodies"]
    with Popen(
        [sys.executable, *words, "--port", "0"], stdout=PIPE, stderr=PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(9)]
        discord = yaml.safe_load("".join(lines[2:]))["plugins"]["discord"]
        assert discord["webhooks"]["parties"]["thread_name"] == "LANrage"
        role = "123456789012345678"
        body = {"content": f"<@&{role}>", "flags": 4096, "allowed_mentions": {"roles": [role]}}
        post(discord["webhooks"]["lobby"]["url"], body)
        post(discord["webhooks"]["parties"]["url"], {"content": "Hi", "thread_name": "Friday"})
        poll = {
            "poll": {
                "question": {"text": "Best?"},
                "answers": [{"poll_media": {"text": "Quake"}}],
                "duration": 1,
            }
        }
        post(discord["webhooks"]["lobby"]["url"], poll)
        shown = [process.stdout.readline().rstrip("\n") for _ in range(6)]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0

    assert shown == [
        f"204 POST execute lobby: <@&{role}> (silent) (pings role {role})",
        f"    {json.dumps(body)}",
        "204 POST execute parties: Hi (new post 'Friday')",
        '    {"content": "Hi", "thread_name": "Friday"}',
        "204 POST execute lobby: poll: Best?",
        f"    {json.dumps(poll)}",
    ]


def test_names_of_webhooks_differ(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["games", "--forum", "games"])

    assert "two webhooks are named 'games'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["--port", str(port)]) == 1

    assert capsys.readouterr().err == (
        f"port {port} is in use: give another one with --port, or 0 for a free one\n"
    )


def test_a_host_that_is_not_this_machine_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "192.0.2.1", "--port", "0"]) == 1

    answer = capsys.readouterr().err
    assert answer.startswith("cannot listen on 192.0.2.1, port 0: ")
    assert answer.endswith("; give others with --host and --port\n")


def test_the_configuration_is_yaml_whatever_the_names() -> None:
    names = ["a: b", "#c", "ünï"]
    command = [sys.executable, "-m", "lanrage_events_discord.testing", "--port", "0", *names]
    with Popen(command, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()

        shown = "".join(iter(process.stdout.readline, "\n"))
        process.send_signal(signal.SIGINT)

    assert list(yaml.safe_load(shown)["plugins"]["discord"]["webhooks"]) == names


@pytest.mark.parametrize(
    "words", [["--port", "99999"], ["--port", "x"], ["--latency", "-1"], ["webhook", ""]]
)
def test_a_wrong_option_is_reported(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
runpy.run_module("lanrage_events_discord.testing", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.parametrize("module", ["anyio", "lanrage_events_discord.testing._engine"])
def test_ctrl_c_while_it_is_imported_shows_no_traceback(module: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED_IMPORT, module]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)

    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
