"""What type checkers find out of the interfaces: each comment that ignores an error must be needed.

mypy and pyright check this file with all others.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

import pytest

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    Notification,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    PluginHookError,
    on,
)
from lanrage_events.abc import Bus, EventStream

JOINED = PeerJoined(peer_name="Ann", party_name="LAN")


def joined(event: PeerJoined) -> None: ...
def left(event: PeerLeft) -> None: ...
async def either(event: PeerJoined | PeerLeft) -> None: ...
def unrelated(event: PeerJoined | Notification) -> None: ...
def of_party(event: PartyEvent) -> None: ...


async def test_handlers_are_checked_against_the_event() -> None:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, joined)
        bus.subscribe(PeerJoined, of_party)
        bus.subscribe(PeerJoined, either)
        bus.subscribe((PeerJoined, PeerLeft), either)
        bus.subscribe((PeerJoined, Notification), unrelated)
        bus.subscribe((PeerJoined, PeerLeft, GameEnded), of_party)
        bus.subscribe((PeerJoined, PeerLeft), lambda event: event.peer_name)
        bus.subscribe(PeerJoined, joined, where=lambda event: event.peer_name == "Ann")
        bus.subscribe((PeerJoined, PeerLeft), either, where=lambda event: bool(event.peer_name))
        with pytest.raises(TypeError):
            bus.subscribe(PeerLeft, joined)  # type: ignore[arg-type]

        with pytest.raises(TypeError):
            bus.subscribe((PeerJoined, PeerLeft), joined)  # type: ignore[arg-type]

        with pytest.raises(TypeError):
            bus.subscribe("peer_joined", joined)  # type: ignore[call-overload]

        with pytest.raises(TypeError):
            bus.subscribe(JOINED, joined)  # type: ignore[call-overload]

        with pytest.raises(TypeError):
            bus.subscribe(joined, PeerJoined)  # type: ignore[call-overload]

        with pytest.raises(TypeError):
            bus.subscribe(PeerJoined, joined, mailboxsize=1)  # type: ignore[call-overload]


def stream_of(bus: Bus, classes: tuple[type[Event], ...]) -> EventStream[Event]:
    return bus.stream(classes)


async def test_streams_and_waiters_have_the_type_of_the_event() -> None:
    async with EventBus() as bus:
        interface: Bus = bus
        assert_type(bus.stream(PeerJoined), EventStream[PeerJoined])
        assert_type(bus.stream((PeerJoined, PeerLeft)), EventStream[PeerJoined | PeerLeft])
        assert_type(
            interface.stream((PeerJoined, Notification)), EventStream[PeerJoined | Notification]
        )
        several = (PeerJoined, PeerLeft, GameEnded)
        assert_type(bus.stream(several), EventStream[PeerJoined | PeerLeft | GameEnded])
        assert_type(stream_of(bus, several), EventStream[Event])
        waiting = bus.wait_for((PeerJoined, PeerLeft), where=lambda event: bool(event.peer_name))
        await bus.publish(JOINED)
        event = await waiting
        assert_type(event, PeerJoined | PeerLeft)
        assert event == JOINED


async def test_decorated_functions_are_checked_against_the_event() -> None:
    async with EventBus() as bus:

        @bus.on(PeerJoined)
        def greet(event: PeerJoined) -> str:
            return event.peer_name

        assert_type(greet(JOINED), str)

        @bus.on((PeerJoined, PeerLeft), where=lambda event: event.peer_name != "")
        async def follow(event: PeerJoined | PeerLeft) -> None: ...

        with pytest.raises(TypeError):

            @bus.on(PeerJoined)  # type: ignore[arg-type]
            def wrong(event: PeerLeft) -> None: ...


class Plugin:
    @on(PeerJoined)
    def greet(self, event: PeerJoined) -> str:
        return event.peer_name

    @on((PeerJoined, PeerLeft))
    async def follow(self, event: PeerJoined | PeerLeft) -> None: ...

    @on((PeerJoined, PeerLeft, GameEnded), where=lambda event: event.party_id is not None)
    def of_party(self, event: PartyEvent) -> None: ...


@on(PeerJoined)  # type: ignore[arg-type]
def wrong(self: Plugin, event: PeerLeft) -> None: ...


def test_marked_methods_are_checked_against_the_event() -> None:
    assert_type(Plugin().greet(JOINED), str)
    bus = EventBus()
    bus.register(Plugin())
    with pytest.raises(PluginHookError, match="annotate it PeerJoined"):
        bus.register(type("WrongPlugin", (), {"wrong": wrong})())
