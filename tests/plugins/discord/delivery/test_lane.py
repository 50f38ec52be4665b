"""What a lane does with each outcome, and that what goes wrong in one stays in one."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Health, Notification, PeerJoined
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox, OutboxEntry, OutboxError, OutboxFull
from lanrage_events_discord import DiscordConfig, DiscordPlugin, validate_webhook_url
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._rendering import Digest, Entry
from lanrage_events_discord.testing import Fail, StandInDiscord, StandInRequest

URL = "https://discord.com/api/webhooks/111/made-up-token"
NEW_URL = "https://discord.com/api/webhooks/222/made-up-other-token"
NAME = re.compile(r"player\d+")


def joined(number: int) -> PeerJoined:
    return PeerJoined(peer_name=f"player{number:05}", party_name="LAN")


class InlinePlugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)


@asynccontextmanager
async def running(
    transport: httpx.AsyncBaseTransport,
    *,
    state_folder: Path | None = None,
    drain_timeout: float = 1,
    kind: type[DiscordPlugin] | None = None,
    **config: Any,
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    kind = kind or (DiscordPlugin if state_folder is None else InlinePlugin)
    async with httpx.AsyncClient(transport=transport) as http:
        plugin = kind(DiscordConfig.model_validate(config), http=http)
        bus = EventBus(drain_timeout=drain_timeout, state_folder=state_folder)
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


class Answers:
    """Answers requests by a function, and remembers when they came and what they told."""

    def __init__(self, answer: Callable[[str, int], tuple[int, object]]) -> None:
        self.times: list[float] = []
        self.urls: list[str] = []
        self.delivered: list[str] = []
        self._answer = answer
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = request.content.decode()
        if request.method == "GET":
            # The lane looks up the webhook after some errors of Discord.
            status, data = self._answer(body, len(self.times))
            return httpx.Response(status, headers={"via": "1.1 google"}, json=data)

        self.times.append(anyio.current_time())
        self.urls.append(request.url.path)
        status, data = self._answer(body, len(self.times))
        if status < 300:
            self.delivered += NAME.findall(str(json.loads(body)["embeds"]))

        headers = {"via": "1.1 google"}
        return httpx.Response(status, headers=headers, json=data)


OK: tuple[int, object] = (200, {"id": "1", "channel_id": "2"})


async def delivery_of_three(
    answer: Callable[[str, int], tuple[int, object]], seconds: float = 600
) -> tuple[Answers, DiscordPlugin, Health]:
    """Publish three events that make one message, wait, and see."""
    answers = Answers(answer)
    batch = {"immediate": False}
    async with running(answers.transport, webhook_url=URL, batch=batch) as (bus, plugin):
        for number in range(3):
            await bus.publish(joined(number))

        await anyio.sleep(seconds)
        return answers, plugin, bus.health()["discord"]


ENTRY = Entry("i", "t", datetime(2026, 3, 6, tzinfo=UTC), Embed(title="x"), Digest("g", "h", "i"))
ALL = ["player00000", "player00001", "player00002"]


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.either_backend
async def test_any_success_is_delivered_with_one_request(status: int) -> None:
    answers, plugin, health = await delivery_of_three(lambda _, __: (status, {}))
    assert answers.delivered == ALL
    assert len(answers.times) == 1
    assert (plugin.pending, health.status) == (0, "ok")


@pytest.mark.parametrize(("status", "code"), [(429, 0), (400, 20016)])
async def test_what_may_be_accepted_later_is_sent_when_the_answer_says(
    status: int, code: int
) -> None:
    answer = (status, {"code": code, "retry_after": 7.5, "message": "wait"})
    answers, plugin, health = await delivery_of_three(lambda _, n: answer if n == 1 else OK)
    assert answers.delivered == ALL
    first, second = answers.times
    assert 7.5 <= second - first <= 7.6
    assert (plugin.pending, health.status) == (0, "ok")


async def test_error_of_discord_is_retried_soon() -> None:
    answers, plugin, health = await delivery_of_three(lambda _, n: (503, {}) if n < 4 else OK, 60)
    assert answers.delivered == ALL
    assert len(answers.times) == 4
    assert (plugin.pending, health.status) == (0, "ok")


async def test_outage_waits_as_long_as_the_server_asks() -> None:
    answer = (503, {"retry_after": 90})
    answers, plugin, health = await delivery_of_three(lambda _, n: answer if n < 3 else OK)
    assert answers.delivered == ALL
    for first, second in pairwise(answers.times):
        assert 90 <= second - first <= 91

    assert (plugin.pending, health.status) == (0, "ok")


@pytest.mark.slow
async def test_outage_is_tried_every_two_seconds_in_its_first_minute_and_then_less() -> None:
    answers, plugin, health = await delivery_of_three(lambda _, __: (503, {}), 3600)
    began = answers.times[0]
    gaps = [b - a for a, b in pairwise(answers.times)]
    soon = [gap for gap, at in zip(gaps, answers.times, strict=False) if at - began < 60]
    later = [gap for gap, at in zip(gaps, answers.times, strict=False) if at - began > 70]
    assert max(soon) <= 2.0
    assert len(soon) > 30
    assert max(later) <= 30.0
    assert min(later) >= 7.5
    assert health == Health("degraded", health.detail, 3)
    assert "3 events are waiting: webhook 'default'" in health.detail
    assert plugin.pending == 3


@pytest.mark.parametrize(("status", "code"), [(400, 50035), (429, 50006)])
async def test_rejected_event_alone_becomes_a_dead_letter(status: int, code: int) -> None:
    rejection = (status, {"code": code, "message": "no"})
    answers, plugin, health = await delivery_of_three(
        lambda body, _: rejection if ALL[1] in body else OK, 60
    )
    assert answers.delivered == [ALL[0], ALL[2]]
    assert len(answers.times) <= 5
    assert plugin.lanes["default"].failed == 1
    assert plugin.pending == 0
    assert health == Health("degraded", "Discord rejected 1 event", 1)


@pytest.mark.slow
@pytest.mark.parametrize("remedy", ["retry", "drop"])
async def test_rejected_event_is_forgotten_once_it_is_retried_or_dropped(
    remedy: str,
) -> None:
    answers = Answers(lambda _, number: (400, {"code": 50035}) if number == 1 else OK)
    async with running(answers.transport, webhook_url=URL) as (bus, plugin):
        await bus.publish(joined(0))
        await anyio.sleep(60)
        assert bus.health()["discord"] == Health("degraded", "Discord rejected 1 event", 1)
        outbox = plugin.outbox()
        assert outbox is not None
        [letter] = await outbox.dead_letters()
        await getattr(outbox, remedy)([letter.id])
        await anyio.sleep(60)
        assert bus.health()["discord"] == Health()


@pytest.mark.parametrize(("status", "code"), [(401, 0), (404, 10003)])
async def test_dead_lane_makes_one_request_keeps_its_events_and_a_new_url_enables_it(
    status: int, code: int
) -> None:
    gone = (status, {"code": code, "message": "gone"})
    answers = Answers(lambda _, number: gone if number == 1 else OK)
    batch = {"immediate": False}
    async with running(answers.transport, webhook_url=URL, batch=batch) as (bus, plugin):
        for number in range(3):
            await bus.publish(joined(number))

        await anyio.sleep(3600)
        assert len(answers.times) == 1
        health = bus.health()["discord"]
        assert (health.status, health.undelivered) == ("failed", 3)
        assert plugin.pending == 3
        assert plugin.lanes["default"].last_error
        plugin._lanes["default"].use(validate_webhook_url(NEW_URL))
        assert plugin.lanes["default"].last_error == ""
        await anyio.sleep(5)
        assert answers.delivered == ALL
        assert "/222/" in answers.urls[1]
        assert bus.health()["discord"].status == "ok"


# Internal errors, and endings


class Broken(httpx.AsyncBaseTransport):
    """Raises what no client expects for some requests to one webhook."""

    def __init__(self, discord: StandInDiscord, webhook_id: str, times: int) -> None:
        self._inner = discord.transport()
        self._webhook_id = webhook_id
        self._left = times

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if f"/{self._webhook_id}/" in request.url.path and self._left:
            self._left -= 1
            raise ZeroDivisionError("a bug")

        return await self._inner.handle_async_request(request)


async def test_unexpected_error_in_one_lane_stops_neither_it_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = StandInDiscord()
    one, two = discord.create_webhook(), discord.create_webhook()
    webhooks = {"one": {"url": one.url}, "two": {"url": two.url}}
    broken = Broken(discord, one.id, 4)
    async with running(broken, webhooks=webhooks) as (bus, plugin):
        await bus.publish(joined(1))
        await anyio.sleep(0.1)
        assert len(two.messages) == 1
        health = bus.health()["discord"]
        assert health.status == "degraded"
        assert "ZeroDivisionError" in health.detail
        await anyio.sleep(10)
        assert len(one.messages) == 1
        assert plugin.pending == 0
        assert bus.health()["discord"].status == "ok"
        assert bus.statistics().plugins["discord"].restarts == 0

    assert caplog.text.count("Traceback") == 1


class CountingOutbox(Outbox):
    """Counts how often it is read, and fails the first times."""

    reads = 0
    failing = 0

    async def read(self, lane: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        self.reads += 1
        if self.reads <= self.failing:
            raise OutboxError("disk I/O error")

        return await super().read(lane, after=after, limit=limit)


class CountingPlugin(DiscordPlugin):
    """The plugin with an outbox that counts."""

    counting: CountingOutbox

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        self.counting = CountingOutbox(self._state_file(bus, "outbox"), inline=True)
        self.counting.failing = 5
        return self.counting


async def test_first_burst_is_sent_without_a_look_into_the_outbox() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord.transport(), kind=CountingPlugin, webhook_url=webhook.url) as (
        bus,
        plugin,
    ):
        for number in range(3):
            await bus.publish(joined(number))

        await anyio.sleep(30)
        assert sorted(NAME.findall(json.dumps(webhook.messages))) == ALL
        assert plugin.pending == 0
        assert isinstance(plugin, CountingPlugin)
        assert plugin.counting.reads == 0


async def test_outbox_that_cannot_be_read_for_a_while_loses_nothing(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with Outbox(tmp_path / "discord.outbox", inline=True) as outbox:
        await outbox.put("default", ENTRY.to_json())

    async with running(
        discord.transport(), state_folder=tmp_path, kind=CountingPlugin, webhook_url=webhook.url
    ) as (bus, plugin):
        for number in range(3):
            await bus.publish(joined(number))

        await anyio.sleep(30)
        assert sorted(NAME.findall(json.dumps(webhook.messages))) == ALL
        assert plugin.pending == 0
        assert isinstance(plugin, CountingPlugin)
        assert plugin.counting.reads == 6


async def test_cancelled_right_after_the_answer_it_is_acknowledged_nevertheless(
    tmp_path: Path,
) -> None:
    plugins: list[DiscordPlugin] = []

    def answer(_: str, __: int) -> tuple[int, object]:
        # The answer is there; whatever is awaited next is cancelled.
        plugins[0]._lanes["default"]._task_group.cancel_scope.cancel()
        return OK

    answers = Answers(answer)
    async with running(answers.transport, webhook_url=URL, state_folder=tmp_path) as (bus, plugin):
        plugins.append(plugin)
        outbox = plugin._outbox
        assert outbox is not None
        await bus.publish(joined(1))
        await anyio.sleep(30)
        assert outbox.statistics().acknowledged == 1
        assert len(answers.times) == 1
        assert plugin.pending == 0


async def test_lifespan_that_dies_counts_what_it_loses(caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers(lambda _, __: (503, {}))
    async with running(answers.transport, webhook_url=URL) as (bus, plugin):
        await bus.publish(joined(1))
        await bus.publish(joined(2))
        await anyio.sleep(1)
        plugin._lanes["default"]._task_group.cancel_scope.cancel()
        await anyio.sleep(5)
        assert "2 events are lost: they were kept in memory only" in caplog.text
        await bus.publish(joined(3))
        await anyio.sleep(1)
        assert plugin.pending == 1
        assert bus.health()["discord"].undelivered == 3


async def test_events_without_a_webhook_are_counted() -> None:
    answers = Answers(lambda _, __: OK)
    async with running(answers.transport) as (bus, _):
        await bus.publish_and_wait(joined(1))
        health = bus.health()["discord"]
        assert (health.status, health.undelivered) == ("degraded", 1)


async def test_hanging_attempt_does_not_hide_the_outage() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord.transport(), webhook_url=webhook.url) as (bus, _):
        discord.faults.hang(60, accepted=False, times=5)
        await bus.publish(joined(1))
        await anyio.sleep(8.1)
        seen = set()
        for _ in range(20):
            seen.add(bus.health()["discord"].status)
            await anyio.sleep(1)

        assert seen == {"degraded"}
        await anyio.sleep(60)
        assert bus.health()["discord"].status == "ok"


async def test_outage_ends_with_any_answer_of_discord() -> None:
    """The next one, hours later, begins with short waits again."""
    statuses = {1: 503, 2: 400, 3: 503, 4: 503, 5: 503}
    answers = Answers(lambda _, number: (statuses[number], {}) if number in statuses else OK)
    async with running(answers.transport, webhook_url=URL) as (bus, plugin):
        await bus.publish(joined(1))
        await anyio.sleep(7200)
        assert plugin.lanes["default"].failed == 1
        await bus.publish(joined(2))
        await anyio.sleep(10)
        assert answers.delivered == ["player00002"]
        assert answers.times[-1] - answers.times[2] <= 0.25 + 0.5 + 1


async def test_old_urls_answer_does_not_kill_the_new_url() -> None:
    discord = StandInDiscord(latency=1)
    old, new = discord.create_webhook(), discord.create_webhook()
    old.delete()
    async with running(discord.transport(), webhook_url=old.url) as (bus, plugin):
        await bus.publish(joined(1))
        await anyio.sleep(0.5)
        plugin._lanes["default"].use(validate_webhook_url(new.url))
        await anyio.sleep(10)
        assert len(new.messages) == 1


async def test_new_url_does_not_wait_for_what_held_up_the_old_one() -> None:
    discord = StandInDiscord()
    old, new = discord.create_webhook(), discord.create_webhook()
    async with running(discord.transport(), webhook_url=old.url) as (bus, plugin):
        discord.faults.fail(429, retry_after=3000)
        await bus.publish(joined(1))
        await anyio.sleep(10)
        plugin._lanes["default"].use(validate_webhook_url(new.url))
        await anyio.sleep(1)
        assert len(new.messages) == 1


async def test_rejected_name_of_the_webhook_costs_no_event() -> None:
    errors = {"username": {"_errors": [{"code": "USERNAME_INVALID", "message": "no"}]}}
    body = {"code": 50035, "message": "Invalid Form Body", "errors": errors}
    answers, plugin, health = await delivery_of_three(lambda _, __: (400, body))
    assert len(answers.times) == 1
    assert plugin.pending == 3
    assert health.status == "failed"
    assert "username" in health.detail


# Room


class SmallPlugin(DiscordPlugin):
    """The plugin with an outbox for few entries."""

    _max_pending = 20


async def test_full_lane_keeps_no_event_from_the_others() -> None:
    discord = StandInDiscord()
    gone, fine = discord.create_webhook(), discord.create_webhook()
    gone.delete()
    webhooks = {"gone": {"url": gone.url}, "fine": {"url": fine.url}}
    rejected = 0
    async with running(discord.transport(), kind=SmallPlugin, webhooks=webhooks) as (bus, plugin):
        for number in range(30):
            try:
                await bus.publish_and_wait(joined(number))
            except* OutboxFull:
                rejected += 1

            await anyio.sleep(2)

        assert plugin.lanes["fine"].sent == 30
        assert plugin.pending == 10
        assert rejected == 20


async def test_full_disk_fails_the_event_and_recovers_by_itself(tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord.transport(), webhook_url=webhook.url, state_folder=tmp_path) as (
        bus,
        plugin,
    ):
        outbox: Any = plugin._outbox
        connection = outbox._opened._connection
        connection.execute("PRAGMA max_page_count = 1")

        async def publish_until_it_fails() -> None:
            for number in range(100):
                await bus.publish_and_wait(joined(number), plugins="durable")

        with pytest.raises(ExceptionGroup) as caught:
            await publish_until_it_fails()

        assert "full" in str(caught.value.exceptions[0])
        assert bus.health()["discord"].status == "degraded"
        failed = bus.statistics().plugins["discord"].failed
        assert failed == 1
        connection.execute("PRAGMA max_page_count = 100000")
        await bus.publish_and_wait(joined(1000), plugins="durable")
        await anyio.sleep(10)
        assert bus.health()["discord"].status == "ok"
        assert "player01000" in str(webhook.messages)
        assert plugin.pending == 0


# What expired


async def test_what_expires_while_a_lane_loses_its_url_is_posted_when_it_has_one_again(
    tmp_path: Path,
) -> None:
    lag = timedelta(minutes=1)
    to_call: list[Callable[[], None]] = []

    def lagging_clock() -> datetime:
        while to_call:
            to_call.pop()()

        return datetime.now(UTC) - lag

    class Plugin(DiscordPlugin):
        def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
            return Outbox(self._state_file(bus, "outbox"), inline=True, now=lagging_clock)

    discord = StandInDiscord()
    url = discord.create_webhook().url
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = Plugin(DiscordConfig.model_validate({"webhook_url": url}), http=http)
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "discord")
        async with bus:
            await anyio.sleep(1)
            lane, outbox = plugin._lanes["default"], plugin._outbox
            assert outbox is not None
            # To the outbox it has not expired when the lane asks, and to the lane it has right after.
            expires = datetime.now(UTC)
            entry = Entry("1", "game_ended", expires, Embed(title="x"), Digest("g", "h", "i"))
            number = await outbox.put("default", entry.to_json(), label=entry.type, expires=expires)
            lane.append([(number, entry, expires)])
            to_call.append(lane.disconnect)
            await anyio.sleep(10)
            assert (plugin.pending, lane.statistics.expired) == (1, 0)

            lag = timedelta()
            lane.use(validate_webhook_url(url))
            await anyio.sleep(10)
            assert (plugin.pending, lane.statistics.expired) == (0, 1)

    [message] = discord.journal.messages()
    assert "1 event expired before it could be posted" in message["embeds"][0]["description"]


async def test_what_expired_while_no_one_ran_is_posted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    config: dict[str, Any] = {"webhook_url": webhook.url, "max_age": {"game_ended": "1h"}}
    body = ENTRY.to_json()
    async with Outbox(tmp_path / "discord.outbox", inline=True) as outbox:
        long_ago = datetime.now(UTC) - timedelta(hours=2)
        await outbox.put("default", body, label="game_ended", expires=long_ago)

    async with running(discord.transport(), state_folder=tmp_path, **config) as (_, plugin):
        await anyio.sleep(5)
        assert plugin.pending == 0
        assert plugin.lanes["default"].expired == 1

    (message,) = webhook.messages
    assert "expired before it could be posted" in message["embeds"][0]["description"]
    assert "webhook 'default': 1 game_ended expired" in caplog.text


# Several lanes to one webhook


async def test_many_lanes_to_one_webhook_are_not_rejected() -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    threads = [webhook.create_thread(f"thread {number}") for number in range(12)]
    webhooks = {t: {"url": webhook.url, "thread_id": t} for t in threads}
    async with running(discord.transport(), webhooks=webhooks) as (bus, plugin):
        for round_ in range(3):
            await bus.publish(joined(round_))
            await anyio.sleep(10)

        assert plugin.pending == 0
        assert discord.journal.statuses[429] == 0
        assert sum(lane.sent for lane in plugin.lanes.values()) == 36


async def test_lanes_that_post_to_one_thread_of_a_forum_create_it_once() -> None:
    discord = StandInDiscord(latency=0.04)
    forum = discord.create_webhook(forum=True)
    lane = {"url": forum.url, "thread_name": "Friday LAN"}
    async with running(discord.transport(), webhooks={"a": lane, "b": lane, "c": lane}) as (
        bus,
        plugin,
    ):
        await bus.publish(joined(1))
        await anyio.sleep(10)
        assert plugin.pending == 0

    assert len(forum.threads) == 1


async def test_role_is_mentioned_once_though_two_lanes_post_the_event_at_once() -> None:
    discord = StandInDiscord(latency=0.04)
    webhooks = {name: {"url": discord.create_webhook().url} for name in ("a", "b")}
    routes = [{"mention": {"roles": ["77"], "cooldown": "1m"}}]
    discord.faults.fail(503, times=1)
    async with running(discord.transport(), webhooks=webhooks, routes=routes) as (bus, _):
        await bus.publish(joined(1))
        await anyio.sleep(10)
        await bus.publish(joined(2))
        await anyio.sleep(60)
        await bus.publish(joined(3))
        await anyio.sleep(10)

    mentions = [r.time for r in discord.journal.accepted if "<@&77>" in str(r.body)]
    assert len(discord.journal.accepted) == 6
    assert len(mentions) == 2


# The search for the rejected one


async def test_events_after_a_rejected_one_are_posted_together_again() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()

    def moderate(request: StandInRequest) -> Fail | None:
        return Fail(400, 200000) if "player00001" in str(request.body) else None

    discord.faults.script(moderate)
    batch = {"immediate": False}
    async with AsyncExitStack() as stack:
        bus, plugin = await stack.enter_async_context(
            running(discord.transport(), webhook_url=webhook.url, batch=batch)
        )
        for number in (0, 1):
            await bus.publish(joined(number))

        await anyio.sleep(10)
        assert plugin.pending == 0
        for number in range(2, 12):
            await bus.publish(joined(number))

        await anyio.sleep(10)

    assert len(webhook.messages) == 2


def shown_by(message: dict[str, Any]) -> list[str]:
    return NAME.findall("".join(str(embed["description"]) for embed in message["embeds"]))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset", "hang", "gateway"])
@pytest.mark.either_backend
async def test_lost_answer_to_a_digest_is_repeated_in_messages_of_at_most_fifty_events(
    fault: str,
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    if fault == "reset":
        discord.faults.reset(accepted=True, times=2)
    elif fault == "hang":
        discord.faults.hang(accepted=True, times=2)
    else:
        discord.faults.fail(504, times=2)

    batch = {"immediate": False}
    async with running(discord.transport(), webhook_url=webhook.url, batch=batch) as (bus, plugin):
        for number in range(130):
            await bus.publish(joined(number))

        await anyio.sleep(60)
        assert plugin.pending == 0
        for number in range(130, 230):
            await bus.publish(joined(number))

        await anyio.sleep(10)

    names = [f"player{number:05}" for number in range(230)]
    shown = [shown_by(message) for message in webhook.messages]
    repeated = [] if fault == "gateway" else [names[:130], names[:50]]
    assert shown == [*repeated, names[:50], names[50:100], names[100:130], names[130:]]


@pytest.mark.slow
@pytest.mark.parametrize("max_messages", [1, 2, 3])
@pytest.mark.either_backend
async def test_a_lost_answer_adds_no_more_than_the_repetition_to_max_messages(
    max_messages: int,
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.reset(accepted=True, times=1)
    batch = {"immediate": False, "max_messages": max_messages}
    async with running(discord.transport(), webhook_url=webhook.url, batch=batch) as (bus, plugin):
        for number in range(900):
            await bus.publish(joined(number))

        await anyio.sleep(60)
        assert plugin.pending == 0

    assert len(webhook.messages) == max_messages + 1
    assert "more" in str(webhook.messages[-1])


async def test_digest_that_was_never_sent_is_repeated_whole() -> None:
    def answer(body: str, number: int) -> tuple[int, object]:
        if number == 1:
            raise httpx.ConnectError("refused")

        return OK if number > 2 else (503, {})

    answers = Answers(answer)
    batch = {"immediate": False}
    async with running(answers.transport, webhook_url=URL, batch=batch) as (bus, _):
        for number in range(130):
            await bus.publish(joined(number))

        await anyio.sleep(10)

    assert len(answers.times) == 3
    assert len(answers.delivered) == 130


async def test_only_the_rejected_one_of_several_embeds_in_a_digest_becomes_a_dead_letter() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()

    def moderate(request: StandInRequest) -> Fail | None:
        return Fail(400, 200000) if "badword" in str(request.body) else None

    discord.faults.script(moderate)
    lines = "\n".join(f"line {number}" for number in range(14))
    batch = {"immediate": False}
    async with running(discord.transport(), webhook_url=webhook.url, batch=batch) as (bus, plugin):
        await bus.publish(joined(1))
        await bus.publish(joined(2))
        for word in ("first", "badword", "third"):
            await bus.publish(Notification(title=word, message=lines))

        await bus.publish(joined(3))
        await anyio.sleep(60)
        lane = plugin.lanes["default"]
        assert (plugin.pending, lane.sent, lane.failed) == (0, 5, 1)

    embeds = [embed for message in webhook.messages for embed in message["embeds"]]
    titles = [embed["title"] for embed in embeds]
    assert titles == ["📋 2 events", "first", "third", "👋 player00003 joined"]
    assert embeds[1]["description"] == lines


async def test_wait_is_reported_with_its_length_and_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    answer = (429, {"retry_after": 3600, "global": True, "message": "slow down"})
    answers = Answers(lambda _, n: answer if n == 1 else OK)
    async with running(answers.transport, webhook_url=URL) as (bus, plugin):
        await bus.publish(joined(1))
        await anyio.sleep(61)
        why = "Discord asked for it (global limit)"
        health = bus.health()["discord"]
        assert health.status == "degraded"
        assert f"webhook 'default': waits 59 min because {why}" in health.detail
        await anyio.sleep(3600 - 61 - 41.9)
        health = bus.health()["discord"]
        assert health.status == "ok"
        assert health.detail == f"webhook 'default': waits 42 s because {why}"
        await anyio.sleep(60)
        assert bus.health()["discord"] == Health()
        assert plugin.pending == 0

    (line,) = [r.getMessage() for r in caplog.records if "waits" in r.getMessage()]
    assert line.startswith(f"webhook 'default' waits 1 h because {why}: too many requests")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            httpx.Response(429, html="<h1>Error 1015</h1>"),
            "Cloudflare blocks this address (HTTP 429)",
        ),
        (
            httpx.Response(429, json={"retry_after": 600, "code": 20016, "message": "slow down"}),
            "Discord asked for it: the channel is in slow mode (HTTP 429, code 20016): slow down",
        ),
    ],
)
async def test_the_reason_of_a_wait_is_not_said_twice(
    answer: httpx.Response, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    transport = httpx.MockTransport(lambda _: answer)
    async with running(transport, webhook_url=URL) as (bus, _):
        await bus.publish(joined(1))
        await anyio.sleep(10)

    assert f"webhook 'default' waits 10 min because {why}" in caplog.messages


@pytest.mark.parametrize(("count", "waiting"), [(1, "1 event waits"), (2, "2 events wait")])
async def test_an_outage_that_begins_says_how_many_events_wait(
    count: int, waiting: str, caplog: pytest.LogCaptureFixture
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    async with running(transport, webhook_url=URL) as (bus, _):
        for number in range(count):
            await bus.publish(joined(number))

        await anyio.sleep(1)

    assert f"webhook 'default' does not work ({waiting}) and is retried in " in caplog.text


async def test_outage_is_reported_with_the_time_of_the_next_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    headers = {"retry-after": "30"}
    transport = httpx.MockTransport(lambda _: httpx.Response(503, headers=headers))
    async with running(transport, webhook_url=URL) as (bus, _):
        await bus.publish(joined(1))
        await anyio.sleep(10)
        assert bus.health()["discord"].detail.endswith("(HTTP 503); retries in 20 s")

    assert "is retried in 30 s: Discord has an internal error" in caplog.text
