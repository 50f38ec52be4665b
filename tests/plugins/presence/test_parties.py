from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import GameEnded, GameStarted, PartyCreated, PartyEvent, PeerJoined, PeerLeft
from lanrage_events._rules import NamedPerson
from lanrage_events_presence import Party
from lanrage_events_presence._parties import MAX_MEMBERS, MAX_PARTIES, Parties

TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)
LATER = TIME + timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundStarted(PartyEvent):
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CoffeeServed(PartyEvent):
    party_name: str


def created(name: str = "Friday LAN", host: str = "Ann", party_id: str = "1") -> PartyCreated:
    return PartyCreated(time=TIME, party_id=party_id, party_name=name, host=host)


def joined(peer: str, name: str = "Friday LAN", party_id: str | None = None) -> PeerJoined:
    return PeerJoined(time=TIME, peer_name=peer, party_name=name, party_id=party_id)


def left(peer: str, name: str = "Friday LAN", party_id: str | None = None) -> PeerLeft:
    return PeerLeft(time=TIME, peer_name=peer, party_name=name, party_id=party_id)


def started(game: str, *players: str, party_id: str | None = None) -> GameStarted:
    return GameStarted(time=LATER, game_name=game, players=players, party_id=party_id)


def ended(game: str, party_id: str | None = None) -> GameEnded:
    return GameEnded(time=LATER, game_name=game, duration=60.0, party_id=party_id)


def follow(*events: PartyEvent, player: str | None = None, party: str | None = None) -> Parties:
    parties = Parties(player=player, party=party)
    for event in events:
        parties.follow(event)

    return parties


def shown(*events: PartyEvent, player: str | None = None, party: str | None = None) -> Party | None:
    found = follow(*events, player=player, party=party).shown()
    return found[0] if found is not None else None


def name_of(party: Party | None) -> str | None:
    return party.name if party is not None else None


def test_nothing_is_shown_before_anything_is_known() -> None:
    assert shown() is None


def test_a_created_party_has_its_host_in_it() -> None:
    assert shown(created()) == Party(
        id="1",
        name="Friday LAN",
        host="Ann",
        members=("Ann",),
        max=8,
        game="",
        players=(),
        since=TIME,
    )


def test_who_joins_and_leaves_is_counted_once() -> None:
    party = shown(created(), joined("Ben"), joined("Cy"), joined("ben "), left("CY"), left("Dan"))

    assert party is not None
    assert party.members == ("Ann", "ben ")
    assert party.size == 2


def test_a_party_that_began_before_the_program_is_learnt_from_who_joins() -> None:
    party = shown(joined("Ben"))

    assert party is not None
    assert (party.name, party.host, party.id, party.members) == ("Friday LAN", "", None, ("Ben",))


def test_a_party_known_by_its_name_gets_its_id_later() -> None:
    party = shown(joined("Ben"), created(), joined("Cy", party_id="1"))

    assert party is not None
    assert (party.id, party.host, party.members) == ("1", "Ann", ("Ben", "Ann", "Cy"))


def test_a_party_ends_when_everybody_left() -> None:
    parties = follow(created(), joined("Ben"), left("Ann"), left("Ben"))

    assert parties.shown() is None
    assert len(parties) == 0


def test_leaving_an_unknown_party_changes_nothing() -> None:
    assert shown(left("Ben")) is None


def test_a_party_created_again_replaces_the_first() -> None:
    party = shown(created(), joined("Ben"), created(host="Cy"))

    assert party is not None
    assert party.members == ("Cy",)


def test_a_creation_that_is_published_again_does_not_empty_the_party() -> None:
    creation = created()
    party = shown(creation, joined("Ben"), creation)

    assert party is not None
    assert party.members == ("Ann", "Ben")


def test_a_game_and_its_beginning_are_known_while_it_runs() -> None:
    running = shown(created(), started("Quake", "Ann", "Ben", party_id="1"))
    over = shown(created(), started("Quake", "Ann", party_id="1"), ended("quake", party_id="1"))

    assert running is not None
    assert over is not None
    assert (running.game, running.players, running.since) == ("Quake", ("Ann", "Ben"), LATER)
    assert (over.game, over.players, over.since) == ("", (), TIME)


def test_who_plays_is_in_the_party_while_the_game_runs() -> None:
    running = shown(created(), started("Quake", "Ann", "Ben", "Cy", party_id="1"))
    over = shown(created(), started("Quake", "Ben", party_id="1"), ended("Quake", party_id="1"))

    assert running is not None
    assert over is not None
    assert running.members == ("Ann", "Ben", "Cy")
    assert over.members == ("Ann",)


def test_the_end_of_the_game_before_does_not_end_the_next_one() -> None:
    events = [created(), started("Quake", party_id="1"), started("Doom", party_id="1")]
    party = shown(*events, ended("Quake", party_id="1"))

    assert party is not None
    assert party.game == "Doom"


