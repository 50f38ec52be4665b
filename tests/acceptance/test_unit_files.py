from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
# 2.0, in tenths as systemd-analyze wants it
EXPOSURE_MAX = 20

IS_REQUIRED = "LANRAGE_EVENTS_REQUIRE_TOOLS" in os.environ
needs_systemd = pytest.mark.skipif(
    not IS_REQUIRED and shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed; it is in Debian's package systemd",
)


@pytest.fixture(params=[False, True], ids=["plain", "game-logs"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Copy the unit, with a program that exists here, alone or with its drop-in."""
    program = tmp_path / "lanrage-events"
    program.touch(0o755)
    text = (UNITS / "lanrage-events.service").read_text("utf-8")
    file = tmp_path / "lanrage-events.service"
    file.write_text(text.replace("/opt/lanrage-events/bin/lanrage-events", str(program)), "utf-8")
    if request.param:
        shutil.copytree(UNITS / "lanrage-events.service.d", tmp_path / "lanrage-events.service.d")

    return file


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=30
    )


@needs_systemd
def test_systemd_accepts_every_line(unit: Path) -> None:
    verified = analyze("verify", unit)
    # It exits with 0 for a key that it does not know, too.
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
def test_a_line_that_systemd_does_not_know_would_be_found(unit: Path) -> None:
    unit.write_text(unit.read_text("utf-8").replace("ProtectHome=", "ProtectHomes="), "utf-8")
    assert "Unknown key" in analyze("verify", unit).stderr


@needs_systemd
def test_little_is_exposed(unit: Path) -> None:
    rated = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)
    assert rated.returncode == 0, rated.stdout
    [figure] = re.findall(
        r"Overall exposure level for lanrage-events.service: ([\d.]+)", rated.stdout
    )
    page = (ROOT / "docs" / "systemd.md").read_text("utf-8")
    assert f"rates it {figure};" in page


@needs_systemd
def test_without_its_restrictions_much_would_be_exposed(unit: Path) -> None:
    text = re.sub(
        r"^# It writes only.*?(?=^\[Install\])",
        "",
        unit.read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    unit.write_text(text, "utf-8")
    # The page says that it is above 8.
    assert analyze("security", "--offline=true", "--threshold=80", unit).returncode


def test_the_page_reads_only_logs_that_the_unit_shows() -> None:
    page = (ROOT / "docs" / "systemd.md").read_text("utf-8")
    drop_in = (UNITS / "lanrage-events.service.d" / "game-logs.conf").read_text("utf-8")
    shown = re.findall(r"^BindReadOnlyPaths=(.+)$", drop_in, re.MULTILINE)
    read = re.findall(r"path: (/home/\S+)/[^/]+[},]", page)
    assert read
    assert {*read} <= {*shown}


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forbid it")
def test_the_program_runs_where_memory_is_never_writable_and_executable(tmp_path: Path) -> None:
    # What MemoryDenyWriteExecute does; PR_SET_MDWE of /usr/include/linux/prctl.h.
    script = (
        "import ctypes, os, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(99)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'lanrage_events', *sys.argv[1:]])\n"
    )
    (tmp_path / "lanrage.yaml").write_text(
        "state_folder: ./state\n"
        "plugins:\n"
        "  http: {port: 0}\n"
        "  discord:\n"
        "  log: {path: events.jsonl}\n"
        "  logfile: {path: latest.log, preset: minecraft}\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "run", "--stdin"],
        cwd=tmp_path,
        input='{"type": "notification", "title": "Pizza", "message": "Now"}\n',
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if result.returncode == 99:
        pytest.skip("this kernel is older than 6.3")

    assert "plugin 'discord': 1 not delivered: no webhook_url is set" in result.stderr
    assert result.returncode == 1, result.stderr
    assert "Pizza" in (tmp_path / "events.jsonl").read_text("utf-8")
