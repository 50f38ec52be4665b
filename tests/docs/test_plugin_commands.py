"""The example of docs/plugin-commands.md, installed and run as a reader would."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lanrage_events.cli import ExitCode

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "plugin-commands.md").read_text("utf-8")

Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, importable: Callable[[str], None]
) -> None:
    """Install the example."""
    site = tmp_path / "site"
    info = site / "lan_seats-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lan-seats\nVersion: 1.0\n", "utf-8"
    )
    [toml] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    [(group, entries)] = tomllib.loads(toml)["project"]["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    source = (DOCS / "examples" / "command" / "lan_seats.py").read_text("utf-8")
    (site / "lan_seats.py").write_text(source, "utf-8")
    (tmp_path / "seats.txt").write_text("A1 Ann\nA2 Ben\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    importable(str(site))


def test_the_example_prints_what_the_page_says(command: Command) -> None:
    [console] = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    runs = re.findall(r"^\$ lanrage-events (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    codes = []
    for words, output in runs:
        code, shown = command(*shlex.split(words))
        assert shown == output
        codes.append(code)

    assert codes == [ExitCode.DONE, ExitCode.DONE, ExitCode.FAILED, ExitCode.FAILED, 2]


@pytest.mark.slow
def test_its_help_is_read_without_importing_it(command: Command) -> None:
    code, shown = command("--help")

    assert code == 0
    assert re.search(r"seats +Show who sits where\.", shown)
    assert "lan_seats" not in sys.modules
    assert "the name of a player; all of them by default" in command("seats", "--help")[1]
