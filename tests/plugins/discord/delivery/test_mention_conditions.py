"""Mentions that wait for enough players, and that have quiet hours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, PartyEnded, PeerJoined, PeerLeft, PluginStartError
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._delivery import Mentions
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._memory import Memory
from lanrage_events_discord._rendering import DEFAULT_PRESENTATION, Digest, Entry
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin

Running = Callable[..., AbstractAsyncContextManager[Any]]
ROLE, OTHER = "140000000000000002", "140000000000000003"
URL = "https://discord.com/api/webhooks/1234/made-up-token"
TIME = datetime(2026, 3, 6, 20, tzinfo=UTC)
pytestmark = pytest.mark.slow


class Parties:
    """Stands in for the plugin that counts the players, which these tests do themselves."""


Parties.__module__ = "lanrage_events_parties"


def joined(name: str, count: int | None, party: str = "LAN", **more: Any) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party, count=count, **more)


def ended(party: str = "LAN", **more: Any) -> PartyEnded:
    return PartyEnded(
        party_name=party, since=TIME, duration=1.0, peak=4, visitors=4, players=(), games=(), **more
    )


def clock(seconds: float) -> str:
    """Return what a clock in UTC shows in some seconds."""
    now = datetime.fromtimestamp(anyio.current_time(), UTC)
    return f"{now + timedelta(seconds=seconds):%H:%M}"


class Channel:
    """A channel whose messages say whom they mention."""

    def __init__(self, setup: Any, webhook: Any) -> None:
        self._setup = setup
        self._webhook = webhook
        self._seen = 0

    async def mentions(self, *events: Event, seconds: float = 10) -> list[str]:
        """Publish events, one message each, and return what each message mentions."""
        for event in events:
            await self._setup.bus.publish_and_wait(event)
            await anyio.sleep(seconds)

        new = self._webhook.messages[self._seen :]
        self._seen = len(self._webhook.messages)
        return [message["content"] for message in new]


@asynccontextmanager
async def channel(
    running: Running, folder: Path | None = None, discord: Any = None, **mention: Any
) -> AsyncIterator[Channel]:
    """Run the plugin with a route that mentions a role without a cooldown."""
    discord = discord or StandInDiscord()
    webhook = discord.webhooks[0] if discord.webhooks else discord.create_webhook()
    routes = [
        {"events": "party_ended", "webhook": "default", "stop": True},
        {"mention": {"roles": [ROLE], "cooldown": "0s", **mention}},
    ]
    async with running(
        discord,
        folder,
        webhook_url=webhook.url,
        routes=routes,
        plugins={"parties": Parties()},
        batch={"settle": {"leave": "0s"}},
    ) as setup:
        yield Channel(setup, webhook)


PING = f"<@&{ROLE}>"


async def test_role_is_mentioned_when_the_fourth_player_is_on_and_once_a_party(
    running: Running,
) -> None:
    async with channel(running, when={"count": 4}) as found:
        arrivals = [joined(f"p{count}", count) for count in (1, 2, 3, 4, 5)]
        assert await found.mentions(*arrivals) == ["", "", "", PING, ""]
        left = PeerLeft(peer_name="p5", party_name="LAN", count=4)
        assert await found.mentions(left, joined("p4", 4)) == ["", ""]
        # Another party, which may jump over the number.
        assert await found.mentions(joined("q5", 5, "Other"), joined("q6", 6, "Other")) == [
            PING,
            "",
        ]


async def test_those_who_are_left_call_no_one(running: Running) -> None:
    async with channel(running, when={"count": 4}) as found:
        left = PeerLeft(peer_name="p5", party_name="LAN", count=4)
        assert await found.mentions(left, joined("p5", 5)) == ["", PING]


async def test_events_without_a_count_mention_no_one(running: Running) -> None:
    async with channel(running, when={"count": 1}) as found:
        assert await found.mentions(joined("p1", None), joined("p2", 2)) == ["", PING]


async def test_it_is_forgotten_when_the_party_has_ended(running: Running) -> None:
    async with channel(running, when={"count": 4}) as found:
        assert await found.mentions(joined("a", 4), joined("b", 4, "Other")) == [PING, PING]
        assert await found.mentions(ended(), joined("c", 4), joined("d", 4, "Other")) == [
            "",
            PING,
            "",
        ]


async def test_a_party_is_known_by_its_id_and_by_its_name(running: Running) -> None:
    async with channel(running, when={"count": 4}) as found:
        assert await found.mentions(joined("a", 4, party_id="1"), joined("b", 4, party_id="2")) == [
            PING,
            PING,
        ]
        # Its name may have changed since.
        again = joined("c", 4, "Renamed", party_id="1")
        assert await found.mentions(again, joined("d", 4, "lan"), joined("e", 4, "LAN")) == [
            "",
            PING,
            "",
        ]
        assert await found.mentions(ended(party_id="1")) == [""]
        assert await found.mentions(again, joined("f", 4, party_id="2"), joined("g", 4)) == [
            PING,
            "",
            PING,
        ]


async def test_it_is_remembered_over_restarts_without_the_name_of_the_party(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    for expected in (PING, "", ""):
        async with channel(running, tmp_path, discord, when={"count": 4}) as found:
            assert (await found.mentions(joined("p", 4, "Ann's party")))[-1] == expected

    text = (tmp_path / "discord.mentions.json").read_text()
    assert "Ann" not in text
    async with channel(running, tmp_path, discord, when={"count": 4}) as found:
        assert (await found.mentions(ended("Ann's party")))[-1] == ""

    assert json.loads((tmp_path / "discord.mentions.json").read_text()).keys() == {ROLE}


async def test_cooldown_of_the_role_delays_it(running: Running) -> None:
    async with channel(running, when={"count": 2}, cooldown="60s") as found:
        arrivals = [joined("a", 2), joined("b", 2, "Other"), joined("c", 3, "Other")]
        assert await found.mentions(*arrivals, seconds=40) == [PING, "", PING]


async def test_no_one_is_mentioned_in_quiet_hours(running: Running) -> None:
    times = {"from": clock(600), "to": clock(1200), "time_zone": "UTC"}
    async with channel(running, quiet=[times]) as found:
        for expected in (PING, "", PING):
            # Posted all the same.
            assert await found.mentions(joined("a", None)) == [expected]
            await anyio.sleep(600)


async def test_party_that_is_full_in_quiet_hours_mentions_when_they_are_over(
    running: Running,
) -> None:
    times = {"from": clock(0), "to": clock(600), "time_zone": "UTC"}
    async with channel(running, when={"count": 4}, quiet=[times]) as found:
        assert await found.mentions(joined("a", 4)) == [""]
        await anyio.sleep(600)
        assert await found.mentions(joined("b", 5), joined("c", 6)) == [PING, ""]


async def test_what_waited_into_the_quiet_hours_mentions_no_one() -> None:
    clock = Clock()
    mentions = Mentions(Memory(None, "", wall_clock=clock))
    late = entry(mentions_until=clock() + 60)
    assert mentions.choose([late]).roles == [ROLE]
    mentions.release([ROLE])
    clock.now += 60
    assert mentions.choose([late]).roles == []


async def test_parties_are_bounded_and_roles_stay(tmp_path: Path) -> None:
    mentions = Mentions(Memory(tmp_path / "mentions.json", "them"))
    mentions.start_cooldown([OTHER])
    keys = [f"{ROLE} 4 {number:016x}" for number in range(1500)]
    mentions.start_cooldown([ROLE, *keys])
    kept = json.loads((tmp_path / "mentions.json").read_text())
    assert len(kept) == 1000
    assert set(kept) == {OTHER, ROLE, *keys[-998:]}


async def test_many_players_leave_room_for_parties(tmp_path: Path) -> None:
    mentions = Mentions(Memory(tmp_path / "mentions.json", "them"))
    parties = [f"{ROLE} 4 {number:016x}" for number in range(300)]
    mentions.start_cooldown([ROLE, *parties])
    for number in range(1500):
        mentions.start_cooldown([str(10**17 + number)])

    mentions.save()
    kept = json.loads((tmp_path / "mentions.json").read_text())
    assert len(kept) <= 1000
    assert kept.keys() >= {*parties, str(10**17 + 1499)}
    assert mentions.choose([entry(once="4 0000000000000001")]).roles == []


async def test_message_that_two_lanes_send_at_the_same_time_mentions_once() -> None:
    mentions = Mentions()
    assert mentions.choose([entry(once="4 a")]).roles == [ROLE]
    assert mentions.choose([entry(once="4 a")]).roles == []


def test_entries_of_the_version_before_are_read_and_it_reads_new_ones() -> None:
    plain = entry(roles=())
    assert set(json.loads(plain.to_json())["presentation"]) == {
        "silent",
        "immediate",
        "roles",
        "users",
        "cooldown",
    }
    new = entry(once="4 a", mentions_until=1.5)
    assert Entry.from_json(new.to_json()) == new


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def entry(**presentation: Any) -> Entry:
    shown = replace(DEFAULT_PRESENTATION, **{"roles": (ROLE,), **presentation})
    return Entry("id", "peer_joined", TIME, Embed(title="x"), Digest("g", "h", "i"), shown)


# With the plugin itself


async def test_plugin_counts_the_players_and_ends_the_party(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    route = {"mention": {"roles": [ROLE], "cooldown": "0s", "when": {"count": 3}}}
    parties = PartiesPlugin(PartiesConfig(end_after=600))
    config: dict[str, Any] = {"routes": [route], "plugins": {"parties": parties}}
    config["batch"] = {"settle": {"leave": "0s"}}
    async with running(discord, webhook_url=webhook.url, **config) as setup:
        found, names = Channel(setup, webhook), ("Ann", "Bob", "Cem", "Dee")
        arrivals = [joined(name, None) for name in names]
        assert await found.mentions(*arrivals) == ["", "", PING, ""]
        leaves = [PeerLeft(peer_name=name, party_name="LAN") for name in names]
        assert await found.mentions(*leaves) == [""] * 4
        await anyio.sleep(700)
        again = [joined(name, None) for name in names]
        # The first of them is the recap.
        assert await found.mentions(*again) == ["", "", "", PING, ""]


# Without the plugin


def problems(*plugins: str, **route: Any) -> list[tuple[tuple[object, ...], str, bool]]:
    bus = EventBus()
    routes = [{"mention": {"roles": [ROLE], "when": {"count": 4}}, **route}]
    config = DiscordConfig.model_validate({"webhook_url": URL, "routes": routes})
    bus.register(DiscordPlugin(config), "discord")
    for name in plugins:
        bus.register(Parties(), name)

    found = bus.plugins.problems("discord")
    return [(problem.path, problem.message, problem.warning) for problem in found]


def test_check_says_that_the_plugin_is_missing() -> None:
    [(path, message, is_warning)] = problems()
    assert (path, is_warning) == (("routes", 0, "mention", "when", "count"), False)
    assert message == "the plugin 'parties' counts the players, and is not there: add 'parties:'"
    assert not problems("people")


async def test_plugin_does_not_start_without_it() -> None:
    routes = [{"mention": {"roles": [ROLE], "when": {"count": 4}}}]
    config = DiscordConfig.model_validate({"webhook_url": URL, "routes": routes})
    bus = EventBus()
    bus.register(DiscordPlugin(config), "discord")
    with pytest.raises(PluginStartError) as caught:
        async with bus:
            pass

    assert "the plugin 'parties' counts the players" in str(caught.value.__cause__)


def test_route_whose_events_have_no_count_is_a_warning() -> None:
    [(path, message, is_warning)] = problems("parties", events=["game_started", "peer_left"])
    assert (path, is_warning) == (("routes", 0, "mention", "when", "count"), True)
    assert "so no one is mentioned: use peer_joined" in message
    assert not problems("parties", events="peer_joined")
