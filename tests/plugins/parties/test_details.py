"""What the plugin fills in, as other plugins receive it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import (
    Event,
    EventDropped,
    Notification,
    PartyCreated,
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


def joined(name: str, **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=fields.pop("party_name", PARTY), **fields)


def left(name: str, **fields: Any) -> PeerLeft:
    return PeerLeft(peer_name=name, party_name=PARTY, **fields)


def details(event: Event) -> tuple[object, int | None]:
    if isinstance(event, PeerJoined):
        return event.first_time, event.count

    assert isinstance(event, PeerLeft)
    return event.duration, event.count


class Run:
    """A run of the plugin, and what another one got."""

    def __init__(self, bus: CheckedBus, plugin: PartiesPlugin, recorder: RecordingPlugin) -> None:
        self.bus = bus
        self.plugin = plugin
        self.recorder = recorder

    async def publish(self, event: Event) -> tuple[object, int | None]:
        await self.bus.publish_and_wait(event)
        return details(self.recorder.events[-1])


@asynccontextmanager
async def run(folder: Path | None = None, *before: object, **config: Any) -> AsyncIterator[Run]:
    plugin, recorder = PartiesPlugin(PartiesConfig(**config)), RecordingPlugin()
    async with CheckedBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(plugin, "parties")
        for other in before:
            await bus.plugins.register_and_wait(other)

        await bus.plugins.register_and_wait(recorder, "recorder")
        yield Run(bus, plugin, recorder)


async def test_joins_and_leaves_say_how_many_are_there_who_is_new_and_for_how_long() -> None:
    async with run() as one:
        assert await one.publish(joined("Ann")) == (True, 1)
        assert await one.publish(joined("Ben")) == (True, 2)
        await anyio.sleep(600)
        assert await one.publish(left("Ann")) == (pytest.approx(600, abs=0.1), 1)
        await anyio.sleep(61)
        assert await one.publish(joined("Ann")) == (False, 2)
        await anyio.sleep(60)
        assert await one.publish(left("Ann")) == (pytest.approx(60, abs=0.1), 1)
        assert await one.publish(left("Ben")) == (pytest.approx(721, abs=0.1), 0)


async def test_events_that_are_published_at_once_are_counted_before_any_is_handled() -> None:
    async with run() as one:
        for number in range(100):
            one.bus.publish_nowait(joined(f"Player {number}"))

        one.bus.publish_nowait(left("Player 7"))
        one.bus.publish_nowait(joined("player 7 "))
        await one.bus.drain()

        found = [details(event) for event in one.recorder.events]
        assert found[:100] == [(True, number + 1) for number in range(100)]
        assert found[100][1] == 99
        assert found[101] == (False, 100)


async def test_other_events_are_left_alone() -> None:
    events: list[Event] = [
        Notification(title="Pizza", message="is here"),
        PartyCreated(party_id="1", party_name=PARTY, host="Ann"),
        ServerStarted(server_name=PARTY, game_name="Quake"),
    ]
    async with run() as one:
        for event in events:
            await one.bus.publish_and_wait(event)

        assert one.recorder.events == events


async def test_who_opened_a_party_was_there() -> None:
    async with run() as one:
        await one.bus.publish_and_wait(PartyCreated(party_id="1", party_name=PARTY, host="Ann"))

        assert await one.publish(joined("ANN", party_id="1")) == (False, 1)


async def test_who_opens_a_party_and_joins_at_once_is_not_new() -> None:
    async with run() as one:
        one.bus.publish_nowait(PartyCreated(party_id="1", party_name=PARTY, host="Ann"))

        assert await one.publish(joined("ANN", party_id="1")) == (False, 1)


async def test_what_a_publisher_says_is_kept() -> None:
    async with run() as one:
        assert await one.publish(joined("Ann", first_time=False, count=40)) == (False, 40)
        assert await one.publish(joined("Ben", count=41)) == (True, 41)
        assert await one.publish(left("Ann", duration=7.0)) == (7.0, 1)


async def test_players_are_told_apart_by_their_ids() -> None:
    async with run() as one:
        assert await one.publish(joined("Ann", peer_id="1")) == (True, 1)
        assert await one.publish(joined("Ann", peer_id="2")) == (True, 2)
        await anyio.sleep(5)
        assert await one.publish(joined("Anna", peer_id="1")) == (False, 2)
        duration, count = await one.publish(left("Anna", peer_id="1"))
        assert duration == pytest.approx(5, abs=0.1)
        assert count == 1


async def test_a_line_that_drops_for_a_moment_does_not_shorten_the_evening() -> None:
    async with run() as one:
        await one.publish(joined("Ann"))
        await anyio.sleep(3 * 3600)
        assert await one.publish(left("Ann")) == (pytest.approx(3 * 3600, abs=0.1), 0)
        await anyio.sleep(20)
        assert await one.publish(joined("Ann")) == (False, 1)
        await anyio.sleep(120)
        assert await one.publish(left("Ann")) == (pytest.approx(3 * 3600 + 140, abs=0.1), 0)


async def test_a_leave_just_after_the_stop_of_a_server_has_a_duration(folder: Path) -> None:
    async with run(folder) as one:
        for name in ("Ann", "Ben", "Cy", "Dee"):
            await one.publish(joined(name))

        await anyio.sleep(7800)
        # A log file says it all at once.
        one.bus.publish_nowait(ServerStopped(server_name=PARTY, game_name="Minecraft"))
        one.bus.publish_nowait(left("Ann"))
        await one.bus.drain()
        assert details(one.recorder.events[-1]) == (pytest.approx(7800, abs=0.1), 0)
        assert await one.publish(left("Ben")) == (pytest.approx(7800, abs=0.1), 0)

    async with run(folder) as one:
        assert await one.publish(left("Cy")) == (pytest.approx(7800, abs=0.5), 0)
        await anyio.sleep(65)
        assert await one.publish(left("Dee")) == (None, 0)


async def test_a_leave_of_a_stranger_has_no_duration() -> None:
    async with run() as one:
        assert await one.publish(left("Ann")) == (None, None)
        await one.publish(joined("Ben"))
        assert await one.publish(left("Ann")) == (None, 1)


async def test_each_party_of_a_name_has_its_own_visitors() -> None:
    async with run() as one:
        assert await one.publish(joined("Ann")) == (True, 1)
        assert await one.publish(joined("Ann", party_name="Other")) == (True, 1)
        assert await one.publish(joined("Ann", party_name="friday lan ")) == (False, 1)


async def test_a_server_that_starts_is_empty() -> None:
    async with run() as one:
        await one.publish(joined("Ann"))
        await one.bus.publish_and_wait(ServerStarted(server_name=PARTY, game_name="Quake"))

        assert await one.publish(joined("Ben")) == (True, 1)


async def test_a_late_event_changes_no_count() -> None:
    async with run() as one:
        now = utc_now()
        await one.publish(joined("Ann", time=now))

        assert await one.publish(left("Ann", time=now - timedelta(hours=1))) == (None, 1)
        assert await one.publish(left("Ann", time=now)) == (0.0, 0)


async def test_an_event_that_is_published_again_is_the_same() -> None:
    async with run() as one:
        events: list[Event] = [joined("Ann"), joined("Ben"), left("Ann")]
        first = [await one.publish(event) for event in events]
        again = [await one.publish(event) for event in events]

        assert again == first
        assert await one.publish(joined("Cid")) == (True, 2)


async def test_an_event_that_is_published_again_after_a_restart_is_the_same(folder: Path) -> None:
    events: list[Event] = [joined("Ann"), joined("Ben"), left("Ann")]
    async with run(folder) as one:
        first = [await one.publish(event) for event in events]

    async with run(folder) as one:
        assert [await one.publish(event) for event in events] == first
        assert await one.publish(joined("Cid")) == (True, 2)


async def test_a_restart_forgets_nobody(folder: Path) -> None:
    async with run(folder) as one:
        await one.publish(joined("Ann"))
        await one.publish(joined("Ben"))
        await one.publish(left("Ben"))
        await anyio.sleep(60)

    async with run(folder) as one:
        assert await one.publish(joined("Ben")) == (False, 2)
        duration, count = await one.publish(left("Ann"))
        assert duration == pytest.approx(60, abs=0.5)
        assert count == 1


class Dropping:
    """Drops what is about some players, after the plugin has seen it."""

    def __init__(self, *names: str) -> None:
        self.names = names

    @hookimpl
    def transform(self, event: PeerJoined | PeerLeft) -> PeerJoined | PeerLeft | None:
        return None if event.peer_name in self.names else event


async def test_an_event_that_is_dropped_is_taken_back_when_the_next_one_arrives() -> None:
    async with run(None, Dropping("Bot")) as one:
        await one.publish(joined("Ann"))
        one.bus.publish_nowait(joined("Bot"))
        one.bus.publish_nowait(joined("Ben"))
        await one.bus.drain()

        assert await one.publish(joined("Cid")) == (True, 3)
        assert [member.name for member in next(iter(one.plugin.parties)).members] == [
            "Ann",
            "Ben",
            "Cid",
        ]


async def test_an_event_that_is_dropped_is_taken_back_after_a_second() -> None:
    async with run(None, Dropping("Bot")) as one:
        await one.publish(joined("Ann"))
        one.bus.publish_nowait(joined("Bot"))
        await anyio.sleep(2)

        assert await one.publish(joined("Ben")) == (True, 2)
        one.bus.publish_nowait(left("Bot"))


async def test_a_leave_that_is_dropped_is_taken_back_with_what_followed() -> None:
    dropping = Dropping()
    async with run(None, dropping) as one:
        await one.publish(joined("Ann"))
        dropping.names = ("Ann",)
        one.bus.publish_nowait(left("Ann"))
        dropping.names = ()
        one.bus.publish_nowait(left("Ann"))  # of nobody, as far as is known
        one.bus.publish_nowait(joined("Ben"))
        await one.bus.drain()

        assert await one.publish(joined("Cid")) == (True, 2)


async def test_a_first_visit_that_was_dropped_was_none() -> None:
    dropping = Dropping("Ann")
    async with run(None, dropping) as one:
        event = joined("Ann")
        await one.bus.publish(event)
        dropping.names = ()
        await anyio.sleep(2)

        assert await one.publish(joined("Ann")) == (True, 1)


async def test_events_of_a_full_mailbox_are_taken_back() -> None:
    """With a policy of the user's that drops what the plugin cannot take."""
    plugin, recorder = PartiesPlugin(PartiesConfig()), RecordingPlugin()
    async with CheckedBus() as bus:
        await bus.plugins.register_and_wait(
            plugin, "parties", when_full="drop_newest", mailbox_size=2
        )
        await bus.plugins.register_and_wait(recorder, "recorder")
        async with bus.expecting(EventDropped):
            for number in range(30):
                bus.publish_nowait(joined(f"Player {number}"))

        await bus.publish_and_wait(joined("Ann"))
        await bus.publish_and_wait(joined("Ben"))
        [party] = plugin.parties
        found = recorder.events[-1]
        assert isinstance(found, PeerJoined)
        assert found.count == party.size


async def test_an_event_whose_publisher_gives_up_is_taken_back() -> None:
    stuck = RecordingPlugin(when_full="block", mailbox_size=1)
    async with run(None, stuck) as one:
        await one.publish(joined("Ann"))
        with stuck.hang(on=Notification):
            await one.bus.publish(Notification(title="1", message=""))
            await one.bus.publish(Notification(title="2", message=""))
            with anyio.move_on_after(5):
                await one.bus.publish(joined("Ben"))

        await one.bus.drain()
        assert await one.publish(joined("Cid")) == (True, 2)