def test_a_game_without_a_party_is_one_while_it_runs() -> None:
    running = shown(started("Quake", "Ann", "Ben"))

    assert running is not None
    assert (running.name, running.members, running.since) == ("", ("Ann", "Ben"), LATER)
    assert shown(started("Quake", "Ann", "Ben"), ended("Quake")) is None


def test_a_game_without_players_goes_on_until_it_ends() -> None:
    assert shown(started("Quake", party_id="1"), left("Ben", party_id="1")) is not None
    assert shown(started("Quake", party_id="1"), ended("Quake", party_id="1")) is None


def test_a_game_ends_when_its_last_player_leaves() -> None:
    events = [started("Quake", "Ann", party_id="1"), left("Ann", party_id="1")]

    assert shown(*events) is None


def test_a_game_without_an_id_belongs_to_the_party_that_most_of_its_players_are_in() -> None:
    friday = [created(), joined("Ben"), joined("Cy")]
    other = [created("Other", "Dan", "2"), joined("Eve", "Other")]
    parties = follow(*friday, *other, started("Quake", "Ben", "Cy", "Dan"), left("Dan", "Other"))
    parties.follow(left("Eve", "Other"))
    found = parties.shown()

    assert found is not None
    assert (found[0].name, found[0].game) == ("Friday LAN", "Quake")


def test_a_game_without_known_players_belongs_to_the_shown_party() -> None:
    party = shown(created(), started("Quake", "Zoe"))

    assert party is not None
    assert (party.name, party.game) == ("Friday LAN", "Quake")


def test_strangers_who_play_do_not_play_in_the_players_party() -> None:
    party = shown(created(), started("Quake", "Zoe"), player="Ann")

    assert party is not None
    assert party.game == ""


def test_of_two_parties_with_one_name_the_last_is_meant() -> None:
    parties = follow(created(party_id="1"), created(host="Dan", party_id="2"), joined("Ben"))
    found = parties.shown()

    assert found is not None
    assert (found[0].id, found[0].members) == ("2", ("Dan", "Ben"))


def test_of_two_parties_that_play_one_game_the_last_is_meant() -> None:
    games = [started("Quake", "Ann", party_id="1"), started("Quake", "Dan", party_id="2")]
    party = shown(*games, ended("Quake"))

    assert party is not None
    assert (party.id, party.game) == ("1", "Quake")


def test_an_unknown_id_is_another_party() -> None:
    playing = shown(created(), started("Quake", "Ann", party_id="9"))
    joining = shown(joined("Ben"), joined("Cy", "Other", "9"))

    assert playing is not None
    assert joining is not None
    assert (playing.id, playing.members) == ("9", ("Ann",))
    assert (joining.id, joining.members) == ("9", ("Cy",))


def test_the_end_of_an_unknown_game_changes_nothing() -> None:
    assert shown(ended("Quake")) is None
    assert name_of(shown(created(), ended("Quake"))) == "Friday LAN"
    assert name_of(shown(created(), ended("Quake", party_id="9"))) == "Friday LAN"


def test_the_party_that_began_last_is_shown_and_then_the_one_before() -> None:
    events = [created(), created("Other", "Dan", "2"), joined("Ben")]

    assert name_of(shown(*events)) == "Other"
    assert name_of(shown(*events, left("Dan", "Other"))) == "Friday LAN"


@pytest.mark.parametrize("party", ["1", "friday lan"])
def test_only_the_chosen_party_is_shown(party: str) -> None:
    other = created("Other", "Dan", "2")

    assert name_of(shown(created(), other, party=party)) == "Friday LAN"
    assert shown(other, party=party) is None


def test_a_player_sees_the_party_that_they_entered_last() -> None:
    events = [created(), created("Other", "Dan", "2"), joined("ann", "Other")]

    assert name_of(shown(*events[:2], player="Ann")) == "Friday LAN"
    assert name_of(shown(*events, player="Ann")) == "Other"
    assert name_of(shown(*events, joined("Ann"), player="Ann")) == "Friday LAN"


def test_a_player_who_leaves_is_shown_nowhere() -> None:
    assert shown(created(), joined("Ben"), left("Ben"), player="Ben") is None
    assert name_of(shown(created(), joined("Ben"), left("Ben"))) == "Friday LAN"


def test_a_player_is_where_they_play() -> None:
    events = [created(), started("Quake", "Ben", party_id="1")]
    elsewhere = [*events, created("Other", "Ben", "2")]

    assert name_of(shown(*events, player="Ben")) == "Friday LAN"
    assert name_of(shown(*elsewhere, started("Doom", "Ben", party_id="1"), player="Ben")) == (
        "Friday LAN"
    )


def test_an_event_of_a_plugin_speaks_for_the_party_that_it_names() -> None:
    one, two = created(), created("Other", "Dan", "2")
    by_id = RoundStarted(party_id="2", number=3)
    by_name = CoffeeServed(party_name="Other")
    by_nothing = RoundStarted(number=4)
    for event in (by_id, by_name, by_nothing):
        assert follow(one, two, event).shown() == (shown(one, two), event)

    assert follow(one, two, RoundStarted(party_id="1", number=3)).shown() == (shown(one, two), two)


