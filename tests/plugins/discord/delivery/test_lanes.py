"""How events get into the lanes: together, in order, and without one spoiling the others."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import anyio
import httpx
import pytest
import trio.testing
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from lanrage_events import Event, Notification, PeerJoined, Redactor
from lanrage_events.outbox import Outbox, OutboxError, OutboxFull, OutboxItem
from lanrage_events_discord import DiscordConfig, validate_webhook_url
from lanrage_events_discord._client import RateLimits, WebhookClient
from lanrage_events_discord._config import WebhookConfig
from lanrage_events_discord._delivery import (
    ExpiredCounts,
    GoneWebhooks,
    Lanes,
    Mentions,
    OutgoingEntry,
    Threads,
)
from lanrage_events_discord._embeds import Embed, EmbedField, Pictures
from lanrage_events_discord._memory import Memory
from lanrage_events_discord._quiet import Calendar, Mutes, Quiet
from lanrage_events_discord._rendering import (
    DEFAULT_PRESENTATION,
    Digest,
    Entry,
    Presentation,
    Renderer,
)
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
NAME = re.compile(r"player\d+")
TIME = datetime(2026, 3, 6, 20, tzinfo=UTC)


def letter(position: int, lane: str = "a", expires: datetime | None = None) -> OutgoingEntry:
    entry = Entry(
        f"id{position}",
        "peer_joined",
        TIME,
        Embed(title=f"player{position}"),
        Digest("group", "heading", f"player{position}"),
    )
    return OutgoingEntry(position, lane, entry, entry.to_json(), expires)


def posted(discord: StandInDiscord) -> list[list[str]]:
    return [NAME.findall(str([m["embeds"] for m in w.messages])) for w in discord.webhooks]


@asynccontextmanager
async def lanes_of(
    discord: StandInDiscord, outbox: Outbox, *names: str, **options: Any
) -> AsyncIterator[Lanes]:
    webhooks = {name: {"url": discord.create_webhook().url} for name in names}
    config = DiscordConfig.model_validate({"webhooks": webhooks})
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        WebhookClient(http) as client,
        outbox,
        anyio.create_task_group() as tasks,
    ):
        lanes = Lanes(
            config,
            outbox=outbox,
            client=client,
            task_group=tasks,
            redactor=Redactor(),
            limits=RateLimits(),
            threads=Threads(),
            mentions=Mentions(),
            quiet=Quiet(Calendar(), Mutes(Memory(None, ""))),
            gone=GoneWebhooks(),
            expired=ExpiredCounts(),
            wording=Renderer([files("lanrage_events_templates")], invite_url=lambda: None).wording,
            pictures=Pictures(),
            **options,
        )
        for name, webhook in config.webhooks.items():
            lanes.open(name, webhook)

        try:
            yield lanes
        finally:
            tasks.cancel_scope.cancel()
            for lane in lanes.values():
                lane.close()


async def test_batch_is_put_in_one_transaction_and_posted_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    discord, outbox = StandInDiscord(), Outbox()
    sizes: list[int] = []
    put_many = outbox.put_many

    async def count(items: Any) -> Sequence[int]:
        sizes.append(len(items))
        return await put_many(items)

    monkeypatch.setattr(outbox, "put_many", count)
    async with lanes_of(discord, outbox, "a", "b") as lanes:
        letters = [letter(number, "ab"[number % 2]) for number in range(100)]
        assert await lanes.put(letters) == {}
        await anyio.sleep(10)

    assert sizes == [100]
    assert posted(discord) == [
        [f"player{number}" for number in range(start, 100, 2)] for start in (0, 1)
    ]


async def test_large_batch_is_divided_so_that_the_lanes_can_send() -> None:
    discord, outbox = StandInDiscord(), Outbox()
    async with lanes_of(discord, outbox, "a", put_together=3) as lanes:
        assert await lanes.put([letter(number) for number in range(10)]) == {}
        await anyio.sleep(10)

    assert posted(discord) == [[f"player{number}" for number in range(10)]]


async def test_full_outbox_takes_what_fits() -> None:
    discord, outbox = StandInDiscord(), Outbox(max_entries=5)
    discord.faults.refuse_connections(60)
    async with lanes_of(discord, outbox, "a") as lanes:
        rejected = await lanes.put([letter(number) for number in range(8)])
        assert sorted(rejected) == [5, 6, 7]
        assert all(isinstance(error, OutboxFull) for error in rejected.values())
        assert outbox.statistics().pending == 5
        await anyio.sleep(120)

    assert posted(discord) == [[f"player{number}" for number in range(5)]]


async def test_full_lane_rejects_its_own_entries_alone() -> None:
    discord, outbox = StandInDiscord(), Outbox(max_entries_per_lane=3)
    async with lanes_of(discord, outbox, "full", "free") as lanes:
        discord.webhooks[0].delete()
        letters = [letter(n, lane) for n in range(10) for lane in ("full", "free")]
        rejected: set[int] = set()
        for begin in range(0, 20, 4):
            rejected |= set(await lanes.put(letters[begin : begin + 4]))
            await anyio.sleep(5)

        assert rejected == set(range(3, 10))

    assert posted(discord) == [[], [f"player{number}" for number in range(10)]]


async def test_bad_entry_is_rejected_alone() -> None:
    discord, outbox = StandInDiscord(), Outbox()
    async with lanes_of(discord, outbox, "a") as lanes:
        naive = datetime(2026, 3, 6)
        letters = [letter(0), replace(letter(1), expires=naive), letter(2)]
        rejected = await lanes.put(letters)
        assert rejected.keys() == {1}
        assert isinstance(rejected[1], ValueError)
        await anyio.sleep(10)

    assert posted(discord) == [["player0", "player2"]]


async def test_disk_that_cannot_be_written_fails_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    discord, outbox = StandInDiscord(), Outbox()
    calls = 0

    async def fail(_: object) -> Sequence[int]:
        nonlocal calls
        calls += 1
        raise OutboxError("disk I/O error")

    async with lanes_of(discord, outbox, "a", "b") as lanes:
        monkeypatch.setattr(outbox, "put_many", fail)
        rejected = await lanes.put([letter(number, "ab"[number % 2]) for number in range(6)])
        assert sorted(rejected) == list(range(6))
        assert calls == 1


async def test_event_with_several_destinations_keeps_its_first_rejection() -> None:
    discord, outbox = StandInDiscord(), Outbox(max_entries=1)
    async with lanes_of(discord, outbox, "a", "b") as lanes:
        discord.faults.refuse_connections(60)
        rejected = await lanes.put([letter(0, "a"), letter(0, "b"), letter(1, "a")])
        assert sorted(rejected) == [0, 1]


@pytest.mark.parametrize("is_in_the_outbox", [True, False])
async def test_put_that_is_cancelled_is_posted_if_it_is_in_the_outbox(
    is_in_the_outbox: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox ends what it has begun, so the entries may be in there all the same."""
    discord, outbox = StandInDiscord(), Outbox()
    put_many = outbox.put_many

    async def put_and_hang(items: Any) -> Sequence[int]:
        if is_in_the_outbox:
            await put_many(items)

        await anyio.sleep_forever()
        return []

    async with lanes_of(discord, outbox, "a", "b") as lanes:
        await anyio.sleep(1)
        monkeypatch.setattr(outbox, "put_many", put_and_hang)
        with anyio.move_on_after(1) as scope:
            await lanes.put([letter(0, "a"), letter(1, "b")])

        assert scope.cancelled_caught
        await anyio.sleep(10)

    assert posted(discord) == ([["player0"], ["player1"]] if is_in_the_outbox else [[], []])


