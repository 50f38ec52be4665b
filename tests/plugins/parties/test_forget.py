"""Forgetting: a person is in no party, visit or recap any more, and in no byte of the file."""

from __future__ import annotations

import os
from pathlib import Path

from lanrage_events import EventBus, GameStarted, PartyCreated, PeerJoined, PeerLeft
from lanrage_events.forgetting import Forgotten, forget
from lanrage_events_parties import PartiesConfig, PartiesPlugin

LAN = "Friday LAN"


def make(folder: Path, end_after: float = 600) -> tuple[EventBus, PartiesPlugin]:
    bus, plugin = EventBus(state_folder=folder), PartiesPlugin(PartiesConfig(end_after=end_after))
    bus.register(plugin, "parties")
    return bus, plugin


def raw(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.suffix != ".lock"]
    return b"".join(path.read_bytes() for path in files).lower()


async def play(bus: EventBus) -> None:
    for event in (
        PartyCreated(party_id="lan", party_name=LAN, host="Xanthippe"),
        PeerJoined(id="xanthippe-1", peer_name="Xanthippe", peer_id="76561", party_name=LAN),
        PeerJoined(peer_name="Bob", party_name=LAN),
        GameStarted(game_name="Quake", players=("XANTHIPPE", "Bob")),
        PeerJoined(peer_name="Xanthippe", party_name="Other"),
        PeerLeft(peer_name="Xanthippe", party_name="Other"),
    ):
        await bus.publish_and_wait(event)


async def test_a_running_plugin_forgets_a_person(folder: Path) -> None:
    bus, plugin = make(folder)
    async with bus:
        await play(bus)
        version = plugin.version
        [found] = (await forget(bus, "xanthippe")).found
        assert found == Forgotten("plugin 'parties'", {"parties": 2, "visits": 2})
        assert plugin.version > version
        party = plugin.parties.get("id:lan")
        assert party is not None
        assert [member.name for member in party.members] == ["Bob"]
        assert (party.host, party.players, party.visitors) == (None, ("Bob",), 2)
        assert b"xanthippe" not in raw(folder)
        # A stranger comes, for the first time.
        seen: list[tuple[bool | None, int | None]] = []
        bus.subscribe(PeerJoined, lambda event: seen.append((event.first_time, event.count)))
        await bus.publish_and_wait(PeerJoined(peer_name="Cid", party_name=LAN))
        await bus.publish_and_wait(PeerJoined(peer_name="Xanthippe", party_name=LAN))
        await bus.drain()
        assert seen == [(True, 2), (True, 3)]
        party = plugin.parties.get("id:lan")
        assert party is not None
        assert party.size == 3


async def test_a_plugin_that_does_not_run_forgets_a_person_by_the_id(folder: Path) -> None:
    bus, _ = make(folder)
    async with bus:
        await bus.publish_and_wait(PeerJoined(peer_name="Ann", peer_id="76561", party_name=LAN))
        await bus.publish_and_wait(PeerJoined(peer_name="Bob", party_name=LAN))

    bus, _ = make(folder)
    [found] = (await forget(bus, "76561")).found
    assert found == Forgotten("plugin 'parties'", {"parties": 1, "visits": 1})
    assert b"76561" not in raw(folder)
    assert b'"ann"' not in raw(folder)
    assert (await forget(make(folder)[0], "76561")).found == []
    bus, plugin = make(folder)
    async with bus:
        [party] = plugin.parties
        assert [member.name for member in party.members] == ["Bob"]


async def test_without_a_file_there_is_nothing_to_forget(folder: Path) -> None:
    bus, _ = make(folder)
    assert (await forget(bus, "Ann")).found == []
    assert os.listdir(folder.parent) == []


async def test_a_recap_that_waits_forgets_a_person(folder: Path) -> None:
    bus, plugin = make(folder, end_after=0)
    async with bus:
        # It cannot be published while the bus closes, so the next start does it.
        await bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name=LAN))
        await bus.publish_and_wait(PeerJoined(peer_name="Bob", party_name=LAN))
        party = plugin.parties.get("name:friday lan")
        assert party is not None
        plugin._state.end(party, party.last_change)
        await plugin._state.save()
        [found] = (await forget(bus, "ann")).found
        assert found.removed == {"visits": 1, "recaps": 1}
        [recap] = plugin._state.ended.values()
        assert recap.players == ("Bob",)
        assert b'"ann"' not in raw(folder)
