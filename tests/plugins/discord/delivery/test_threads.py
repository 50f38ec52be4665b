"""Threads of forums by template: which one a message goes to, how many are created, and what is kept."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    Parties,
    PeerJoined,
    PeerLeft,
    PluginStartError,
)
from lanrage_events.abc import Bus
from lanrage_events.forgetting import forget
from lanrage_events.outbox import Outbox
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._delivery import Threads
from lanrage_events_discord._delivery.threads import MAX_NEW, MAX_REMEMBERED
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._memory import Memory
from lanrage_events_discord._rendering import Digest, Entry, Presentation
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_parties import PartiesConfig, PartiesPlugin

BY_PARTY = "{{ party_name }}"


class Clock:
    """The wall clock, which can be set, while the event loop's clock goes on."""

    def __init__(self) -> None:
        self.offset = 1_700_000_000.0

    def __call__(self) -> float:
        return self.offset + anyio.current_time()


class InlinePlugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    _wall_clock = staticmethod(lambda: 1_700_000_000.0 + anyio.current_time())

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)


@asynccontextmanager
async def running(
    discord: StandInDiscord, state_folder: Path | None = None, **config: Any
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        kind = DiscordPlugin if state_folder is None else InlinePlugin
        plugin = kind(DiscordConfig.model_validate(config), http=http)
        bus = EventBus(state_folder=state_folder)
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


def joined(name: str, party: str = "LAN") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name=party)


def shown(forum: StandInWebhook) -> dict[str, list[str]]:
    """Return the texts that people see in each thread, by the name of the thread."""
    found: dict[str, list[str]] = {name: [] for name in forum.threads.values()}
    for message in forum.messages:
        found[forum.threads[message["channel_id"]]].append(json.dumps(message["embeds"]))

    return found


def forum_of(discord: StandInDiscord, thread_name: str = BY_PARTY, **more: Any) -> Any:
    forum = discord.create_webhook(forum=True)
    return forum, {"forum": {"url": forum.url, "thread_name": thread_name, **more}}


@pytest.mark.slow
async def test_each_party_has_a_post_and_what_has_none_goes_to_the_fallback() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, _):
        for event in (
            joined("Ann", "Friday"),
            PeerJoined(peer_name="Bob", party_name="Saturday", party_id="s"),
            Notification(title="Server", message="is up"),
            GameStarted(game_name="Factorio", players=("Ann",)),
            GameStarted(game_name="Quake", players=(), party_id="s"),
            GameEnded(game_name="Factorio", duration=60),
        ):
            await bus.publish(event)
            await anyio.sleep(5)

    texts = shown(forum)
    assert list(texts) == ["Friday", "Saturday", "LANrage"]
    assert ["Ann" in texts["Friday"][0], "Factorio" in texts["Friday"][1]] == [True, True]
    assert "Factorio" in texts["Friday"][2]
    assert ["Bob" in texts["Saturday"][0], "Quake" in texts["Saturday"][1]] == [True, True]
    assert "Server" in texts["LANrage"][0]


@pytest.mark.slow
async def test_parties_of_an_earlier_run_are_those_of_the_plugin_parties() -> None:
    class Known:
        parties = Parties()

    for name in ("Friday", "Saturday"):
        Known.parties.follow(PeerJoined(peer_name=name[:3], party_name=name))

    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, _):
        bus.register(Known(), "parties")
        await bus.publish(GameStarted(game_name="Factorio", players=("Fri",)))

    assert [*forum.threads.values()] == ["Friday"]


@pytest.mark.slow
async def test_the_template_may_name_the_fallback() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord, "{{ party_name or 'Lobby' }}")
    async with running(discord, webhooks=webhooks) as (bus, _):
        await bus.publish(Notification(title="Server", message="is up"))

    assert [*forum.threads.values()] == ["Lobby"]


@pytest.mark.slow
async def test_one_post_for_each_day_of_a_time_zone() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord, "{{ day('Europe/Berlin', 6) }}")
    async with running(discord, webhooks=webhooks) as (bus, _):
        for hour in (4, 5):
            time = datetime(2026, 7, 1, hour - 1, 30, tzinfo=UTC)
            await bus.publish(PeerJoined(peer_name="Ann", party_name="LAN", time=time))
            await anyio.sleep(5)

    assert [*forum.threads.values()] == ["2026-06-30", "2026-07-01"]


