"""The command ``parties``: on a running daemon and on a stopped one, once and again and again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import anyio
import anyio.to_thread
import pytest

from lanrage_events import Event, EventBus, GameStarted, PeerJoined, PeerLeft
from lanrage_events.cli import ExitCode
from lanrage_events_parties import PartiesConfig, PartiesPlugin
from lanrage_events_parties._view import PartiesView
from lanrage_events_parties.commands import parties

pytestmark = pytest.mark.real_clock

CONFIG = "state_folder: state\nplugins:\n  parties:\n"
STOPPED = "no daemon runs with this state folder: this is how it was when the last one ended\n"


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    Path("lanrage.yaml").write_text(CONFIG)


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def joined(name: str, minutes: float, party: str = "Friday LAN") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party, time=ago(minutes))


async def keep(*events: Event, during: Callable[[], object] = lambda: None) -> None:
    bus = EventBus(state_folder=Path("state"))
    bus.register(PartiesPlugin(PartiesConfig()), "parties")
    async with bus:
        for event in events:
            await bus.publish_and_wait(event)

        await anyio.to_thread.run_sync(during)


def evening() -> tuple[Event, ...]:
    """Return what has happened until now, since the table counts from then."""
    return (
        joined("Ann", 130),
        joined("Bob\x1b[2J\n", 45),
        GameStarted(game_name="Factorio", players=(), time=ago(40)),
        joined("Cid", 30, "Empty"),
        PeerLeft(peer_name="Cid", party_name="Empty", time=ago(20)),
    )


def without_clock(text: str) -> list[str]:
    """Return the lines of a table without the times of day, which depend on the time zone."""
    words = [line.split() for line in text.splitlines()]
    return [" ".join(word for word in line if ":" not in word or word[-1] == ":") for line in words]


async def test_a_table_shows_who_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    codes: list[int] = []
    await keep(*evening(), during=lambda: codes.append(parties()))
    out, err = capsys.readouterr()
    assert codes == [ExitCode.DONE]
    assert err == ""
    lines = [line.replace("Mon ", "").replace("Sun ", "") for line in without_clock(out)]
    assert lines[0].startswith("Friday LAN: 2 players, Factorio, since")
    assert lines[1].split(" ", 1)[0] == "Ann"
    assert lines[1].endswith("2 h 10 min")
    assert lines[2].startswith("Bob\\u001b[2J\\n")
    assert lines[2].endswith("45 min")
    assert lines[3] == ""
    assert lines[4].startswith("Empty: empty, since")


async def test_who_has_no_name_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    nameless = PeerJoined(peer_name=" ", peer_id="77", party_name="Friday LAN")
    await keep(nameless, during=parties)
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "?"


@pytest.mark.parametrize(
    ("minutes", "text"), [(0.5, "under a minute"), (1.5, " 1 min"), (2.5, " 2 min")]
)
async def test_a_stay_is_shown_in_minutes(
    capsys: pytest.CaptureFixture[str], minutes: float, text: str
) -> None:
    await keep(joined("Ann", minutes), during=parties)
    assert capsys.readouterr().out.splitlines()[1].endswith(text)


async def test_a_stopped_daemon_is_shown_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    await keep(*evening())
    assert parties(json=True) == ExitCode.DONE
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert err == STOPPED
    assert data["total"] == 2
    assert [party["name"] for party in data["parties"]] == ["Friday LAN", "Empty"]
    assert [m["name"] for m in data["parties"][0]["members"]] == ["Ann", "Bob\x1b[2J\n"]
    # Nothing is left beside the file but the lock of the daemon.
    assert sorted(os.listdir("state")) == ["parties.parties", "parties.parties.lock"]


async def test_one_party_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    await keep(*evening())
    assert parties("friday lan", json=True) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["total"] == 1
    assert parties("Saturday") == ExitCode.FAILED
    out, err = capsys.readouterr()
    assert out == "nobody is in a party\n"
    assert err == f"{STOPPED}there is no party 'Saturday': it may be over\n"


@pytest.mark.parametrize(
    ("config", "options", "code", "problem"),
    [
        (CONFIG, {}, 1, "there is no state/parties.parties: no daemon ever kept parties there"),
        ("plugins:\n", {}, 2, "the configuration has no plugin that keeps parties: add 'parties:'"),
        (
            CONFIG,
            {"plugin": "partys"},
            2,
            "no plugin 'partys' keeps parties, known: parties, did you",
        ),
        (
            f"{CONFIG}  others: {{use: parties}}\n",
            {},
            2,
            "several plugins keep parties, choose one with --plugin: parties, others",
        ),
    ],
)
def test_what_is_not_there_is_named_with_the_remedy(
    config: str,
    options: dict[str, str],
    code: int,
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("lanrage.yaml").write_text(config)
    assert parties(**options) == code  # type: ignore[arg-type]
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err.replace(f"{Path.cwd()}/", "")


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_pipe_gets_each_change(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    # What waits for a line gets the end of the pipe first.
    with os.fdopen(reading) as pipe, os.fdopen(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        bus = EventBus(state_folder=Path("state"))
        bus.register(PartiesPlugin(PartiesConfig()), "parties")
        path = Path("state", "parties.parties")
        async with bus, anyio.create_task_group() as tasks:
            await bus.publish_and_wait(joined("Ann", 0))
            tasks.start_soon(PartiesView(path, as_json=as_json).watch)
            assert "Ann" in await read(pipe, as_json=as_json)
            await bus.publish_and_wait(joined("Bob", 0))
            assert "Bob" in await read(pipe, as_json=as_json)
            tasks.cancel_scope.cancel()


async def read(pipe: TextIO, *, as_json: bool) -> str:
    """Read a line of JSON, or a table up to its empty line."""
    text = ""
    with anyio.fail_after(20):
        while True:
            line: str = await anyio.to_thread.run_sync(pipe.readline, abandon_on_cancel=True)
            text += line
            if as_json:
                json.loads(line)
                return text

            if line == "\n":
                return text
