from __future__ import annotations

from lanrage_events import PeerJoined
from lanrage_events_logfile.demo import LINES, Demo


def test_the_demo_shows_lines_and_their_only_event() -> None:
    demo = Demo()
    [(caption, events)] = demo.scenes()
    assert all(line in caption for line in LINES)
    [event] = events
    assert isinstance(event, PeerJoined)
    assert (event.peer_name, event.party_name) == ("Alex", "Friday LAN")
    assert list(demo.lines(events)) == []
