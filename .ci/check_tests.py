"""Print pytest's result in one plain line, and fail if no test passed."""

from __future__ import annotations

import sys
from xml.etree import ElementTree


def main(report: str) -> None:
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))

    passed = total - failed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed or not passed:
        sys.exit("error: tests failed" if failed else "error: no test ran")


if __name__ == "__main__":
    main(sys.argv[1])
