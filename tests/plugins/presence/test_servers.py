"""What Rich Presence shows of servers, of the end of a party, and of players with ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from lanrage_events import (
    EventBus,
    GameEnded,
    GameStarted,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events_logfile import FileConfig, LogfileConfig, LogfilePlugin
from lanrage_events_presence import Party, PresenceConfig, PresenceView
from lanrage_events_presence._parties import Parties

START = datetime(2026, 3, 6, 20, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def joined(minute: int, peer: str, peer_id: str | None = None) -> PeerJoined:
    return PeerJoined(time=at(minute), peer_name=peer, peer_id=peer_id, party_name="Factory")


def left(minute: int, peer: str, peer_id: str | None = None) -> PeerLeft:
    return PeerLeft(time=at(minute), peer_name=peer, peer_id=peer_id, party_name="Factory")


def server_started(minute: int) -> ServerStarted:
    return ServerStarted(time=at(minute), server_name="Factory", game_name="Factorio")


def server_stopped(minute: int) -> ServerStopped:
    return ServerStopped(time=at(minute), server_name="Factory", game_name="Factorio")


def shown(*events: PartyEvent, player: str | None = None) -> Party | None:
    parties = Parties(player=player)
    for event in events:
        parties.follow(event)

    found = parties.shown()
    assert (found is None) == (len(parties) == 0) or player is not None
    return found[0] if found is not None else None


def test_a_server_is_shown_once_someone_is_on_it() -> None:
    party = shown(server_started(0), joined(60, "Ann"))

    assert shown(server_started(0)) is None
    assert party is not None
    assert (party.name, party.members, party.game) == ("Factory", ("Ann",), "Factorio")
    assert party.since == at(60)


def test_nobody_is_left_when_the_server_starts_or_stops() -> None:
    evening = [server_started(0), joined(1, "Ann")]

    assert shown(*evening, server_stopped(5)) is None
    assert shown(*evening, server_started(5)) is None
    assert shown(*evening, server_stopped(5), player="Ann") is None


def test_nobody_is_left_from_before_a_crash() -> None:
    crashed = [server_started(0), joined(1, "Ann"), joined(2, "Ben")]
    again = shown(*crashed, server_started(9), joined(10, "Cem"))
    # A log that has no line about the start: its reader reports who was there.
    silent = shown(*crashed[1:], left(10, "Ann"), left(10, "Ben"), joined(10, "Cem"))

    assert again is not None
    assert silent is not None
    assert (again.members, again.size) == (silent.members, silent.size) == (("Cem",), 1)


def test_the_game_of_a_server_is_known_on_the_next_evening() -> None:
    party = shown(server_started(0), joined(1, "Ann"), left(2, "Ann"), joined(900, "Ben"))

    assert party is not None
    assert (party.members, party.game, party.since) == (("Ben",), "Factorio", at(900))


def test_a_match_is_shown_before_the_game_of_the_server() -> None:
    match = GameStarted(time=at(2), game_name="Trackmania", players=("Ann",))
    evening = [server_started(0), joined(1, "Ann"), match]
    over = GameEnded(time=at(3), game_name="Trackmania", duration=60.0)
    during, after = shown(*evening), shown(*evening, over)

    assert during is not None
    assert after is not None
    assert (during.game, after.game) == ("Trackmania", "Factorio")


def test_a_party_that_is_over_is_not_shown() -> None:
    over = PartyEnded(
        time=at(9),
        party_name="Factory",
        since=at(1),
        duration=60.0,
        peak=1,
        visitors=1,
        players=("Ann",),
        games=(),
    )

    assert shown(joined(1, "Ann"), over) is None
    assert shown(server_started(0), joined(1, "Ann"), over) is None


def test_two_players_with_one_name_count_as_two() -> None:
    party = shown(joined(0, "Ann", "S1"), joined(1, "Ann", "S2"))
    alone = shown(joined(0, "Ann", "S1"), joined(1, "Ann", "S2"), left(2, "Ann", "S1"))

    assert party is not None
    assert alone is not None
    assert (party.size, alone.size) == (2, 1)


def test_the_server_is_what_the_activity_shows() -> None:
    view = PresenceView(PresenceConfig(player="Ann"))
    for event in (
        GameStarted(time=at(0), game_name="Quake", players=("Ann",)),
        GameEnded(time=at(1), game_name="Quake", duration=60.0),
        server_started(2),
        joined(3, "Ann"),
    ):
        view.follow(event)

    assert view.activity is not None
    assert view.activity.details == "Factorio"
    view.follow(server_stopped(4))
    assert view.activity is None


BEGIN = """\
[20:0{0}:00] [Server thread/INFO]: Starting minecraft server version 1.20.1
[20:0{0}:09] [Server thread/INFO]: Done (9.001s)! For help, type "help"
"""


@pytest.mark.real_clock
@pytest.mark.slow
async def test_a_server_that_crashed_with_two_players_has_one_after_one_joined(
    tmp_path: Path,
) -> None:
    path = tmp_path / "latest.log"
    path.touch()
    view = PresenceView()
    config = LogfileConfig(files=(FileConfig(path=path, preset="minecraft"),))

    def write(minute: int, *names: str) -> None:
        with path.open("a") as file:
            file.write(BEGIN.format(minute))
            file.writelines(
                f"[20:0{minute}:30] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
                for name in names
            )

    def size() -> int:
        activity = view.activity
        return 0 if activity is None or activity.party_size is None else activity.party_size[0]

    with anyio.fail_after(30):
        async with EventBus(state_folder=tmp_path / "state") as bus:
            joins = bus.stream(PeerJoined)
            bus.subscribe(PartyEvent, view.follow)
            await bus.plugins.register_and_wait(LogfilePlugin(config))
            async with joins:
                write(0, "Ann", "Ben")
                await anext(joins)
                await anext(joins)
                await bus.drain()
                assert size() == 2
                write(1, "Cem")
                await anext(joins)
                await bus.drain()
                assert size() == 1