async def test_what_waits_longer_than_it_is_worth_is_expired() -> None:
    discord, outbox = StandInDiscord(), Outbox()
    async with lanes_of(discord, outbox, "a") as lanes:
        expired = datetime.now(UTC) - timedelta(seconds=1)
        await lanes.put([letter(0, expires=expired), letter(1)])
        await anyio.sleep(10)
        assert lanes["a"].statistics.expired == 1
        assert lanes["a"].record.waiting == 0


async def test_count_takes_over_what_the_outbox_says() -> None:
    discord, outbox = StandInDiscord(), Outbox()
    async with lanes_of(discord, outbox, "a") as lanes:
        discord.webhooks[0].delete()
        await lanes.put([letter(0)])
        await anyio.sleep(5)
        await outbox.put_many([OutboxItem("a", letter(1).body), OutboxItem("gone", "x")])
        found = {lane.name: lane.pending for lane in await lanes.count()}
        assert found == {"a": 2, "gone": 1}
        assert lanes["a"].record.waiting == 2


async def test_idle_lane_knows_that_nothing_waits_whatever_it_counted() -> None:
    """What is read and delivered before its put returns is counted the other way round."""
    discord, outbox = StandInDiscord(), Outbox()
    async with lanes_of(discord, outbox, "a") as lanes:
        await lanes.put([letter(0)])
        lanes["a"].record.arrived(3)
        await anyio.sleep(10)
        assert lanes["a"].record.waiting == 0


