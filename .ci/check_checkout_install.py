"""Check what errors say to install: run by the Python that a checkout is installed in, in there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("lanrage-events"))
CONFIG = "plugins: {http: }\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "lanrage.yaml")
        config.write_text(CONFIG, "utf-8")
        words = [COMMAND, "check", str(config)]
        failed = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        missing = [line for line in failed.stdout.splitlines() if " is missing: " in line]
        if not failed.returncode or len(missing) != 1:
            sys.exit(f"error: check exits {failed.returncode} and prints:\n{failed.stdout}")

        command = missing[0].partition(" is missing: ")[2]
        print(command)
        if f"{Path.cwd()}[http]" not in command:
            sys.exit("error: it should name this folder")

        # From elsewhere, as a reader of a log would run it.
        subprocess.run(command, shell=True, check=True, cwd=folder, timeout=300)
        subprocess.run(words, check=True, timeout=60)


if __name__ == "__main__":
    main()
