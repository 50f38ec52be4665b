"""Joins and leaves through the plugin: held until they last, and cancelled if they come to nothing."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, Notification, PeerJoined, PeerLeft
from lanrage_events.abc import Bus
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox, OutboxItem
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

LATENCY = 0.04
SETTLE = 25.0
EXAMPLES = int(os.environ.get("LANRAGE_EVENTS_EXAMPLES", "8"))


class Plugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)

    @staticmethod
    def _wall_clock() -> float:
        return anyio.current_time()


class Party:
    """A bus with the plugin, and the channel that it posts to."""

    def __init__(self, bus: EventBus, plugin: Plugin, discord: StandInDiscord) -> None:
        self.bus = bus
        self.plugin = plugin
        self.discord = discord
        self.began = anyio.current_time()

    async def join(self, *names: str, **fields: Any) -> None:
        """Publish joins, safe in the outbox once this returns."""
        for name in names:
            event = PeerJoined(peer_name=name, party_name="LAN", **fields)
            await self.bus.publish_and_wait(event, plugins="durable")

    async def leave(self, *names: str, **fields: Any) -> None:
        """Publish leaves, safe in the outbox once this returns."""
        for name in names:
            event = PeerLeft(peer_name=name, party_name="LAN", **fields)
            await self.bus.publish_and_wait(event, plugins="durable")

    def posted(self) -> list[tuple[Any, str]]:
        """Return when what was posted, each message in one line."""
        return [
            (round(record.time - self.began, 1), text_of(record.body))
            for record in self.discord.journal.accepted
        ]

    def texts(self) -> list[str]:
        return [text for _, text in self.posted()]


def text_of(body: Mapping[str, Any]) -> str:
    texts = [embed.get(part, "") for embed in body["embeds"] for part in ("title", "description")]
    return " | ".join(text.replace("**", "") for text in texts if text)


@asynccontextmanager
async def party(
    discord: StandInDiscord | None = None,
    state_folder: Path | None = None,
    drain_timeout: float = 10,
    plugin_class: type[Plugin] = Plugin,
    **config: Any,
) -> AsyncIterator[Party]:
    discord = discord or StandInDiscord(latency=LATENCY)
    if not discord.webhooks:
        discord.create_webhook()

    config.setdefault("webhook_url", discord.webhooks[0].url)
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = plugin_class(DiscordConfig.model_validate(config), http=http)
        bus = EventBus(state_folder=state_folder, drain_timeout=drain_timeout)
        bus.register(plugin, "discord")
        async with bus:
            yield Party(bus, plugin, discord)


def lane_tasks() -> list[str]:
    names = (task.name or "" for task in anyio.get_running_tasks())
    return [name for name in names if name.startswith("lane ")]


# Holding and cancelling


async def test_joins_are_posted_at_once_and_leaves_once_they_last() -> None:
    async with party() as p:
        await p.join("Ann", "Bob")
        await anyio.sleep(10)
        await p.leave("Ann")
        await anyio.sleep(5)
        await p.join("Cy")
        await anyio.sleep(100)
        [(first, _), *others] = p.posted()
        assert first < 0.1
        assert others[-2][0] == pytest.approx(15, abs=0.2)
        assert others[-1] == (pytest.approx(10 + SETTLE, abs=0.2), "👋 Ann left | Left LAN")
        assert lane_tasks() == []


class BusyOutbox(Outbox):
    """An outbox that takes a while to acknowledge."""

    async def acknowledge(self, ids: Iterable[int]) -> None:
        await anyio.sleep(0.1)
        await super().acknowledge(ids)


class BusyPlugin(Plugin):
    """A plugin whose outbox takes a while to acknowledge."""

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return BusyOutbox(self._state_file(bus, "outbox"), inline=True)


async def test_who_joins_while_others_are_cancelled_is_posted_at_once() -> None:
    async with party(plugin_class=BusyPlugin) as p:
        await p.leave("Ann", "Bob")
        await anyio.sleep(1)
        await p.join("Bob")
        await anyio.sleep(0.05)
        await p.join("Cy")
        await anyio.sleep(60)
        [(joined, text), _] = p.posted()
        assert joined < 1.5
        assert "Cy joined" in text


async def test_what_is_held_while_others_are_cancelled_goes_at_the_end() -> None:
    discord = StandInDiscord(latency=LATENCY)
    async with party(discord, plugin_class=BusyPlugin) as p:
        await p.leave("Ann", "Bob")
        await anyio.sleep(1)
        await p.join("Bob")
        await anyio.sleep(0.05)

    assert p.texts() == ["👋 Ann left | Left LAN | 🔁 Bob reconnected"]


async def test_a_mute_that_ends_while_others_are_cancelled_ends_at_once() -> None:
    async with party(plugin_class=BusyPlugin) as p:
        await p.plugin.mute(600)
        await p.leave("Ann", "Bob")
        await p.join("Cy", "Bob")
        await anyio.sleep(0.05)
        await p.plugin.unmute()
        await anyio.sleep(5)
        assert ["Cy" in text for text in p.texts()] == [True]


async def test_a_leave_that_comes_twice_cancels_no_join_after_it() -> None:
    async with party(batch={"settle": {"leave": "25s", "join": "5s"}}) as p:
        await p.join("Ann")
        await p.leave("Ann", "Ann")
        await p.join("Ann")
        await anyio.sleep(60)
        assert p.texts() == ["👋 Ann joined | Welcome to LAN!"]


async def test_what_is_posted_while_the_settings_change_is_not_forgotten() -> None:
    async with party(routes=[{"events": "event", "immediate": True}]) as p:
        await p.join("Ann")
        await anyio.sleep(1)
        await p.leave("Ann")
        await anyio.sleep(0.02)
        await p.join("Ann")
        await p.leave("Ann")
        await p.join("Ann")
        batch = p.plugin.config.batch
        p.plugin._lanes["default"].compose_like(batch.model_copy(update={"reconnects": "omit"}))
        await anyio.sleep(60)
        assert [text.split(" | ")[0] for text in p.texts()] == [
            "👋 Ann joined",
            "👋 Ann left",
            "👋 Ann joined",
        ]


async def test_who_comes_back_in_time_is_counted_in_the_next_message() -> None:
    async with party() as p:
        await p.join("Ann")
        for _ in range(2):
            await anyio.sleep(30)
            await p.leave("Ann")
            await anyio.sleep(20)
            await p.join("Ann")

        assert len(p.posted()) == 1
        await p.join("Bob")
        await anyio.sleep(100)
        assert p.texts()[1:] == ["👋 Bob joined | Welcome to LAN! | 🔁 Ann ×2 reconnected"]
        statistics = p.plugin.lanes["default"]
        assert (statistics.sent, statistics.cancelled, statistics.reconnects) == (2, 4, 2)
        assert p.plugin.pending == 0


async def test_a_digest_ends_with_the_reconnects() -> None:
    async with party(batch={"window": "1s", "immediate": False}) as p:
        await p.join("Ann")
        await anyio.sleep(5)
        await p.leave("Ann")
        await p.join("Ann", "Bob", "Cy")
        await anyio.sleep(100)
        [_, digest] = p.texts()
        assert digest == "📋 2 events | 👋 2 joined LAN: Bob, Cy\n🔁 Ann reconnected"


async def test_a_server_that_crashes_and_comes_back_is_one_line() -> None:
    names = [f"player{number:02}" for number in range(15)]
    async with party() as p:
        await p.join(*names)
        await anyio.sleep(60)
        before = len(p.posted())
        await p.leave(*names)
        await anyio.sleep(12)
        await p.join(*names)
        await anyio.sleep(60)
        assert len(p.posted()) == before
        await p.bus.publish(Notification(title="Pizza", message="is here"))
        await anyio.sleep(5)
        [text] = p.texts()[before:]
        assert text.startswith("Pizza | is here | 🔁 player00, player01")
        assert text.endswith("player14 reconnected")


async def test_who_leaves_together_is_in_one_message() -> None:
    async with party() as p:
        for name in ("Ann", "Bob", "Cy"):
            await p.leave(name)
            await anyio.sleep(0.15)

        await anyio.sleep(60)
        assert p.posted() == [
            (pytest.approx(SETTLE, abs=0.2), "📋 3 events | 👋 3 left LAN: Ann, Bob, Cy")
        ]


async def test_a_join_must_last_too_if_the_settings_say_so() -> None:
    async with party(batch={"settle": {"join": "5s", "leave": "0s"}}) as p:
        await p.join("Ann", "Bob")
        await p.leave("Bob")
        await anyio.sleep(60)
        assert p.posted() == [(pytest.approx(5, abs=0.2), "👋 Ann joined | Welcome to LAN!")]


async def test_without_settling_everything_is_posted_as_it_comes() -> None:
    async with party(batch={"settle": {"leave": "0s"}}) as p:
        await p.join("Ann")
        await p.leave("Ann")
        await p.join("Ann")
        await anyio.sleep(60)
        assert [text.count("joined") + text.count("left") for text in p.texts()] == [1, 2]
        assert p.plugin.lanes["default"].cancelled == 0


async def test_immediate_is_never_held() -> None:
    routes = [{"events": "peer_left", "immediate": True}]
    async with party(routes=routes, batch={"style": "embeds"}) as p:
        await p.leave("Ann")
        await anyio.sleep(1)
        assert p.texts() == ["👋 Ann left | Left LAN"]


async def test_players_are_told_apart_by_their_ids_and_parties_by_theirs() -> None:
    async with party() as p:
        await p.leave("Player", peer_id="1")
        await p.join("Player", peer_id="2")
        await p.leave("Ann", party_id="a")
        await p.join("Ann", party_id="b")
        await anyio.sleep(60)
        assert p.plugin.lanes["default"].cancelled == 0
        assert p.plugin.lanes["default"].sent == 4


@pytest.mark.slow
async def test_of_501_the_oldest_goes_early() -> None:
    async with party() as p:
        await p.leave(*(f"player{number:03}" for number in range(501)))
        await anyio.sleep(5)
        assert p.texts() == ["👋 player000 left | Left LAN"]
        await anyio.sleep(60)
        assert "500 events" in p.texts()[1]
        assert p.plugin.lanes["default"].sent == 501


async def test_embeds_show_what_lasts_and_the_reconnects_below() -> None:
    async with party(batch={"style": "embeds", "window": "1s", "immediate": False}) as p:
        await p.leave("Ann")
        await p.join("Ann", "Bob", "Cy")
        await anyio.sleep(60)
        [record] = p.discord.journal.accepted
        *_, last = record.body["embeds"]
        assert len(record.body["embeds"]) == 3
        assert last["description"] == "🔁 Ann reconnected"
        assert "footer" not in last


# Reconnects


async def test_reconnects_alone_are_a_silent_message_if_they_are_to_be_posted() -> None:
    async with party(batch={"reconnects": "post"}) as p:
        await p.leave("Ann")
        await p.join("Ann")
        await anyio.sleep(60)
        [record] = p.discord.journal.accepted
        assert text_of(record.body) == "🔁 Ann reconnected"
        assert record.body["flags"] == 1 << 12


async def test_an_unsteady_connection_is_posted_once_and_then_what_it_came_to() -> None:
    async with party() as p:
        await p.join("Ann")
        for _ in range(12):
            await anyio.sleep(20)
            await p.leave("Ann")
            await anyio.sleep(5)
            await p.join("Ann")

        await anyio.sleep(20)
        await p.leave("Ann")
        gone = anyio.current_time() - p.began
        await anyio.sleep(2000)
        [joined, unsteady, left] = p.posted()
        assert joined[1].startswith("👋 Ann joined")
        assert unsteady[1] == "⚠️ Ann's connection is unsteady (4 reconnects in 1m 20s)"
        assert left == (pytest.approx(gone + 900, abs=0.3), "👋 Ann left | Left LAN")


@pytest.mark.parametrize("reconnects", ["post", "count"])
async def test_an_ending_that_is_rejected_costs_no_event(reconnects: str) -> None:
    discord = StandInDiscord(latency=LATENCY)
    discord.faults.fail(400, containing="reconnected")
    async with party(discord, batch={"reconnects": reconnects}) as p:
        await p.leave("Ann")
        await p.join("Ann")
        await anyio.sleep(5)
        await p.join("Bob")
        await anyio.sleep(60)
        assert p.texts() == ["👋 Bob joined | Welcome to LAN!"]
        assert p.plugin.lanes["default"].failed == 0


# Outages, ends and restarts


@pytest.mark.slow
async def test_after_an_outage_the_digest_shows_what_it_came_to() -> None:
    discord = StandInDiscord(latency=LATENCY)
    async with party(discord) as p:
        await p.join("Ann")
        await anyio.sleep(5)
        discord.faults.refuse_connections(3650)
        await p.join("Bob", "Cy")
        for _ in range(3):
            await anyio.sleep(600)
            await p.leave("Bob", "Ann")
            await anyio.sleep(600)
            await p.join("Bob")

        await anyio.sleep(100)
        [_, text] = p.texts()
        assert text.startswith("📋 Catching up: ")
        assert re.findall(r"(\d) joined LAN: ([\w, ]+)", text) == [("2", "Cy, Bob")]
        assert "left LAN: Ann" in text


@pytest.mark.parametrize("file", [False, True])
async def test_at_the_end_without_a_limit_or_a_file_what_is_held_goes_at_once(
    tmp_path: Path, file: bool
) -> None:
    discord = StandInDiscord(latency=LATENCY)
    drain_timeout = float("inf") if file else 10
    async with party(discord, tmp_path if file else None, drain_timeout) as p:
        await p.leave("Ann")
        await anyio.sleep(1)
        ended = anyio.current_time()

    assert anyio.current_time() - ended < 1
    assert p.texts() == ["👋 Ann left | Left LAN"]


@pytest.mark.slow
async def test_the_end_does_not_wait_and_the_next_start_posts_at_the_right_time(
    tmp_path: Path,
) -> None:
    discord = StandInDiscord(latency=LATENCY)
    async with party(discord, tmp_path) as first:
        await first.leave("Ann", "Bob", "Cy", time=utc_now() + timedelta(hours=1))
        await anyio.sleep(17)
        ended = anyio.current_time()

    assert anyio.current_time() - ended < 0.2
    await anyio.sleep(2)
    async with party(discord, tmp_path) as second:
        await anyio.sleep(1)
        await second.join("Bob")
        await anyio.sleep(100)
        assert second.plugin.pending == 0

    [(at, text)] = first.posted()
    assert text == "📋 2 events | 👋 2 left LAN: Ann, Cy\n🔁 Bob reconnected"
    assert at == pytest.approx(SETTLE, abs=0.2)


@pytest.mark.slow
async def test_a_plugin_that_takes_over_keeps_what_is_held_until_its_time(tmp_path: Path) -> None:
    async with party(state_folder=tmp_path) as p:
        await p.leave("Ann")
        await anyio.sleep(5)
        async with httpx.AsyncClient(transport=p.discord.transport()) as http:
            again = Plugin(p.plugin.config, http=http)
            began = anyio.current_time()
            await p.bus.plugins.replace("discord", again)
            assert anyio.current_time() - began < 0.3
            await anyio.sleep(100)
            assert p.posted() == [(pytest.approx(SETTLE, abs=0.2), "👋 Ann left | Left LAN")]
            await p.bus.unregister("discord")


async def test_a_webhook_that_is_restored_posts_what_lasts_and_not_what_came_back() -> None:
    discord = StandInDiscord(latency=LATENCY)
    deleted, new = discord.create_webhook(), discord.create_webhook()
    deleted.delete()
    async with party(discord) as p:
        await p.join("Ann")
        await anyio.sleep(5)
        assert p.bus.health()["discord"].status == "failed"
        await p.leave("Bob", "Cy")
        await anyio.sleep(10)
        await p.join("Bob")
        p.plugin._lanes["default"].use(p.plugin.config.address(webhook_of(new.url)))
        await anyio.sleep(5)
        assert "joined" in p.texts()[0]
        assert len(p.posted()) == 1
        await anyio.sleep(60)
        assert p.posted()[1:] == [(pytest.approx(5 + SETTLE, abs=0.2), "👋 Cy left | Left LAN")]
        assert p.plugin.pending == 0


def webhook_of(url: str) -> Any:
    return DiscordConfig.model_validate({"webhook_url": url}).all_webhooks()["default"]


async def test_other_settings_are_about_what_is_held_too() -> None:
    async with party() as p:
        await p.leave("Ann")
        await anyio.sleep(5)
        batch = p.plugin.config.batch
        p.plugin._lanes["default"].compose_like(batch.model_copy(update={"style": "embeds"}))
        await anyio.sleep(5)
        assert p.texts() == []
        off = batch.settle.model_copy(update={"leave": 0.0})
        p.plugin._lanes["default"].compose_like(batch.model_copy(update={"settle": off}))
        await anyio.sleep(1)
        assert p.texts() == ["👋 Ann left | Left LAN"]


async def test_an_answer_that_was_lost_keeps_its_join_and_the_leave_after_it() -> None:
    discord = StandInDiscord(latency=LATENCY)
    async with party(discord) as p:
        discord.faults.reset(accepted=True, times=1)
        discord.faults.fail(503, times=3)
        await p.join("Ann")
        await anyio.sleep(0.2)
        await p.leave("Ann")
        await anyio.sleep(60)
        assert ["joined" in text for text in p.texts()] == [True, True, False]
        assert p.texts()[-1].endswith("Ann left | Left LAN")


@pytest.mark.slow
async def test_in_quiet_hours_what_is_important_must_last_and_the_rest_comes_to_its_net_effect() -> (
    None
):
    routes = [{"events": "peer_left", "where": {"party_name": "LAN"}, "important": True}, {}]
    now = datetime.fromtimestamp(anyio.current_time(), UTC)
    begin, end = (f"{now + timedelta(seconds=at):%H:%M}" for at in (-60, 7200))
    quiet = [{"from": begin, "to": end, "time_zone": "UTC", "then": "hold"}]
    async with party(routes=routes, quiet=quiet) as p:
        await p.leave("Ann", "Bob")
        await anyio.sleep(10)
        await p.join("Bob")
        for event in (PeerLeft, PeerJoined, PeerJoined):
            await p.bus.publish(event(peer_name="Cy", party_name="Other"))
            await anyio.sleep(600)

        assert p.texts() == ["👋 Ann left | Left LAN | 🔁 Bob reconnected"]
        await anyio.sleep(7200)
        assert p.plugin.pending == 0
        assert p.texts()[1:] == ["👋 Cy joined | Welcome to Other!"]


async def test_an_answer_that_was_lost_before_a_mute_loses_no_join() -> None:
    discord = StandInDiscord(latency=LATENCY)
    async with party(discord) as p:
        discord.faults.reset(times=1)
        await p.join("Ann")
        await anyio.sleep(0.05)
        await p.plugin.mute(600)
        await anyio.sleep(5)
        await p.leave("Ann")
        await p.join("Ann")
        await p.plugin.unmute()
        await anyio.sleep(60)
        [text] = p.texts()
        assert "Ann joined" in text or "joined LAN: Ann" in text


# Times


@pytest.mark.parametrize(("hours", "expected"), [(-1, 0.0), (1, SETTLE)])
async def test_times_that_are_off_hold_a_leave_no_longer_than_it_may(
    hours: int, expected: float
) -> None:
    async with party() as p:
        await p.leave("Ann", time=utc_now() + timedelta(hours=hours))
        await anyio.sleep(100)
        assert p.posted() == [(pytest.approx(expected, abs=0.2), "👋 Ann left | Left LAN")]


@pytest.mark.slow
async def test_a_leave_that_expires_while_it_is_held_is_counted_and_not_reported() -> None:
    async with party(max_age={"peer_left": "10s"}) as p:
        await p.leave("Ann")
        await anyio.sleep(5)
        await p.leave("Bob")
        await p.join("Bob")
        await anyio.sleep(100)
        assert p.texts() == []
        statistics = p.plugin.lanes["default"]
        assert (statistics.expired, statistics.cancelled) == (1, 2)
        assert p.plugin.pending == 0


async def test_entries_of_an_older_version_are_posted_as_they_were(tmp_path: Path) -> None:
    old = (
        '{"event_id":"a-1","type":"peer_left","time":"2026-03-06T20:00:00+00:00","embed":{"title":'
        '"Ann left","timestamp":"2026-03-06T20:00:00+00:00"},"digest":{"group":"g","heading":"h",'
        '"item":"Ann"},"presentation":{"silent":false,"immediate":false,"roles":[],"users":[],'
        '"cooldown":0.0}}'
    )
    async with Outbox(tmp_path / "discord.outbox", inline=True) as outbox:
        await outbox.put_many([OutboxItem("default", old, "peer_left", None)])

    async with party(state_folder=tmp_path) as p:
        await anyio.sleep(1)
        assert p.texts() == ["Ann left"]


# The whole


def evening(seed: int) -> list[tuple[float, str, bool]]:
    """Return an evening of 20 players, with one bad line and a crash with 15 back in 12 s."""
    source = random.Random(seed)
    changes: list[tuple[float, str, bool]] = []
    for number in range(20):
        came, went = source.uniform(0, 600), source.uniform(2400, 3500)
        changes += [(came, f"P{number}", True), (went, f"P{number}", False)]

    at = 30.0
    changes.append((at, "Flap", True))
    while at < 3540:
        at += source.expovariate(1 / 20)
        changes.append((at, "Flap", False))
        at += source.expovariate(1 / 5)
        changes.append((at, "Flap", True))

    for number in range(15):
        changes += [
            (1800 + source.uniform(0, 0.4), f"P{number}", False),
            (1800 + source.uniform(6, 12), f"P{number}", True),
        ]

    return sorted(changes)


def last_lines(texts: list[str]) -> dict[str, bool]:
    """Return what was posted last of each player."""
    last: dict[str, bool] = {}
    for line in (line for text in texts for line in re.split(r"\n| \| ", text)):
        for name in re.findall(r"\b(?:P\d+|Flap)\b", line):
            if "joined" in line or " left" in line:
                last[name] = "joined" in line

    return last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch", "most"),
    [
        ({}, 45),
        ({"flapping": False}, 45),
        ({"style": "embeds"}, 45),
        ({"settle": {"leave": "0s"}}, 337),
    ],
)
async def test_an_evening_of_357_events_is_at_most_45_messages(
    batch: dict[str, Any], most: int
) -> None:
    changes = evening(0)
    assert len(changes) == 357
    async with party(batch=batch) as p:
        for at, name, is_here in changes:
            await anyio.sleep_until(p.began + at)
            await (p.join if is_here else p.leave)(name)

        await anyio.sleep(1200)
        assert len(p.posted()) <= most
        truth = {name: is_here for _, name, is_here in changes}
        shown = last_lines(p.texts())
        assert {name: shown.get(name, False) for name in truth} == truth
        statistics = p.plugin.lanes["default"]
        assert statistics.sent + statistics.cancelled == 357
        assert statistics.rate_limited == 0
        assert lane_tasks() == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 4)),
        st.tuples(st.just("change"), st.integers(0, 4)),
        st.tuples(st.just("wait"), st.sampled_from((0.01, 0.3, 4.0, 20.0, 40.0))),
        st.tuples(st.just("fail"), st.sampled_from((429, 500, 503))),
        st.tuples(st.just("clear"), st.none()),
        st.tuples(st.just("restart"), st.sampled_from((0.0, 5.0, 30.0))),
        st.tuples(st.just("reload"), st.none()),
    ),
    max_size=40,
)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=EXAMPLES)
@given(steps)
def test_whatever_happens_the_channel_ends_with_the_truth_and_the_sums_meet(
    backend: Literal["asyncio", "trio"], script: list[Any]
) -> None:
    name, options = virtual_time(backend)
    anyio.run(play, script, backend=name, backend_options=options)


async def play(script: list[Any]) -> None:
    """Play joins, leaves, errors and restarts, and check what the channel has in the end."""
    discord = StandInDiscord(latency=LATENCY)
    truth: dict[str, bool] = {}
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        whole: list[tuple[str, Any]] = [*script, ("clear", None), ("wait", 4000.0)]
        remaining = iter(whole)
        is_over = False
        pause: float = 0.0
        texts: list[str] = []
        while not is_over:
            async with party(discord, Path(folder), 1.0) as p:
                is_over = True
                for kind, value in remaining:
                    match kind:
                        case "change":
                            name = f"P{value}"
                            truth[name] = not truth.get(name, False)
                            await (p.join if truth[name] else p.leave)(name)
                            done -= 1
                        case "wait":
                            await anyio.sleep(value)
                        case "fail":
                            discord.faults.fail(value, times=3)
                        case "clear":
                            discord.faults.clear()
                        case "reload":
                            p.plugin._reload()
                        case _:
                            is_over = False
                            pause = value
                            break

            lane = p.plugin._lanes["default"]
            assert not lane.record.failed_requests[lane.internal_error]
            statistics = p.plugin.lanes["default"]
            done += statistics.sent + statistics.cancelled
            assert (statistics.failed, statistics.expired) == (0, 0)
            assert not is_over or p.plugin.pending == 0
            texts = p.texts()
            await anyio.sleep(pause)

        assert done == 0
        shown = last_lines(texts)
        assert {name: shown.get(name, False) for name in truth} == truth


KILLED = """
import os, signal, sys
from pathlib import Path
import anyio
from lanrage_events import EventBus, PeerLeft
from lanrage_events_discord import DiscordConfig, DiscordPlugin