async def test_url_that_changes_while_the_lane_waits_for_its_turn_has_its_own_limits() -> None:
    discord, outbox = StandInDiscord(), Outbox()
    async with lanes_of(discord, outbox, "a") as lanes:
        (old,) = discord.webhooks
        new = discord.create_webhook()
        async with lanes["a"].pacing.turn:
            await lanes.put([letter(0)])
            await anyio.sleep(5)
            lanes["a"].use(validate_webhook_url(new.url))

        await anyio.sleep(5)
        assert posted(discord) == [[], ["player0"]]
        assert lanes.limits.of(old.id)._bucket.in_flight == 0
        assert lanes.limits.of(new.id)._bucket.limit == 5


# The hook


async def test_error_of_one_event_is_not_the_others(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url, max_age={"peer_joined": "1h"}) as s:
        bad = PeerJoined(peer_name="bad", party_name="LAN", time="yesterday")  # type: ignore[arg-type]  # what is tried
        good = PeerJoined(peer_name="good", party_name="LAN")
        failures = await s.plugin.event_batch([good, bad, good])
        assert failures.keys() == {1}
        assert isinstance(failures[1], AttributeError)
        await s.settle()
        assert str(webhook.messages).count("good") >= 1
        assert s.plugin.lanes["default"].sent == 2


@pytest.mark.slow
@pytest.mark.either_backend
async def test_others_run_while_large_events_are_rendered(running: Running) -> None:
    begun = 0

    class Watched(list[Event]):
        def __iter__(self) -> Iterator[Event]:
            nonlocal begun
            for event in super().__iter__():
                begun += 1
                yield event

    async def watch() -> None:
        while True:
            seen.add(begun)
            await checkpoint()

    seen: set[int] = set()
    large = "a*b " * 25_000
    discord = StandInDiscord()
    async with running(discord, webhook_url=discord.create_webhook().url) as s:
        events = Watched(Notification(title=large, message=large) for _ in range(50))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            assert await s.plugin.event_batch(events) == {}
            tasks.cancel_scope.cancel()

    assert seen & set(range(1, 50))


async def test_events_of_a_batch_succeed_and_fail_one_by_one(running: Running) -> None:
    discord = StandInDiscord()
    gone, fine = discord.create_webhook(), discord.create_webhook()
    gone.delete()
    webhooks = {"gone": {"url": gone.url}, "fine": {"url": fine.url}}
    routes = [{"where": {"peer_name": "Ann"}, "webhook": "gone", "stop": True}, {"webhook": "fine"}]
    async with running(discord, webhooks=webhooks, routes=routes, max_pending=2) as s:
        names = ("Ann", "Ann", "Bob", "Ann", "Cy")
        events = [PeerJoined(peer_name=name, party_name="LAN") for name in names]
        outcomes = await s.bus.publish_many_and_wait(events)
        kinds = [error and type(error.exceptions[0]) for error in outcomes]
        assert kinds == [None, None, None, OutboxFull, None]
        await s.settle()
        assert s.plugin.lanes["fine"].sent == 2


