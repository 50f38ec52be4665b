"""What becomes of a test message, for every answer that there is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from lanrage_events import PeerJoined
from lanrage_events.http import RouteError
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]


async def rejection(call: Any) -> tuple[int, str]:
    with pytest.raises(RouteError) as caught:
        await call

    return caught.value.status, caught.value.detail


async def test_delivered_with_the_id_of_a_real_message(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        result = await s.post("/test", {})
        (message,) = webhook.messages
        assert result == {
            "delivered": True,
            "message_id": message["id"],
            "reason": "delivered (HTTP 200)",
            "status": 200,
            "retry_after": None,
        }
        assert "test" in message["embeds"][0]["description"]
        assert s.plugin.lanes["default"].sent == 0
        assert (await s.call("GET", "/status"))["lanes"][0]["messages"] == 1


def fail(**fault: Any) -> Callable[[StandInDiscord], object]:
    return lambda discord: discord.faults.fail(times=1, **fault)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "status", "retry_after", "reason", "state"),
    [
        (fail(status=401, code=50027), 401, None, "the token of the webhook URL is wrong", "dead"),
        (fail(status=403), 403, None, "does not permit the webhook to post", "dead"),
        (fail(status=404, code=10015), 404, None, "the webhook was deleted in Discord", "dead"),
        (fail(status=400, code=50035), 400, None, "finds the message invalid", "idle"),
        (fail(status=429, retry_after=1.5), 429, 1.5, "too many requests", "idle"),
        (fail(status=429, retry_after=600), 429, 600.0, "too many requests", "idle"),
        (fail(status=429, html=True), 429, 600.0, "Cloudflare blocks this address", "idle"),
        (fail(status=500), 500, None, "Discord has an internal error", "idle"),
        (fail(status=503), 503, None, "Discord has an internal error", "idle"),
        (lambda d: d.faults.refuse_connections(60), None, None, "no connection to", "idle"),
        (lambda d: d.faults.reset(times=1), None, None, "the connection to", "idle"),
        (lambda d: d.faults.hang(accepted=False, times=1), None, None, "no answer from", "idle"),
    ],
)
@pytest.mark.either_backend
async def test_reason_is_discords_own(
    running: Running,
    fault: Callable[[StandInDiscord], object],
    status: int | None,
    retry_after: float | None,
    reason: str,
    state: str,
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        fault(discord)
        result = await s.post("/test", {"webhook": "default"})
        assert (result["delivered"], result["message_id"]) == (False, None)
        assert (result["status"], result["retry_after"]) == (status, retry_after)
        assert reason in result["reason"]
        answer = await s.call("GET", "/status")
        assert answer["state"] == state
        assert reason in answer["last_error"]
        assert len(discord.journal) <= 1
        assert not webhook.messages


async def test_forum_without_a_thread_reports_what_to_set(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook(forum=True)
    async with running(discord, webhook_url=webhook.url) as s:
        result = await s.post("/test", {})
        assert "the channel is a forum: set thread_id or thread_name" in result["reason"]
        assert (await s.call("GET", "/status"))["state"] == "dead"


async def test_thread_that_the_test_creates_is_used_by_the_events(running: Running) -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    webhooks = {"forum": {"url": forum.url, "thread_name": "Friday LAN"}}
    async with running(discord, webhooks=webhooks) as s:
        assert (await s.post("/test", {"webhook": "forum"}))["delivered"]
        await s.publish("Ann")
        await s.settle()
        assert len(forum.threads) == 1
        assert len(discord.journal.accepted) == 2


@pytest.mark.slow
async def test_test_creates_no_post_beyond_ten_an_hour(running: Running) -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    webhooks = {"forum": {"url": forum.url, "thread_name": "{{ party_name }}"}}
    async with running(discord, webhooks=webhooks) as setup:
        for number in range(10):
            await setup.bus.publish(PeerJoined(peer_name="Ann", party_name=f"party {number}"))
            await anyio.sleep(5)
            forum.delete_thread([*forum.threads][-1])

        result = await setup.post("/test", {"webhook": "forum"})
        for _ in range(10):
            result = await setup.post("/test", {"webhook": "forum"})

        assert not result["delivered"]
        assert "10 forum posts were created within an hour" in result["reason"]
        assert 3000 < result["retry_after"] < 3600
        assert not forum.threads


async def test_test_in_a_text_channel_does_not_stop_it_for_the_posts_of_a_route(
    running: Running,
) -> None:
    discord = StandInDiscord()
    chat = discord.create_webhook()
    routes = [{"thread_name": "{{ party_name }}"}]
    async with running(discord, webhooks={"chat": {"url": chat.url}}, routes=routes) as setup:
        result = await setup.post("/test", {"webhook": "chat"})
        assert "the next message goes elsewhere" in result["reason"]
        assert (await setup.post("/test", {"webhook": "chat"}))["delivered"]

    assert len(chat.messages) == 1


async def test_thread_that_was_deleted_is_reported_and_created_again(running: Running) -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    webhooks = {"forum": {"url": forum.url, "thread_name": "Friday LAN"}}
    async with running(discord, webhooks=webhooks) as s:
        await s.post("/test", {"webhook": "forum"})
        discord.faults.fail(404, code=10003, times=1)
        result = await s.post("/test", {"webhook": "forum"})
        assert not result["delivered"]
        assert "the next message creates it again" in result["reason"]
        result = await s.post("/test", {"webhook": "forum"})
        assert result["delivered"]
        assert len(forum.threads) == 2


# Which webhook


async def test_without_a_webhook_there_is_nothing_to_test(running: Running) -> None:
    async with running() as s:
        for body in ({}, {"webhook": "default"}):
            status, detail = await rejection(s.post("/test", body))
            assert (status, "set its URL first" in detail) == (409, True)

        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.post("/webhook", {"webhook_url": ""})
        assert (await rejection(s.post("/test", {})))[0] == 409
        assert not webhook.messages


async def test_named_webhook_is_tested_and_without_a_name_the_first(running: Running) -> None:
    discord = StandInDiscord()
    one, two = discord.create_webhook(), discord.create_webhook()
    webhooks = {"one": {"url": one.url}, "two": {"url": two.url, "username": "LAN"}}
    async with running(discord, webhooks=webhooks) as s:
        await s.post("/test", {"webhook": "two"})
        assert (len(one.messages), len(two.messages)) == (0, 1)
        assert two.messages[0]["author"]["username"] == "LAN"
        await s.post("/test", {})
        assert (len(one.messages), len(two.messages)) == (1, 1)
        status, detail = await rejection(s.post("/test", {"webhook": "three"}))
        assert (status, detail) == (404, "no webhook is named 'three', known: one, two")


# Alongside the lane


async def test_dead_lane_whose_webhook_works_again_is_enabled(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        discord.faults.fail(403, times=1)
        await s.publish("Ann")
        await s.settle()
        assert (await s.call("GET", "/status"))["state"] == "dead"
        assert (await s.post("/test", {}))["delivered"]
        await s.settle()
        assert "Ann" in str(webhook.messages)
        assert (await s.call("GET", "/status"))["state"] == "idle"


async def test_lane_that_holds_back_after_an_outage_goes_on_at_once(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        discord.faults.refuse_connections(600)
        await s.publish("Ann")
        await anyio.sleep(599)
        discord.faults.clear()
        assert (await s.post("/test", {}))["delivered"]
        await anyio.sleep(0.5)
        assert "Ann" in str(webhook.messages)


async def test_lane_learns_from_the_test_that_its_webhook_is_gone(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        webhook.delete()
        await s.post("/test", {})
        await s.publish("Ann")
        await s.settle()
        assert len(discord.journal) == 1
        assert s.plugin.pending == 1


async def test_deleted_webhook_is_asked_once_however_often_one_clicks(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        webhook.delete()
        await s.post("/test", {})
        for _ in range(5):
            result = await s.post("/test", {})
            assert not result["delivered"]
            assert "deleted in Discord" in result["reason"]
            assert "wait 10 s" in result["reason"]
            assert result["retry_after"] == pytest.approx(10)

        assert len(discord.journal) == 1
        await anyio.sleep(10)
        await s.post("/test", {})
        assert len(discord.journal) == 2


async def test_another_webhook_may_be_tested_at_once(running: Running) -> None:
    async with running() as s:
        old, new = s.discord.create_webhook(), s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": old.url})
        old.delete()
        await s.post("/test", {})
        await s.post("/webhook", {"webhook_url": new.url})
        assert (await s.post("/test", {}))["delivered"]


@pytest.mark.slow
async def test_long_wait_for_the_limit_is_reported_at_once(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        discord.faults.fail(429, retry_after=60, times=1)
        await s.publish("Ann")
        await anyio.sleep(1)
        started = anyio.current_time()
        result = await s.post("/test", {})
        assert anyio.current_time() == started
        assert not result["delivered"]
        assert result["reason"] == (
            "it has to wait 59 s because Discord asked for it (limit of the webhook)"
        )
        assert result["retry_after"] == pytest.approx(59, abs=1)
        assert len(discord.journal) == 1


async def test_short_wait_for_the_limit_is_waited_out(running: Running) -> None:
    discord = StandInDiscord(limit=2, per=5)
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        for _ in range(6):
            assert (await s.post("/test", {}))["delivered"]

        assert discord.journal.statuses[429] == 0
        assert len(webhook.messages) == 6


async def test_tests_and_events_together_keep_the_limit(running: Running) -> None:
    discord = StandInDiscord(latency=0.2)
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url, batch={"window": 0.01}) as s:
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(s.publish, f"player{number}")
                if number % 4 == 0:
                    await s.post("/test", {})

        await s.settle()
        assert discord.journal.statuses[429] == 0
        assert s.plugin.pending == 0
        assert s.plugin.lanes["default"].sent == 40


async def test_only_one_test_is_under_way_at_a_time(running: Running) -> None:
    discord = StandInDiscord(latency=1)
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.post, "/test", {})
            await anyio.sleep(0.5)
            status, detail = await rejection(s.post("/test", {}))
            assert (status, "another test is under way" in detail) == (409, True)

        assert (await s.post("/test", {}))["delivered"]
        assert len(webhook.messages) == 2


async def test_who_leaves_during_a_test_blocks_no_one(running: Running) -> None:
    discord = StandInDiscord(latency=1)
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        with anyio.move_on_after(0.5):
            await s.post("/test", {})

        assert (await s.post("/test", {}))["delivered"]
        await s.publish("Ann")
        await s.settle()
        assert len(webhook.messages) == 3
        assert s.plugin.pending == 0


async def test_test_waits_for_the_lanes_own_request_and_not_for_ever(running: Running) -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    webhooks = {"forum": {"url": forum.url, "thread_name": "Friday LAN"}}
    async with running(discord, webhooks=webhooks) as s:
        discord.faults.hang(4, times=1, accepted=True)
        await s.publish("Ann")
        await anyio.sleep(1)
        result = await s.post("/test", {})
        assert result["delivered"]
        assert len(forum.threads) == 1


async def test_test_gives_up_when_other_messages_take_too_long(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        lane: Any = s.plugin._lanes["default"]

        async def hold() -> None:
            async with lane.pacing.turn:
                await anyio.sleep(60)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold)
            await anyio.sleep(1)
            started = anyio.current_time()
            result = await s.post("/test", {})
            assert anyio.current_time() - started == pytest.approx(10, abs=0.1)
            assert result["reason"] == "other messages to this webhook are under way: try again"

        assert (await s.post("/test", {}))["delivered"]


async def test_answer_for_an_old_url_changes_nothing_for_the_new_one(running: Running) -> None:
    discord = StandInDiscord(latency=2)
    async with running(discord) as s:
        old, new = discord.create_webhook(), discord.create_webhook()
        await s.post("/webhook", {"webhook_url": old.url})
        old.delete()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.post, "/test", {})
            await anyio.sleep(0.5)
            await s.post("/webhook", {"webhook_url": new.url}, offline=True)

        assert (await s.call("GET", "/status"))["state"] == "idle"
        await s.publish("Ann")
        await s.settle()
        assert len(new.messages) == 1
