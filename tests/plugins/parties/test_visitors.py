from __future__ import annotations

from typing import Any

from lanrage_events import PartyCreated, PeerJoined, PeerLeft
from lanrage_events_parties._visitors import Visit, Visitors


def joined(name: str, party: str = "LAN", **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party, **fields)


def loaded(visits: list[Visit], most: int = 100) -> Visitors:
    visitors = Visitors(most)
    visitors.load([visit[:3] for visit in visits])
    return visitors


def test_someone_is_new_once_in_each_party() -> None:
    visitors = Visitors()
    event = joined("Ann")
    assert visitors.expect(event)
    assert visitors.follow(event) == (1, "lan", "ann", "Ann")

    assert not visitors.expect(joined(" ANN", party="lan "))
    assert visitors.follow(joined("ann")) is None
    assert visitors.expect(joined("Ann", party="Other"))
    assert visitors.follow(PeerLeft(peer_name="Ben", party_name="LAN")) is None
    assert visitors.expect(joined("Ben"))


def test_the_first_of_several_that_are_underway_is_the_new_one() -> None:
    visitors = Visitors()
    first, second = joined("Ann"), joined("Ann")
    assert visitors.expect(first)
    assert not visitors.expect(second)
    assert visitors.expect(first)

    visitors.unexpect(second)
    assert not visitors.expect(second)
    visitors.unexpect(first)
    assert visitors.expect(second)


def test_ids_tell_people_apart_also_those_who_had_none_at_first() -> None:
    visitors = Visitors()
    visitors.follow(joined("Ann", peer_id="1"))
    assert not visitors.expect(joined("Anna", peer_id="1"))
    assert visitors.expect(joined("Ann", peer_id="2"))
    assert visitors.expect(joined("Ann"))

    visitors.follow(PartyCreated(party_id="1", party_name="LAN", host="Ben"))
    assert not visitors.expect(joined("Ben", peer_id="3"))


def test_what_was_written_is_known_after_loading() -> None:
    visitors = Visitors()
    visits = [visitors.follow(joined(name)) for name in ("Ann", "Ben", "Ann")]
    again = loaded([visit for visit in visits if visit is not None])

    assert len(again) == 2
    assert not again.expect(joined("Ann"))
    assert again.follow(joined("Cid")) == (3, "lan", "cid", "Cid")


def test_those_who_were_not_there_for_longest_are_forgotten() -> None:
    visitors = Visitors(most=20)
    written: dict[int, Visit] = {}
    for number in range(60):
        for name in ("Ann", f"Player {number}"):
            visit = visitors.follow(joined(name))
            if visit is not None:
                written[visit[0]] = visit

            last = visitors.forget_oldest()
            written = {number: visit for number, visit in written.items() if number > last}
            assert len(visitors) <= 20

    known = {visit[3] for visit in written.values()}
    assert {"Ann", *(f"Player {number}" for number in range(50, 60))} <= known
    for name in known:
        assert not visitors.expect(joined(name))
        assert not loaded(sorted(written.values())).expect(joined(name))

    assert visitors.expect(joined("Player 0"))