@pytest.mark.slow
async def test_route_decides_before_the_webhook_and_tags_come_by_template() -> None:
    discord = StandInDiscord()
    _, webhooks = forum_of(discord, "Lobby", applied_tags=["7"])
    tags = ["1", "{{ {'Factorio': '22'}.get(game_name) }}", "{{ game_name }}"]
    routes = [
        {"events": "game_started", "thread_name": "{{ game_name }}", "applied_tags": tags},
        {"events": "*"},
    ]
    async with running(discord, webhooks=webhooks, routes=routes) as (bus, plugin):
        for event in (
            GameStarted(game_name="Factorio", players=()),
            GameStarted(game_name="Quake", players=()),
            joined("Ann"),
            GameStarted(game_name="Quake", players=()),
        ):
            await bus.publish(event)
            await anyio.sleep(5)

        assert [one.path for one in plugin.validate(bus)] == [("routes", 0, "applied_tags")]

    made = [(r.body.get("thread_name"), r.body.get("applied_tags")) for r in discord.journal]
    assert made == [("Factorio", ["1", "22"]), ("Quake", ["1"]), ("Lobby", ["7"]), (None, None)]


@pytest.mark.slow
async def test_messages_about_no_event_go_to_the_webhooks_own_thread() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    batch = {"window": 1, "immediate": False, "settle": {"leave": 0}}
    age = {"peer_joined": 0.5}
    async with running(discord, webhooks=webhooks, max_age=age, batch=batch) as (bus, _):
        late = joined("Ann", "Friday")
        await anyio.sleep(1)
        await bus.publish(late)
        await bus.publish(PeerLeft(peer_name="Bob", party_name="Saturday"))
        await anyio.sleep(40)

    texts = shown(forum)
    assert "expired before" in texts["LANrage"][0]
    assert "expired before" not in str(texts["Saturday"])


@pytest.mark.slow
@pytest.mark.parametrize("reconnects", ["count", "post"])
async def test_reconnects_are_reported_in_the_post_of_their_events(reconnects: str) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    batch = {"reconnects": reconnects}
    async with running(discord, webhooks=webhooks, batch=batch) as (bus, plugin):
        for name, party in (("Ann", "Friday"), ("Bob", "Saturday")):
            await bus.publish(joined(name, party))
            await anyio.sleep(60)
            await bus.publish(PeerLeft(peer_name=name, party_name=party))
            await anyio.sleep(5)
            await bus.publish(joined(name, party))

        await anyio.sleep(60)
        for name, party in (("Cid", "Saturday"), ("Dan", "Friday")):
            await bus.publish(joined(name, party))
            await anyio.sleep(60)

        assert plugin.pending == 0

    texts = shown(forum)
    assert [*texts] == ["Friday", "Saturday"]
    for party, here, elsewhere in (("Friday", "Ann", "Bob"), ("Saturday", "Bob", "Ann")):
        assert len(re.findall("back|reconnect", str(texts[party]))) == 1
        assert str(texts[party]).count(here) == 2
        assert elsewhere not in str(texts[party])


@pytest.mark.slow
async def test_own_thread_of_a_webhook_may_be_one_that_exists() -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    lobby = forum.create_thread("Lobby")
    webhooks = {"forum": {"url": forum.url, "thread_id": lobby}}
    routes = [{"events": "peer_joined", "thread_name": BY_PARTY}, {}]
    async with running(discord, webhooks=webhooks, routes=routes) as (bus, _):
        await bus.publish(joined("Ann", "Friday"))
        await bus.publish(joined("Bob", ""))
        await bus.publish(Notification(title="Server", message="is up"))

    texts = shown(forum)
    assert "Ann" in texts["Friday"][0]
    assert "Bob" in str(texts["Lobby"])
    assert "Server" in str(texts["Lobby"])


