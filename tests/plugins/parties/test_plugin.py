from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pydantic import ValidationError

from lanrage_events import (
    EventBus,
    GameStarted,
    Metric,
    Notification,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    PluginStartError,
)
from lanrage_events.config import ConfigError
from lanrage_events.testing import CheckedBus
from lanrage_events_parties import PartiesConfig, PartiesPlugin
from lanrage_events_parties._state import State

PARTY = "Friday LAN"


def joined(name: str, **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=PARTY, **fields)


def left(name: str, **fields: Any) -> PeerLeft:
    return PeerLeft(peer_name=name, party_name=PARTY, **fields)


def values(metrics: list[Metric]) -> dict[str, float]:
    return {metric.name: sum(sample.value for sample in metric.samples) for metric in metrics}


def members(plugin: PartiesPlugin) -> list[str]:
    return sorted(member.name for party in plugin.parties for member in party.members)


@asynccontextmanager
async def run(
    folder: Path | None, plugin: PartiesPlugin | None = None
) -> AsyncIterator[tuple[CheckedBus, PartiesPlugin]]:
    plugin = plugin or PartiesPlugin(PartiesConfig())
    async with CheckedBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(plugin, "parties")
        yield bus, plugin


def break_file(folder: Path) -> None:
    """Let nothing be written any more."""
    for path in folder.glob("parties.parties*"):
        path.unlink()

    (folder / "parties.parties").mkdir()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def repair_file(folder: Path) -> None:
    (folder / "parties.parties").rmdir()


async def test_it_knows_the_parties_over_restarts(folder: Path) -> None:
    async with run(folder) as (bus, plugin):
        await bus.publish_and_wait(joined("Ann"))
        await bus.publish_and_wait(joined("Ben"))
        assert members(plugin) == ["Ann", "Ben"]

    async with run(folder) as (bus, plugin):
        assert members(plugin) == ["Ann", "Ben"]
        await bus.publish_and_wait(left("Ann"))

    async with run(folder) as (_, plugin):
        assert members(plugin) == ["Ben"]

    assert names(folder) == ["parties.parties"]


async def test_half_a_character_keeps_no_other_party_from_the_file(folder: Path) -> None:
    async with run(folder) as (bus, _):
        odd = PeerJoined(peer_name="\ud800", party_name="\udfff")
        game = GameStarted(game_name="\ud801", players=("\ud800",))
        for event in (odd, game, joined("Ann")):
            await bus.publish_and_wait(event)

    async with run(folder) as (_, plugin):
        assert members(plugin) == ["Ann", "\ud800"]


async def test_the_same_object_can_run_again(folder: Path) -> None:
    plugin = PartiesPlugin(PartiesConfig())
    for name in ("Ann", "Ben"):
        async with run(folder, plugin) as (bus, _):
            await bus.publish_and_wait(joined(name))

    assert members(plugin) == ["Ann", "Ben"]


async def test_without_a_state_folder_it_keeps_them_while_it_runs() -> None:
    async with run(None) as (bus, plugin):
        await bus.publish_and_wait(joined("Ann"))
        assert members(plugin) == ["Ann"]

    async with run(None) as (_, plugin):
        assert members(plugin) == []


async def test_health_and_metrics_say_how_many_there_are() -> None:
    async with run(None) as (bus, plugin):
        assert bus.health()["parties"].detail == "0 parties, 0 members"
        await bus.publish_and_wait(joined("Ann"))
        await bus.publish_and_wait(joined("Ben"))
        await bus.publish_and_wait(joined("Ann", party_id="other").replace(party_name="Other"))
        await bus.publish_and_wait(left("Ben"))

        assert bus.health()["parties"].detail == "2 parties, 2 members"
        assert values(plugin.metrics()) == {
            "parties": 2,
            "party_members": 2,
            "parties_bounded": 0,
        }


async def test_a_change_can_be_waited_for() -> None:
    async with run(None) as (bus, plugin):
        version = plugin.version
        with anyio.move_on_after(60) as scope:
            await plugin.changed(version)

        assert scope.cancelled_caught
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plugin.changed, version)
            await anyio.wait_all_tasks_blocked()
            await bus.publish_and_wait(Notification(title="Pizza", message="is here"))
            assert plugin.version == version
            await bus.publish_and_wait(joined("Ann"))

        assert plugin.version > version
        await plugin.changed(version)


async def test_events_that_cannot_be_written_fail_and_can_be_published_again(folder: Path) -> None:
    async with run(folder) as (bus, plugin):
        await bus.publish_and_wait(joined("Ann"))
        break_file(folder)
        events = [joined("Ben"), left("Ann"), Notification(title="Pizza", message="is here")]
        errors = await bus.publish_many_and_wait(events)
        assert [error is None for error in errors] == [False, False, True]
        health = bus.health()["parties"]
        assert health.status == "degraded"
        assert "it is a folder: move it away" in health.detail

        repair_file(folder)
        assert await bus.publish_many_and_wait(events) == [None] * 3
        assert bus.health()["parties"].status == "ok"
        assert members(plugin) == ["Ben"]

    async with run(folder) as (_, plugin):
        assert members(plugin) == ["Ben"]