async def test_same_event_for_many_webhooks_is_posted_by_each_in_its_own_way(
    running: Running,
) -> None:
    discord = StandInDiscord()
    webhooks = {f"w{n}": {"url": discord.create_webhook().url} for n in range(4)}
    routes = [
        {"webhook": ["w0", "w2"], "silent": True},
        {"webhook": ["w1"], "mention": {"users": ["5"]}},
        {},
    ]
    async with running(discord, webhooks=webhooks, routes=routes) as s:
        await s.publish("Ann")
        await s.settle()
        flags = {r.webhook_id: r.body.get("flags", 0) for r in discord.journal.accepted}
        content = {r.webhook_id: r.body.get("content", "") for r in discord.journal.accepted}
        ids = [webhook.id for webhook in discord.webhooks]
        assert [flags[one] for one in ids] == [4096, 0, 4096, 0]
        assert [content[one] for one in ids] == ["", "<@5>", "", ""]


# Other names


async def test_a_lane_that_is_held_sends_nothing_and_is_waited_for_a_while() -> None:
    discord = StandInDiscord(latency=5)
    async with lanes_of(discord, Outbox(), "a") as lanes:
        await lanes.begin()
        await lanes.put([letter(0)])
        await anyio.sleep(1)
        began = anyio.current_time()
        with pytest.raises(TimeoutError):
            async with lanes.hold("a", 2):
                raise AssertionError

        assert anyio.current_time() - began == 2
        async with lanes.hold("a", 10):
            assert posted(discord) == [["player0"]]
            await lanes.put([letter(1)])
            await anyio.sleep(60)
            assert posted(discord) == [["player0"]]

        await anyio.sleep(10)
        assert posted(discord) == [["player0", "player1"]]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "rename", "wait"]), st.integers(0, 3)), max_size=12
    ),
    latency=st.sampled_from([0.0, 0.04, 0.5]),
)
def test_whenever_a_lane_is_renamed_each_event_is_posted_once_and_in_order(
    steps: list[tuple[str, int]], latency: float
) -> None:
    """New entries come under any of its names, at any moment of the renaming."""

    async def run() -> None:
        discord = StandInDiscord(latency=latency, limit=None)
        names, position = ["lane0"], 0
        async with lanes_of(discord, Outbox(), "lane0") as lanes:
            webhook = WebhookConfig(url=SecretStr(discord.webhooks[0].url))
            await lanes.begin()

            async def rename() -> None:
                before, after = names[-1], f"lane{len(names)}"
                async with lanes.hold(before, 10):
                    await lanes.rename(before, after, webhook)

                names.append(after)

            for step, number in steps:
                if step == "wait":
                    await anyio.sleep(number / 10)
                elif step == "rename":
                    name = names[-1]
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(rename)
                        for _ in range(number):
                            await checkpoint()

                        await lanes.put([letter(position, name)])
                        position += 1
                else:
                    await lanes.put([letter(position + n, names[-1]) for n in range(number)])
                    position += number

            await anyio.sleep(60)
            assert list(lanes) == names[-1:]
            assert posted(discord) == [[f"player{n}" for n in range(position)]]

    anyio.run(
        run, backend="trio", backend_options={"clock": trio.testing.MockClock(autojump_threshold=0)}
    )


# The JSON form of entries


@given(
    title=st.text(st.characters(), max_size=30),
    group=st.text(st.characters(), max_size=10),
    presentation=st.one_of(
        st.just(DEFAULT_PRESENTATION),
        st.builds(
            Presentation,
            silent=st.booleans(),
            immediate=st.booleans(),
            roles=st.tuples(st.just("1")),
            users=st.just(()),
            cooldown=st.floats(0, 1e6),
        ),
    ),
)
def test_entry_comes_back_from_its_json(title: str, group: str, presentation: Presentation) -> None:
    embed = Embed.from_dict(
        Embed(title=title, color=5, timestamp=TIME, fields=(EmbedField("n", "v"),)).to_dict()
    )
    entry = Entry("id", "peer_joined", TIME, embed, Digest(group, "h", "i"), presentation)
    text = entry.to_json()
    text.encode()
    assert Entry.from_json(text) == entry


def test_json_of_earlier_versions_is_read() -> None:
    text = (
        '{"event_id": "a-1", "type": "peer_joined", "time": "2026-03-06T20:00:00+00:00",'
        ' "embed": {"title": "\\ud83d\\udc4b Ann"}, "digest": {"group": "g", "heading": "h",'
        ' "item": "i"}, "presentation": {"silent": false, "immediate": false, "roles": [],'
        ' "users": [], "cooldown": 0.0}}'
    )
    assert Entry.from_json(text).embed.title == "👋 Ann"


