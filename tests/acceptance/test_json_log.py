"""The log with ``format: json``: every line is one JSON object, whatever writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

NOISY = """
import atexit, logging, threading, time, warnings

from lanrage_events import hookimpl

warnings.warn("old at import", UserWarning)

def fail():
    raise ValueError("two\\nlines")

atexit.register(fail)

class Bad:
    def __del__(self):
        fail()

@hookimpl
def event(event):
    logging.getLogger("library").warning("%d of %d", "made-up-secret")
    warnings.warn("old", UserWarning)
    Bad()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    threading.Thread(target=time.sleep, args=(30,), name="lasting").start()
    raise RuntimeError("the hook fails")
"""
EVENT = '{"type": "notification", "title": "Ann", "message": "is here"}\n'


def run(folder: Path, *words: str, stdin: str = "") -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "lanrage_events", "run", *words, "config.yaml"],
        check=False,
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def write(folder: Path, text: str) -> None:
    (folder / "config.yaml").write_text(f"state_folder: state\n{text}", "utf-8")


def test_every_line_is_json_whoever_writes_it(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "noisy.py").write_text(NOISY, "utf-8")
    write(tmp_path, "log: {format: json}\nplugins_folder: parts\nplugins: {noisy: , log: }\n")

    code, lines = run(tmp_path, "--stdin", "--trace", stdin=EVENT)

    assert code == 1
    log = "\n".join(str(line.get("event", "")) for line in lines)
    for text in (
        "UserWarning: old at import",
        "trace: noisy.event notification",
        "cannot log a message of library, from ",
        "UserWarning: old\n",
        "ignored in <function Bad.__del__",
        "unexpected error in the thread",
        "hook 'event' failed on notification",
        "ends although threads still run: lasting",
    ):
        assert text in log

    assert "made-up-secret" not in log


@pytest.mark.parametrize(
    "text",
    [
        "log: {format: json, level: loud}\nplugins: {log: {path: 1}, no-such-plugin: }",
        "log: {format: '${NO_SUCH_VARIABLE:-json}'}\nplugins: {log: {path: missing/events}, x: 1}",
    ],
)
def test_errors_at_the_start_are_json(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)

    code, lines = run(tmp_path)

    assert code == 78
    assert all(line["level"] == "error" and line["event"] for line in lines)
    assert len(lines) >= 2 or "x" in lines[0]["event"]


def test_for_people_errors_at_the_start_are_lines_without_a_time(tmp_path: Path) -> None:
    write(tmp_path, "plugins: {no-such-plugin: }")
    done = subprocess.run(
        [sys.executable, "-m", "lanrage_events", "run", "config.yaml"],
        check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.stderr.startswith("config.yaml:2:11: plugins.no-such-plugin: ")
