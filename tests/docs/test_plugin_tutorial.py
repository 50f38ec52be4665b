"""docs/plugin-tutorial.md, done step by step; what needs an index is done in .ci."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.real_clock

PAGE = Path(__file__).parents[2] / "docs" / "plugin-tutorial.md"
TEXT = PAGE.read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def apply(diff: str, project: Path) -> None:
    """Change files as a diff says whose hunks have no line numbers."""
    header, *hunks = re.split(r"^@@\n", diff, flags=re.MULTILINE)
    file = project / header.splitlines()[1].removeprefix("+++ b/")
    text = file.read_text("utf-8")
    for hunk in hunks:
        lines = [line or " " for line in hunk.splitlines()]
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"{file.name} should have once:\n{old}"
        text = text.replace(old, new)

    file.write_text(text, "utf-8")


class Shell:
    """Runs commands as a reader would in a folder."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> str:
        options = ("-p", "anyio", "-p", "no:cacheprovider") if words[0] == "pytest" else ()
        module = words[0].replace("-", "_")
        result = subprocess.run(
            [sys.executable, "-m", module, *words[1:], *options],
            cwd=self.folder,
            env=self._environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=55,
        )
        assert result.returncode == code, result.stdout
        return result.stdout


def test_a_single_file_does_what_the_page_shows(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {**os.environ, "PYTHONIOENCODING": "utf-8"})
    [welcome] = blocks("python")
    assert len([line for line in welcome.splitlines() if line]) <= 10
    (tmp_path / "plugins").mkdir()
    file = tmp_path / "plugins" / "welcome.py"
    file.write_text(welcome, "utf-8")
    (tmp_path / "lanrage.yaml").write_text(blocks("yaml")[0], "utf-8")
    good, bad = re.findall(
        r"^\$ lanrage-events check\n(.*?)(?=^\$|^```)", TEXT, re.MULTILINE | re.DOTALL
    )
    assert shell("lanrage-events", "check") == good
    output = shell("lanrage-events", "run", "--stdin", stdin=blocks("json")[0])
    shown = re.findall(r"run --stdin < ann\.jsonl\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0]
    for line in shown.splitlines():
        assert line.removeprefix("… ") in output

    file.write_text(welcome.replace("peer_joined(", "peer_joind("), "utf-8")
    assert shell("lanrage-events", "check", code=78) == bad


def test_a_distribution_becomes_what_the_page_makes_of_it(
    tmp_path: Path, environment_with: Callable[[Path], dict[str, str]]
) -> None:
    [command] = re.findall(r"^\$ (lanrage-events new-plugin .*)$", TEXT, re.MULTILINE)
    Shell(tmp_path, {**os.environ})(*command.split())
    project = tmp_path / "lanrage-events-lan-bingo"
    for path in re.findall(r"^\| `([\w./]+)`", TEXT, re.MULTILINE):
        assert (project / path).exists(), path

    shell = Shell(project, {**environment_with(project), "PYTHONIOENCODING": "utf-8"})
    count = int(re.findall(r"^(\d+) passed in", TEXT, re.MULTILINE)[0])
    assert f"{count} passed" in shell("pytest")
    listed = re.findall(r"^lan-bingo  .*$", TEXT, re.MULTILINE)[0].split()
    assert listed in [line.split() for line in shell("lanrage-events", "plugins").splitlines()]

    test, code, template, test_of_template = blocks("diff")
    apply(test, project)
    [told] = re.findall(r"^lanrage_events\.config\.ConfigError: .*$", TEXT, re.MULTILINE)
    assert told in shell("pytest", code=1)
    apply(code, project)
    assert f"{count + 2} passed" in shell("pytest")

    words = ("lanrage-events", "preview", "bingo_called", "peer_name=Ann", "text=Pizza at eight")
    assert "▌ Pizza at eight\n▌ Welcome, Ann!\n" in shell(*words)
    apply(template, project)
    assert "▌ 🎱 Pizza at eight\n" in shell(*words)
    assert "2 failed" in shell("pytest", code=1)
    apply(test_of_template, project)
    assert f"{count + 2} passed" in shell("pytest")

    config = project / "lanrage.yaml"
    config.write_text(config.read_text("utf-8").replace("    text:", "    every: 0\n    text:"))
    assert "plugins.lan-bingo.every: must be more than 0" in shell(
        "lanrage-events", "check", code=78
    )
    assert "announce it to each so-many-th player only" in shell("lanrage-events", "schema")
