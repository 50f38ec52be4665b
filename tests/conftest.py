from __future__ import annotations

import os
import signal
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import settings

from lanrage_events.__main__ import main
from lanrage_events.testing import bus, virtual_time

__all__ = ["bus"]

# An example that is slow on a busy machine is not wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# What a shell runs in the background ignores Ctrl-C, and so would the programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What was asked of this run is not meant for those that tests start, like the file of a report.
os.environ.pop("PYTEST_ADDOPTS", None)


def pytest_xdist_auto_num_workers() -> int:
    """Run two tests at once on each core, since more than half of their time they wait."""
    return max(2, (os.cpu_count() or 1) * 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the fast tests run on asyncio alone, and those on either backend on one."""
    _leave_one_backend(config, items)
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and callspec.params.get("anyio_backend") == "trio":
            item.add_marker(pytest.mark.slow)


def _leave_one_backend(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave of each case that is marked so the one on asyncio or the one on Trio.

    Cases that differ in one parameter run on different backends, so each value of a parameter that
    is combined with others meets both.
    """
    values = defaultdict[tuple[str, str], list[object]](list)
    cases = defaultdict[tuple[str, tuple[int, ...]], list[pytest.Item]](list)
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and item.get_closest_marker("either_backend") is not None:
            function, numbers = item.nodeid.partition("[")[0], list[int]()
            for name, value in callspec.params.items():
                if "backend" not in name:
                    known = values[function, name]
                    if value not in known:
                        known.append(value)

                    numbers.append(known.index(value))

            cases[function, tuple(numbers)].append(item)

    left_out: list[pytest.Item] = []
    for (function, place), twins in cases.items():
        number = crc32(function.encode()) + sum(place)
        left_out += [item for item in twins if item is not twins[number % len(twins)]]

    if left_out:
        unused = set(left_out)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in unused]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Let what tests print pass from the processes that run them, even if it is no Unicode."""
    return _encodable((yield))


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()

    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}

    return type(value)(map(_encodable, value)) if isinstance(value, (list, tuple)) else value


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run every async test on both backends, in virtual time unless it is marked otherwise."""
    if request.node.get_closest_marker("real_clock") is not None:
        return request.param, {}

    return virtual_time(request.param)


@pytest.fixture
def command() -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command of ours in this process.

    It takes the words after the name of the program, and returns the exit code and all that was
    printed. A process of its own takes half a second more, which only a daemon is worth.
    """

    def run(*words: str) -> tuple[int, str]:
        output = StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            code = main(words)

        return code, output.getvalue()

    return run


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that lets what is in some folders be imported, as in ``PYTHONPATH``.

    It is forgotten afterwards: other tests ask what is installed.
    """
    known, folders = set(sys.modules), list[str]()

    def prepend(path: str) -> None:
        for folder in path.split(os.pathsep):
            monkeypatch.syspath_prepend(folder)
            folders.append(folder)

    yield prepend
    for name in set(sys.modules) - known:
        file = Path(getattr(sys.modules[name], "__file__", None) or "/")
        if any(file.is_relative_to(folder) for folder in folders):
            del sys.modules[name]


@pytest.fixture
def environment_with(tmp_path: Path) -> Callable[[Path], dict[str, str]]:
    """Return a function that makes environment variables for Python to find a project.

    It is as if the project had been installed, with its entry points.
    """

    def pretend_to_install(project: Path) -> dict[str, str]:
        data = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
        name, version = data["name"], data["version"]
        site = tmp_path / "site"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, "utf-8")
        lines = [
            line
            for group, points in data["entry-points"].items()
            for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (site, project))),
            # Whatever else is installed here is neither needed nor quick to import.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    return pretend_to_install
