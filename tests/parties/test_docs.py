"""What the page about parties shows works, and it names every event of a party."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lanrage_events import (
    EventBus,
    PartyCreated,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)

PAGE = (Path(__file__).parents[2] / "docs" / "parties.md").read_text("utf-8")


async def test_the_plugin_on_the_page_says_who_is_here(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "parties.md", "exec"), names)

    bus = EventBus()
    bus.register(names["Door"](), name="door")
    async with bus:
        for event in (
            PartyCreated(party_id="7", party_name="Friday LAN", host="Ann"),
            PeerJoined(party_id="7", party_name="Friday LAN", peer_name="Bob"),
            ServerStarted(party_id="7", server_name="Friday LAN", game_name="Factorio"),
            PeerLeft(party_id="7", party_name="Friday LAN", peer_name="Zoe"),
            ServerStarted(server_name="Other", game_name="Quake"),
            ServerStopped(server_name="Other", game_name="Quake"),
        ):
            await bus.publish(event)

    assert capsys.readouterr().out.splitlines() == [
        "Friday LAN: Ann, playing nothing",
        "Friday LAN: Ann, Bob, playing nothing",
        "Friday LAN: nobody, playing Factorio",
        "Other: nobody, playing Quake",
        "name:other is over",
    ]


def test_the_page_says_what_each_event_of_a_party_means() -> None:
    types = [cls.type for cls in EventBus().events.types() if issubclass(cls, PartyEvent)]
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert rows == types
