from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStarted,
)
from lanrage_events_discord._cards import CardStore
from lanrage_events_discord._config import CardConfig

pytestmark = pytest.mark.anyio

START = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
WEEK = 7 * 24 * 60 * 60.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def joined(name: str = "Ann", seconds: float = 0, party: str = "LAN", **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party, time=at(seconds), **fields)


def left(name: str = "Ann", seconds: float = 60, party: str = "LAN", **fields: Any) -> PeerLeft:
    return PeerLeft(peer_name=name, party_name=party, time=at(seconds), **fields)


def ended(duration: float = 60, party: str = "LAN", **fields: Any) -> PartyEnded:
    values: dict[str, Any] = {"peak": 1, "visitors": 1, "players": (), "games": ()}
    return PartyEnded(
        party_name=party,
        party_id=None,
        since=START,
        duration=duration,
        time=at(duration + 600),
        **values | fields,
    )


class Wall:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = START.timestamp()

    def __call__(self) -> float:
        return self.time


@asynccontextmanager
async def opened(
    path: Path | None = None, *configs: dict[str, Any], wall: Wall | None = None
) -> AsyncIterator[CardStore]:
    cards = [CardConfig.model_validate(one) for one in configs or ({},)]
    async with CardStore.opened(path, cards, wall_clock=wall or Wall()) as store:
        yield store


def follow(store: CardStore, events: Sequence[Event]) -> list[set[str]]:
    return [set(store.follow(event)) for event in events]


async def test_a_party_has_a_card_once_someone_joined() -> None:
    async with opened() as store:
        server = ServerStarted(server_name="LAN", game_name="Quake", time=at(-60))
        assert follow(store, [server]) == [set()]
        assert list(store) == []

        assert follow(store, [joined()]) == [{"default"}]
        (card,) = store
        assert (card.webhook, card.is_due, card.is_over) == ("default", True, False)
        assert [member.name for member in store.party(card).members] == ["Ann"]
        assert store.cards_of("default") == [store.get(card.id)] == store.changed()
        assert store.changed() == []


async def test_only_what_the_card_alone_shows_is_covered() -> None:
    async with opened(None, {"messages": ["game_*"]}) as store:
        events = [
            joined(),
            GameStarted(game_name="Quake", players=("Ann",), time=at(1)),
            GameEnded(game_name="Quake", duration=5, time=at(6)),
            Notification(title="Pizza", message="is here"),
            left(),
        ]
        assert follow(store, events) == [{"default"}, set(), set(), set(), {"default"}]


async def test_where_chooses_the_parties() -> None:
    configs = (
        {"where": {"party_name": "Friday*"}},
        {"webhook": ["default", "all"], "where": {"party_id": {"not": "secret"}}},
    )
    async with opened(None, *configs) as store:
        friday = joined(party="Friday LAN", party_id="f")
        assert follow(store, [friday]) == [{"default", "all"}]
        secret = joined(party="Friday LAN 2", party_id="secret")
        assert follow(store, [secret]) == [{"default"}]
        assert follow(store, [joined(party="Monday", party_id="m")]) == [{"default", "all"}]
        # Each webhook has one card of a party, as the first that is for it says.
        (card,) = (one for one in store.cards_of("default") if store.party(one).id == "f")
        assert card.config.where == {"party_name": "Friday*"}


async def test_a_party_may_get_its_name_later() -> None:
    async with opened(None, {"where": {"party_name": "LAN"}}) as store:
        game = GameStarted(game_name="Quake", players=("Ann",), party_id="p", time=at(0))
        assert follow(store, [game]) == [set()]
        assert follow(store, [joined(party_id="p", seconds=1)]) == [{"default"}]


async def test_a_party_that_begins_again_has_another_card() -> None:
    async with opened() as store:
        assert follow(store, [joined(), left(), ended(), joined(seconds=900)]) == [{"default"}] * 4
        over, card = store
        assert (over.is_over, card.is_over) == (True, False)
        assert store.party(over).key == store.party(card).key
        assert store.party(over).ended == at(60)
        assert store.party(card).since == at(900)


