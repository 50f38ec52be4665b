"""The HTTP API: which parties there are, and who is in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lanrage_events import Event, EventBus, GameStarted, PeerJoined, PeerLeft
from lanrage_events_http import HTTPConfig, HTTPPlugin
from lanrage_events_parties import PartiesConfig, PartiesPlugin

pytestmark = pytest.mark.real_clock

NOW = datetime.now(UTC)


def joined(name: str, party: str = "Friday LAN", *, ago: float = 0, **fields: Any) -> PeerJoined:
    time = NOW - timedelta(minutes=ago)
    return PeerJoined(peer_name=name, party_name=party, time=time, **fields)


@asynccontextmanager
async def serving(*events: Event) -> AsyncIterator[tuple[EventBus, httpx.AsyncClient]]:
    http = HTTPPlugin(HTTPConfig(port=0))
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(PartiesPlugin(PartiesConfig()), "parties")
        await bus.plugins.register_and_wait(http, "http")
        for event in events:
            await bus.publish_and_wait(event)

        assert http.url is not None
        async with httpx.AsyncClient(base_url=http.url) as client:
            yield bus, client


def empty(name: str, *, ago: float) -> list[Event]:
    left = PeerLeft(peer_name="Cid", party_name=name, time=NOW - timedelta(minutes=ago))
    return [joined("Cid", name, ago=ago + 1), left]


async def test_a_party_says_who_is_in_it_and_since_when() -> None:
    events = [
        joined("Ann", ago=50, party_id="red/1", peer_id="765"),
        joined("Bob", ago=20, party_id="red/1"),
        GameStarted(
            game_name="Factorio",
            party_id="red/1",
            players=("Ann",),
            time=NOW - timedelta(minutes=5),
        ),
    ]
    async with serving(*events) as (_, client):
        answer = (await client.get("/api/parties")).json()
        [party] = answer["parties"]
        one = await client.get("/api/parties/id%3Ared%2F1")

    assert answer["total"] == 1
    assert one.json() == party
    assert party["members"] == [
        {"name": "Ann", "since": _text(ago=50)},
        {"name": "Bob", "since": _text(ago=20)},
    ]
    assert party | {"members": [], "loyal": [], "games": []} == {
        "key": "id:red/1",
        "id": "red/1",
        "name": "Friday LAN",
        "host": None,
        "active": True,
        "since": _text(ago=50),
        "size": 2,
        "members": [],
        "peak": 2,
        "visitors": 2,
        "game": "Factorio",
        "game_since": _text(ago=5),
        "players": ["Ann"],
        "games": [],
        "loyal": [],
        "last_change": _text(ago=5),
    }


def _text(*, ago: float) -> str:
    return (NOW - timedelta(minutes=ago)).isoformat().replace("+00:00", "Z")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Red", "Blue", "Empty"]),
        ("?active=true", ["Red", "Blue"]),
        ("?active=false", ["Empty"]),
        ("?party=blue-7", ["Blue"]),
        ("?party=%20RED", ["Red"]),
        ("?party=empty&active=true", []),
        ("?limit=1", ["Red"]),
    ],
)
async def test_parties_are_chosen_by_id_or_name(query: str, names: list[str]) -> None:
    events = [
        *empty("Empty", ago=1),
        joined("Ann", "Red", ago=2),
        joined("Bob", "Blue", ago=3, party_id="blue-7"),
    ]
    async with serving(*events) as (_, client):
        answer = (await client.get(f"/api/parties{query}")).json()

    assert [party["name"] for party in answer["parties"]] == names
    assert answer["total"] == (3 if "limit" in query else len(names))


async def test_what_has_not_changed_is_not_sent_again() -> None:
    async with serving(joined("Ann")) as (bus, client):
        for path in ("/api/parties", "/api/parties/name%3Afriday%20lan"):
            tag = (await client.get(path)).headers["etag"]
            known = {"If-None-Match": tag}
            assert (await client.get(path, headers=known)).status_code == 304
            await bus.publish_and_wait(joined(f"{path}"))
            assert (await client.get(path, headers=known)).status_code == 200


async def test_answers_have_bounds() -> None:
    crowd = [joined(f"{number} {'x' * 1000}") for number in range(60)]
    async with serving(*crowd) as (_, client):
        [party] = (await client.get("/api/parties")).json()["parties"]
        one = (await client.get("/api/parties/name%3Afriday%20lan")).json()
        wrong = await client.get("/api/parties?limit=201")

    assert (len(party["members"]), party["size"]) == (50, 60)
    assert (len(one["members"]), one["size"]) == (60, 60)
    assert {len(member["name"]) for member in one["members"]} == {256}
    assert one["members"][7]["name"].startswith("7 x")
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["path"] == "limit"


async def test_a_party_that_is_over_is_not_found() -> None:
    async with serving() as (_, client):
        answer = await client.get("/api/parties/name%3Anobody")
        assert (await client.get("/api/parties")).json() == {"parties": [], "total": 0}

    assert answer.status_code == 404
    detail = "there is no party with the key 'name:nobody': it may be over"
    assert answer.json()["detail"] == detail
