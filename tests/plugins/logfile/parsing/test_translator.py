from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events.events import EventRegistry
from lanrage_events_logfile import FileConfig
from lanrage_events_logfile._parsing import Roster, Translator

LINE = "[20:15:00] [Server thread/INFO]: {}[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)"


def translator(slow_seconds: float = 3600.0) -> Translator:
    config = FileConfig(path=Path("latest.log"), preset="minecraft")
    return Translator(config, EventRegistry(), slow_seconds=slow_seconds)


def test_a_line_that_takes_long_to_match_is_a_problem_and_gives_its_event() -> None:
    found = translator(slow_seconds=-1.0).translate(LINE.format("Ann"), Roster(), "1")

    assert [event.type for event in found.events] == ["peer_joined"]
    [problem] = found.problems
    assert problem.startswith("a line took long to match")
    assert translator().translate(LINE.format("Ann"), Roster(), "1").problems == ()


@pytest.mark.slow
def test_a_server_with_very_many_players_does_not_fill_the_memory() -> None:
    minecraft, roster = translator(), Roster()
    for number in range(5000):
        line = LINE.format(f"P{number}")
        assert len(minecraft.translate(line, roster, str(number)).events) == 1

    assert len(roster.present) == 4096
    assert list(roster.present)[-1] == "P4999"
