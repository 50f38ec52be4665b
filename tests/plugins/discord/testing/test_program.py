"""The stand-in as a program."""

from __future__ import annotations

import json
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from lanrage_events_discord.testing.__main__ import main

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


def test_a_port_that_is_taken_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["--port", str(port)]) == 1

    assert capsys.readouterr().err == (
        f"cannot listen on 127.0.0.1, port {port}: Address already in use; give another one with "
        "--port\n"
    )


@pytest.mark.parametrize("words", [["--port", "99999"], ["--port", "x"], ["--latency", "-1"]])
def test_a_wrong_option_is_reported(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err
