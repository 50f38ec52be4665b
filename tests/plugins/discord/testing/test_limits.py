from __future__ import annotations

import math

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_discord.testing._limits import Window


async def post(client: httpx.AsyncClient, webhook: StandInWebhook) -> httpx.Response:
    return await client.post(webhook.url.replace("/api/", "/api/v10/"), json={"content": "hello"})


@given(
    st.integers(1, 5),
    st.floats(0.5, 10),
    st.lists(st.floats(0, 3), min_size=1, max_size=50),
)
def test_no_window_takes_more_than_its_limit(limit: int, per: float, gaps: list[float]) -> None:
    window = Window(limit, per)
    now, begins, taken = 0.0, None, 0
    for gap in gaps:
        now += gap
        if begins is None or now >= begins + per - 1e-6:
            begins, taken = now, 0

        before = window.remaining(now)
        assert before == limit - taken
        assert window.take(now) == (taken < limit)
        taken = min(taken + 1, limit)
        assert window.remaining(now) == limit - taken
        assert 0 < window.reset_after(now) <= per + 1e-6


@given(st.integers(1, 5), st.floats(0.1, 1000), st.floats(0, 100_000))
def test_who_waits_for_the_reset_is_never_too_early(limit: int, per: float, now: float) -> None:
    window = Window(limit, per)
    while window.take(now):
        pass

    assert window.take(now + window.reset_after(now))


async def test_a_window_begins_with_its_first_request() -> None:
    discord = StandInDiscord(limit=2, per=2.0)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await anyio.sleep(7)
        first = await post(client, webhook)
        await anyio.sleep(1.5)
        second = await post(client, webhook)
        rejection = await post(client, webhook)
        await anyio.sleep(rejection.json()["retry_after"])
        third = await post(client, webhook)

    assert first.headers["X-RateLimit-Reset-After"] == "2.000"
    assert second.headers["X-RateLimit-Reset-After"] == "0.500"
    assert rejection.json()["retry_after"] == 0.5
    assert rejection.headers["Retry-After"] == "1"
    assert third.status_code == 204
    assert third.headers["X-RateLimit-Remaining"] == "1"


async def test_before_version_8_resets_are_whole_seconds() -> None:
    discord = StandInDiscord(per=2.5)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        response = await client.post(webhook.url, json={"content": "x"})
        precise = await post(client, webhook)

    assert response.headers["X-RateLimit-Reset-After"] == "3"
    early = float(precise.headers["X-RateLimit-Reset"])
    assert int(response.headers["X-RateLimit-Reset"]) == math.ceil(early)


async def test_the_reset_is_reported_in_seconds_since_1970_too() -> None:
    discord = StandInDiscord(per=2.0)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        first = await post(client, webhook)
        await anyio.sleep(1)
        second = await post(client, webhook)
        await anyio.sleep(1)
        third = await post(client, webhook)

    resets = [float(answer.headers["X-RateLimit-Reset"]) for answer in (first, second, third)]
    assert resets[1] == pytest.approx(resets[0], abs=0.002)
    assert resets[2] == pytest.approx(resets[0] + 2, abs=0.002)


async def test_a_rejected_request_counts_nothing() -> None:
    discord = StandInDiscord(limit=1, per=2.0)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        for _ in range(10):
            await post(client, webhook)

        await anyio.sleep(2)
        response = await post(client, webhook)

    assert response.status_code == 204
    assert discord.journal.statuses == {204: 2, 429: 10}


