from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from lanrage_events.__main__ import main
from lanrage_events.cli import ExitCode
from lanrage_events_logfile import commands
from lanrage_events_logfile._dry_run import try_file

LOG = """\
[20:00:00] [Server thread/INFO]: Starting minecraft server version 1.21.4
[20:15:00] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)
[20:15:01] [Server thread/INFO]: <Ann> Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)
[20:15:02] [Server thread/INFO]: <Ann> hello 1
[20:15:03] [Server thread/INFO]: <Ann> hello 2
[20:16:00] [Server thread/INFO]: Ann lost connection: Disconnected"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "latest.log"
    path.write_text(LOG, "utf-8")
    return path


def run(preset: str, file: Path, *patterns: str, **options: Any) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = try_file(preset, file, patterns, out=out, err=err, **options)
    return code, out.getvalue(), err.getvalue()


def test_each_event_stands_behind_its_line_and_the_rest_is_summed_up(log: Path) -> None:
    code, out, err = run("minecraft", log)
    lines = out.splitlines()

    assert (code, err) == (ExitCode.DONE, "")
    assert lines[0].split("  ")[0].strip() == ""
    assert lines[0].lstrip().startswith("2  ")
    assert lines[0].endswith('peer_joined  peer_name="Ann" party_name="Minecraft"')
    assert lines[1].lstrip().startswith("6  ")
    assert lines[2] == "6 lines, 2 events: peer_joined 1, peer_left 1"
    assert lines[3] == "3 lines matched nothing, most often:"
    assert lines[4] == "     2  [20:15:02] [Server thread/INFO]: <Ann> hello 1"
    assert len(lines) == 6


def test_it_writes_json_for_programs(log: Path) -> None:
    code, out, _ = run("minecraft", log, as_json=True, samples=1)
    *events, summary = map(json.loads, out.splitlines())

    assert code == ExitCode.DONE
    assert [(item["line"], item["event"]["type"]) for item in events] == [
        (2, "peer_joined"),
        (6, "peer_left"),
    ]
    assert summary == {
        "lines": 6,
        "events": {"peer_joined": 1, "peer_left": 1},
        "unmatched": 3,
        "unmatched_samples": ["[20:15:02] [Server thread/INFO]: <Ann> hello 1"],
        "problems": {},
    }


def test_own_patterns_can_be_tried_with_and_without_a_preset(log: Path) -> None:
    pattern = r"peer_left=.*: <(?P<peer_name>\w+)> hello 2"
    assert "peer_left 1" in run("none", log, pattern)[1]
    assert "peer_left 1" in run("minecraft", log, pattern.replace(".*: ", ""))[1]


def test_a_preset_of_ones_own_is_a_file(log: Path, tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("patterns: {peer_joined: '.*<(?P<peer_name>Ann)> hello 1'}", "utf-8")

    assert "1 event: peer_joined 1" in run(str(preset), log)[1]


def test_a_packed_log_can_be_tried(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-24-1.log.gz"
    path.write_bytes(gzip.compress(LOG.encode()))

    assert "2 events" in run("minecraft", path)[1]


def test_other_encodings_can_be_tried(tmp_path: Path) -> None:
    path = tmp_path / "latest.log"
    path.write_bytes((LOG + "\n" + "x" * 9000 + "\n").encode("utf-16"))

    assert "7 lines, 2 events" in run("minecraft", path, encoding="utf-16")[1]


def test_a_log_that_gives_nothing_is_a_failure(log: Path) -> None:
    code, out, _ = run("factorio", log)

    assert code == ExitCode.FAILED
    assert out.startswith("6 lines, 0 events\n")


def test_a_line_that_lacks_a_field_is_a_failure(log: Path) -> None:
    code, out, _ = run("none", log, r"peer_joined=.*: (?:(?P<peer_name>Bob)|\w+)\[.*")

    assert code == ExitCode.FAILED
    assert "is not a valid event: peer_name: required (1 times)" in out


@pytest.mark.parametrize(
    ("preset", "patterns", "expected"),
    [
        ("minecrat", [], "there is no preset 'minecrat': use one of cs2, eco, factorio"),
        ("none", [], "preset: no patterns: set 'preset' or 'patterns'"),
        ("none", ["x"], "expected event_type=regular expression, not 'x'"),
        ("none", ["peer_joined=("], "patterns.peer_joined: not a regular expression"),
        ("none", ["pear=x"], "patterns.pear: unknown event type 'pear'"),
        ("missing.yaml", [], "missing.yaml: the file does not exist"),
    ],
)
def test_usage_errors_are_reported(
    log: Path, preset: str, patterns: list[str], expected: str
) -> None:
    code, out, err = run(preset, log, *patterns)

    assert (code, out) == (ExitCode.MISUSE, "")
    assert err.startswith(expected)


@pytest.mark.parametrize("text", ["a: [", "3", "patern: {}", "a: b: c"])
def test_an_invalid_preset_is_reported(log: Path, tmp_path: Path, text: str) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text(text, "utf-8")
    code, _, err = run(str(preset), log)

    assert code == ExitCode.MISUSE
    assert err


def test_a_missing_log_is_reported(tmp_path: Path) -> None:
    code, _, err = run("minecraft", tmp_path / "x.log")

    assert code == ExitCode.MISUSE
    assert err.startswith(f"cannot read '{tmp_path / 'x.log'}'")


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "latest.log"
    path.write_text(
        "[20:15:00] [Server thread/INFO]: A\u202enn[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)\n\x07\x1b]0;x\x07\u2028y\n",
        "utf-8",
    )
    _, out, _ = run("minecraft", path)

    assert out.replace("\n", "").isprintable()
    assert "A\\u202enn" in out
    json_out = run("minecraft", path, as_json=True)[1]
    assert json_out.replace("\n", "").isprintable()
    assert json.loads(json_out.splitlines()[0])["event"]["peer_name"] == "A\u202enn"


def command(log: Path, preset: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> int:
    monkeypatch.chdir(log.parent)
    return commands.logfile_test(preset, log, **options)


def test_the_command_writes_to_stdout(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(log, "minecraft", monkeypatch) == ExitCode.DONE
    assert "2 events" in capsys.readouterr().out


CONFIGURATION = """
plugins:
  logfile:
    files:
      latest.log: {patterns: {peer_joined: '.*<(?P<peer_name>Ann)> hello 1'}}
      other-*.log: {preset: minecraft}
  one: {use: logfile, path: other.log, preset: minecraft, party_name: LAN}