async def test_a_file_that_is_removed_is_written_again(folder: Path) -> None:
    async with run(folder) as (bus, plugin):
        for name in ("Ann", "Ben"):
            await bus.publish_and_wait(joined(name, party_id=name).replace(party_name=name))

        (folder / "parties.parties").unlink()
        await bus.publish_and_wait(joined("Cid"))

    async with run(folder) as (_, plugin):
        assert members(plugin) == ["Ann", "Ben", "Cid"]


async def test_a_file_of_something_else_is_moved_aside(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "parties.parties", "Ann, Ben")
    async with run(folder) as (bus, _):
        await bus.publish_and_wait(joined("Ann"))

    assert (folder / "parties.parties.damaged").read_text() == "Ann, Ben"
    assert "parties.parties cannot be read" in caplog.text


async def test_what_cannot_be_read_of_the_file_is_left_out(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with run(folder) as (bus, _):
        await bus.publish_and_wait(joined("Ann"))

    with closing(sqlite3.connect(folder / "parties.parties")) as connection:
        connection.execute("INSERT INTO parties VALUES ('name:other', '{\"format\": 2}')")
        connection.execute("INSERT INTO ended VALUES ('1', 'Ann')")
        connection.execute("INSERT INTO details VALUES (99, '[1]')")
        connection.commit()

    async with run(folder) as (_, plugin):
        assert members(plugin) == ["Ann"]

    for what in ("a party", "a recap", "a detail"):
        assert f"parties.parties: {what} cannot be read, and is left out" in caplog.text


async def test_a_file_that_cannot_be_used_is_an_error_in_one_line(folder: Path) -> None:
    (folder / "parties.parties").mkdir(parents=True)
    with pytest.raises(PluginStartError, match="it is a folder: move it away") as raised:
        async with run(folder):
            pass

    assert isinstance(raised.value.__cause__, ConfigError)


async def test_many_parties_are_read_while_others_go_on(folder: Path) -> None:
    async with run(folder) as (bus, _):
        events = [PeerJoined(peer_name="Ann", party_name=f"LAN {n}") for n in range(50)]
        await bus.publish_many_and_wait(events)

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        async with State.opened(folder / "parties.parties", EventBus().events.from_json):
            assert turns >= 50

        tasks.cancel_scope.cancel()


async def test_two_of_them_have_files_of_their_own(folder: Path) -> None:
    async with run(folder) as (bus, plugin):
        other = PartiesPlugin(PartiesConfig())
        await bus.plugins.register_and_wait(other, "more")
        await bus.publish_and_wait(joined("Ann"))
        assert members(other) == members(plugin) == ["Ann"]

    assert names(folder) == ["more.parties", "parties.parties"]


async def test_events_that_make_no_sense_fail_alone() -> None:
    async with run(None) as (bus, plugin):
        wrong = joined("Cid", time=None)
        async with bus.expecting():
            errors = await bus.publish_many_and_wait([joined("Ann"), wrong, joined("Ben")])

        assert errors[0] is errors[2] is None
        assert members(plugin) == ["Ann", "Ben"]


async def test_an_event_of_a_party_that_changes_nobody_is_fine() -> None:
    async with run(None) as (bus, plugin):
        await bus.publish_and_wait(PartyEvent(party_id="1"))

        assert members(plugin) == []


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"end_after": -1}, "greater than or equal to 0"),
        ({"end_after": "25h"}, "less than or equal to 86400"),
        ({"stale_after": "10s"}, "greater than or equal to 60"),
        ({"end": "1m"}, "Extra inputs"),
    ],
)
def test_settings_have_bounds(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        PartiesConfig.model_validate(keys)


def test_settings_are_durations() -> None:
    config = PartiesConfig.model_validate({"end_after": "0s", "stale_after": "1d"})

    assert (config.end_after, config.stale_after) == (0, 86400)
    assert (PartiesConfig().end_after, PartiesConfig().stale_after) == (600, 16 * 3600)


async def test_it_is_restarted_with_what_is_in_the_file(folder: Path) -> None:
    async with run(folder) as (bus, plugin):
        await bus.publish_and_wait(joined("Ann"))
        await bus.unregister(plugin)
        await bus.plugins.register_and_wait(plugin, "parties")
        await bus.publish_and_wait(joined("Ben"))

        assert members(plugin) == ["Ann", "Ben"]
        version = plugin.version
        shutil.copytree(folder, folder.with_name("copy"))

    async with EventBus(state_folder=folder.with_name("copy")) as other:
        copy = PartiesPlugin(PartiesConfig())
        await other.plugins.register_and_wait(copy, "parties")
        assert members(copy) == ["Ann", "Ben"]

    assert plugin.version >= version