async def main():
    config = {"webhook_url": sys.argv[1], "batch": {"settle": {"leave": "2s"}}}
    bus = EventBus(state_folder=Path(sys.argv[2]))
    bus.register(DiscordPlugin(DiscordConfig.model_validate(config)), "discord")
    async with bus:
        event = PeerLeft(peer_name="Ann", party_name="LAN")
        await bus.publish_and_wait(event, plugins="durable")
        print(event.time.isoformat(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_is_held_survives_a_kill_and_is_posted_at_its_time(tmp_path: Path) -> None:
    anyio.run(kill_and_start_again, tmp_path)


async def kill_and_start_again(tmp_path: Path) -> None:
    discord = StandInDiscord()
    url = discord.create_webhook().url
    command = [sys.executable, "-c", KILLED, url, str(tmp_path)]
    killed = await anyio.run_process(command, check=False, stderr=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL
    put = datetime.fromisoformat(killed.stdout.decode().strip())
    config = {"webhook_url": url, "batch": {"settle": {"leave": "2s"}}}
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "discord")
        async with bus:
            with anyio.fail_after(30):
                while plugin.pending:  # noqa: ASYNC110
                    await anyio.sleep(0.02)

            posted = time.time()

    [record] = discord.journal.accepted
    assert text_of(record.body) == "👋 Ann left | Left LAN"
    assert posted - put.astimezone(UTC).timestamp() >= 1.0
