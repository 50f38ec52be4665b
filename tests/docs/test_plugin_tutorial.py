"""docs/plugin-tutorial.md, done step by step; what needs an index is done in .ci."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

Command = Callable[..., tuple[int, str]]

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


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_single_file_does_what_the_page_shows(tmp_path: Path, command: Command) -> None:
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
    assert command("check") == (0, good)
    output = shell("lanrage-events", "run", "--stdin", stdin=blocks("json")[0])
    shown = re.findall(r"run --stdin < ann\.jsonl\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0]
    for line in shown.splitlines():
        assert line.removeprefix("… ") in output

    file.write_text(welcome.replace("peer_joined(", "peer_joind("), "utf-8")
    assert command("check") == (78, bad)


def test_a_distribution_becomes_what_the_page_makes_of_it(
    tmp_path: Path,
    environment_with: Callable[[Path], dict[str, str]],
    importable: Callable[[str], None],
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [words] = re.findall(r"^\$ lanrage-events (new-plugin .*)$", TEXT, re.MULTILINE)
    assert command(*words.split())[0] == 0
    project = tmp_path / "lanrage-events-lan-bingo"
    for path in re.findall(r"^\| `([\w./]+)`", TEXT, re.MULTILINE):
        assert (project / path).exists(), path

    environment = {**environment_with(project), "PYTHONIOENCODING": "utf-8"}
    shell = Shell(project, environment)
    importable(environment["PYTHONPATH"])
    monkeypatch.chdir(project)
    count = int(re.findall(r"^(\d+) passed in", TEXT, re.MULTILINE)[0])
    test, change, template, test_of_template = blocks("diff")
    apply(test, project)
    [error] = re.findall(r"^lanrage_events\.config\.ConfigError: .*$", TEXT, re.MULTILINE)
    assert error in shell("pytest", code=1)
    apply(change, project)
    # This process imports the plugin once.
    listed = re.findall(r"^lan-bingo  .*$", TEXT, re.MULTILINE)[0].split()
    code, output = command("plugins")
    assert code == 0
    assert listed in [line.split() for line in output.splitlines()]
    words = ("preview", "bingo_called", "peer_name=Ann", "text=Pizza at eight")
    assert "▌ Pizza at eight\n▌ Welcome, Ann!\n" in command(*words)[1]
    apply(template, project)
    assert "▌ 🎱 Pizza at eight\n" in command(*words)[1]
    # All that the page has done so far is right: these are the two that it changes now.
    assert f"2 failed, {count} passed" in shell("pytest", code=1)
    apply(test_of_template, project)
    assert f"{count + 2} passed" in shell("pytest")

    config = project / "lanrage.yaml"
    config.write_text(config.read_text("utf-8").replace("    text:", "    every: 0\n    text:"))
    code, output = command("check")
    assert code == 78
    assert "plugins.lan-bingo.every: must be more than 0" in output
    assert "announce it to each so-many-th player only" in command("schema")[1]
