from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from lanrage_events.cli import install_command

PYTHON = f"{shlex.quote(sys.executable)} -m pip install"


@pytest.fixture(autouse=True)
def no_pip_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs the distribution ``pager``, and where it came from."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(origin: object = None, *, installer: str = "pip") -> str:
        info = tmp_path / "site" / "pager-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pager\nVersion: 1.0\n")
        (info / "INSTALLER").write_text(f"{installer}\n")
        if origin is not None:
            text = origin if isinstance(origin, str) else json.dumps(origin)
            (info / "direct_url.json").write_text(text)

        return install_command("sms", "pager")

    return install


def test_what_came_from_an_index_is_named(installed: Any) -> None:
    assert installed() == f"{PYTHON} 'pager[sms]'"


@pytest.mark.parametrize("is_editable", [False, True])
def test_a_checkout_is_named_by_its_folder(
    installed: Any, tmp_path: Path, is_editable: bool
) -> None:
    folder = tmp_path / "my checkout"
    folder.mkdir()
    origin = {"url": folder.as_uri(), "dir_info": {"editable": True} if is_editable else {}}
    option = "--editable " if is_editable else ""
    assert installed(origin) == f"{PYTHON} {option}'{folder}[sms]'"


def test_a_wheel_is_named_by_its_path(installed: Any, tmp_path: Path) -> None:
    wheel = tmp_path / "pager-1.0-py3-none-any.whl"
    wheel.touch()
    origin = {"url": wheel.as_uri(), "archive_info": {}}
    assert installed(origin) == f"{PYTHON} '{wheel}[sms]'"


def test_a_place_that_is_gone_is_not_named(installed: Any, tmp_path: Path) -> None:
    kinds: list[dict[str, object]] = [{"dir_info": {"editable": True}}, {"archive_info": {}}]
    for kind in kinds:
        command = installed({"url": (tmp_path / "gone").as_uri(), **kind})
        assert command == f"{PYTHON} 'pager[sms]'"


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (
            {
                "url": "https://git.example.org/pager.git",
                "vcs_info": {"vcs": "git", "commit_id": "0123abcd", "requested_revision": "main"},
            },
            "pager[sms] @ git+https://git.example.org/pager.git@0123abcd",
        ),
        (
            {
                "url": "https://git.example.org/all.git",
                "subdirectory": "pager",
                "vcs_info": {"vcs": "git", "commit_id": "0123abcd"},
            },
            "pager[sms] @ git+https://git.example.org/all.git@0123abcd#subdirectory=pager",
        ),
        (
            {"url": "https://files.example.org/pager-1.0.whl", "archive_info": {}},
            "pager[sms] @ https://files.example.org/pager-1.0.whl",
        ),
    ],
)
def test_what_came_from_elsewhere_is_named_by_its_url(
    installed: Any, origin: dict[str, object], requirement: str
) -> None:
    assert installed(origin) == f"{PYTHON} '{requirement}'"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 7}', '{"url": "x", "vcs_info": 1}', "{}"])
def test_a_damaged_record_does_no_harm(installed: Any, text: str) -> None:
    assert installed(text) == f"{PYTHON} 'pager[sms]'"


def test_uv_is_given_the_environment(installed: Any) -> None:
    python = shlex.quote(sys.executable)
    assert installed(installer="uv") == f"uv pip install --python {python} 'pager[sms]'"


def test_the_pip_of_an_active_environment_is_just_pip(
    installed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    for folder in (ours, other):
        folder.mkdir()
        (folder / "pip").touch(0o755)

    monkeypatch.setattr(sys, "executable", str(ours / "python"))
    monkeypatch.setenv("PATH", str(other))
    assert installed() == f"{ours}/python -m pip install 'pager[sms]'"
    monkeypatch.setenv("PATH", str(ours))
    assert installed() == "pip install 'pager[sms]'"


def test_a_distribution_that_is_not_installed_is_named() -> None:
    assert install_command("sms", "no-such-pager") == f"{PYTHON} 'no-such-pager[sms]'"
