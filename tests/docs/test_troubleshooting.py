"""Each line of a log that docs/troubleshooting.md quotes is one that the code can write."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
SOURCES = (*(ROOT / "lanrage_events").rglob("*.py"), *(ROOT / "plugins").rglob("*.py"))
# With fewer letters of its own, a text could become anything.
LETTERS_MIN = 8
PLACEHOLDER = re.compile(r"%(?:[.\d]*[sdrgf])")


@cache
def texts() -> list[list[str]]:
    """Return the texts in the code, each as the pieces between which values are put in."""
    found: list[list[str]] = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pieces = [""]
                for value in node.values:
                    if isinstance(value, ast.Constant):
                        pieces[-1] += str(value.value)
                    else:
                        pieces.append("")

                found.append(pieces)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(PLACEHOLDER.split(node.value))

    return found


@cache
def known() -> str:
    return "\n".join("…".join(pieces) for pieces in texts())


QUOTED = [
    line
    for block in re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
SAID = re.findall(r'"([^"\n]+)"', PROSE)


def is_written(line: str) -> bool:
    for pieces in texts():
        own = "".join(pieces).replace("plugin", "")
        if sum(map(str.isalpha, own)) >= LETTERS_MIN and all(piece in line for piece in pieces):
            # An error may stand behind the plugin that it is about.
            pattern = r"(?:(?:plugin |plugins\.).*: )?" + ".*".join(map(re.escape, pieces))
            if re.fullmatch(pattern, line, re.DOTALL):
                return True

    return False


@pytest.mark.slow
@pytest.mark.parametrize("line", QUOTED)
def test_a_quoted_line_is_one_that_the_code_writes(line: str) -> None:
    assert is_written(line)


@pytest.mark.slow
@pytest.mark.parametrize("text", [text for text in SAID if " " in text])
def test_a_quoted_text_is_in_the_code(text: str) -> None:
    assert text in known()


def errors_of_the_daemon() -> list[str]:
    """Return what the table of errors on the page of the daemon quotes."""
    text = (ROOT / "docs" / "daemon.md").read_text("utf-8")
    table = text.partition("| It says | Do this |\n|---|---|\n")[2].partition("\n\n")[0]
    return [row.strip("| ").partition(" | ")[0] for row in table.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("text", errors_of_the_daemon())
def test_an_error_on_the_page_of_the_daemon_is_in_the_code(text: str) -> None:
    for piece in filter(None, (part.strip() for part in text.split("…"))):
        assert piece in known()


def test_the_page_quotes_lines() -> None:
    assert len(QUOTED) >= 15
    assert len(SAID) >= 8


@pytest.mark.slow
def test_a_line_that_nobody_writes_would_be_found() -> None:
    assert is_written("webhook 'default' works again")
    assert not is_written("webhook 'default' is on holiday")
