from __future__ import annotations

import math
from collections.abc import Sequence

import anyio
import httpx
import pytest

from lanrage_events_discord.testing import (
    Drip,
    Fail,
    Fault,
    Hang,
    Reset,
    StandInDiscord,
    StandInRequest,
    StandInWebhook,
)


def stand_in() -> StandInDiscord:
    return StandInDiscord(limit=None, global_limit=None)


async def post(client: httpx.AsyncClient, webhook: StandInWebhook) -> int:
    response = await client.post(webhook.url, json={"content": "hello"})
    return response.status_code


async def statuses(discord: StandInDiscord, count: int, *, every: float = 1.0) -> list[int]:
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        found = []
        for _ in range(count):
            found.append(await post(client, webhook))
            await anyio.sleep(every)

    return found


async def test_a_fault_hits_the_next_request() -> None:
    discord = stand_in()
    discord.faults.fail(500)
    assert await statuses(discord, 3) == [500, 204, 204]


async def test_a_fault_hits_so_many_requests_after_letting_some_pass() -> None:
    discord = stand_in()
    discord.faults.fail(500, times=2, skip=1)
    assert await statuses(discord, 5) == [204, 500, 500, 204, 204]


async def test_a_fault_lasts_for_some_time() -> None:
    discord = stand_in()
    discord.faults.fail(500, after=1.5, lasting=2.0)
    assert await statuses(discord, 5) == [204, 204, 500, 500, 204]


async def test_a_fault_lasts_from_now_on() -> None:
    discord = stand_in()
    discord.faults.fail(500, lasting=1.5)
    assert await statuses(discord, 4) == [500, 500, 204, 204]


async def test_a_fault_begins_later_and_hits_once() -> None:
    discord = stand_in()
    discord.faults.fail(500, after=1.5)
    assert await statuses(discord, 4) == [204, 204, 500, 204]


async def test_a_fault_hits_by_chance() -> None:
    discord = stand_in()
    discord.faults.fail(500, probability=0.2)
    found = await statuses(discord, 300)
    assert 40 < found.count(500) < 80


async def test_a_seed_repeats_the_choice_and_another_one_changes_it() -> None:
    async def chosen(seed: int) -> Sequence[int]:
        discord = stand_in()
        discord.faults.fail(500, probability=0.5, seed=seed)
        return await statuses(discord, 50)

    assert await chosen(1) == await chosen(1)
    assert await chosen(1) != await chosen(2)


async def test_two_faults_by_chance_are_independent() -> None:
    discord = stand_in()
    discord.faults.fail(500, probability=0.5)
    discord.faults.fail(503, probability=0.5)
    found = await statuses(discord, 300)
    assert 120 < found.count(500) < 180
    assert 50 < found.count(503) < 100