def test_half_of_a_surrogate_pair_does_no_harm() -> None:
    digest = Digest("\ud800", "h", "i")
    entry = Entry("id", "peer_joined", TIME, Embed(title="t"), digest)
    assert Entry.from_json(entry.to_json()) == entry


def test_an_entry_that_was_edited_in_the_outbox_keeps_discords_limits(
    broken_limits: Callable[[list[Any]], list[str]],
) -> None:
    data = json.loads(letter(0).body)
    data["embed"] = {
        "title": "x" * 300,
        "url": "javascript:alert(1)",
        "color": -1,
        "fields": [{"name": "n" * 300, "value": "v" * 5000}] * 30,
    }
    embed = Entry.from_json(json.dumps(data)).embed
    assert embed.title.endswith("x…")
    assert len(embed.fields) == 25
    assert broken_limits([embed.to_dict()]) == []


# Webhooks that come and go


async def test_url_that_changes_while_another_request_is_under_way_is_used_for_the_next(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=2)
    async with running(discord) as s:
        old, new = discord.create_webhook(), discord.create_webhook()
        await s.post("/webhook", {"webhook_url": old.url})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.post, "/test", {})
            await anyio.sleep(0.5)
            await s.publish("player1")
            await anyio.sleep(0.5)
            await s.post("/webhook", {"webhook_url": new.url}, offline=True)

        await s.settle()
        assert posted(discord) == [[], ["player1"]]
        assert (len(old.messages), len(new.messages)) == (1, 1)
        limits = s.plugin._lanes["default"].limits
        assert limits._bucket.in_flight == 0
        assert s.plugin._runtime.lanes.limits.of(old.id)._bucket.in_flight == 0


async def test_url_that_is_cleared_while_another_request_is_under_way_gets_nothing_more(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=2)
    async with running(discord) as s:
        webhook = discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.post, "/test", {})
            await anyio.sleep(0.5)
            await s.publish("player1")
            await anyio.sleep(0.5)
            await s.post("/webhook", {"webhook_url": ""})

        await anyio.sleep(60)
        assert len(webhook.messages) == 1
        assert (await s.call("GET", "/status"))["state"] == "unconfigured"
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.settle()
        assert posted(discord) == [["player1"]]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.6, 1.0, 1.9, 2.5])
@pytest.mark.either_backend
async def test_clearing_and_setting_at_any_moment_loses_and_doubles_nothing(
    running: Running, moment: float
) -> None:
    discord = StandInDiscord(latency=1)
    async with running(discord, batch={"immediate": False}) as s:
        webhook = discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url}, offline=True)
        for number in range(3):
            await s.publish(f"player{number}")

        await anyio.sleep(moment)
        await s.post("/webhook", {"webhook_url": ""})
        await anyio.sleep(moment)
        await s.post("/webhook", {"webhook_url": webhook.url}, offline=True)
        await s.publish("player3")
        await s.settle()
        await s.settle()
        assert posted(discord) == [[f"player{number}" for number in range(4)]]
        assert s.plugin.pending == 0
        assert (await s.call("GET", "/history"))["lanes"][0]["buckets"][-1]["waiting"] == 0


async def test_idle_plugin_without_a_webhook_has_no_task_and_no_timer(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.publish("Ann")
        await s.settle()
        await s.post("/webhook", {"webhook_url": ""})
        names = [task.name or "" for task in anyio.get_running_tasks()]
        assert not any(name.startswith("lane ") for name in names)


async def test_leaving_the_bus_does_not_wait_for_a_test_for_ever(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    ending = 0.0
    async with anyio.create_task_group() as tasks, running(discord, webhook_url=webhook.url) as s:
        discord.faults.hang(accepted=False, times=1)
        tasks.start_soon(s.post, "/test", {})
        await anyio.sleep(1)
        await s.publish("player1")
        ending = anyio.current_time()

    assert anyio.current_time() - ending <= 8
    assert len(discord.journal) <= 2
