from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from types import ModuleType

import httpx
import pytest
from rich.console import Console

from lanrage_events import Event, PeerJoined
from lanrage_events_discord._demo import GROUP, evening, load_parts, play
from lanrage_events_discord.testing import StandInDiscord


class Cats:
    """Adds a scene, and a line to each."""

    def scenes(self) -> list[tuple[str, Sequence[Event]]]:
        return [("the cat comes in", [PeerJoined(peer_name="Tom", party_name="Friday LAN")])]

    def lines(self, events: Sequence[Event]) -> list[str]:
        return [f"the cat has seen {len(events)} of it"]


class Broken:
    def __init__(self) -> None:
        raise OSError("no cat")


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    module = ModuleType("made_up_demo_parts")
    vars(module).update(Cats=Cats, Broken=Broken)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return [
        EntryPoint("cats", "made_up_demo_parts:Cats", GROUP),
        EntryPoint("broken", "made_up_demo_parts:Broken", GROUP),
        EntryPoint("absent", "made_up_demo_parts:Dogs", GROUP),
    ]


def test_what_cannot_be_used_is_posted_and_left_out(entry_points: list[EntryPoint]) -> None:
    told: list[str] = []
    [part] = load_parts(told.append, entry_points)
    assert isinstance(part, Cats)
    assert told[0].startswith("the part of absent is left out: AttributeError: ")
    assert told[1] == "the part of broken is left out: OSError: no cat"


def test_the_built_in_plugins_have_a_part() -> None:
    told: list[str] = []
    parts = list(load_parts(told.append))
    assert {type(part).__module__ for part in parts} >= {
        "lanrage_events_logfile.demo",
        "lanrage_events_parties.demo",
        "lanrage_events_presence.demo",
    }
    assert told == []


def test_scenes_of_others_come_during_the_game() -> None:
    captions = [moment.caption for moment in evening([Cats()])]
    own = [moment.caption for moment in evening()]
    after = own.index("a game starts") + 1
    assert captions == [*own[:after], "the cat comes in", *own[after:]]


async def test_events_of_others_are_posted_and_their_lines_shown() -> None:
    discord, out = StandInDiscord(), io.StringIO()
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        summary = await play(discord, Console(file=out, width=80), parts=[Cats()], http=http)

    assert summary.exit_code == 0
    assert summary.events == sum(len(moment.events) for moment in evening([Cats()]))
    text = out.getvalue()
    assert "Tom joined" in text
    assert text.count("the cat has seen 1 of it") == 8
    assert text.index("▸ 20:41 the cat comes in") < text.index("Tom joined")
