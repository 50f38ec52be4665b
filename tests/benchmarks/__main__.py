"""Measures lanrage-events beside others, and prints tables in Markdown and whether bounds are kept.

See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ._parts import PARTS, Part, installed_version, load
from ._render import conditions, markdown, write

SMOKE_ROUNDS = 1


def run(parts: Sequence[Part], rounds: int | None, smoke: bool, output: Path | None) -> int:
    """Run parts, and return 1 if one of our bounds was missed.

    :param rounds: how many; None for each part's own number
    :param smoke: whether to be small and quick; times and ratios are not judged then
    :param output: the folder that takes the tables and plots; None to write none
    """
    is_kept = True
    if output is not None and find_spec("matplotlib") is None:
        say("matplotlib is not installed, so nothing is drawn: pip install 'lanrage-events[bench]'")

    for part in parts:
        for name in part.distributions:
            if installed_version(name) is None:
                say(f"{name} is not installed: pip install 'lanrage-events[bench]'")

        sys.stderr.write(f"{part.name}: {part.measures}\n")
        tables = list(part.run(rounds or (SMOKE_ROUNDS if smoke else part.rounds), smoke))
        checks = [check for table in tables for check in table.checks]
        kept = sum(check.passed for check in checks)
        summary = f"{conditions([part])} {kept} of {len(checks)} bounds were kept."
        text = "\n\n".join([*(markdown(table) for table in tables), summary])
        say(f"## {part.name}\n\n{text}\n")
        for check in checks:
            is_judged = not (smoke and check.is_time)
            mark = "kept  " if check.passed else "MISSED" if is_judged else "missed"
            say(f"{mark} {part.name}: {check.text}")
            is_kept = is_kept and (check.passed or not is_judged)

        say("")
        if output is not None:
            panels = [panel for table in tables for panel in table.panels]
            write(output, part, text, panels if find_spec("matplotlib") else [])

    return 0 if is_kept else 1


def say(line: str) -> None:
    """Print a line at once, also into a file."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"which ones (all): {', '.join(PARTS)}"
    )
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument(
        "--smoke", action="store_true", help="small, for some seconds, times and ratios not judged"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the tables to benchmarks.md in there, and plots beside it",
    )
    read = parser.parse_args(words)
    if unknown := set(read.parts) - set(PARTS):
        parser.error(f"no part is named {', '.join(sorted(unknown))}")

    if read.rounds is not None and read.rounds < 1:
        parser.error("--rounds must be at least 1")

    names = [name for name in PARTS if name in read.parts] or PARTS
    return run(list(load(names)), read.rounds, read.smoke, read.output)


if __name__ == "__main__":
    sys.exit(main())
