"""The fixtures, in projects as a plugin author has them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from lanrage_events.cli import install_command

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

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
        raise LookupError("no one knows " + event.peer_name)

"""

VIRTUAL_TIME = """
    async def test_virtual_time(bus, anyio_backend_name):
        recorder = RecordingPlugin()
        bus.register(recorder)
        began = time.monotonic()
        await anyio.sleep(7200)
        assert time.monotonic() - began < 60
        await bus.publish(sample(PeerJoined))
        await bus.drain()
        assert_delivered(recorder, PeerJoined)
"""
REAL_TIME = """
    began = time.monotonic()
    await anyio.sleep(0.2)
    assert time.monotonic() - began > 0.1
"""
FILES = {
    "virtual_time": VIRTUAL_TIME,
    "sync": """
        def test_sync(bus):
            assert bus.plugins == {}
    """,
    "error": """
        async def test_error(bus):
            bus.register(Broken(), "broken")
            await bus.publish(sample(PeerJoined, peer_name="Ann"))
    """,
    "expected": """
        async def test_expected(bus):
            bus.register(Broken())
            async with bus.expecting(LookupError):
                await bus.publish(sample(PeerJoined))
    """,
    "difference": """
        def test_difference():
            assert_delivered([sample(PeerJoined)], sample(PeerJoined, peer_name="Ben"))
    """,
    "real_time_by_mark": f"""
pytestmark = pytest.mark.usefixtures('real_time')

async def test_real_time_by_mark(bus):{REAL_TIME}""",
    "real_time_by_argument": f"""
async def test_real_time_by_argument(real_time, bus):{REAL_TIME}""",
    "fixture": """
        @pytest.fixture
        def recorder(bus):
            recorder = RecordingPlugin()
            bus.register(recorder, "recorder")
            return recorder

        async def test_fixture(recorder):
            pass

        def test_subscriber(bus):
            bus.subscribe(PeerJoined, print)
    """,
}


@dataclass(frozen=True)
class Report:
    """What pytest printed about a project."""

    output: str

    def outcomes(self, name: str) -> Counter[str]:
        """Count how the tests of a file ended."""
        return Counter(re.findall(rf"^test_{name}\.py::\S+ ([A-Z]+)", self.output, re.MULTILINE))

    def about(self, test: str) -> str:
        """Return the tracebacks of a test, and what it printed."""
        sections = re.split(r"^_{3,} (.*) _{3,}$", self.output, flags=re.MULTILINE)
        texts = [
            text.partition("\n====")[0]
            for title, text in zip(sections[1::2], sections[2::2], strict=True)
            if f"{test}[" in title or title == test
        ]
        return "\n".join(texts)


def run_tests(
    folder: Path, files: Mapping[str, str], *, config: str = AUTO, conftest: str = CONFTEST
) -> Report:
    """Run the tests of a project; files share a process, since starting it takes longest."""
    (folder / "pytest.toml").write_text(config, "utf-8")
    (folder / "conftest.py").write_text(conftest, "utf-8")
    for name, tests in files.items():
        (folder / f"test_{name}.py").write_text(HEADER + dedent(tests), "utf-8")

    options = ("-v", "-rs", "-p", "anyio", "-p", "no:cacheprovider", "-W", "error")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--strict-markers"],
        cwd=folder,
        # Whatever else is installed here is neither needed nor quick to import.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=50,
    )
    return Report(result.stdout)


def test_fixtures_do_for_each_file_what_is_documented(tmp_path: Path) -> None:
    report = run_tests(tmp_path, FILES)
    # On both backends.
    for name in ("virtual_time", "sync", "expected", "real_time_by_mark", "real_time_by_argument"):
        assert report.outcomes(name) == {"PASSED": 2}, report.output

    # An error of a plugin fails the test, without a traceback of the fixture.
    assert report.outcomes("error") == {"PASSED": 2, "ERROR": 2}
    error = report.about("test_error")
    assert "AssertionError" not in error
    assert re.search(r"LookupError: no one knows Ann \(test_error\.py:\d+\)", error)
    assert "_fixtures.py" not in error

    # A difference is shown without what happens inside.
    assert report.outcomes("difference") == {"FAILED": 1}
    difference = report.about("test_difference")
    assert "! different:   PeerJoined(peer_name='Ann'" in difference
    assert "peer_name: expected 'Ben', got 'Ann'" in difference
    assert "_assertions.py" not in difference

    # A fixture that is not async learns what to do. Trio's loop can be reached between its steps,
    # so there it works.
    assert report.outcomes("fixture") == {"PASSED": 2, "ERROR": 1, "FAILED": 1}
    fixture = report.about("test_fixture")
    error = "was called from outside its event loop: use an 'async def', also for a fixture"
    assert error in fixture
    assert error in report.about("test_subscriber")


def test_without_the_auto_mode_a_mark_is_enough(tmp_path: Path) -> None:
    marked = f"pytestmark = pytest.mark.anyio\n{dedent(VIRTUAL_TIME)}"
    report = run_tests(tmp_path, {"virtual_time": marked}, config=EXPLICIT)
    assert report.outcomes("virtual_time") == {"PASSED": 2}, report.output


def test_without_trio_its_half_is_skipped_with_a_reason(tmp_path: Path) -> None:
    files = {"it": "async def test_it(bus):\n    pass\n"}
    report = run_tests(tmp_path, files, conftest=WITHOUT_TRIO + CONFTEST)
    assert report.outcomes("it") == {"PASSED": 1, "SKIPPED": 1}, report.output
    assert f"trio is not installed: {install_command('trio')}" in report.output
