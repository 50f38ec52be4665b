"""The examples of the documentation, run as a reader would run them."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import lanrage_events_discord.testing as kit

pytestmark = pytest.mark.real_clock

PAGE = Path(__file__).parents[4] / "docs" / "testing-discord.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", TEXT, re.DOTALL)
SCRIPTS = [(code, output) for code, output in EXAMPLES if output]
TESTS = [code for code, output in EXAMPLES if not output]


def run_pytest(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "anyio"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("code", "output"), SCRIPTS)
def test_an_example_prints_what_the_page_says(
    code: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out == output


@pytest.mark.slow
@pytest.mark.parametrize("code", TESTS)
def test_a_test_of_the_page_passes(code: str, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(code, encoding="utf-8")
    assert "1 passed" in run_pytest(tmp_path)


def test_the_page_has_examples_of_both_kinds() -> None:
    assert len(SCRIPTS) >= 4
    assert len(TESTS) == 1


def test_every_public_name_is_documented() -> None:
    for name in dir(kit):
        if not name.startswith("_") and name not in ("TYPE_CHECKING", "annotations"):
            assert f"`{name}" in TEXT, name

    for owner in (kit.Faults, kit.Journal, kit.StandInWebhook):
        for name in vars(owner):
            if not name.startswith("_"):
                assert re.search(rf"[`. ]{name}\b", TEXT), name

    for name in (*kit.When.__annotations__, *kit.Record.__dataclass_fields__):
        assert f"`{name}`" in TEXT, name
