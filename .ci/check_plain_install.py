"""Check the installed distribution without extras: run by the Python that it is installed in.

It has the extra "daemon" afterwards, added with the command that the error names.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HEAVY = {"httpx", "jinja2", "pydantic", "yaml"}
COMMAND = str(Path(sys.executable).with_name("lanrage-events"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def add_what_is_missing(line: str) -> None:
    command = line.partition(" is missing: ")[2]
    subprocess.run(command, shell=True, check=True, timeout=300)
    result = run("plugins")
    if result.returncode:
        sys.exit(f"error: after {command!r}, plugins prints:\n{result.stdout}")


def main() -> None:
    import lanrage_events

    if imported := HEAVY & sys.modules.keys():
        sys.exit(f"error: import lanrage_events imports {sorted(imported)}")

    for name in dir(lanrage_events):
        getattr(lanrage_events, name)

    result = run("--version")
    if result.returncode or version("lanrage-events") not in result.stdout:
        sys.exit(f"error: --version exits {result.returncode} and prints {result.stdout!r}")

    result = run("plugins")
    lines = result.stdout.splitlines()
    if not result.returncode or len(lines) != 1 or ".whl[daemon]'" not in lines[0]:
        sys.exit(
            "error: without the extra, plugins should fail with one line that says what to "
            f"install; it exits {result.returncode} and prints:\n{result.stdout}"
        )

    print(lines[0])
    add_what_is_missing(lines[0])


if __name__ == "__main__":
    main()
