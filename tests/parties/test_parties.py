"""What the fold makes of events, rule by rule."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lanrage_events import (
    GameEnded,
    GameStarted,
    Member,
    Notification,
    Parties,
    Party,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)

START = datetime(2026, 3, 6, 20, tzinfo=UTC)
LAN = "name:friday lan"


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def created(
    minute: float, host: str = "Ann", name: str = "Friday LAN", party_id: str = "1"
) -> PartyCreated:
    return PartyCreated(time=at(minute), party_id=party_id, party_name=name, host=host)


def joined(minute: float, peer: str, peer_id: str | None = None, **more: Any) -> PeerJoined:
    more = {"party_name": "Friday LAN", **more}
    return PeerJoined(time=at(minute), peer_name=peer, peer_id=peer_id, **more)


def left(minute: float, peer: str, peer_id: str | None = None, **more: Any) -> PeerLeft:
    more = {"party_name": "Friday LAN", **more}
    return PeerLeft(time=at(minute), peer_name=peer, peer_id=peer_id, **more)


def started(minute: float, game: str, *players: str, party_id: str | None = None) -> GameStarted:
    return GameStarted(time=at(minute), game_name=game, players=players, party_id=party_id)


def ended(minute: float, game: str, party_id: str | None = None) -> GameEnded:
    return GameEnded(time=at(minute), game_name=game, duration=1.0, party_id=party_id)


def server_started(minute: float, game: str = "Factorio", **more: Any) -> ServerStarted:
    more = {"server_name": "Friday LAN", **more}
    return ServerStarted(time=at(minute), game_name=game, **more)


def server_stopped(minute: float, game: str = "Factorio", **more: Any) -> ServerStopped:
    more = {"server_name": "Friday LAN", **more}
    return ServerStopped(time=at(minute), game_name=game, **more)


def over(minute: float, **more: Any) -> PartyEnded:
    more = {"party_name": "Friday LAN", "since": START, "duration": 3600.0, **more}
    return PartyEnded(time=at(minute), peak=1, visitors=1, players=(), games=(), **more)


def follow(*events: PartyEvent) -> Parties:
    parties = Parties()
    for event in events:
        parties.follow(event)

    return parties


def only(*events: PartyEvent) -> Party:
    [party] = follow(*events)
    return party


def names(*events: PartyEvent) -> list[str]:
    return [member.name for member in only(*events).members]


def test_a_party_has_all_that_its_events_say() -> None:
    party = only(
        created(0, "Ann"),
        joined(10, "Ben"),
        joined(20, "Cy"),
        started(30, "Quake", "Ann", "Zoe", party_id="1"),
        left(40, "Ben"),
        ended(50, "Quake", party_id="1"),
        started(60, "Doom", "Cy", party_id="1"),
    )

    assert party == Party(
        key="id:1",
        id="1",
        name="Friday LAN",
        host="Ann",
        since=at(0),
        members=(Member(name="Ann", since=at(0)), Member(name="Cy", since=at(20))),
        peak=3,
        game="Doom",
        game_since=at(60),
        players=("Cy",),
        games=(("Quake", 1200.0, 1), ("Doom", 0.0, 1)),
        visitors=3,
        loyal=(("Ann", 3600.0), ("Cy", 2400.0), ("Ben", 1800.0)),
        last_change=at(60),
        is_empty=False,
        is_idle=False,
    )
    assert party.size == 2


def test_who_plays_is_not_for_that_reason_a_member() -> None:
    party = only(joined(0, "Ann"), started(1, "Quake", "Ben", "Ann"))

    assert ([member.name for member in party.members], party.visitors) == (["Ann"], 1)
    assert party.players == ("Ben", "Ann")


def test_a_running_game_that_is_started_again_has_other_players() -> None:
    party = only(joined(0, "Ann"), started(1, "Quake", "Ann"), started(5, "quake", "Ann", "Ben"))

    assert (party.game, party.game_since, party.players) == ("Quake", at(1), ("Ann", "Ben"))
    assert party.games == (("Quake", 240.0, 1),)


def test_a_game_is_over_when_the_last_one_has_left() -> None:
    party = only(joined(0, "Ann"), started(1, "Quake", "Ann"), left(5, "Ann"))

    assert (party.game, party.players, party.size) == (None, (), 0)
    assert party.games == (("Quake", 240.0, 1),)


def test_a_late_end_of_a_game_does_not_end_the_next_one() -> None:
    later = started(9, "Quake", party_id="1")

    assert only(created(0), later, ended(5, "Quake", party_id="1")).game == "Quake"
    assert only(created(0), later, started(5, "Doom", party_id="1")).game == "Quake"
    assert only(created(0), later, ended(10, "Doom", party_id="1")).game == "Quake"


@pytest.mark.parametrize("lived", [0, 1])
def test_only_joins_leaves_and_servers_change_who_is_here(lived: int) -> None:
    parties = follow(created(0), joined(1, "Ben"))
    before = [party.members for party in parties]
    parties.follow(started(2, "Quake", "Zoe", party_id="1"))
    parties.follow(ended(3, "Quake", party_id="1"))

    assert [party.members for party in parties] == before


def test_an_event_that_was_followed_changes_nothing() -> None:
    join = joined(0, "Ann")
    parties = follow(join, left(1, "Ann"))
    again = replace(join, time=at(5))  # as of a sender that sets no time

    assert parties.follow(join) == ()
    assert parties.follow(again) == ()
    assert [party.size for party in parties] == [0]


def test_of_the_same_second_the_order_counts() -> None:
    assert names(joined(0, "Ann"), left(0, "Ann"), joined(0, "Ann")) == ["Ann"]
    assert names(joined(0, "Ann"), left(0, "Ann")) == []


def test_an_old_event_does_not_take_back_a_newer_one() -> None:
    assert names(joined(0, "Ann"), left(5, "Ann"), joined(3, "Ann")) == []
    assert names(joined(0, "Ann"), joined(5, "Ann"), left(3, "Ann")) == ["Ann"]
    assert names(joined(0, "Ann"), joined(9, "Ben"), left(3, "Ann")) == ["Ben"]


def test_a_join_of_a_member_changes_only_the_written_name() -> None:
    parties = follow(joined(0, "ann"), joined(1, "Ben"))

    assert parties.follow(joined(2, "Ann")) == (LAN,)
    # It is noted, since a leave from before it is late then.
    assert parties.follow(joined(3, "Ann")) == (LAN,)
    assert parties.follow(joined(3, "Ann")) == ()
    assert parties.follow(left(2.5, "Ann")) == ()
    assert [party.members for party in parties] == [
        (Member(name="Ann", since=at(0)), Member(name="Ben", since=at(1)))
    ]


def test_a_leave_of_a_stranger_changes_nothing() -> None:
    parties = follow(joined(0, "Ann"))

    assert parties.follow(left(1, "Ben")) == ()
    assert parties.follow(left(1, "Ann", party_name="Other")) == ()
    assert parties.follow(ended(1, "Quake")) == ()
    assert parties.follow(server_stopped(1, server_name="Other")) == ()
    assert len(parties) == 1


def test_an_event_of_another_kind_changes_nothing() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class MapChanged(PartyEvent):
        map_name: str

    parties = follow(created(0))
    changed = MapChanged(party_id="1", map_name="q3dm17")

    assert parties.follow(changed) == ()
    assert parties.follow(replace(changed, party_id="2")) == ()
    assert parties.follow(Notification(title="a", message="b")) == ()
    assert (parties.find(changed), len(parties)) == ("id:1", 1)


# People


def test_two_with_one_name_and_two_ids_are_two() -> None:
    both = [joined(0, "Ann", "S1"), joined(1, "Ann", "S2")]

    assert names(*both) == ["Ann", "Ann"]
    assert only(*both, left(2, "Ann", "S1")).members == (Member(name="Ann", since=at(1)),)
    assert only(*both, left(2, "Ann", "S1"), left(3, "Ann", "S2")).visitors == 2


def test_an_id_that_gets_known_later_is_of_the_one_with_that_name() -> None:
    party = only(created(0, "Ann"), joined(5, "Ann", "S1"), left(9, "Annie", "S1"))

    assert (party.size, party.visitors, party.loyal) == (0, 1, (("Ann", 540.0),))


def test_a_name_alone_means_who_joined_last_under_it() -> None:
    both = [joined(0, "Ann", "S1"), joined(1, "Ann", "S2")]

    assert names(joined(0, "Ann", "S1"), joined(1, "ann")) == ["ann"]
    assert names(joined(0, "Ann", "S1"), left(1, "ANN")) == []
    assert only(*both, left(2, "Ann")).members == (Member(name="Ann", since=at(0)),)


def test_a_player_who_takes_another_name_stays_one() -> None:
    renamed = [joined(0, "Ann", "S1"), joined(1, "Zoe", "S1")]

    assert names(*renamed) == ["Zoe"]
    assert names(*renamed, left(2, "Ann", "S1")) == []
    assert names(*renamed, left(2, "Ann")) == ["Zoe"]
    assert names(*renamed, left(2, "zoe")) == []
    assert names(*renamed, joined(2, "Ann", "S2")) == ["Zoe", "Ann"]


def test_a_blank_name_is_nobody_unless_there_is_an_id() -> None:
    assert len(follow(joined(0, " "))) == 0
    assert names(joined(0, "", "S1")) == [""]
    assert names(created(0, host="  ")) == []
    assert only(joined(0, "Ann"), started(1, "Quake", "", "Ann")).players == ("Ann",)
    assert names(joined(0, "Ann", ""), left(1, "Ann")) == []


def test_a_member_is_found_before_the_leave_is_followed() -> None:
    parties = follow(created(0), joined(3, "Ben", "S1"))

    assert parties.member(left(9, "?", "S1")) == Member(name="Ben", since=at(3))
    assert parties.member(left(9, "Ann", party_id="1")) == Member(name="Ann", since=at(0))
    assert parties.member(left(9, "Zoe")) is None
    assert parties.member(left(9, "Ann", party_name="Other")) is None
    assert (parties.size("id:1"), parties.size("id:2")) == (2, 0)


# Which party


def test_an_id_that_gets_known_later_is_of_the_party_with_that_name() -> None:
    party = only(joined(0, "Ben"), created(1, "Ann"), joined(2, "Cy", party_id="1", party_name="x"))

    assert (party.key, party.id, party.host, party.size) == (LAN, "1", "Ann", 3)


def test_what_is_repeated_when_its_party_is_over_is_not_of_another_one() -> None:
    stop = server_stopped(3)
    parties = follow(joined(0, "Ann", party_id="1"), server_started(1, party_id="2"), stop)

    assert parties.follow(stop) == ()
    assert [party.size for party in parties] == [1]


def test_two_parties_may_have_one_name() -> None:
    two = [created(0, "Ann"), created(1, "Dan", party_id="2")]
    parties = follow(*two, joined(2, "Ben"), left(3, "Ann", party_id="1"))

    assert {party.key: party.size for party in parties} == {"id:1": 0, "id:2": 2}


def test_a_game_without_id_is_of_the_party_of_its_players_or_of_the_only_one() -> None:
    two = [created(0, "Ann"), created(0, "Dan", "Other", "2"), joined(1, "Ben"), joined(1, "Cy")]

    assert follow(*two).follow(started(2, "Quake", "Dan", "ben", "Cy")) == ("id:1",)
    assert follow(*two).follow(started(2, "Quake", "Zoe")) == ("game:quake",)
    assert follow(*two).follow(started(2, "Quake", "Zoe"), "id:2") == ("id:2",)
    assert follow(*two[:1]).follow(started(2, "Quake", "Zoe")) == ("id:1",)
    assert follow(*two[:1]).follow(started(2, "Quake", "Zoe"), "") == ("game:quake",)


def test_the_end_of_a_game_without_id_is_of_the_party_that_began_it_last() -> None:
    games = [started(0, "Quake", "Ann", party_id="1"), started(1, "Quake", "Dan", party_id="2")]
    parties = follow(*games)

    assert parties.follow(ended(5, "quake")) == ("id:2",)
    assert parties.follow(ended(6, "quake")) == ("id:1",)
    assert len(parties) == 0


def test_a_key_is_of_one_party_only() -> None:
    parties = follow(joined(0, "Ann"), created(1, name="friday lan"), created(2, name="Other"))
    assert parties.follow(joined(3, "Ben")) == (f"{LAN}#2",)
    assert {party.key: party.size for party in parties} == {LAN: 1, f"{LAN}#2": 1}


def test_a_party_that_is_created_again_begins_again() -> None:
    seen: list[Party] = []
    parties = Parties(ended=seen.append)
    for event in (created(0), joined(1, "Ben"), created(9, "Cy"), created(5, "Dan")):
        parties.follow(event)

    [party] = parties
    assert (party.host, party.since, party.visitors, party.size) == ("Cy", at(9), 1, 1)
    assert [(p.host, p.ended, p.visitors, p.size) for p in seen] == [("Ann", at(9), 2, 2)]


# Servers


def test_a_server_that_starts_or_stops_leaves_nobody_in_its_party() -> None:
    here = [joined(0, "Ann"), joined(1, "Ben")]
    by_id = [created(0), joined(1, "Ben")]

    assert names(*here, server_started(5)) == []
    assert names(*here, server_stopped(5)) == []
    assert names(*by_id, server_started(5, party_id="1", server_name="x")) == []
    assert names(*here, server_started(5), joined(6, "Ann")) == ["Ann"]
    assert only(*here, server_stopped(5)).loyal == (("Ann", 300.0), ("Ben", 240.0))


def test_a_late_event_of_a_server_sends_away_only_who_was_there_before() -> None:
    assert names(joined(0, "Ann"), joined(6, "Ben"), server_started(5)) == ["Ben"]
    assert names(server_started(5), joined(4, "Ann")) == []
    assert names(server_started(5), joined(6, "Ann"), server_stopped(3)) == ["Ann"]
    assert only(server_started(5), joined(5, "Ann"), server_stopped(3)).game == "Factorio"
    late = [server_started(5), joined(6, "Ann"), server_stopped(3)]
    assert only(*late, started(7, "Doom"), ended(8, "Doom")).game == "Factorio"
    match = started(6, "Doom", "Ben", party_id="1")
    assert only(created(0), match, server_started(5, party_id="1")).game == "Doom"
    assert only(created(0), server_started(5, party_id="1"), started(4, "Doom")).game == "Factorio"


def test_the_game_of_a_server_is_that_of_its_party_until_it_stops() -> None:
    up = [server_started(0), joined(60, "Ann")]
    playing = only(*up, started(70, "Trackmania", "Ann"))
    after = only(*up, started(70, "Trackmania", "Ann"), ended(90, "Trackmania"))
    down = only(*up, server_stopped(100))

    assert (only(*up).game, only(*up).game_since, only(*up).since) == ("Factorio", at(60), at(60))
    assert (playing.game, playing.players) == ("Trackmania", ("Ann",))
    assert (after.game, after.game_since) == ("Factorio", at(90))
    assert after.games == (("Trackmania", 1200.0, 1), ("Factorio", 600.0, 2))
    assert (down.game, down.games) == (None, (("Factorio", 2400.0, 1),))


def test_a_server_runs_on_when_its_party_is_over() -> None:
    parties = follow(server_started(0), joined(60, "Ann"), left(90, "Ann"))
    recap = parties.end(LAN, at(90))
    parties.follow(joined(600, "Ben"))
    [party] = parties

    assert (recap.since, recap.ended, recap.games) == (at(60), at(90), (("Factorio", 1800.0, 1),))
    assert (party.since, party.game, party.visitors) == (at(600), "Factorio", 1)


def test_a_server_that_nobody_was_on_is_no_party_once_it_stops() -> None:
    parties = follow(server_started(0))

    assert [(party.size, party.game, party.is_idle) for party in parties] == [(0, "Factorio", True)]
    assert parties.follow(server_stopped(5)) == (LAN,)
    assert parties.get(LAN) is None


# The end


def test_a_party_that_ended_is_returned_as_it_was() -> None:
    parties = follow(created(0), joined(5, "Ben"), started(10, "Quake", "Ben", party_id="1"))
    recap = parties.end("id:1", at(20))

    assert len(parties) == 0
    assert (recap.ended, recap.size, recap.games) == (at(20), 2, (("Quake", 600.0, 1),))
    assert recap.loyal == (("Ann", 1200.0), ("Ben", 900.0))
    with pytest.raises(LookupError, match="no party with the key 'id:1': it may have ended"):
        parties.end("id:1", at(21))


def test_a_party_is_over_for_everyone_who_follows_its_end() -> None:
    parties = follow(created(0), joined(5, "Ben"))

    assert parties.follow(over(4, party_id="1")) == ()  # it has changed since
    assert parties.follow(over(6, party_id="1")) == ("id:1",)
    assert len(parties) == 0
    assert len(follow(joined(0, "Ann"), over(5))) == 0
    assert len(follow(joined(0, "Ann"), over(5, party_id="2"))) == 1


def test_the_end_of_a_party_does_not_end_the_next_one() -> None:
    parties = follow(created(0), left(1, "Ann"))
    recap = parties.end("id:1", at(1))
    parties.follow(joined(9, "Ben", party_id="1"))
    ended = over(10, party_id="1", since=recap.since, duration=60.0)

    assert parties.follow(ended) == ()
    assert parties.size("id:1") == 1


def test_the_end_of_a_party_is_not_that_of_its_server() -> None:
    parties = follow(server_started(0), joined(1, "Ann"), left(2, "Ann"), over(12))

    assert [(party.visitors, party.game) for party in parties] == [(0, "Factorio")]
    assert parties.follow(over(13)) == ()


def test_the_end_of_a_party_is_not_that_of_the_one_that_took_its_place() -> None:
    ended: list[Party] = []
    parties = Parties(ended=ended.append)
    parties.follow(created(0))
    parties.follow(created(10))

    [first] = ended
    assert first.ended == at(10)
    assert parties.follow(over(10, party_id="1", duration=600.0)) == ()
    assert parties.follow(over(20, party_id="1", since=at(10), duration=0.0)) == ("id:1",)


def test_parties_that_did_not_change_for_long_are_stale() -> None:
    parties = follow(
        created(0),
        joined(1, "Ben", party_name="Other"),
        left(2, "Ben", party_name="Other"),
        server_started(0, server_name="Server"),
        started(1, "Quake", party_id="3"),
        joined(50, "Cy", party_name="New"),
    )

    assert parties.stale(at(30)) == ["id:1", "name:other", "id:3"]
    assert parties.stale(at(30), empty=True) == ["name:other"]
    assert parties.stale(at(0)) == []


# Bounds


def test_over_the_bound_the_party_that_changed_longest_ago_is_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[Party] = []
    parties = Parties(max_parties=2, ended=seen.append)
    for number, name in enumerate(["a", "b"]):
        parties.follow(joined(number, "Ann", party_name=name))
        parties.follow(joined(number, f"Ben {number}", party_name="a"))

    changed = parties.follow(joined(2, "Ann", party_name="c"))

    assert changed == ("name:c", "name:b")
    assert [party.key for party in parties] == ["name:a", "name:c"]
    assert [(party.key, party.ended) for party in seen] == [("name:b", at(1))]
    assert parties.bounded == {"parties": 1, "members": 0, "visitors": 0, "games": 0}
    assert caplog.messages == [
        "more than 2 parties: what changed longest ago was ended, so far 1 times"
    ]
    caplog.clear()


def test_over_the_bound_of_members_nobody_is_taken_in_but_who_left_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "lanrage_events.parties")
    parties = Parties(max_members=2)
    for event in (joined(0, "Ann"), joined(1, "Ben"), joined(2, "Cy"), left(3, "Cy")):
        parties.follow(event)

    [party] = parties
    assert ([member.name for member in party.members], party.visitors) == (["Ann", "Ben"], 2)
    parties.follow(left(4, "Ann"))
    parties.follow(joined(5, "Dee"))
    parties.follow(started(6, "Quake", "a", "b", "c"))
    [party] = parties
    assert [member.name for member in party.members] == ["Ben", "Dee"]
    assert (party.visitors, [name for name, _ in party.loyal]) == (3, ["Ben", "Dee"])
    assert party.players == ("a", "b")
    assert parties.bounded == {"parties": 0, "members": 2, "visitors": 1, "games": 0}


def test_not_every_game_of_a_party_without_end_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parties = follow(created(0), *(started(n, f"Game {n}", party_id="1") for n in range(110)))
    [party] = parties

    assert (len(party.games), party.game) == (101, "Game 109")
    assert parties.bounded["games"] == 9
    assert [message.split()[-4] for message in caplog.messages] == ["1", "2", "4", "8"]
    caplog.clear()


def test_a_player_can_be_forgotten() -> None:
    parties = follow(created(0), joined(1, "Ben"), started(2, "Quake", "ann", "Ben", party_id="1"))

    assert parties.forget(lambda name: name.casefold() == "ann") == ["id:1"]
    assert parties.forget(lambda name: name.casefold() == "ann") == []
    [party] = parties
    assert "ann" not in parties.dump("id:1").casefold()
    assert (party.host, party.players, party.visitors) == (None, ("Ben",), 2)


def test_a_player_can_be_forgotten_by_the_id() -> None:
    parties = follow(created(0), joined(1, "Ben", "765"), left(2, "Ben", "765"), joined(3, "Cid"))

    assert parties.forget(lambda text: text == "765") == ["id:1"]
    assert "Ben" not in parties.dump("id:1")
    assert "765" not in parties.dump("id:1")


def test_the_ids_of_events_are_forgotten_that_name_a_player() -> None:
    parties = follow(created(0, host="Cid"), joined(1, "Ben", id="ben-1"), left(2, "Ben", id="x-2"))

    assert parties.forget(str.isspace, lambda id: "ben" in id) == ["id:1"]
    assert "ben-1" not in parties.dump("id:1")
    assert "x-2" in parties.dump("id:1")


# As text


def test_a_party_of_twelve_is_dumped_in_four_kilobytes() -> None:
    peers = [(f"Player {n}", f"STEAM_0:1:{12_345_678 + n}") for n in range(12)]
    parties = follow(
        *(joined(n, *peer) for n, peer in enumerate(peers)),
        *(move(20 + n, *peers[n % 12]) for n in range(100) for move in (left, joined)),
        server_started(10, party_id="lan-42"),
    )

    assert parties.size(LAN) == 12
    assert len(parties.dump(LAN).encode()) <= 4_096


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2}', "null", '{"format": 1, "key": "a"}']
)
def test_a_text_that_is_no_party_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="this is not a party that was dumped: "):
        Parties().load(text)


def test_a_party_with_a_broken_person_leaves_nothing_behind() -> None:
    text = follow(created(0), joined(1, "Ben")).dump("id:1")
    parties = Parties()
    with pytest.raises(ValueError, match="this is not a party that was dumped: "):
        parties.load(text.replace('"Ben",null', '"Ben",[]'))

    assert parties.follow(started(2, "Quake", "Ann")) == ("game:quake",)


def test_a_loaded_party_takes_the_place_of_the_one_with_its_key() -> None:
    first, second, third = created(0), joined(1, "Ben"), over(2, party_id="1")
    parties = follow(first)
    text = parties.dump("id:1")
    for last in (second, third):
        parties.follow(last)

    assert parties.load(text) == "id:1"
    assert "id:1" in parties
    assert parties.follow(first) == ()
    assert parties.follow(second) == ("id:1",)
    assert parties.follow(third) == ("id:1",)
    assert "id:1" not in parties


def test_a_removed_party_was_never_there() -> None:
    event = created(0)
    parties = follow(event, server_started(1))
    parties.remove("id:1")
    parties.remove("id:2")

    assert len(parties) == 0
    assert parties.follow(event) == ("id:1",)
    with pytest.raises(LookupError, match="no party with the key 'id:2'"):
        parties.dump("id:2")


def test_a_time_without_a_zone_is_one_of_utc() -> None:
    naive = replace(joined(0, "Ann"), time=at(0).replace(tzinfo=None))

    assert only(naive, joined(1, "Ben")).since == at(0)


def test_who_is_back_within_a_minute_has_not_been_away() -> None:
    parties = Parties()
    for event in (joined(0, "Ann"), joined(1, "Bob"), left(30, "Ann"), joined(31, "Ann")):
        parties.follow(event)

    party = parties.get(LAN)
    assert party is not None
    assert party.members == (Member(name="Ann", since=at(0)), Member(name="Bob", since=at(1)))
    assert party.loyal[0] == ("Ann", 31 * 60)
    # It is the same after a restart between the leave and the join.
    parties.follow(left(40, "Bob"))
    again = Parties()
    again.load(parties.dump(LAN))
    for one in (parties, again):
        one.follow(joined(40.5, "BOB"))
        one.follow(left(60, "Ann"))

    assert again.get(LAN) == parties.get(LAN)
    party = again.get(LAN)
    assert party is not None
    assert party.members == (Member(name="BOB", since=at(1)),)
    assert party.loyal == (("Ann", 60 * 60), ("BOB", 59 * 60))


def test_who_is_back_later_has_been_away() -> None:
    parties = Parties()
    for event in (joined(0, "Ann"), joined(1, "Bob"), left(30, "Ann"), joined(31.1, "Ann")):
        parties.follow(event)

    party = parties.get(LAN)
    assert party is not None
    assert party.members == (Member(name="Bob", since=at(1)), Member(name="Ann", since=at(31.1)))
    parties.follow(left(41.1, "Ann"))
    party = parties.get(LAN)
    assert party is not None
    assert dict(party.loyal)["Ann"] == 40 * 60


def test_who_leaves_just_after_the_stop_of_the_server_was_there_until_then() -> None:
    parties = follow(server_started(0), joined(0, "Ann"), joined(10, "Bob"), joined(20, "Cy"))
    for event in (left(100, "Cy"), server_stopped(130)):
        parties.follow(event)

    again = Parties()
    again.load(parties.dump(LAN))
    for one in (parties, again):
        assert one.member(left(130, "Ann")) == Member(name="Ann", since=at(0))
        one.follow(left(130, "Ann"))
        assert one.member(left(130.5, "bob")) == Member(name="Bob", since=at(10))
        one.follow(left(130.5, "bob"))
        assert one.member(left(130.5, "Cy")) is None  # gone half an hour before
        assert one.member(left(129, "Bob")) is None  # late
        assert one.member(joined(130.6, "Bob")) is None
        one.follow(left(131.4, "Ann"))  # is of another time
        assert one.member(left(131.5, "Ann")) is None

    party = again.get(LAN)
    assert party is not None
    assert party == parties.get(LAN)
    assert party.loyal == (("Ann", 130 * 60), ("Bob", 120.5 * 60), ("Cy", 80 * 60))


def test_a_leave_after_the_start_of_the_next_server_is_of_the_one_before() -> None:
    parties = follow(joined(0, "Ann"), joined(0, "Bob"), server_stopped(60), server_started(60.5))

    assert parties.member(left(60.1, "Ann")) == Member(name="Ann", since=at(0))
    parties.follow(left(60.1, "Ann"))
    parties.follow(joined(60.8, "Bob"))
    assert parties.member(left(60.2, "Bob")) is None
    parties.follow(left(60.2, "Bob"))
    assert [one.name for party in parties for one in party.members] == ["Bob"]


def test_a_server_that_is_back_within_a_minute_of_its_leaves_shortens_no_stay() -> None:
    stopped = [joined(0, "Ann"), server_stopped(60), left(60.2, "Ann"), server_started(60.5)]
    party = only(*stopped, joined(61, "Ann"), left(70, "Ann"))

    assert party.loyal == (("Ann", 70 * 60),)
    # Each leave counts from the one before, not from the first.
    party = only(joined(0, "Ann"), left(10, "Ann"), left(20, "Ann"), joined(20.5, "Ann"))
    assert party.members == (Member(name="Ann", since=at(20.5)),)
    assert party.loyal == (("Ann", 10 * 60),)
