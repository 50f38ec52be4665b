"""Checks that the public API of an installed wheel has complete types: check_types.py PYRIGHT PYTHON.

Run it outside of the source tree, with the environment that has the wheel: pyright reads only what is
installed there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMPLETE = {
    "lanrage_events": 1.0,
    "lanrage_events_discord": 1.0,
    "lanrage_events_http": 1.0,
    "lanrage_events_log": 1.0,
    "lanrage_events_logfile": 1.0,
    "lanrage_events_parties": 1.0,
    "lanrage_events_presence": 1.0,
    "lanrage_events_webhook": 1.0,
    # Test kits, whose types come from pytest and others, too.
    "lanrage_events.testing": 0.95,
    "lanrage_events_discord.testing": 0.95,
    "lanrage_events_presence.testing": 0.95,
}


def verify(pyright: str, python: Path, package: str) -> dict[str, Any]:
    # With --verifytypes, pyright takes the first Python of the PATH.
    path = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    done = subprocess.run(
        [pyright, "--ignoreexternal", "--verifytypes", package, "--outputjson"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    report: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    return report


def main() -> int:
    pyright, python = sys.argv[1], Path(sys.argv[2]).absolute()
    failed = False
    for package, least in COMPLETE.items():
        report = verify(pyright, python, package)
        score = report["completenessScore"]
        print(f"{package}: {score:.1%} of its public names have complete types")
        if score >= least:
            continue

        failed = True
        print(f"error: {package} must have {least:.0%}; without a complete type are:")
        for symbol in report["symbols"]:
            if symbol["isExported"] and (not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]):
                print(f"  {symbol['name']}")

    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