@pytest.mark.slow
async def test_interleaved_parties_cost_a_message_each_and_not_one_for_each_event() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    batch = {"window": 1, "immediate": False}
    async with running(discord, webhooks=webhooks, batch=batch) as (bus, plugin):
        for number in range(60):
            await bus.publish(joined(f"p{number:02}", f"party {number % 3}"))

        await anyio.sleep(10)
        assert plugin.pending == 0

    assert len(discord.journal) == 3
    for remainder in range(3):
        [text] = shown(forum)[f"party {remainder}"]
        names = [f"p{number:02}" for number in range(remainder, 60, 3)]
        assert [text.index(name) for name in names] == sorted(text.index(name) for name in names)
        assert not any(f"p{number:02}" in text for number in range(60) if number % 3 != remainder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("party", "name"),
    [
        ("x" * 5000, "x" * 99 + "…"),
        ("🎮" * 300, "🎮" * 49 + "…"),
        ("a\nb\r\n\tc", "a b c"),
        ("\u200b", "?"),
        ("   ", "?"),
        ("\u202eFri\u200bday\u2066", "Friday"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
        ("\ud83d", "?"),
    ],
)
@pytest.mark.either_backend
async def test_hostile_names_of_parties_are_names_of_posts(party: str, name: str) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        await bus.publish(joined("Ann", party))
        await anyio.sleep(5)
        assert plugin.pending == 0

    assert [*forum.threads.values()] == [name]


@pytest.mark.slow
async def test_deleted_and_locked_posts_are_created_again_and_the_others_go_on() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    parties = ("Friday", "Saturday", "Sunday", "Monday")
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        for party in parties:
            await bus.publish(joined("Ann", party))
            await anyio.sleep(5)

        ids = {name: thread_id for thread_id, name in forum.threads.items()}
        forum.delete_thread(ids["Friday"])
        forum.lock_thread(ids["Saturday"])
        for party in parties[:3]:
            await bus.publish(joined("Bob", party))

        await anyio.sleep(5)
        discord.faults.fail(400, code=50083, webhook=forum)
        await bus.publish(joined("Cid", "Monday"))
        await anyio.sleep(5)
        assert plugin.pending == 0
        assert bus.health()["discord"].status == "ok"

    names = [*forum.threads.values()]
    assert [names.count(party) for party in parties] == [1, 2, 1, 2]


@pytest.mark.slow
async def test_no_more_than_ten_posts_an_hour_then_the_newest_takes_their_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        for number in range(40):
            await bus.publish(joined(f"p{number:02}", f"party {number:02}"))

        await anyio.sleep(30)
        assert plugin.pending == 0
        assert len(forum.threads) == 10
        assert len(discord.journal) <= 12
        [metric] = [one for one in plugin.metrics() if one.name == "lane_elsewhere"]
        assert [sample.value for sample in metric.samples] == [30]
        assert "10 forum posts were created within an hour" in bus.health()["discord"].detail
        await bus.publish(joined("next", "party 40"))
        await anyio.sleep(5)
        assert caplog.text.count("webhook 'forum': 10 forum posts were created") == 1
        assert caplog.text.count("10 forum posts were created") == 1
        await anyio.sleep(3600)
        assert "forum posts" not in bus.health()["discord"].detail
        await bus.publish(joined("late", "party 39"))
        await anyio.sleep(5)
        assert len(forum.threads) == 11

    texts = shown(forum)
    assert all(f"p{number:02}" in str(texts["party 09"]) for number in range(9, 40))
    assert "late" in str(texts["party 39"])


@pytest.mark.slow
async def test_without_another_post_the_lane_waits_for_its_hour() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        for number in range(11):
            await bus.publish(joined(f"p{number:02}", f"party {number:02}"))
            await anyio.sleep(5)
            for thread_id in forum.threads:
                forum.delete_thread(thread_id)

        assert plugin.pending == 1
        assert "there is none to post to" in bus.health()["discord"].detail
        await anyio.sleep(3600)
        assert plugin.pending == 0
        assert bus.health()["discord"].status == "ok"

    assert [*forum.threads.values()] == ["party 10"]


@pytest.mark.slow
async def test_name_that_discord_rejects_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        discord.faults.fail(400, code=200001, webhook=forum)
        for party in ("rude", "Friday", "rude"):
            await bus.publish(joined("Ann", party))
            await anyio.sleep(5)

        assert plugin.pending == 0

    assert {name: len(texts) for name, texts in shown(forum).items()} == {"LANrage": 2, "Friday": 1}
    assert "does not create the forum post 'rude'" in caplog.text


@pytest.mark.slow
async def test_post_without_the_tag_that_the_forum_asks_for_goes_to_the_fallback() -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True, require_tag=True)
    webhook = {"url": forum.url, "thread_name": "Lobby", "applied_tags": ["7"]}
    routes = [{"thread_name": "{{ game_name }}", "applied_tags": ["{{ party_id }}"]}]
    async with running(discord, webhooks={"forum": webhook}, routes=routes) as (bus, plugin):
        await bus.publish(GameStarted(game_name="Quake", players=()))
        await anyio.sleep(5)
        assert plugin.pending == 0

    # A route without a tag for an event takes the webhook's.
    assert [*forum.threads.values()] == ["Quake"]


