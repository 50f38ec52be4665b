"""What the big screen shows: which party, its last events, and the invite."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    hookimpl,
)
from lanrage_events.forgetting import forget
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_http import HTTPConfig, HTTPPlugin
from lanrage_events_parties import PartiesConfig, PartiesPlugin
from lanrage_events_presence import PresenceConfig, PresencePlugin

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.either_backend]

NOW = datetime.now(UTC)
READ = "a-made-up-token-to-read"
PUBLISH = "a-made-up-token-to-publish"


class Inviting:
    def __init__(self, url: Any) -> None:
        self.url = url

    @hookimpl
    def invite_url(self) -> Any:
        return self.url


@asynccontextmanager
async def serving(
    *events: Event, folder: Path | None = None, invite: Any = None, **http: Any
) -> AsyncIterator[tuple[EventBus, httpx.AsyncClient]]:
    plugin = HTTPPlugin(HTTPConfig(port=0, **http))
    async with EventBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(PartiesPlugin(PartiesConfig(end_after=0)), "parties")
        bus.register(Inviting(invite), "inviting")
        await bus.plugins.register_and_wait(plugin, "http")
        await bus.publish_many_and_wait(events, "all")
        async with httpx.AsyncClient(base_url=f"{plugin.url}api/parties/") as client:
            yield bus, client


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def joined(name: str, party: str = "Red", minutes: float = 0, **fields: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party, time=ago(minutes), **fields)


def left(name: str, party: str = "Red", minutes: float = 0) -> PeerLeft:
    return PeerLeft(peer_name=name, party_name=party, time=ago(minutes))


async def show(client: httpx.AsyncClient, **query: str) -> Any:
    return (await client.get("screen", params=query)).raise_for_status().json()


def lines(answer: Any) -> list[str]:
    return [f"{event['type']} {event['name']}" for event in answer["events"]]


async def test_the_screen_has_one_party_with_all_of_its_members() -> None:
    events = [joined(f"Player {number}", minutes=100 - number / 10) for number in range(300)]
    async with serving(*events) as (_, client):
        answer = await show(client)
        [party] = (await client.get("")).json()["parties"]

    members = answer["party"].pop("members")
    assert [member["name"] for member in members] == [f"Player {n}" for n in range(300)]
    assert answer["party"] == {name: value for name, value in party.items() if name != "members"}
    assert abs(datetime.fromisoformat(answer["time"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (answer["others"], answer["invite"]) == ([], None)


async def test_a_party_stays_until_it_is_over_and_the_largest_follows() -> None:
    async with serving() as (bus, client):
        nobody = await show(client)
        assert (nobody["party"], nobody["shown"], nobody["events"]) == (None, None, [])

        await bus.publish_many_and_wait([joined("Ann", "Red"), joined("Bob", "Blue")], "all")
        await bus.publish_and_wait(joined("Cid", "Blue"))
        first = await show(client)
        assert first["party"]["name"] == "Blue"
        assert first["others"] == [{"name": "Red", "size": 1}]

        # A larger one does not push it away, not even for a screen that was off meanwhile.
        await bus.publish_many_and_wait([joined(name, "Red") for name in ("Dan", "Eve")], "all")
        assert (await show(client, shown=first["shown"]))["party"]["name"] == "Blue"
        assert (await show(client))["party"]["name"] == "Red"

        await bus.publish_many_and_wait([left("Bob", "Blue"), left("Cid", "Blue")], "all")
        last = await show(client, shown=first["shown"])
        assert last["party"]["name"] == "Red"
        assert last["others"] == []


@pytest.mark.parametrize(
    ("wanted", "name"), [("blue", "Blue"), ("blue-7", "Blue"), ("other", None)]
)
async def test_the_screen_of_one_party_shows_no_other(wanted: str, name: str | None) -> None:
    events = [joined("Ann"), joined("Cid"), joined("Bob", "Blue", party_id="blue-7")]
    async with serving(*events) as (_, client):
        red = await show(client)
        answer = await show(client, party=wanted, shown=red["shown"])

    assert (answer["party"] and answer["party"]["name"], answer["others"]) == (name, [])


async def test_the_last_events_are_those_of_the_party(tmp_path: Path) -> None:
    events = [
        joined("Ann", minutes=60),
        joined("Zed", "Blue", 50),
        left("Zed", "Blue", 40),
        joined("Bob", minutes=30),
        GameStarted(game_name="Quake", players=("Ann",), time=ago(20)),
        GameEnded(game_name="Quake", duration=60, time=ago(19)),
        GameStarted(game_name="Doom", players=("Ann",), time=ago(18)),
        left("Bob", minutes=10),
        joined("Cid", minutes=5),
    ]
    async with serving(*events, events[-2], folder=tmp_path) as (bus, client):
        answer = await show(client)
        assert lines(answer) == [
            "peer_joined Cid",
            "peer_left Bob",
            "game_started Doom",
            "game_ended Quake",
            "game_started Quake",
            "peer_joined Ann",
        ]
        await forget(bus, "bob")
        assert "Bob" not in (await client.get("screen")).text

    async with serving(folder=tmp_path) as (_, client):
        again = await show(client, shown=answer["shown"])
        assert lines(again) == ["peer_joined Cid", "peer_joined Ann"]
        assert again["party"]["game"] == "Doom"


async def test_a_party_of_a_server_has_no_events_of_the_one_before() -> None:
    server = ServerStarted(server_name="Red", game_name="Quake", time=ago(60))
    events = [server, joined("Ann", minutes=50), left("Ann", minutes=40)]
    async with serving(*events) as (bus, client):
        assert (await show(client))["party"] is None
        await bus.drain()
        await bus.publish_and_wait(joined("Bob", minutes=1))
        assert lines(await show(client)) == ["peer_joined Bob"]


async def test_no_more_events_are_kept_than_are_shown_and_names_are_cut() -> None:
    events = [joined("Ann", minutes=200)]
    for number in range(50):
        name = f"{number}" + "W" * 5000
        events += [joined(name, minutes=100 - number), left(name, minutes=99 - number)]  # type: ignore[list-item]

    async with serving(*events) as (_, client):
        answer = await show(client)

    assert [event["name"][:2] for event in answer["events"]] == [str(49 - n) for n in range(8)]
    assert {len(event["name"]) for event in answer["events"]} == {256}


async def test_a_party_with_a_long_name_stays_too() -> None:
    name = "\N{PARTY POPPER}" * 5000
    async with serving(joined("Ann", name), joined("Bob"), joined("Cid")) as (bus, client):
        await bus.publish_many_and_wait([left("Bob"), left("Cid")], "all")
        first = await show(client)
        await bus.publish_many_and_wait([joined("Bob"), joined("Cid")], "all")
        assert (await show(client, shown=first["shown"]))["party"]["name"] == f"{name[:255]}…"


async def test_the_invite_comes_with_its_qr_code() -> None:
    async with serving(invite="https://discord.gg/abc123") as (_, client):
        invite = (await show(client))["invite"]

    assert invite["url"] == "https://discord.gg/abc123"
    assert invite["qr"].startswith("data:image/svg+xml")
    assert unquote(invite["qr"]).count("http") == 1  # the name of SVG


@pytest.mark.parametrize(
    "invite",
    [
        None,
        "",
        "https://x.example/" + "x" * 5000,
        7,
        b"x",
        ["x"],
        "https://x.example/\ud800",
        "a\nb",
    ],
)
async def test_what_is_no_invite_is_not_shown(invite: Any) -> None:
    async with serving(joined("Ann"), invite=invite) as (_, client):
        answer = await show(client)

    assert (answer["invite"], answer["party"]["size"]) == (None, 1)


async def test_without_segno_the_invite_is_a_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    async with serving(invite="https://discord.gg/no-segno") as (_, client):
        for _ in range(2):
            answer = await show(client)
            assert answer["invite"] == {"url": "https://discord.gg/no-segno", "qr": None}

    [record] = [record for record in caplog.records if "segno" in record.getMessage()]
    assert "[http]" in record.getMessage()


def test_discord_and_presence_have_the_invite_of_their_configuration() -> None:
    url = "https://discord.gg/abc123"
    assert DiscordPlugin(DiscordConfig(invite_url=url)).invite_url() == url
    assert PresencePlugin(PresenceConfig(invite_url=url)).invite_url() == url
    assert DiscordPlugin(DiscordConfig()).invite_url() is None


async def test_the_scope_read_is_needed_and_enough() -> None:
    tokens = {
        "hall": {"token": READ, "scopes": ["read"]},
        "game": {"token": PUBLISH, "scopes": ["publish"]},
    }
    async with serving(joined("Ann"), tokens=tokens) as (_, client):
        for token, status in ((None, 401), (PUBLISH, 403), (READ, 200)):
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            assert (await client.get("screen", headers=headers)).status_code == status