async def test_a_party_that_is_opened_again_has_another_card() -> None:
    async with opened() as store:
        one = PartyCreated(party_id="p", party_name="LAN", host="Ann", time=at(0))
        two = PartyCreated(party_id="p", party_name="LAN", host="Bob", time=at(60))
        assert follow(store, [one, two]) == [{"default"}] * 2
        assert [store.party(card).host for card in store] == ["Ann", "Bob"]
        assert [card.is_over for card in store] == [True, False]


async def test_what_comes_late_or_again_is_on_the_card_that_is_over() -> None:
    async with opened() as store:
        events = [joined(), left(), ended()]
        follow(store, events)
        store.changed()
        assert follow(store, [events[2], left(seconds=59), ended()]) == [{"default"}] * 3
        assert store.changed() == []
        # Someone left a party that is not known.
        assert follow(store, [left(seconds=61)]) == [set()]


async def test_everything_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "discord.cards"
    events = [joined(party="Over"), ended(party="Over"), joined(), joined("Bob", 5)]
    async with opened(path) as store:
        follow(store, events)
        await store.save()
        over, card = store
        card.message_id, card.is_due, card.shown = "123", False, "hash"
        await store.save(card)
        parties = [store.party(over), store.party(card)]

    async with opened(path) as store:
        assert [(one.id, one.message_id, one.is_due) for one in store] == [
            (over.id, None, True),
            (card.id, "123", False),
        ]
        assert store.cards_of("default") == list(store)
        assert [store.party(one) for one in store] == parties
        assert follow(store, events[1:]) == [{"default"}] * 3
        assert store.changed() == []


async def test_a_card_that_is_over_is_known_for_a_week(tmp_path: Path) -> None:
    wall, path = Wall(), tmp_path / "discord.cards"
    async with opened(path, wall=wall) as store:
        follow(store, [joined(), ended()])
        await store.save()

    wall.time += WEEK
    async with opened(path, wall=wall) as store:
        assert len(list(store)) == 1

    wall.time += 1
    async with opened(path, wall=wall) as store:
        assert list(store) == []

    async with opened(path, wall=Wall()) as store:
        assert list(store) == []


async def test_the_configuration_decides_at_each_start(tmp_path: Path) -> None:
    path = tmp_path / "discord.cards"
    async with opened(path) as store:
        follow(store, [joined(), joined(party="Other")])
        await store.save()

    only = {"webhook": ["default", "new"], "where": {"party_name": "LAN"}, "every": "5s"}
    async with opened(path, only) as store:
        assert {(one.webhook, store.party(one).name) for one in store} == {
            ("default", "LAN"),
            ("new", "LAN"),
        }
        assert {one.config.every for one in store} == {5}
        assert follow(store, [joined("Bob", 9), joined("Bob", 9, "Other")]) == [
            {"default", "new"},
            set(),
        ]


async def test_a_card_that_was_removed_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "discord.cards"
    async with opened(path) as store:
        follow(store, [joined()])
        (card,) = store
        card.is_removed = True
        await store.save(card)
        assert (list(store), follow(store, [joined("Bob", 5)])) == ([], [set()])

    async with opened(path) as store:
        assert (list(store), follow(store, [joined("Cid", 9)])) == ([], [set()])
        follow(store, [ended(duration=10)])
        assert follow(store, [joined("Cid", 900)]) == [{"default"}]


async def test_a_card_that_is_done_asks_for_nothing() -> None:
    async with opened() as store:
        follow(store, [joined()])
        (card,) = store
        card.is_done = True
        assert (store.cards_of("default"), list(store)) == ([], [card])


async def test_what_a_card_that_stopped_does_not_show_is_posted() -> None:
    async with opened() as store:
        follow(store, [joined()])
        (card,) = store
        card.stopped = "Discord rejected it"
        assert follow(store, [joined("Bob", 5)]) == [set()]