@pytest.mark.slow
async def test_too_many_active_posts_at_the_start_let_events_wait_or_go_to_the_own_post() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    other = discord.create_webhook(forum=True)
    webhooks["other"] = {"url": other.url, "thread_id": other.create_thread("Own")}
    routes = [{"thread_name": BY_PARTY}]
    async with running(discord, webhooks=webhooks, routes=routes) as (bus, plugin):
        for webhook in (forum, other):
            discord.faults.fail(400, code=160006, webhook=webhook)

        await bus.publish(joined("Ann", "Friday"))
        await anyio.sleep(5)
        assert {name: len(texts) for name, texts in shown(other).items()} == {"Own": 1}
        assert "too many active forum posts, and there is none" in bus.health()["discord"].detail
        assert "an hour" not in bus.health()["discord"].detail
        await anyio.sleep(600)
        assert plugin.pending == 0

    assert [*forum.threads.values()] == ["Friday"]


@pytest.mark.slow
async def test_webhook_of_no_forum_posts_in_its_channel_though_a_route_names_posts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = StandInDiscord()
    chat, (forum, webhooks) = discord.create_webhook(), forum_of(discord)
    webhooks["chat"] = {"url": chat.url}
    routes = [{"thread_name": BY_PARTY}]
    async with running(discord, webhooks=webhooks, routes=routes) as (bus, plugin):
        for party in ("Friday", "Saturday"):
            await bus.publish(joined("Ann", party))
            await bus.publish(Notification(title="Server", message="is up"))
            await anyio.sleep(5)

        assert (plugin.pending, bus.health()["discord"].status) == (0, "ok")

    assert ["Ann" in str(message["embeds"]) for message in chat.messages] == [True, True]
    assert caplog.text.count("only for forum channels") == 1
    assert [*forum.threads.values()] == ["Friday", "LANrage", "Saturday"]


@pytest.mark.slow
async def test_card_in_a_text_channel_needs_no_post_that_a_route_names() -> None:
    discord = StandInDiscord()
    chat = discord.create_webhook()
    config = {
        "webhooks": {"chat": {"url": chat.url}},
        "routes": [{"thread_name": BY_PARTY}],
        "cards": [{"webhook": "chat"}],
    }
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        bus = EventBus()
        bus.register(PartiesPlugin(PartiesConfig()), "parties")
        bus.register(DiscordPlugin(DiscordConfig.model_validate(config), http=http), "discord")
        async with bus:
            await bus.publish(joined("Ann"))
            await anyio.sleep(10)

    [message] = chat.messages
    assert "Ann" in str(message["embeds"])


@pytest.mark.slow
async def test_too_many_active_posts_in_discord_stop_no_event() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        await bus.publish(joined("Ann", "Friday"))
        await anyio.sleep(5)
        discord.faults.fail(400, code=160006, webhook=forum)
        await bus.publish(joined("Bob", "Saturday"))
        await anyio.sleep(5)
        assert plugin.pending == 0
        assert [*forum.threads.values()] == ["Friday"]
        await anyio.sleep(600)
        await bus.publish(joined("Cid", "Saturday"))
        await anyio.sleep(5)

    assert [*forum.threads.values()] == ["Friday", "Saturday"]


