"""What it costs to follow parties, with one of them and with very many.

Run it with ``python -m tests.benchmarks.parties``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import process_time

from lanrage_events import GameEnded, GameStarted, Parties, PartyEvent, PeerJoined, PeerLeft

from ._figures import Check, ratio_at_most
from ._parts import Cell, Panel, Part, Table
from ._rounds import interleave, median_ratio

PARTIES = (1, 1_000, 10_000)
EVENTS = 20_000
SMOKE_EVENTS = 200
MOST = 4.0
"""how many times the cost with one party that with the most takes at most"""
_START = datetime(2026, 3, 6, 20, tzinfo=UTC)


def evening(parties: int, events: int) -> Iterator[PartyEvent]:
    """Yield joins and leaves of twelve players a party, and now and then a game."""
    chance = random.Random(1)
    for number in range(events):
        time = _START + timedelta(seconds=number)
        party_id = f"lan-{chance.randrange(parties)}"
        name = f"Player {chance.randrange(12)}"
        kind = chance.random()
        if kind < 0.45:
            yield PeerJoined(time=time, party_id=party_id, party_name="LAN", peer_name=name)
        elif kind < 0.9:
            yield PeerLeft(time=time, party_id=party_id, party_name="LAN", peer_name=name)
        elif kind < 0.95:
            yield GameStarted(time=time, party_id=party_id, game_name="Quake", players=(name,))
        else:
            yield GameEnded(time=time, party_id=party_id, game_name="Quake", duration=60.0)


def seconds_an_event(count: int, events: int) -> float:
    """Return the CPU time that one event takes in seconds."""
    parties = Parties()
    for number in range(count):
        party_id = f"lan-{number}"
        parties.follow(
            PeerJoined(time=_START, party_id=party_id, party_name="LAN", peer_name="Ann")
        )

    made = list(evening(count, events))
    started = process_time()
    for event in made:
        parties.follow(event)

    seconds = process_time() - started
    if len(parties) != count:
        raise RuntimeError(f"there are {len(parties)} parties, so the time means nothing")

    return seconds / events


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure every number of parties."""
    events = SMOKE_EVENTS if smoke else EVENTS
    costs = interleave(
        {count: partial(seconds_an_event, count, events) for count in PARTIES}, rounds
    )
    medians = {count: statistics.median(values) * 1e6 for count, values in costs.items()}
    ratios = {count: median_ratio(values, costs[1]) for count, values in costs.items()}
    rows: list[Sequence[Cell]] = [
        (f"{count:,}", f"{medians[count]:.2f}", f"{ratios[count]:.2f} x") for count in PARTIES
    ]
    checks: list[Check] = [
        ratio_at_most(f"following with {PARTIES[-1]:,} parties", ratios[PARTIES[-1]], MOST)
    ]
    bars = {f"{count:,}": medians[count] for count in PARTIES}
    yield Table(
        ["parties", "µs of CPU time", "times one party"],
        rows,
        "Microseconds of CPU time an event that is followed.",
        checks,
        [Panel("with so many parties", "µs of CPU time an event", bars=bars, ours=list(bars))],
    )


PART = Part("parties", "what it costs to follow who is in which party", run, [])


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
