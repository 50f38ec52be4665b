"""The example of a whole distribution; .ci/check_example.py builds and installs it, too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lanrage_events.testing import make_plugin

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "lanrage-events-motd"
CODE_LINES_MAX = 80


def test_its_code_is_short() -> None:
    # What a reader must read: all of the package's Python but blank lines and comments, so with
    # imports and docstrings. Its templates, tests and pyproject.toml are not code of the plugin.
    lines = [
        line.strip()
        for file in (EXAMPLE / "lanrage_events_motd").rglob("*.py")
        for line in file.read_text("utf-8").splitlines()
    ]
    code = [line for line in lines if line and not line.startswith("#")]
    assert 40 < len(code) < CODE_LINES_MAX


@pytest.mark.real_clock
@pytest.mark.slow
def test_its_tests_pass_on_both_backends(
    tmp_path: Path, environment_with: Callable[[Path], dict[str, str]]
) -> None:
    project = tmp_path / EXAMPLE.name
    shutil.copytree(EXAMPLE, project)
    options = ("-v", "-p", "anyio", "-p", "no:cacheprovider")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=project,
        env=environment_with(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=55,
    )
    assert result.returncode == 0, result.stdout
    passed = re.findall(r"\[(asyncio|trio)[^\]]*\] PASSED", result.stdout)
    assert passed.count("asyncio") == passed.count("trio") >= 5
    assert "skipped" not in result.stdout


def test_its_readme_names_every_key_and_default(importable: Callable[[str], None]) -> None:
    importable(str(EXAMPLE))
    from lanrage_events_motd import MotdConfig, MotdPlugin  # type: ignore[import-not-found]

    readme = (EXAMPLE / "README.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)`", readme, re.MULTILINE) == sorted(
        MotdConfig.model_fields, key=["text", "greet", "remind_every"].index
    )
    plugin = make_plugin(MotdPlugin, {"text": "Pizza at eight", "remind_every": "2h"})
    assert plugin._config == MotdConfig(text="Pizza at eight", greet=True, remind_every=7200)


def test_it_is_set_up_like_a_new_plugin() -> None:
    """Both are models of the same thing, and must not drift apart."""
    own = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))
    scaffold_file = ROOT / "lanrage_events" / "_scaffold" / "common" / "pyproject.toml.txt"
    scaffold = tomllib.loads(scaffold_file.read_text("utf-8"))
    assert own["build-system"] == scaffold["build-system"]
    assert own["tool"]["pytest"] == scaffold["tool"]["pytest"]
    assert own["tool"]["ruff"] == scaffold["tool"]["ruff"]
    extras = scaffold["project"]["optional-dependencies"]
    extras["dev"][0] = extras["dev"][0].replace("scaffold", "motd")
    assert own["project"]["optional-dependencies"] == extras