@pytest.mark.slow
async def test_posts_and_their_number_outlast_a_restart(tmp_path: Path) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    for life in range(3):
        async with running(discord, tmp_path, webhooks=webhooks) as (bus, plugin):
            for number in range(5):
                await bus.publish(joined("Ann", f"party {life} {number}"))
                await anyio.sleep(5)

            await bus.publish(joined("Bob", "party 0 0"))
            await anyio.sleep(5)
            assert plugin.pending == 0

    names = [*forum.threads.values()]
    assert len(names) == MAX_NEW
    assert names.count("party 0 0") == 1


@pytest.mark.slow
async def test_what_waits_keeps_its_post_though_the_template_changes(tmp_path: Path) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    batch = {"window": 60, "immediate": False}
    async with running(discord, tmp_path, webhooks=webhooks, batch=batch) as (bus, _):
        discord.faults.refuse_connections(600)
        await bus.publish(joined("Ann", "Friday"))

    webhooks["forum"]["thread_name"] = "Everything"
    await anyio.sleep(700)
    async with running(discord, tmp_path, webhooks=webhooks) as (bus, plugin):
        await anyio.sleep(5)
        assert plugin.pending == 0

    assert [*forum.threads.values()] == ["Friday"]


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ party_name", "unexpected end of template"),
        ("{% if %}", "Expected an expression"),
        ("{{ party_name | no_such }}", "No filter named 'no_such'"),
    ],
)
@pytest.mark.either_backend
async def test_template_that_is_none_stops_the_start(template: str, error: str) -> None:
    discord = StandInDiscord()
    _, webhooks = forum_of(discord, template)
    with pytest.raises(PluginStartError, match=rf"(?i)webhooks\.forum\.thread_name: {error}"):
        async with running(discord, webhooks=webhooks):
            raise AssertionError("it must not start")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"thread_name": "{{ party_nam }}"}, "did you mean 'party_name'"),
        ({"thread_name": "{{ day('Europe/Berln') }}"}, "did you mean 'Europe/Berlin'"),
        ({"applied_tags": ["1"]}, "no forum post is created for this webhook"),
        ({"applied_tags": ["{{ game_nam }}"], "thread_name": "a"}, "did you mean 'game_name'"),
    ],
)
@pytest.mark.either_backend
async def test_check_warns_of_what_gives_no_thread(setting: Any, message: str) -> None:
    discord = StandInDiscord()
    webhooks = {"forum": {"url": discord.create_webhook(forum=True).url, **setting}}
    plugin = DiscordPlugin(DiscordConfig.model_validate({"webhooks": webhooks}))
    bus = EventBus()
    bus.register(plugin, "discord")
    problems = [one for one in plugin.validate(bus) if message in one.message]
    assert [(one.warning, one.path[:2]) for one in problems] == [(True, ("webhooks", "forum"))]


def test_names_of_tags_are_no_ids() -> None:
    with pytest.raises(ValueError, match="Discord takes no names of tags"):
        DiscordConfig.model_validate(
            {"routes": [{"thread_name": "a", "applied_tags": ["Factorio"]}]}
        )

    with pytest.raises(ValueError, match="at most 5"):
        DiscordConfig.model_validate({"routes": [{"applied_tags": list("123456")}]})

    with pytest.raises(ValueError, match="at most 100 characters"):
        DiscordConfig.model_validate({"routes": [{"thread_name": "x" * 101}]})


def threads_in(folder: Path, clock: Clock) -> Threads:
    return Threads(
        Memory(folder / "threads.json", "ids", wall_clock=clock),
        Memory(folder / "thread_times.json", "times", wall_clock=clock),
    )


def create(threads: Threads, name: str, number: int, webhook_id: str = "1") -> bool:
    """Create the thread of a name as an envelope does; return whether it may."""
    if threads.place(webhook_id, name).name != name or threads.begin(webhook_id, name):
        return False

    threads.remember(webhook_id, name, str(10**17 + number))
    return True