def test_an_event_of_a_plugin_makes_no_party() -> None:
    assert shown(RoundStarted(party_id="2", number=3)) is None
    assert shown(CoffeeServed(party_name="Other")) is None
    assert shown(RoundStarted(number=3)) is None


def test_only_occasions_choose_the_template_but_the_first_event_of_a_party_does() -> None:
    parties = Parties(is_occasion=lambda event: isinstance(event, GameStarted))
    events = [joined("Ann"), joined("Ben"), started("Quake", "Ann"), joined("Cy")]
    occasions: list[PartyEvent | None] = []
    for event in events:
        parties.follow(event)
        found = parties.shown()
        occasions.append(found[1] if found is not None else None)

    assert occasions == [events[0], events[0], events[2], events[2]]


def test_more_parties_than_any_evening_has_are_forgotten() -> None:
    parties = follow(*(created(str(n), "Ann", str(n)) for n in range(MAX_PARTIES + 10)))

    assert len(parties) == MAX_PARTIES
    assert parties.shown() is not None


@pytest.mark.slow
def test_more_names_than_any_party_has_are_forgotten() -> None:
    party = shown(*(joined(str(n)) for n in range(MAX_MEMBERS + 10)))

    assert party is not None
    assert party.size == MAX_MEMBERS
    assert party.max == MAX_MEMBERS


def test_an_empty_name_is_not_a_player() -> None:
    party = shown(created(host=" "))

    assert party is not None
    assert party.members == ()
    assert party.size == 1


PEERS = st.sampled_from(["Ann", "ann", "Ben", "Cy", "Dan", ""])
IDS = st.sampled_from(["1", "2"])
MAYBE_IDS = st.none() | IDS
NAMES = st.sampled_from(["Friday LAN", "Other", ""])
GAMES = st.sampled_from(["Quake", "Doom"])
EVENTS = st.one_of(
    st.builds(created, NAMES, PEERS, IDS),
    st.builds(joined, PEERS, NAMES, MAYBE_IDS),
    st.builds(left, PEERS, NAMES, MAYBE_IDS),
    st.builds(
        lambda game, players, party_id: started(game, *players, party_id=party_id),
        GAMES,
        st.lists(PEERS, max_size=4),
        MAYBE_IDS,
    ),
    st.builds(ended, GAMES, MAYBE_IDS),
    st.builds(lambda party_id: RoundStarted(party_id=party_id, number=1), MAYBE_IDS),
)


@pytest.mark.slow
@given(st.lists(EVENTS, max_size=30), st.none() | PEERS)
def test_what_is_shown_is_always_possible(events: list[PartyEvent], player: str | None) -> None:
    parties = Parties(player=player, max_size=2)
    for event in events:
        parties.follow(event)
        found = parties.shown()
        if found is None:
            continue

        party, occasion = found
        keys = [name.strip().casefold() for name in party.members]
        assert 1 <= party.size <= party.max
        assert len(set(keys)) == len(keys)
        assert set(party.players) <= set(party.members) or party.game
        assert occasion in events
        assert bool(party.game) or not party.players
        if player is not None:
            assert player.strip().casefold() in keys


@pytest.mark.slow
@given(st.lists(EVENTS, max_size=30), NAMES, IDS)
def test_nothing_of_a_party_is_shown_once_the_player_left_it(
    events: list[PartyEvent], name: str, party_id: str
) -> None:
    parties = follow(*events, left("Ann", name, party_id), player="Ann")
    found = parties.shown()

    assert found is None or found[0].id != party_id


@pytest.mark.slow
@given(st.lists(EVENTS, max_size=20))
def test_an_event_that_is_published_twice_counts_once(events: list[PartyEvent]) -> None:
    events = [event for event in events if event.party_id is not None]
    once = follow(*events)
    twice = follow(*(event for event in events for _ in range(2)))

    assert once.shown() == twice.shown()


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["Ann", "Ben", "Cy"])), max_size=30))
def test_who_is_in_a_party_is_who_joined_and_has_not_left(steps: list[tuple[bool, str]]) -> None:
    present: set[str] = set()
    parties = Parties()
    for is_joining, peer in steps:
        parties.follow(joined(peer) if is_joining else left(peer))
        (present.add if is_joining else present.discard)(peer)
        found = parties.shown()
        assert (set(found[0].members) if found is not None else set()) == present


def test_a_template_sees_nothing_of_who_was_forgotten() -> None:
    parties = follow(created(), started("Quake", "Ann", "Ben"), joined("Ben"))
    assert parties.forget(NamedPerson("ben")) == 1
    found = parties.shown()
    assert found is not None
    shown, event = found
    assert (shown.players, shown.members) == (("Ann",), ("Ann",))
    assert "Ben" not in repr(event)
