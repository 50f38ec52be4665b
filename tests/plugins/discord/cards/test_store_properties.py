"""What holds of the store for any events: late, repeated, of parties that end, and over restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Parties,
    Party,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events.testing import virtual_time
from lanrage_events_discord._cards import CardStore
from lanrage_events_discord._config import CardConfig

START = datetime(2026, 3, 6, 20, tzinfo=UTC)
CONFIGS = [
    CardConfig.model_validate({"where": {"party_name": "LAN"}}),
    CardConfig.model_validate({"webhook": ["default", "all"]}),
    CardConfig.model_validate({"webhook": "none", "where": {"party_id": "no party"}}),
]
COMMON: dict[str, Any] = {
    "time": st.integers(0, 12).map(lambda minute: START + timedelta(minutes=minute)),
    "party_id": st.sampled_from([None, None, "1", "2"]),
}
PEERS = st.sampled_from(["Ann", "Ben", ""])
NAMES = st.sampled_from(["LAN", "lan", "Other"])
GAMES = st.sampled_from(["Quake", "Doom"])
PEOPLE: dict[str, Any] = {"peer_name": PEERS, "party_name": NAMES}
SERVERS: dict[str, Any] = {"server_name": NAMES, "game_name": GAMES}
ENDED: dict[str, Any] = {
    "since": COMMON["time"],
    "duration": st.sampled_from([0.0, 3600.0]),
    **{name: st.just(1) for name in ("peak", "visitors")},
    **{name: st.just(()) for name in ("players", "games")},
}
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(PeerJoined, **COMMON, **PEOPLE),
    st.builds(PeerJoined, **COMMON, **PEOPLE),
    st.builds(PeerLeft, **COMMON, **PEOPLE),
    st.builds(PartyEnded, **COMMON, **ENDED, party_name=NAMES),
    st.builds(
        PartyCreated,
        time=COMMON["time"],
        party_id=st.sampled_from("12"),
        host=PEERS,
        party_name=NAMES,
    ),
    st.builds(GameStarted, **COMMON, game_name=GAMES, players=st.just(("Ann",))),
    st.builds(GameEnded, **COMMON, game_name=GAMES, duration=st.just(1.0)),
    st.builds(ServerStarted, **COMMON, **SERVERS),
    st.builds(ServerStopped, **COMMON, **SERVERS),
)
RESTART = "restart"


def known(store: CardStore) -> dict[str, tuple[str, bool, Party]]:
    return {card.id: (card.webhook, card.is_over, store.party(card)) for card in store}


def check(store: CardStore, parties: Parties, had: set[str]) -> None:
    """Check that there is one card for each party that someone was in, and for what is over."""
    assert set(store.parties) == set(parties)
    open_cards: dict[tuple[str, str], str] = {}
    for card in store:
        party = store.party(card)
        assert card.is_over == (party.ended is not None)
        if not card.is_over:
            assert open_cards.setdefault((card.webhook, party.key), card.id) == card.id
            assert party == parties.get(party.key)

    had |= {party.key for party in parties if party.size}
    had &= {party.key for party in parties if party.peak}
    for key in had:
        assert {("default", key), ("all", key)} <= set(open_cards)
        assert ("none", key) not in open_cards


async def follow_all(path: Path, steps: Sequence[Event | str]) -> None:
    parties, had = Parties(max_parties=10_000), set[str]()
    while True:
        async with CardStore.opened(path, CONFIGS, wall_clock=START.timestamp) as store:
            before = known(store)
            check(store, parties, had)
            while steps:
                step, *steps = steps
                if isinstance(step, str):
                    break

                parties.follow(step)
                shown = set(store.follow(step))
                assert shown <= {"default", "all"}
                changed = store.changed()
                assert all(card.is_due for card in changed)
                check(store, parties, had)
                # By its name alone, an end that comes again may be that of an earlier party.
                again, is_end = (
                    set(store.follow(step)),
                    isinstance(step, PartyEnded | ServerStopped),
                )
                assert again == shown or (is_end and not shown)
                assert store.changed() == []

            await store.save()
            after = known(store)

        async with CardStore.opened(path, CONFIGS, wall_clock=START.timestamp) as store:
            assert known(store) == after
            assert before.keys() <= after.keys()

        if not steps:
            return


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(st.one_of(EVENTS, EVENTS, EVENTS, st.just(RESTART)), max_size=14))
def test_each_party_has_its_cards_whatever_happens(steps: Sequence[Event | str]) -> None:
    name, options = virtual_time("asyncio")
    with TemporaryDirectory() as folder:
        path = Path(folder, "discord.cards")
        anyio.run(follow_all, path, steps, backend=name, backend_options=options)