async def test_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    (tmp_path / "threads.json").write_text('{"1/Friday": "17", "2/Friday": "18"}')
    threads = threads_in(tmp_path, Clock())
    assert threads.place("1", "Friday").thread_id == "17"
    assert threads.place("2", "Friday").thread_id == "18"
    assert create(threads, "Saturday", 0)
    # And the version before reads what is written now.
    assert {*json.loads((tmp_path / "threads.json").read_text())} == {
        "1/Friday",
        "2/Friday",
        "1/Saturday",
    }


@pytest.mark.parametrize("change", [-86_400, -60, 0])
async def test_a_clock_that_is_set_back_permits_no_more_threads(
    tmp_path: Path, change: float
) -> None:
    clock = Clock()
    threads = threads_in(tmp_path, clock)
    assert [create(threads, str(number), number) for number in range(11)] == [True] * 10 + [False]
    await anyio.sleep(1800)
    clock.offset += change
    threads = threads_in(tmp_path, clock)
    assert not create(threads, "11", 11)
    assert threads.place("1", "11").thread_id == str(10**17 + 9)
    await anyio.sleep(3601)
    assert create(threads, "11", 11)


async def test_another_webhook_has_threads_of_its_own(tmp_path: Path) -> None:
    threads = threads_in(tmp_path, Clock())
    for number in range(12):
        create(threads, str(number), number)

    assert create(threads, "0", 0, webhook_id="11")
    assert threads.place("11", "1").name == "1"


async def test_the_names_used_longest_ago_are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    known = {f"1/{number}": str(10**17 + number) for number in range(MAX_REMEMBERED + 49)}
    (tmp_path / "threads.json").write_text(json.dumps({"2/Lobby": "1", **known}))
    threads = threads_in(tmp_path, clock)
    threads.used("1", "0")
    threads.remember("1", "new", "1")
    threads = threads_in(tmp_path, clock)
    assert threads.place("2", "Lobby").thread_id == "1"
    assert threads.place("1", "0").thread_id
    assert [n for n in range(60) if not threads.place("1", str(n)).thread_id] == [*range(1, 51)]
    assert len(json.loads((tmp_path / "threads.json").read_text())) == MAX_REMEMBERED + 1


async def test_a_post_that_is_gone_is_not_found_in_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    threads = threads_in(tmp_path, Clock())
    assert create(threads, "Friday", 0)
    monkeypatch.setattr(os, "replace", fail)
    assert threads.forget("1", str(10**17))
    threads.refresh()
    assert threads.place("1", "Friday").name == "Friday"


async def test_posts_of_the_command_test_count_after_many_of_the_daemon(tmp_path: Path) -> None:
    clock = Clock()
    threads = threads_in(tmp_path, clock)
    for number in range(30):
        assert create(threads, str(number), number)
        await anyio.sleep(361)

    await anyio.sleep(3600)
    other = threads_in(tmp_path, clock)
    for number in range(5):
        assert create(other, f"test {number}", 100 + number)

    threads.refresh()
    found = [create(threads, f"late {number}", 200 + number) for number in range(6)]
    assert found == [True] * 5 + [False]


@pytest.mark.parametrize("text", ["{", "[1]", '{"1": 3}', '{"1": ["x"]}', '{"1": [NaN]}'])
async def test_damaged_times_permit_threads(tmp_path: Path, text: str) -> None:
    (tmp_path / "thread_times.json").write_text(text)
    assert create(threads_in(tmp_path, Clock()), "Friday", 1)


