from __future__ import annotations

from lanrage_events import Notification, PartyCreated, PeerJoined
from lanrage_events_presence.demo import Demo

CREATED = PartyCreated(party_id="7", party_name="Friday LAN", host="Ann")
JOINED = PeerJoined(party_id="7", peer_name="Bob", party_name="Friday LAN")


def test_the_demo_prints_the_activity_when_it_changes() -> None:
    demo = Demo()
    assert list(demo.scenes()) == []
    assert list(demo.lines([])) == []
    [line] = demo.lines([CREATED])
    assert line.startswith("Rich Presence: Friday LAN · In Party (1 of 16) · since ")
    assert list(demo.lines([Notification(title="Pizza", message="")])) == []
    [line] = demo.lines([JOINED])
    assert "(2 of 16)" in line
