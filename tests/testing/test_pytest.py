"""The fixtures, in projects as a plugin author has them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.real_clock

CONFTEST = """\
from lanrage_events.testing import anyio_backend, bus, real_time

__all__ = ["anyio_backend", "bus", "real_time"]
"""
WITHOUT_TRIO = "import sys\nsys.modules['trio'] = None\n"
AUTO = '[pytest]\nanyio_mode = "auto"\n'
EXPLICIT = "[pytest]\n"
HEADER = """\
import time
import anyio
import pytest
from lanrage_events import PeerJoined, hookimpl
from lanrage_events.testing import RecordingPlugin, assert_delivered, sample

class Broken:
    @hookimpl
    def peer_joined(self, event):
        raise LookupError("nobody knows " + event.peer_name)

"""

Project = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a function that runs a file of tests in a project, and returns what pytest says."""

    def run_tests(
        tests: str, *, config: str = AUTO, conftest: str = CONFTEST, passes: bool = True
    ) -> str:
        (tmp_path / "pytest.toml").write_text(config, "utf-8")
        (tmp_path / "conftest.py").write_text(conftest, "utf-8")
        (tmp_path / "test_it.py").write_text(HEADER + dedent(tests), "utf-8")
        options = (
            "-q",
            "-rs",
            "-p",
            "anyio",
            "-p",
            "no:cacheprovider",
            "-W",
            "error",
            "--strict-markers",
        )
        result = subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=tmp_path,
            # Whatever else is installed here is neither needed nor quick to import.
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=50,
        )
        assert (result.returncode == 0) is passes, result.stdout
        return result.stdout

    return run_tests


@pytest.mark.parametrize(
    ("config", "mark"), [(AUTO, ""), (EXPLICIT, "@pytest.mark.anyio")], ids=["auto", "explicit"]
)
def test_tests_run_on_both_backends_in_virtual_time(
    project: Project, config: str, mark: str
) -> None:
    output = project(
        f"""
        {mark}
        async def test_it(bus, anyio_backend_name):
            print("on", anyio_backend_name)
            recorder = RecordingPlugin()
            bus.register(recorder)
            began = time.monotonic()
            await anyio.sleep(7200)
            assert time.monotonic() - began < 60
            await bus.publish(sample(PeerJoined))
            await bus.drain()
            assert_delivered(recorder, PeerJoined)
        """,
        config=config,
    )
    assert "2 passed" in output


def test_a_sync_test_can_have_a_bus_too(project: Project) -> None:
    assert "2 passed" in project("def test_it(bus):\n    assert bus.plugins == {}\n")


def test_an_error_fails_the_test_without_a_traceback_of_the_fixture(project: Project) -> None:
    output = project(
        """
        async def test_it(bus):
            bus.register(Broken(), "broken")
            await bus.publish(sample(PeerJoined, peer_name="Ann"))
        """,
        passes=False,
    )
    assert "AssertionError" not in output
    assert re.search(r"LookupError: nobody knows Ann \(test_it\.py:\d+\)", output)
    assert "_fixtures.py" not in output
    assert "2 errors" in output


def test_an_error_that_is_expected_does_not(project: Project) -> None:
    output = project(
        """
        async def test_it(bus):
            bus.register(Broken())
            async with bus.expecting(LookupError):
                await bus.publish(sample(PeerJoined))
        """
    )
    assert "2 passed" in output


def test_a_difference_is_shown_without_what_happens_inside(project: Project) -> None:
    output = project(
        """
        def test_it():
            assert_delivered([sample(PeerJoined)], sample(PeerJoined, peer_name="Ben"))
        """,
        passes=False,
    )
    assert "! different:   PeerJoined(peer_name='Ann'" in output
    assert "peer_name: expected 'Ben', got 'Ann'" in output
    assert "_assertions.py" not in output


@pytest.mark.parametrize(
    "wish", ["pytestmark = pytest.mark.usefixtures('real_time')\n", "# as an argument\n"]
)
def test_real_time_needs_no_marker_of_ours(project: Project, wish: str) -> None:
    argument = "" if "usefixtures" in wish else "real_time, "
    output = project(
        wish
        + dedent(
            f"""
            async def test_it({argument}bus):
                began = time.monotonic()
                await anyio.sleep(0.2)
                assert time.monotonic() - began > 0.1
            """
        )
    )
    assert "2 passed" in output


def test_without_trio_its_half_is_skipped_with_a_reason(project: Project) -> None:
    output = project("async def test_it(bus):\n    pass\n", conftest=WITHOUT_TRIO + CONFTEST)
    assert "1 passed, 1 skipped" in output
    assert "trio is not installed: pip install 'lanrage-events[trio]'" in output


def test_a_fixture_that_is_not_async_names_the_remedy(project: Project) -> None:
    output = project(
        """
        @pytest.fixture
        def recorder(bus):
            recorder = RecordingPlugin()
            bus.register(recorder, "recorder")
            return recorder

        async def test_it(recorder):
            pass

        def test_that(bus):
            bus.subscribe(PeerJoined, print)
        """,
        passes=False,
    )
    assert "'recorder' was added to a running bus from outside its event loop" in output
    assert "'print' was added" in output
    # Trio's loop can be reached between its steps, so there it works.
    assert "1 failed, 2 passed, 1 error" in output
