"""What holds for any events: in any order, repeated, late, of others, and over a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lanrage_events import (
    GameEnded,
    GameStarted,
    Parties,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)

START = datetime(2026, 3, 6, 20, tzinfo=UTC)
TIMES = st.integers(0, 20).map(lambda minute: START + timedelta(minutes=minute))
PEERS = st.sampled_from(["Ann", "ann ", "Ben", "Cy", ""])
PEER_IDS = st.sampled_from([None, None, "S1", "S2"])
PARTY_IDS = st.sampled_from([None, None, "1", "2"])
NAMES = st.sampled_from(["Friday LAN", "friday lan", "Other", ""])
GAMES = st.sampled_from(["Quake", "quake", "Doom"])
COMMON = {"time": TIMES, "party_id": PARTY_IDS}
EVENTS: st.SearchStrategy[PartyEvent] = st.one_of(
    st.builds(PeerJoined, **COMMON, peer_name=PEERS, peer_id=PEER_IDS, party_name=NAMES),
    st.builds(PeerLeft, **COMMON, peer_name=PEERS, peer_id=PEER_IDS, party_name=NAMES),
    st.builds(
        PartyCreated, time=TIMES, party_id=st.sampled_from("12"), host=PEERS, party_name=NAMES
    ),
    st.builds(
        GameStarted, **COMMON, game_name=GAMES, players=st.lists(PEERS, max_size=3).map(tuple)
    ),
    st.builds(GameEnded, **COMMON, game_name=GAMES, duration=st.just(1.0)),
    st.builds(ServerStarted, **COMMON, server_name=NAMES, game_name=GAMES),
    st.builds(ServerStopped, **COMMON, server_name=NAMES, game_name=GAMES),
    st.builds(
        PartyEnded,
        **COMMON,
        party_name=NAMES,
        since=TIMES,
        duration=st.sampled_from([0.0, 3600.0]),
        peak=st.just(1),
        visitors=st.just(1),
        players=st.just(()),
        games=st.just(()),
    ),
    st.builds(PartyEvent, **COMMON),
)


@st.composite
def evenings(draw: st.DrawFn) -> list[PartyEvent]:
    """Return events, of which some are repeated at any later place."""
    events = draw(st.lists(EVENTS, max_size=25))
    for event in draw(st.lists(st.sampled_from(events), max_size=6)) if events else ():
        events.insert(draw(st.integers(events.index(event) + 1, len(events))), event)

    return events


def follow(events: Sequence[PartyEvent], parties: Parties | None = None) -> Parties:
    parties = parties or Parties()
    for event in events:
        parties.follow(event)

    return parties


def reloaded(parties: Parties, texts: Sequence[str]) -> Parties:
    again = Parties()
    keys = [again.load(text) for text in texts]
    assert sorted(keys) == sorted(party.key for party in parties)
    return again


def dumped(parties: Parties) -> list[str]:
    return [parties.dump(party.key) for party in parties]


def known(parties: Parties) -> list[dict[str, object]]:
    """Return all that is known, without the numbers of changes, of which only the order counts."""
    return [{**json.loads(text), "number": 0, "changed": 0} for text in dumped(parties)]


@pytest.mark.slow
@settings(max_examples=300)
@given(evenings(), st.data())
def test_a_restart_between_two_events_changes_nothing(
    events: list[PartyEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    before = follow(events[:cut])
    texts = data.draw(st.permutations(dumped(before)))
    # With a party that is over, the ids of its events are gone.
    followed = {event.id for event in events[:cut]} - set(re.findall(r'"([\w-]+)"', "".join(texts)))
    rest = [event for event in events[cut:] if event.id not in followed]
    after = follow(rest, reloaded(before, texts))
    at_once = follow(events[:cut] + rest)

    assert list(after) == list(at_once)
    assert known(after) == known(at_once)


@pytest.mark.slow
@given(evenings())
def test_what_changes_is_named(events: list[PartyEvent]) -> None:
    parties = Parties()
    for event in events:
        before = {party.key: party for party in parties}
        keys = parties.follow(event)
        after = {party.key: party for party in parties}
        assert {key for key in before | after if before.get(key) != after.get(key)} <= set(keys)
        assert len(set(keys)) == len(keys)
        assert all(parties.get(key) == after.get(key) for key in keys)


@pytest.mark.slow
@given(evenings())
def test_a_party_is_always_possible(events: list[PartyEvent]) -> None:
    parties = Parties()
    for event in events:
        parties.follow(event)
        for party in parties:
            assert party.size <= party.peak <= party.visitors
            assert len(party.loyal) == min(3, party.visitors)
            assert (party.game is None) == (party.game_since is None)
            assert party.game is not None or not party.players
            assert all(member.since <= party.last_change for member in party.members)
            assert all(seconds >= 0 for _, seconds, _ in party.games)


@pytest.mark.slow
@given(evenings())
def test_an_event_that_is_followed_twice_counts_once(events: list[PartyEvent]) -> None:
    once = follow(events)
    twice = follow([event for event in events for _ in range(2)])

    assert list(once) == list(twice)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(["Ann", "Ben", "Cy"])),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_late_events_do_not_take_back_newer_ones(
    steps: list[tuple[bool, str]], random: Random
) -> None:
    moves = [
        (PeerJoined if is_join else PeerLeft)(
            time=START + timedelta(minutes=minute), peer_name=peer, party_name="LAN"
        )
        for minute, (is_join, peer) in enumerate(steps)
    ]
    parties = follow([PeerJoined(time=START, peer_name="Host", party_name="LAN")])
    for peer in ("Ann", "Ben", "Cy"):  # they have been here, so nobody is a stranger
        parties.follow(PeerJoined(time=START, peer_name=peer, party_name="LAN"))

    shuffled = [*moves]
    random.shuffle(shuffled)
    follow(shuffled, parties)
    [party] = parties
    last = {move.peer_name: isinstance(move, PeerJoined) for move in moves}
    here = {member.name for member in party.members}

    assert here == {"Host", *("Ann", "Ben", "Cy")} - {
        n for n, is_join in last.items() if not is_join
    }


class Consumers(RuleBasedStateMachine):
    """Two consumers of the same events, of which one restarts and one does not."""

    def __init__(self) -> None:
        super().__init__()
        self.steady, self.restarted = Parties(4, 3), Parties(4, 3)
        self.rows: dict[str, str] = {}
        self.followed: list[PartyEvent] = []

    @rule(event=EVENTS)
    def follow(self, event: PartyEvent) -> None:
        if self._follow(event):  # what changed nothing is not written, so it may be new later
            self.followed.append(event)

    @rule(back=st.integers(1, 8))
    def repeat(self, back: int) -> None:
        # With a party that is over, the ids of its events are gone after a restart.
        written = "".join(self.rows.values())
        repeatable = [event for event in self.followed if f'"{event.id}"' in written]
        if len(repeatable) >= back:
            assert self._follow(repeatable[-back]) == ()

    @rule()
    def restart(self) -> None:
        self.restarted = Parties(4, 3)
        for text in self.rows.values():
            self.restarted.load(text)

    @rule(time=TIMES)
    def end_what_is_stale(self, time: datetime) -> None:
        keys = self.steady.stale(time)
        assert sorted(self.restarted.stale(time)) == sorted(keys)
        for key in keys:
            assert self.steady.end(key, time) == self.restarted.end(key, time)
            self._write(key)

    @rule(name=st.sampled_from(["Ann", "Ben"]))
    def forget(self, name: str) -> None:
        changed = self.steady.forget(lambda known: known == name)
        assert sorted(self.restarted.forget(lambda known: known == name)) == sorted(changed)
        for key in changed:
            self._write(key)

    def _follow(self, event: PartyEvent) -> Sequence[str]:
        changed = self.steady.follow(event)
        assert self.restarted.follow(event) == changed
        for key in changed:
            self._write(key)

        return changed

    def _write(self, key: str) -> None:
        self.rows.pop(key, None)
        if self.restarted.get(key) is not None:
            self.rows[key] = self.restarted.dump(key)

    @invariant()
    def both_know_the_same(self) -> None:
        assert {party.key: party for party in self.steady} == {
            party.key: party for party in self.restarted
        }
        assert len(self.steady) <= 4


TestConsumers = pytest.mark.slow(Consumers.TestCase)
TestConsumers.settings = settings(max_examples=40, stateful_step_count=30)