"""


def test_a_section_of_the_configuration_can_be_tried(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (log.parent / "lanrage.yaml").write_text(CONFIGURATION, "utf-8")

    assert command(log, "logfile", monkeypatch) == ExitCode.DONE
    assert "1 event: peer_joined 1" in capsys.readouterr().out
    # A log from elsewhere is tried as the only file of a section would be.
    assert command(log, "one", monkeypatch, config=Path("lanrage.yaml")) == ExitCode.DONE
    assert 'party_name="LAN"' in capsys.readouterr().out
    other = log.rename(log.with_name("other-1.log"))
    assert command(other, "logfile", monkeypatch) == ExitCode.DONE
    assert "2 events" in capsys.readouterr().out
    third = other.rename(log.with_name("third.log"))
    assert command(third, "logfile", monkeypatch) == ExitCode.MISUSE
    assert "section 'logfile' has several files: name one of" in capsys.readouterr().err


def test_a_wrong_configuration_is_reported_and_matters_only_if_it_was_named(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (log.parent / "lanrage.yaml").write_text("plugins: {logfile: {}}", "utf-8")

    assert command(log, "minecraft", monkeypatch) == ExitCode.DONE
    streams = capsys.readouterr()
    assert "2 events" in streams.out
    assert "exactly one of 'path' and 'files'" in streams.err
    assert main(["logfile-test", "minecraft", str(log), "--config", "lanrage.yaml"]) == 78
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "exactly one of 'path' and 'files'" in streams.err
