"""The commands ``mute`` and ``unmute``, without a daemon; ``tests/acceptance`` has one that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lanrage_events_discord._commands import find_plugin, mute, show_mutes, unmute

pytestmark = pytest.mark.real_clock
URL = "https://discord.com/api/webhooks/123456789012345678/" + "example-" * 8 + "token"
Output = Callable[[], tuple[str, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    section = f"plugins: {{discord: {{webhooks: {{main: {{url: '{URL}'}}}}}}}}"
    (tmp_path / "lanrage.yaml").write_text(f"state_folder: state\n{section}\n", "utf-8")
    return tmp_path


async def test_mute_without_a_daemon_counts_from_the_command_on(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    found = find_plugin(None, None)
    assert await mute(found, "2h", None, why="LAN is over", then="hold") == 0
    out = capsys.readouterr().out
    assert out.startswith("all webhooks are muted until ")
    assert out.endswith("\nno daemon runs: it counts from now on all the same, for the next one\n")
    assert show_mutes(found) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("webhook 'main': muted until ")
    assert shown.endswith(" (LAN is over), 2 h left; then: hold\n")
    assert json.loads((folder / "state" / "discord.mutes.json").read_text())[""]["then"] == "hold"
    assert await unmute(found, None) == 0
    assert capsys.readouterr().out.startswith("the mute of all webhooks is over\n")
    assert await unmute(found, None) == 0
    assert capsys.readouterr().out == "nothing was muted\n"
    assert show_mutes(found) == 0
    assert "no webhook is muted" in capsys.readouterr().out


async def test_a_weaker_mute_that_lasts_longer_is_shown(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    file = folder / "lanrage.yaml"
    hours = "{from: '00:00', to: '24:00', days: DAYS, then: drop, time_zone: UTC}"
    hours = hours.replace("DAYS", f"[{datetime.now(UTC):%a}]".lower())
    section = file.read_text("utf-8").replace("discord: {", f"discord: {{quiet: [{hours}], ")
    file.write_text(section, "utf-8")
    found = find_plugin(None, None)
    await mute(found, "2d", None, why="LAN is over", then="silent")
    await mute(found, "1s", "main", why="short", then="hold")
    capsys.readouterr()
    assert show_mutes(found) == 0
    now, later = capsys.readouterr().out.splitlines()
    assert now.startswith("webhook 'main': quiet hours until ")
    assert now.endswith("; then: drop")
    assert later.startswith("webhook 'main': after that muted until ")
    assert later.endswith(" (LAN is over), 48 h left; then: silent")


async def test_unmute_of_one_says_that_all_are_muted(capsys: pytest.CaptureFixture[str]) -> None:
    found = find_plugin(None, None)
    await mute(found, "1h", None, why="", then="hold")
    await mute(found, "2h", "main", why="", then="drop")
    capsys.readouterr()
    for expected in ("the mute of webhook 'main' is over\n", "webhook 'main' is not muted\n"):
        assert await unmute(found, "main") == 0
        out = capsys.readouterr().out
        assert out.startswith(expected)
        assert "all webhooks are still muted until " in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("duration", "webhook", "text"),
    [
        ("0s", None, "'0s': a mute takes some time: to end one, unmute; at most 31d"),
        ("10y", None, "'10y': expected a duration, such as"),
        ("forever", None, "'1h30m'; at most 31d"),
        ("365d", None, "too long for a mute: remove a webhook that is to post nothing"),
        ("2h", "mian", "no webhook is named 'mian', did you mean 'main'?"),
        ("2h", "x", "no webhook is named 'x', known: main"),
    ],
)
async def test_what_makes_no_sense_is_an_error(
    capsys: pytest.CaptureFixture[str], folder: Path, duration: str, webhook: str | None, text: str
) -> None:
    found = find_plugin(None, None)
    assert await mute(found, duration, webhook, why="", then="hold") == 2
    assert text in capsys.readouterr().err
    assert not (folder / "state" / "discord.mutes.json").exists()


async def test_unmute_of_an_unknown_webhook(capsys: pytest.CaptureFixture[str]) -> None:
    assert await unmute(find_plugin(None, None), "mian") == 2
    assert "did you mean 'main'?" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="a file in place of a folder is another error")
async def test_file_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "state").write_text("no folder")
    assert await mute(find_plugin(None, None), "2h", None, why="", then="hold") == 1
    assert "discord.mutes.json cannot be written: " in capsys.readouterr().err
