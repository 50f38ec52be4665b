"""The names of people in events, as plugins change them."""

from __future__ import annotations

from dataclasses import dataclass

from lanrage_events import Event, GameStarted, PeerJoined, PlayerName, replace_names


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    by: PlayerName
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchWon(Event):
    winner: PlayerName
    team: tuple[PlayerName, ...] = ()
    best: Score | None = None
    game_name: str = "Ann's game"


def test_all_names_in_an_event_are_replaced_and_nothing_else() -> None:
    event = MatchWon(winner="Ann", team=("Ann", "Ben"), best=Score(by="Ann", text="Ann"))
    changed = replace_names(event, lambda name: "X" if name == "Ann" else name)
    assert (changed.winner, changed.team) == ("X", ("X", "Ben"))
    assert changed.game_name == "Ann's game"
    assert changed.best is not None
    assert changed.best.by == "X"
    assert changed.id == event.id


def test_built_in_events_have_names_too() -> None:
    started = GameStarted(game_name="Quake", players=("Ann", "Ben"))
    assert replace_names(started, str.upper).players == ("ANN", "BEN")
    joined = PeerJoined(peer_name="Ann", party_name="LAN", peer_id="ann")
    changed = replace_names(joined, str.upper)
    assert (changed.peer_name, changed.party_name, changed.peer_id) == ("ANN", "LAN", "ann")


def test_an_event_with_the_same_names_is_the_same_event() -> None:
    event = MatchWon(winner="Ann", team=("Ben",))
    assert replace_names(event, lambda name: name) is event
