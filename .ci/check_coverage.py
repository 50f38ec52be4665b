"""Print the coverage of each package, and fail if the tests leave too many branches out."""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

BRANCHES_MIN_PERCENT = 95.0
PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def package_of(file: str) -> str:
    """Return the package that a file belongs to: the first folder named like one of ours."""
    return next((part for part in Path(file).parts if part.startswith("lanrage_events")), file)


def percent(covered: int, total: int) -> float:
    return 100.0 * covered / total if total else 100.0


def problems(report: str) -> Iterator[str]:
    totals: dict[str, Counter[str]] = {}
    for file, result in json.loads(Path(report).read_text("utf-8"))["files"].items():
        totals.setdefault(package_of(file), Counter()).update(result["summary"])

    settings = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["coverage"]["run"]
    for package in settings["source_pkgs"]:
        if package not in totals:
            yield f"{package} was not measured"

    print(f"{'package':28} {'statements':>14} {'branches':>14}")
    for package, total in sorted(totals.items()):
        statements = percent(total["covered_lines"], total["num_statements"])
        branches = percent(total["covered_branches"], total["num_branches"])
        print(f"{package:28} {statements:12.1f} % {branches:12.1f} %")
        if branches < BRANCHES_MIN_PERCENT:
            yield f"{package}: {branches:.2f} % of the branches, at least {BRANCHES_MIN_PERCENT} %"


if __name__ == "__main__":
    if found := list(problems(sys.argv[1])):
        sys.exit("\n".join(f"error: {problem}" for problem in found))
