"""Check the installed distribution with its daemon: run by the Python that it is installed in."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("lanrage-events"))
TIMEOUT_SECONDS = 60
EVENTS = (
    {"type": "party_created", "party_id": "7", "party_name": "Friday LAN", "host": "Ann"},
    {"type": "peer_joined", "peer_name": "Bob", "party_name": "Friday LAN"},
    {"type": "notification", "title": "Pizza", "message": "It is here."},
)


def run(*arguments: str, stdin: str = "") -> str:
    result = subprocess.run(
        [COMMAND, *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if result.returncode:
        sys.exit(f"error: {arguments} exits {result.returncode} and prints:\n{result.stdout}")

    return result.stdout


def check_log_of_a_run(backend: str) -> None:
    """Feed events to a daemon whose only plugin is the log sink, and read its file."""
    Path("lanrage.yaml").write_text("plugins:\n  log: {path: events.jsonl}\n", "utf-8")
    log = Path("events.jsonl")
    log.unlink(missing_ok=True)
    run("check", "lanrage.yaml")
    lines = "".join(json.dumps(event) + "\n" for event in EVENTS)
    run("run", "lanrage.yaml", "--backend", backend, "--stdin", stdin=lines)
    written = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    same = [sent.items() <= event.items() for sent, event in zip(EVENTS, written, strict=False)]
    if same != [True] * len(EVENTS) or len(written) != len(EVENTS):
        sys.exit(f"error: the log sink wrote {written}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="asyncio")
    backend = parser.parse_args().backend
    output = run("--version")
    if version("lanrage-events") not in output:
        sys.exit(f"error: --version prints {output!r}")

    output = run("plugins")
    print(output, end="")
    for plugin in ("discord", "http", "log", "logfile", "parties", "presence", "webhook"):
        if not any(plugin in line.split() for line in output.splitlines()):
            sys.exit(f"error: the output of plugins lacks {plugin}")

    for command in ("--help", "schema", "events"):
        run(command)

    check_log_of_a_run(backend)
    print(run("demo").splitlines()[-1])


if __name__ == "__main__":
    main()