async def test_thread_that_was_begun_counts_though_its_answer_was_lost(tmp_path: Path) -> None:
    clock = Clock()
    threads = threads_in(tmp_path, clock)
    for number in range(9):
        create(threads, str(number), number)

    assert threads.begin("1", "x") is None
    # The process was killed, and the next one knows.
    threads = threads_in(tmp_path, clock)
    wait = threads.begin("1", "x")
    assert wait is not None
    assert wait.seconds > 3590
    # Of another one, it is known that Discord did not create it.
    threads.end("1", "x", may_exist=False)
    assert threads.begin("1", "x") is None


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 13), st.sampled_from([0, 0.1, 3])), min_size=1, max_size=40),
    st.sampled_from(["digest", "embeds"]),
    st.dictionaries(st.integers(0, 39), st.sampled_from([429, 500, 503, 504]), max_size=4),
)
def test_order_is_kept_in_each_thread(
    backend: Literal["asyncio", "trio"],
    wanted: list[tuple[int, float]],
    style: str,
    failures: dict[int, int],
) -> None:
    async def scenario() -> StandInWebhook:
        discord = StandInDiscord(channel_limit=30)
        forum: StandInWebhook
        forum, webhooks = forum_of(discord)
        async with running(discord, webhooks=webhooks, batch={"style": style}) as (bus, plugin):
            for number, (party, pause) in enumerate(wanted):
                if number in failures:
                    discord.faults.fail(failures[number])

                await bus.publish(joined(f"n{number:03}", f"party {party}"))
                await anyio.sleep(pause)

            await anyio.sleep(400)
            assert plugin.pending == 0

        return forum

    name, options = virtual_time(backend)
    forum = anyio.run(scenario, backend=name, backend_options=options)
    parties = {party for party, _ in wanted}
    assert len(forum.threads) <= MAX_NEW
    found: dict[int, list[int]] = {}
    for message in forum.messages:
        numbers = [int(one) for one in re.findall(r"\bn(\d{3})\b", json.dumps(message["embeds"]))]
        for number in dict.fromkeys(numbers):
            found.setdefault(wanted[number][0], []).append(number)

        if len(parties) <= MAX_NEW:
            thread = forum.threads[message["channel_id"]]
            assert {f"party {wanted[number][0]}" for number in numbers} == {thread}

    for party in parties:
        expected = [number for number, (one, _) in enumerate(wanted) if one == party]
        assert [*dict.fromkeys(found[party])] == expected


@pytest.mark.slow
async def test_forgotten_person_is_in_no_name_of_a_thread(tmp_path: Path) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, tmp_path, webhooks=webhooks) as (bus, _):
        for name in ("Ann", "Bob"):
            await bus.publish(joined(name, f"{name} plays"))
            await anyio.sleep(5)

        report = await forget(bus, "ann")
        assert {"names of threads": 1} in [found.removed for found in report.found]
        known = json.loads((tmp_path / "discord.threads.json").read_text())
        assert [*known] == [f"{forum.id}/Bob plays"]
        # Nor is it known in which party she is.
        await bus.publish(GameStarted(game_name="Quake", players=("Ann",)))

    assert [*forum.threads.values()] == ["Ann plays", "Bob plays", "LANrage"]


@pytest.mark.slow
async def test_post_that_the_command_test_creates_is_used(tmp_path: Path) -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    async with running(discord, tmp_path, webhooks=webhooks) as (bus, plugin):
        await bus.publish(joined("Ann", "Friday"))
        await anyio.sleep(5)
        other = Threads(
            Memory(tmp_path / "discord.threads.json", "ids"),
            Memory(tmp_path / "discord.thread_times.json", "times"),
        )
        assert other.begin(forum.id, "Saturday") is None
        other.remember(forum.id, "Saturday", forum.create_thread("Saturday"))
        await bus.publish(joined("Bob", "Saturday"))
        await anyio.sleep(5)
        assert plugin.pending == 0

    assert [*forum.threads.values()] == ["Friday", "Saturday"]


def test_thread_and_tags_wait_in_the_outbox() -> None:
    shown = Presentation(thread_name="Friday", applied_tags=("1", "2"))
    time = datetime(2026, 7, 1, tzinfo=UTC)
    entry = Entry("i", "t", time, Embed(title="x"), Digest("g", "h", "i"), shown)
    assert Entry.from_json(entry.to_json()) == entry
    # The version before rejects a presentation that has more than it knows.
    data = json.loads(entry.to_json())
    assert {*data["presentation"]} == {"silent", "immediate", "roles", "users", "cooldown"}
    # And this one does not.
    data["presentation"]["later"] = True
    assert Entry.from_json(json.dumps(data)) == entry