async def test_a_request_with_a_bad_body_counts() -> None:
    discord = StandInDiscord(limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        faulty = await client.post(webhook.url, json={"content": "x" * 2001})
        rejection = await post(client, webhook)

    assert faulty.headers["X-RateLimit-Remaining"] == "0"
    assert rejection.status_code == 429


async def test_each_action_has_a_window_and_a_bucket_of_its_own() -> None:
    discord = StandInDiscord(limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        posted = await client.post(webhook.url, params={"wait": "true"}, json={"content": "hello"})
        url = f"{webhook.url}/messages/{posted.json()['id']}"
        answers = [
            posted,
            await client.patch(url, json={"content": "bye"}),
            await client.get(url),
            await client.get(webhook.url),
            await client.delete(url),
        ]
        rejection = await client.get(webhook.url)

    assert all(answer.is_success for answer in answers)
    assert len({answer.headers["X-RateLimit-Bucket"] for answer in answers}) == 5
    assert rejection.status_code == 429


async def test_limits_can_be_switched_off() -> None:
    discord = StandInDiscord(limit=None, global_limit=None)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        answers = [await post(client, webhook) for _ in range(100)]

    assert discord.journal.statuses == {204: 100}
    assert not any(name.startswith("x-ratelimit") for name in answers[0].headers)


async def test_the_hidden_window_of_a_channel_may_slide() -> None:
    discord = StandInDiscord(limit=None, channel_limit=30, channel_window="sliding")
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        for _ in range(30):
            await post(client, webhook)
            await anyio.sleep(0.5)

        rejection = await post(client, webhook)
        await anyio.sleep(rejection.json()["retry_after"])
        await post(client, webhook)
        # Only the first of the messages is out of the window.
        next_rejection = await post(client, webhook)

    assert rejection.json()["retry_after"] == pytest.approx(45)
    assert next_rejection.json()["retry_after"] == pytest.approx(0.5)
    assert discord.journal.statuses == {204: 31, 429: 2}


async def test_the_hidden_window_of_a_channel_is_fixed() -> None:
    discord = StandInDiscord(limit=None, channel_limit=30)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        for _ in range(30):
            await post(client, webhook)
            await anyio.sleep(0.5)

        rejection = await post(client, webhook)
        await anyio.sleep(44.9)
        early = await post(client, webhook)
        await anyio.sleep(early.json()["retry_after"])
        for _ in range(30):
            await post(client, webhook)

        last = await post(client, webhook)

    assert rejection.json()["retry_after"] == pytest.approx(45)
    assert early.json()["retry_after"] == pytest.approx(0.1)
    assert last.json()["retry_after"] == pytest.approx(60)
    assert discord.journal.statuses == {204: 60, 429: 3}
    assert {record.scope for record in discord.journal.rejected} == {"shared"}


async def test_what_the_channel_rejects_does_not_use_up_the_webhooks_window() -> None:
    discord = StandInDiscord(limit=5, channel_limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        rejections = [await post(client, webhook) for _ in range(20)]

    assert {answer.headers["X-RateLimit-Remaining"] for answer in rejections} == {"4"}


async def test_a_bad_body_does_not_count_for_the_channel() -> None:
    discord = StandInDiscord(channel_limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await client.post(webhook.url, json={})
        response = await post(client, webhook)

    assert response.status_code == 204


async def test_a_thread_is_a_channel_of_its_own() -> None:
    discord = StandInDiscord(channel_limit=1)
    webhook = discord.create_webhook()
    thread_id = webhook.create_thread("bracket")
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        for expected in (204, 429):
            response = await client.post(
                webhook.url, params={"thread_id": thread_id}, json={"content": "hello"}
            )
            assert response.status_code == expected


@pytest.mark.slow
async def test_an_address_sends_fifty_requests_a_second() -> None:
    discord = StandInDiscord()
    webhooks = [discord.create_webhook() for _ in range(100)]
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        for webhook in webhooks[:50]:
            await post(client, webhook)

        await anyio.sleep(0.75)
        rejection = await post(client, webhooks[50])
        await anyio.sleep(rejection.json()["retry_after"])
        spaced = []
        for webhook in webhooks:
            spaced.append((await post(client, webhook)).status_code)
            await anyio.sleep(1 / 50)

    assert rejection.json()["retry_after"] == 0.25
    assert set(spaced) == {204}


async def test_who_is_rejected_for_the_address_uses_up_no_other_limit() -> None:
    discord = StandInDiscord(limit=5, global_limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        await post(client, webhook)
        await anyio.sleep(1)
        response = await post(client, webhook)

    assert response.headers["X-RateLimit-Remaining"] == "3"


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_invalid_requests_within_ten_minutes_lead_to_a_ban(status: int) -> None:
    discord = StandInDiscord(invalid_limit=10, ban_seconds=300.0)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        discord.faults.fail(status, times=10)
        for _ in range(10):
            await post(client, webhook)
            await anyio.sleep(59)

        banned = await post(client, webhook)
        await anyio.sleep(240)
        still = await post(client, webhook)
        await anyio.sleep(1)
        free = await post(client, webhook)

    assert banned.headers["Retry-After"] == "241"
    assert [banned.status_code, still.status_code, free.status_code] == [429, 429, 204]
    assert discord.journal[10].reason == "banned by Cloudflare"
    assert webhook.messages[0]["content"] == "hello"
    assert len(webhook.messages) == 1


async def test_invalid_requests_that_are_spread_out_lead_to_no_ban() -> None:
    discord = StandInDiscord(invalid_limit=10)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        discord.faults.fail(403, times=18)
        for _ in range(2):
            for _ in range(9):
                await post(client, webhook)

            await anyio.sleep(600)

        response = await post(client, webhook)

    assert response.status_code == 204


async def test_rejections_with_the_scope_shared_and_other_errors_lead_to_no_ban() -> None:
    discord = StandInDiscord(invalid_limit=3, channel_limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        for _ in range(10):
            await post(client, webhook)

        discord.faults.fail(500, times=10)
        discord.faults.fail(404, times=10)
        for _ in range(20):
            await post(client, webhook)

        last = await post(client, webhook)

    assert last.headers["X-RateLimit-Scope"] == "shared"


async def test_a_ban_can_be_ordered() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        discord.faults.ban(30)
        banned = await post(client, webhook)
        await anyio.sleep(30)
        free = await post(client, webhook)

    assert "Via" not in banned.headers
    assert [banned.status_code, free.status_code] == [429, 204]


async def test_old_messages_of_a_channel_take_three_edits_in_six_seconds() -> None:
    discord = StandInDiscord()
    first, other = discord.create_webhook("lobby"), discord.create_webhook("lobby")
    elsewhere = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        urls = {}
        for webhook in (first, other, elsewhere):
            posted = await client.post(webhook.url, params={"wait": "true"}, json={"content": "1"})
            urls[webhook] = f"{webhook.url}/messages/{posted.json()['id']}"

        async def edit(webhook: StandInWebhook) -> httpx.Response:
            return await client.patch(urls[webhook], json={"content": "2"})

        young = [(await edit(first)).status_code for _ in range(5)]
        await anyio.sleep(3601)
        began = anyio.current_time()
        old = [(await edit(webhook)).status_code for webhook in (first, other, first)]
        rejection = await edit(other)
        there = await edit(elsewhere)
        await anyio.sleep(rejection.json()["retry_after"])
        again = await edit(other)
        seconds = anyio.current_time() - began

    assert young == [200] * 5
    assert old == [200, 200, 200]
    assert rejection.status_code == 429
    assert rejection.json()["code"] == 30046
    assert [record.code for record in discord.journal.rejected] == [30046]
    assert there.status_code == again.status_code == 200
    assert seconds == pytest.approx(6)


async def test_limit_of_old_messages_can_be_another_one_or_none() -> None:
    edits = {}
    for limit, per in ((None, 6.0), (1, 60.0)):
        discord = StandInDiscord(
            limit=None, global_limit=None, old_edit_limit=limit, old_edit_per=per
        )
        webhook = discord.create_webhook()
        async with httpx.AsyncClient(transport=discord.transport()) as client:
            posted = await client.post(webhook.url, params={"wait": "true"}, json={"content": "1"})
            url = f"{webhook.url}/messages/{posted.json()['id']}"
            await anyio.sleep(3601)
            answers = [await client.patch(url, json={"content": "2"}) for _ in range(50)]
            edits[limit] = [answer.status_code for answer in answers]

    assert set(edits[None]) == {200}
    assert edits[1] == [200] + [429] * 49


async def test_half_of_the_latency_passes_before_discord_acts() -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        begin = anyio.current_time()
        await post(client, webhook)
        end = anyio.current_time()

    assert end - begin == pytest.approx(0.04)
    assert discord.journal[0].time - begin == pytest.approx(0.02)
