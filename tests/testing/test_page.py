"""The examples of docs/testing.md, run as a reader would run them."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from lanrage_events import testing

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", TEXT, re.DOTALL)
CONFTEST = next(code for code, _ in BLOCKS if code.startswith("# conftest.py"))
TESTS = [code for code, _ in BLOCKS if "def test_" in code]
SCRIPTS = [(code, output) for code, output in BLOCKS if output and code not in TESTS]
SETTINGS = next(iter(re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)))


def run(*arguments: str, folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=55,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_every_block_is_run() -> None:
    assert {code for code, _ in BLOCKS} == {CONFTEST, *TESTS, *(code for code, _ in SCRIPTS)}
    assert len(TESTS) >= 7
    assert len(SCRIPTS) >= 4


@pytest.mark.real_clock
@pytest.mark.slow
def test_the_tests_of_the_page_pass_on_both_backends(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(SETTINGS, "utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    for number, code in enumerate(TESTS):
        (tmp_path / f"test_page_{number}.py").write_text(code, "utf-8")

    output = run("-m", "pytest", "-v", "-p", "anyio", folder=tmp_path)
    count = sum(code.count("async def test_") for code in TESTS)
    for backend in ("asyncio", "trio"):
        assert output.count(f"[{backend}] PASSED") == count


@pytest.mark.parametrize(("code", "output"), SCRIPTS)
def test_a_script_of_the_page_prints_what_it_says(
    code: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(code, "utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out == output


def test_every_public_name_of_testing_is_on_the_page() -> None:
    for name in dir(testing):
        if not name.startswith("_") and name not in ("TYPE_CHECKING", "annotations"):
            assert re.search(rf"\b{name}\b", TEXT), name

    for owner in (testing.RecordingPlugin, testing.CheckedBus, testing.BusError):
        for name in {**vars(owner), **getattr(owner, "__annotations__", {})}:
            if not name.startswith("_") and name not in ("event", "lifespan"):
                assert re.search(rf"[`.]{name}\b", TEXT), name
