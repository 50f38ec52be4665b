"""When parties are over, and what is published about them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
    hookimpl,
)
from lanrage_events.events import utc_now
from lanrage_events.testing import CheckedBus, RecordingPlugin
from lanrage_events_parties import PartiesConfig, PartiesPlugin

PARTY = "Friday LAN"
HOUR = 3600.0


def joined(name: str, **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=PARTY, **fields)


def left(name: str, **fields: Any) -> PeerLeft:
    return PeerLeft(peer_name=name, party_name=PARTY, **fields)


@asynccontextmanager
async def run(
    folder: Path | None = None, recorder: RecordingPlugin | None = None, **config: Any
) -> AsyncIterator[tuple[CheckedBus, RecordingPlugin]]:
    recorder = recorder or RecordingPlugin(durable=True)
    async with CheckedBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(recorder, "recorder")
        await bus.plugins.register_and_wait(PartiesPlugin(PartiesConfig(**config)), "parties")
        yield bus, recorder


async def publish(bus: CheckedBus, *events: Event) -> None:
    assert await bus.publish_many_and_wait(events) == [None] * len(events)


async def test_a_party_is_over_when_it_was_empty_for_a_while() -> None:
    async with run() as (bus, recorder):
        start = utc_now()
        await publish(bus, joined("Ann"), joined("Ben"))
        await anyio.sleep(HOUR)
        await publish(bus, left("Ann"), joined("Cid"), left("Cid"))
        await anyio.sleep(HOUR)
        await publish(bus, left("Ben"))
        await anyio.sleep(599)
        assert recorder.of(PartyEnded) == []

        await anyio.sleep(2)
        [ended] = recorder.of(PartyEnded)
        assert ended.party_name == PARTY
        assert abs(ended.since - start) < timedelta(seconds=1)
        assert ended.duration == pytest.approx(2 * HOUR, abs=1)
        assert (ended.peak, ended.visitors) == (2, 3)
        assert ended.parent_id is None
        assert abs(ended.time - start - timedelta(seconds=2 * HOUR + 600)) < timedelta(seconds=1)
        assert ended.id.endswith(".ended")

        await anyio.sleep(48 * HOUR)
        assert recorder.of(PartyEnded) == [ended]


async def test_a_party_that_empties_for_a_moment_is_not_over() -> None:
    async with run() as (bus, recorder):
        await publish(bus, joined("Ann"), left("Ann"))
        await anyio.sleep(590)
        await publish(bus, joined("Ben"))
        await anyio.sleep(HOUR)

        assert recorder.of(PartyEnded) == []


async def test_a_party_can_be_over_as_soon_as_it_is_empty() -> None:
    async with run(end_after=0) as (bus, recorder):
        await publish(bus, joined("Ann"), joined("Ben"), left("Ann"))
        await anyio.sleep(1)
        assert recorder.of(PartyEnded) == []

        await publish(bus, left("Ben"))
        await recorder.wait_for(1, PartyEnded)


async def test_the_next_party_of_the_name_is_another_one() -> None:
    async with run(end_after=60) as (bus, recorder):
        for name in ("Ann", "Ben"):
            await publish(bus, joined(name))
            await anyio.sleep(10)
            await publish(bus, left(name))
            await anyio.sleep(100)

        first, second = recorder.of(PartyEnded)
        assert first.id != second.id
        assert second.since > first.since
        assert second.visitors == 1
        assert second.duration == pytest.approx(10, abs=1)


async def test_a_party_without_events_is_over_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with run(stale_after=2 * HOUR) as (bus, recorder):
        await publish(bus, joined("Ann"), joined("Ben"))
        await anyio.sleep(1.9 * HOUR)
        await publish(bus, joined("Cid"))
        await anyio.sleep(1.9 * HOUR)
        assert recorder.of(PartyEnded) == []

        await anyio.sleep(0.2 * HOUR)
        [ended] = recorder.of(PartyEnded)
        assert ended.visitors == 3
        assert ended.duration == pytest.approx(1.9 * HOUR, abs=1)

    [line] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert (
        line == f"party '{PARTY}' is over: there was no event for 2 h, and 3 members had not left"
    )


async def test_a_server_that_nobody_was_on_ends_in_silence() -> None:
    async with run() as (bus, recorder):
        await publish(bus, ServerStarted(server_name=PARTY, game_name="Quake"))
        await anyio.sleep(48 * HOUR)
        await publish(bus, ServerStopped(server_name=PARTY, game_name="Quake"))
        await anyio.sleep(48 * HOUR)

        assert recorder.of(PartyEnded) == []


async def test_a_server_that_stops_empties_its_party() -> None:
    async with run() as (bus, recorder):
        await publish(bus, joined("Ann"), ServerStopped(server_name=PARTY, game_name="Quake"))
        await anyio.sleep(HOUR)

        assert [ended.visitors for ended in recorder.of(PartyEnded)] == [1]


async def test_a_game_that_is_played_keeps_its_party() -> None:
    async with run() as (bus, recorder):
        await publish(bus, GameStarted(party_id="1", game_name="Quake", players=("Ann", "Ben")))
        await anyio.sleep(HOUR)
        assert recorder.of(PartyEnded) == []

        await publish(bus, GameEnded(party_id="1", game_name="Quake", duration=HOUR))
        await anyio.sleep(HOUR)


async def test_a_party_is_over_at_its_time_over_a_restart(folder: Path) -> None:
    async with run(folder) as (bus, recorder):
        await publish(bus, joined("Ann"), left("Ann"))
        await anyio.sleep(300)

    assert recorder.of(PartyEnded) == []
    async with run(folder) as (_, recorder):
        await anyio.sleep(290)
        assert recorder.of(PartyEnded) == []
        await anyio.sleep(15)
        assert len(recorder.of(PartyEnded)) == 1


async def test_a_party_that_was_over_while_nothing_ran_ends_a_moment_after_the_start(
    folder: Path,
) -> None:
    now = utc_now()
    async with run(folder) as (bus, recorder):
        await publish(bus, joined("Ann", time=now - timedelta(hours=8)))
        await publish(bus, left("Ann", time=now - timedelta(hours=7)))

    async with run(folder) as (_, recorder):
        await anyio.sleep(9)
        assert recorder.of(PartyEnded) == []
        await anyio.sleep(2)
        [ended] = recorder.of(PartyEnded)
        assert ended.duration == HOUR
        assert ended.time == now - timedelta(hours=7) + timedelta(seconds=600)


async def test_what_a_log_says_after_the_start_keeps_a_party(folder: Path) -> None:
    now = utc_now()
    async with run(folder) as (bus, recorder):
        await publish(bus, joined("Ann", time=now - timedelta(hours=8)))
        await publish(bus, left("Ann", time=now - timedelta(hours=7)))

    async with run(folder) as (bus, recorder):
        await anyio.sleep(5)
        await publish(bus, joined("Ann", time=now - timedelta(hours=6.95)))
        await anyio.sleep(HOUR)
        assert recorder.of(PartyEnded) == []


async def test_a_recap_that_was_not_delivered_is_published_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with run(folder) as (bus, recorder):
        await publish(bus, joined("Ann"), left("Ann"))
        async with bus.expecting(RuntimeError):
            with recorder.fail(on=PartyEnded, times=3):
                await anyio.sleep(HOUR)

        ids = {ended.id for ended in recorder.of(PartyEnded)}
        assert len(recorder.of(PartyEnded)) == 4
        assert len(ids) == 1

    assert "that a party ended is published in 1 seconds" in caplog.text


async def test_a_recap_that_was_not_delivered_is_published_by_the_next_start(folder: Path) -> None:
    async with run(folder) as (bus, recorder):
        await publish(bus, joined("Ann"), left("Ann"))
        async with bus.expecting(RuntimeError):
            recorder.fail(on=PartyEnded)
            await anyio.sleep(HOUR)

        known = recorder.of(PartyEnded)[0]
        await publish(bus, joined("Ben"))

    async with run(folder) as (_, recorder):
        await recorder.wait_for(1, PartyEnded)
        assert recorder.of(PartyEnded) == [known]
        await anyio.sleep(HOUR)

    async with run(folder) as (_, recorder):
        await anyio.sleep(HOUR)
        assert recorder.of(PartyEnded) == []


async def test_a_party_does_not_end_while_someone_is_about_to_join() -> None:
    """Its join was published, and waits for another plugin."""
    async with run(end_after=10) as (bus, recorder):
        slow = RecordingPlugin(when_full="block", mailbox_size=1)
        await bus.plugins.register_and_wait(slow, "slow")
        await publish(bus, joined("Ann"), left("Ann"))
        slow.slow_down(20)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(bus.publish, GameEnded(game_name="Quake", duration=1.0))
                await anyio.lowlevel.checkpoint()

            tasks.start_soon(bus.publish, joined("Ben"))

        await anyio.sleep(60)
        assert recorder.of(PartyEnded) == []


class Dropping:
    """Drops joins of one player after the plugin has seen them."""

    @hookimpl
    def transform(self, event: PeerJoined) -> PeerJoined | None:
        return None if event.peer_name == "Bot" else event


@pytest.mark.parametrize("end_after", [0, 10])
async def test_a_party_ends_although_the_last_event_about_it_was_dropped(end_after: int) -> None:
    async with run(end_after=end_after) as (bus, recorder):
        await bus.plugins.register_and_wait(Dropping(), "dropping")
        for event in (joined("Ann"), left("Ann"), joined("Bot")):
            bus.publish_nowait(event)

        await anyio.sleep(end_after + 65)
        [recap] = recorder.of(PartyEnded)
        assert (recap.party_name, recap.visitors) == (PARTY, 1)


async def test_a_change_of_the_configuration_keeps_the_parties(folder: Path) -> None:
    async with run(folder) as (bus, recorder):
        await publish(bus, joined("Ann"), left("Ann"))
        await bus.plugins.replace("parties", PartiesPlugin(PartiesConfig(end_after=60)))
        await publish(bus, joined("Ben"))
        found = recorder.events[-1]
        assert isinstance(found, PeerJoined)
        assert found.count == 1
        await publish(bus, left("Ben"))
        await anyio.sleep(61)

        [ended] = recorder.of(PartyEnded)
        assert ended.visitors == 2


async def test_a_wrong_clock_of_a_publisher_ends_no_party_early_or_never() -> None:
    async with run() as (bus, recorder):
        now = utc_now()
        await publish(bus, joined("Ann", time=now - timedelta(days=9000)))
        await anyio.sleep(HOUR)
        assert recorder.of(PartyEnded) == []

        await publish(bus, left("Ann", time=now + timedelta(days=9000)))
        await anyio.sleep(HOUR)
        [ended] = recorder.of(PartyEnded)
        assert ended.time <= utc_now()


async def test_an_id_has_no_characters_that_ids_must_not_have() -> None:
    async with run() as (bus, recorder):
        for party_id in ("a\nb", "x" * 300):
            await publish(bus, joined("Ann", party_id=party_id), left("Ann", party_id=party_id))

        await anyio.sleep(HOUR)
        for ended in recorder.of(PartyEnded):
            assert bus.events.from_json(ended.to_json()) == ended