async def test_a_bound_holds_for_a_fault_by_chance_too() -> None:
    discord = stand_in()
    discord.faults.fail(500, probability=0.5, times=3)
    assert (await statuses(discord, 100)).count(500) == 3


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_probability_lies_between_0_and_1(probability: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        stand_in().faults.reset(probability=probability)


@pytest.mark.parametrize("status", [200, 204, 299, 600])
def test_a_failure_has_the_status_of_one(status: int) -> None:
    with pytest.raises(ValueError, match="expected 300 to 599"):
        stand_in().faults.fail(status)


async def test_a_fault_can_be_for_one_webhook_or_one_action() -> None:
    discord = stand_in()
    one, other = discord.create_webhook(), discord.create_webhook()
    discord.faults.fail(500, webhook=one, action="execute")
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        found = [
            await post(client, other),
            (await client.get(one.url)).status_code,
            await post(client, one),
            await post(client, one),
        ]

    assert found == [204, 200, 500, 204]


async def test_a_request_meets_the_first_fault_that_wants_it() -> None:
    discord = stand_in()
    discord.faults.fail(500)
    discord.faults.fail(502)
    assert await statuses(discord, 3) == [500, 502, 204]


async def test_a_function_chooses_what_happens() -> None:
    discord = stand_in()
    seen: list[StandInRequest] = []

    def choose(request: StandInRequest) -> Fault | None:
        seen.append(request)
        return Fail(502) if request.number % 2 else None

    discord.faults.script(choose, skip=1)
    assert await statuses(discord, 5) == [204, 204, 502, 204, 502]
    assert seen[0].body == {"content": "hello"}
    assert type(seen[0]) is StandInRequest


async def test_a_function_can_delete_the_webhook_in_the_middle() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()

    def delete(request: StandInRequest) -> None:
        webhook.delete()

    discord.faults.script(delete, skip=2)
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        assert [await post(client, webhook) for _ in range(3)] == [204, 204, 404]


async def test_a_function_that_raises_is_not_hidden() -> None:
    discord = stand_in()

    def choose(request: StandInRequest) -> None:
        raise LookupError("no such fault")

    discord.faults.script(choose)
    with pytest.raises(LookupError):
        await statuses(discord, 1)


async def test_a_webhook_is_deleted_after_some_messages() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    webhook.delete(after_messages=2)
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await client.post(webhook.url, json={})
        assert not webhook.deleted
        assert [await post(client, webhook) for _ in range(3)] == [204, 204, 404]

    assert webhook.deleted
    assert len(webhook.messages) == 2


async def test_failures_look_like_those_of_discord() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    faults = discord.faults
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        faults.fail()
        outage = await client.post(webhook.url, json={})
        faults.fail(403, code=240000, message="Harmful link")
        rejection = await client.post(webhook.url, json={})
        faults.fail(429, retry_after=64.57)
        limited = await client.post(webhook.url, json={})
        faults.fail(429, code=20016, scope="shared")
        slow = await client.post(webhook.url, json={})
        faults.fail(429, html=True, retry_after=10.5)
        cloudflare = await client.post(webhook.url, json={})
        faults.fail(520, html=True)
        broken = await client.post(webhook.url, json={})
        faults.fail(599)
        unknown = await client.post(webhook.url, json={})

    assert outage.status_code == 503
    assert outage.headers["Content-Type"] == "text/plain"
    assert outage.text.startswith("upstream connect error")
    assert "Via" in outage.headers
    assert rejection.json() == {"message": "Harmful link", "code": 240000}
    assert limited.headers["Retry-After"] == "65"
    assert limited.json() == {
        "message": "You are being rate limited.",
        "retry_after": 64.57,
        "global": False,
    }
    assert slow.json()["code"] == 20016
    assert slow.json()["retry_after"] == 1.0
    assert slow.headers["X-RateLimit-Scope"] == "shared"
    assert "Via" not in cloudflare.headers
    assert cloudflare.headers["Content-Type"].startswith("text/html")
    assert cloudflare.headers["Retry-After"] == "11"
    assert "Retry-After" not in broken.headers
    assert discord.journal[4].reason == "429 from Cloudflare"
    assert unknown.status_code == 599
    assert webhook.messages == []


async def test_a_scripted_answer_uses_up_no_limit() -> None:
    discord = StandInDiscord(limit=1, channel_limit=1, global_limit=1)
    discord.faults.fail(503, times=10)
    assert await statuses(discord, 11, every=0.0) == [503] * 10 + [204]


async def test_an_answer_that_hangs_was_accepted_at_once() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    discord.faults.hang(60)
    begin = anyio.current_time()
    async with (
        httpx.AsyncClient(transport=discord.transport(), timeout=None) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(post, client, webhook)
        await anyio.wait_all_tasks_blocked()
        assert len(webhook.messages) == 1
        assert discord.journal[0].time == begin

    assert anyio.current_time() - begin == pytest.approx(60)


async def test_a_request_that_hangs_is_accepted_late_if_the_client_still_waits() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    discord.faults.hang(4, accepted=False, times=2)
    async with httpx.AsyncClient(transport=discord.transport(), timeout=None) as client:
        begin = anyio.current_time()
        with anyio.move_on_after(3):
            await post(client, webhook)

        await anyio.sleep(10)
        assert not discord.journal
        begin = anyio.current_time()
        assert await post(client, webhook) == 204

    assert len(webhook.messages) == 1
    assert discord.journal[0].time - begin == pytest.approx(4)


async def test_the_read_timeout_of_httpx_holds() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    discord.faults.hang()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        begin = anyio.current_time()
        with pytest.raises(httpx.ReadTimeout):
            await post(client, webhook)

    assert anyio.current_time() - begin == pytest.approx(5)


async def test_a_dripping_answer_does_not_run_into_the_read_timeout() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    discord.faults.drip(60)
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        begin = anyio.current_time()
        response = await client.post(
            webhook.url, params={"wait": "true"}, json={"content": "hello"}
        )

    assert anyio.current_time() - begin == pytest.approx(60)
    assert response.json()["content"] == "hello"


async def test_a_drip_that_is_too_slow_runs_into_the_read_timeout() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    discord.faults.drip(100_000)
    begin = anyio.current_time()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        with pytest.raises(httpx.ReadTimeout):
            await post(client, webhook)

    assert anyio.current_time() - begin == pytest.approx(5)


async def test_an_outage_refuses_connections_until_it_is_over() -> None:
    discord = StandInDiscord(latency=0.5)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        discord.faults.refuse_connections(10)
        begin = anyio.current_time()
        with pytest.raises(httpx.ConnectError):
            await post(client, webhook)

        assert anyio.current_time() - begin == pytest.approx(0.5)
        await anyio.sleep(9)
        with pytest.raises(httpx.ConnectError):
            await post(client, webhook)

        assert await post(client, webhook) == 204

    assert len(discord.journal) == 1


async def test_an_outage_resets_what_is_under_way() -> None:
    discord = stand_in()
    one, other = discord.create_webhook(), discord.create_webhook()
    discord.faults.hang(20, webhook=one)
    discord.faults.drip(20, webhook=other)
    failed: list[float] = []
    begin = anyio.current_time()
    async with httpx.AsyncClient(transport=discord.transport(), timeout=None) as client:

        async def lose(webhook: StandInWebhook) -> None:
            with pytest.raises(httpx.ReadError):
                await client.post(webhook.url, params={"wait": "true"}, json={"content": "hello"})

            failed.append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lose, one)
            tasks.start_soon(lose, other)
            await anyio.sleep(15)
            discord.faults.refuse_connections(math.inf)

    assert [time - begin for time in failed] == [pytest.approx(15), pytest.approx(15)]
    assert all(record.accepted for record in discord.journal)


async def test_a_longer_outage_is_not_shortened_by_a_second_one() -> None:
    discord = stand_in()
    webhook = discord.create_webhook()
    discord.faults.refuse_connections(10)
    discord.faults.refuse_connections(1)
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await anyio.sleep(9)
        with pytest.raises(httpx.ConnectError):
            await post(client, webhook)


async def test_clearing_ends_every_fault() -> None:
    discord = stand_in()
    discord.faults.fail(500, times=100)
    discord.faults.ban(1000)
    discord.faults.refuse_connections(1000)
    discord.faults.clear()
    assert await statuses(discord, 1) == [204]


def test_faults_are_values() -> None:
    assert Reset(accepted=True) == Reset(accepted=True)
    assert Hang().seconds == math.inf
    assert repr(Drip(60.0)) == "Drip(seconds=60.0)"
    assert Fail() == Fail(503)
