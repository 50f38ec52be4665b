"""Whatever is published, dropped, repeated and cancelled, and whenever it is restarted."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    EventBus,
    Parties,
    PartyCreated,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    hookimpl,
)
from lanrage_events.events import utc_now
from lanrage_events.testing import virtual_time
from lanrage_events_parties import PartiesConfig, PartiesPlugin

names = st.sampled_from(["Ann", "ann", "Ben", "Cid"])
ids = st.sampled_from([None, "1", "2"])
parties = st.sampled_from(["LAN", "Other"])
events = st.one_of(
    st.builds(partial(partial, PeerJoined), peer_name=names, peer_id=ids, party_name=parties),
    st.builds(partial(partial, PeerLeft), peer_name=names, peer_id=ids, party_name=parties),
    st.builds(partial(partial, PartyCreated), host=names, party_id=parties, party_name=parties),
    st.builds(partial(partial, ServerStarted), server_name=parties, game_name=st.just("Quake")),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), events),
        st.tuples(st.just("drop"), events),
        st.tuples(st.just("repeat"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["handle", "restart", "replace", "wait", "yield"]), st.none()),
    ),
    max_size=40,
)


class Dropping:
    """Drops events after the plugin has seen them, and keeps those that arrived."""

    def __init__(self) -> None:
        self.dropped: set[str] = set()
        self.arrived: dict[str, PartyEvent] = {}

    @hookimpl
    def transform(self, event: Event) -> Event | None:
        return None if event.id in self.dropped else event

    @hookimpl
    def party_event(self, event: PartyEvent) -> None:
        self.arrived.setdefault(event.id, event)


def shown(parties: Parties) -> dict[str, Any]:
    return {party.key: party for party in parties}


async def check(bus: EventBus, dropping: Dropping) -> None:
    # What was dropped is taken back, and recaps are published.
    await anyio.sleep(2)
    await bus.drain()
    plugin = bus.plugins["parties"]
    assert isinstance(plugin, PartiesPlugin)
    expected = Parties()
    for event in dropping.arrived.values():
        expected.follow(event)

    assert shown(plugin.parties) == shown(expected)
    # What is filled in is right, too.
    for name in ("LAN", "Other"):
        for event_class in (PeerJoined, PeerLeft):
            event = event_class(peer_name="Probe", party_name=name)
            await bus.publish_and_wait(event)
            found = dropping.arrived[event.id]
            assert isinstance(found, event_class)
            expected.follow(event)
            key = expected.find(event)
            assert found.count == (None if key is None else expected.size(key))


async def run(given: list[tuple[str, Any]]) -> None:
    dropping, published, numbers = Dropping(), list[Event](), count()
    with tempfile.TemporaryDirectory() as folder:

        @asynccontextmanager
        async def running() -> AsyncIterator[EventBus]:
            async with EventBus(state_folder=Path(folder)) as bus:
                await bus.plugins.register_and_wait(PartiesPlugin(PartiesConfig()), "parties")
                await bus.plugins.register_and_wait(dropping)
                yield bus
                await check(bus, dropping)

        lives: list[list[tuple[str, Any]]] = [[]]
        for step in given:
            lives += [[]] if step[0] == "restart" else []
            lives[-1].append(step)

        for life in lives:
            async with running() as bus:
                for what, value in life:
                    if what in ("publish", "drop"):
                        # Virtual time does not pass between them.
                        time = utc_now() + timedelta(microseconds=next(numbers))
                        event = value(time=time)
                        if what == "drop":
                            dropping.dropped.add(event.id)
                        else:
                            published.append(event)

                        bus.publish_nowait(event)
                    elif what == "repeat" and published:
                        bus.publish_nowait(published[-1 - value % len(published)])
                    elif what == "handle":
                        await bus.drain()
                    elif what == "wait":
                        await anyio.sleep(5)
                    elif what == "yield":
                        await anyio.lowlevel.checkpoint()
                    elif what == "replace":
                        await bus.drain()
                        plugin = PartiesPlugin(PartiesConfig(end_after=300))
                        await bus.plugins.replace("parties", plugin)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=15)
@given(given_steps=steps)
def test_the_parties_are_what_arrived(
    backend: Literal["asyncio", "trio"], given_steps: list[tuple[str, Any]]
) -> None:
    name, options = virtual_time(backend)
    anyio.run(run, given_steps, backend=name, backend_options=options)