async def test_what_is_damaged_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "discord.cards"
    async with opened(path) as store:
        follow(store, [joined(party="Over"), ended(party="Over"), joined()])
        await store.save()
        path.unlink()
        follow(store, [joined("Bob", 5)])
        await store.save()
        known = [(card.id, store.party(card)) for card in store]

    async with opened(path) as store:
        assert [(card.id, store.party(card)) for card in store] == known


async def test_a_row_that_cannot_be_read_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "discord.cards"
    async with opened(path) as store:
        follow(store, [joined(party="One"), joined(party="Two"), joined(party="Three")])
        await store.save()

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE parties SET content = '[]' WHERE content LIKE '%One%'")
        connection.execute("UPDATE cards SET content = '[]' WHERE content LIKE '%two%'")

    connection.close()
    async with opened(path) as store:
        names = {store.party(card).name for card in store}
        assert names == {"Two", "Three"}  # the configuration asks for another card
        assert "a party cannot be read" in caplog.text
        assert "a card cannot be read" in caplog.text

    caplog.clear()
    async with opened(path) as store:
        assert caplog.text == ""


@pytest.mark.parametrize("way", ["scope", "native"])
async def test_a_save_that_is_cancelled_is_made_up_for(
    tmp_path: Path, way: str, anyio_backend_name: str
) -> None:
    if way == "native" and anyio_backend_name != "asyncio":
        pytest.skip("only asyncio has it")

    path = tmp_path / "discord.cards"
    async with opened(path) as store:
        follow(store, [joined(party="Over"), ended(party="Over"), joined()])
        if way == "scope":
            with anyio.CancelScope() as scope:
                scope.cancel()
                await store.save()
        else:
            task = asyncio.create_task(store.save())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        follow(store, [joined("Bob", 5)])
        await store.save()
        known = [(card.id, store.party(card)) for card in store]

    async with opened(path) as store:
        assert [(card.id, store.party(card)) for card in store] == known


class SmallStore(CardStore):
    most_cards = 3


async def test_the_number_of_cards_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    configs = [CardConfig.model_validate({"webhook": ["default", "all"]})]
    async with SmallStore.opened(None, configs, wall_clock=Wall()) as store:
        events = [joined(party=name) for name in ("One", "Two", "Three")]
        assert follow(store, events) == [{"default", "all"}, {"default"}, set()]
        assert store.bounded["cards"] == 3
        assert "more than 3 cards: so far 1 were left out" in caplog.text
        follow(store, [ended(party="One")])  # makes room
        assert follow(store, [joined("Bob", 5, "Four")]) == [{"default", "all"}]


async def test_the_number_of_cards_whose_party_is_over_has_a_bound(tmp_path: Path) -> None:
    path, configs = tmp_path / "discord.cards", [CardConfig()]
    async with SmallStore.opened(path, configs, wall_clock=Wall()) as store:
        for name in "ABCDE":
            follow(store, [joined(party=name), ended(party=name)])

        assert [store.party(card).name for card in store] == ["C", "D", "E"]
        assert store.bounded["cards"] == 2
        await store.save()

    async with SmallStore.opened(path, configs, wall_clock=Wall()) as store:
        assert [store.party(card).name for card in store] == ["C", "D", "E"]


async def test_ten_thousand_parties_and_a_thousand_members_are_the_most() -> None:
    async with opened() as store:
        names = [joined(str(number), number, "Big") for number in range(1_001)]
        assert follow(store, names)[-1] == {"default"}
        (card,) = store
        assert store.party(card).size == 1_000
        assert store.bounded["members"] == 1


async def test_a_name_as_long_as_a_page_is_kept_as_it_is(tmp_path: Path) -> None:
    path, name = tmp_path / "discord.cards", "*_`@everyone \U0001f389\x00" * 400
    async with opened(path) as store:
        follow(store, [joined(name, party=name), joined(name, party="Over"), ended(party="Over")])
        await store.save()

    async with opened(path) as store:
        parties = {card.is_over: store.party(card) for card in store}
        assert parties[False].name == name
        assert [member.name for member in parties[True].members] == [name]