@pytest.mark.parametrize(
    ("event", "thread", "tags"),
    [
        (GameStarted(game_name="Quake", players=()), "Quake", ["1"]),
        (Notification(title="a", message="b"), "Lobby", ["7"]),
    ],
)
@pytest.mark.either_backend
async def test_preview_shows_the_thread_and_its_tags(
    event: Event, thread: str, tags: list[str]
) -> None:
    _, webhooks = forum_of(StandInDiscord(), "{{ party_name or 'Lobby' }}", applied_tags=["7"])
    routes = [{"events": "game_started", "thread_name": "{{ game_name }}", "applied_tags": ["1"]}]
    config = {"webhooks": webhooks, "routes": [*routes, {}]}
    bus = EventBus()
    bus.register(DiscordPlugin(DiscordConfig.model_validate(config)), "discord")
    [preview] = bus.plugins.preview(event)["discord"]
    body: Any = preview.json
    assert (body["thread_name"], body["applied_tags"]) == (thread, tags)


@pytest.mark.slow
async def test_two_webhooks_with_one_url_create_a_post_once() -> None:
    discord = StandInDiscord(latency=0.5)
    forum, webhooks = forum_of(discord)
    webhooks["again"] = webhooks["forum"]
    async with running(discord, webhooks=webhooks) as (bus, plugin):
        for number in range(6):
            await bus.publish(joined("Ann", f"party {number}"))
            await anyio.sleep(5)

        assert plugin.pending == 0

    assert [*forum.threads.values()] == [f"party {number}" for number in range(6)]
    assert len(forum.messages) == 12


@pytest.mark.slow
async def test_tag_that_discord_rejects_is_left_out_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        headers = {"via": "1.1 google"}
        if "applied_tags" not in bodies[-1]:
            message = {"id": str(len(bodies)), "channel_id": str(len(bodies))}
            return httpx.Response(200, headers=headers, json=message)

        errors = {"applied_tags": {"0": {"_errors": [{"code": "X", "message": "Unknown tag"}]}}}
        error = {"code": 50035, "message": "Invalid Form Body", "errors": errors}
        return httpx.Response(400, headers=headers, json=error)

    _, webhooks = forum_of(StandInDiscord(), applied_tags=["7"])
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        plugin = DiscordPlugin(DiscordConfig.model_validate({"webhooks": webhooks}), http=http)
        bus = EventBus()
        bus.register(plugin, "discord")
        async with bus:
            for party in ("Friday", "Saturday"):
                await bus.publish(joined("Ann", party))
                await anyio.sleep(5)

            assert plugin.pending == 0

    assert [body.get("thread_name") for body in bodies] == ["Friday", "Friday", "Saturday"]
    assert "rejects applied_tags" in caplog.text


@pytest.mark.slow
async def test_alerts_go_to_the_webhooks_own_post() -> None:
    discord = StandInDiscord()
    forum, webhooks = forum_of(discord)
    broken = discord.create_webhook()
    webhooks["broken"] = {"url": broken.url}
    broken.delete()
    alerts = {"webhook": "forum", "late_after": 60}
    async with running(discord, webhooks=webhooks, alerts=alerts) as (bus, _):
        await bus.publish(joined("Ann", "Friday"))
        await anyio.sleep(600)

    texts = shown(forum)
    assert "broken" in str(texts["LANrage"])
    assert len(texts["Friday"]) == 1


@pytest.mark.slow
async def test_cancelled_creation_counts_and_lets_others_create() -> None:
    discord = StandInDiscord(latency=2)
    forum, webhooks = forum_of(discord)
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(DiscordConfig.model_validate({"webhooks": webhooks}), http=http)
        bus = EventBus(drain_timeout=0.5)
        bus.register(plugin, "discord")
        with anyio.move_on_after(1):
            async with bus:
                await bus.publish(joined("Ann", "Friday"))
                await anyio.sleep(100)

        assert len(forum.threads) <= 1
        async with running(discord, webhooks=webhooks) as (again, _):
            await again.publish(joined("Bob", "Friday"))
            await anyio.sleep(10)

    assert "Bob" in str(shown(forum)["Friday"])
