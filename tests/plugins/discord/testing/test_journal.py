from __future__ import annotations

from collections.abc import Callable

import anyio
import httpx
import pytest

from lanrage_events_discord.testing import Record, StandInDiscord, StandInWebhook


async def post(
    client: httpx.AsyncClient, webhook: StandInWebhook, content: str = "hello"
) -> httpx.Response:
    return await client.post(webhook.url, json={"content": content})


async def test_a_record_reports_all_about_a_request() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    headers = {"User-Agent": "DiscordBot (https://example.com, 1)"}
    async with httpx.AsyncClient(transport=discord.transport(), headers=headers) as client:
        await anyio.sleep(3)
        now = anyio.current_time()
        await client.post(
            webhook.url.replace("/api", "/api/v10"),
            params={"wait": "true"},
            json={"content": "hello"},
        )

    (record,) = discord.journal
    assert record.number == 1
    assert record.time == now
    assert record.method == "POST"
    assert record.path == f"/api/v10/webhooks/{webhook.id}/***?wait=true"
    assert record.action == "execute"
    assert record.webhook_id == webhook.id
    assert record.query == {"wait": "true"}
    assert record.headers["user-agent"] == "DiscordBot (https://example.com, 1)"
    assert record.body == {"content": "hello"}
    assert record.status == 200
    assert record.accepted
    assert (record.code, record.reason, record.scope, record.fault) == (0, "", None, "")
    assert record.retry_after is None
    assert record.message == webhook.messages[0]
    assert record.message_id == webhook.messages[0]["id"]


async def test_a_rejection_reports_why() -> None:
    discord = StandInDiscord(limit=1)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        await post(client, webhook)
        discord.faults.fail(500, code=130000, message="API resource is overloaded.")
        await post(client, webhook)

    limited, failed = discord.journal.rejected
    assert (limited.status, limited.scope, limited.retry_after) == (429, "user", 2.0)
    assert limited.reason == "rate limit of the webhook"
    assert (failed.status, failed.code) == (500, 130000)
    assert failed.reason == "130000 API resource is overloaded."
    assert failed.fault.startswith("Fail(status=500")
    assert failed.message is None


async def test_the_journal_is_a_sequence() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        for content in ("a", "b", "", "c"):
            await post(client, webhook, content)

    journal = discord.journal
    assert len(journal) == 4
    assert [record.number for record in journal] == [1, 2, 3, 4]
    assert journal[-1].body == {"content": "c"}
    assert isinstance(journal[1:], tuple)
    assert [record.number for record in journal[1:3]] == [2, 3]
    assert [record.number for record in journal.accepted] == [1, 2, 4]
    assert [record.number for record in journal.rejected] == [3]
    assert journal.statuses == {204: 3, 400: 1}
    assert journal.statuses[429] == 0
    assert [message["content"] for message in journal.messages()] == ["a", "b", "c"]
    assert repr(journal) == "<Journal of 4 requests>"


async def test_the_journal_of_one_webhook_grows_too() -> None:
    discord = StandInDiscord()
    one, other = discord.create_webhook(), discord.create_webhook()
    journal = discord.journal.of(one)
    assert len(journal) == 0
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, other)
        await post(client, one, "mine")
        await post(client, other)
        await post(client, one, "")

    assert len(journal) == 2
    assert journal[0].number == 2
    assert [record.number for record in journal[:]] == [2, 4]
    assert [message["content"] for message in journal.messages()] == ["mine"]
    assert journal.statuses == {204: 1, 400: 1}


async def test_messages_stay_as_they_were_posted() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, webhook)
        (message,) = webhook.messages
        await client.patch(f"{webhook.url}/messages/{message['id']}", json={"content": "bye"})

    assert [message["content"] for message in discord.journal.messages()] == ["hello"]
    assert [message["content"] for message in webhook.messages] == ["bye"]
    edit = discord.journal[1]
    assert edit.action == "edit"
    assert edit.message_id == message["id"]
    assert edit.message == webhook.messages[0]


async def test_waiting_for_a_condition() -> None:
    discord = StandInDiscord(latency=1.0)
    webhook = discord.create_webhook()
    async with (
        httpx.AsyncClient(transport=discord.transport()) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(3):
            tasks.start_soon(post, client, webhook)

        with anyio.fail_after(5):
            await discord.journal.of(webhook).wait_for(lambda journal: len(journal) == 3)

        assert len(webhook.messages) == 3


async def test_waiting_for_what_is_so_already_returns() -> None:
    with anyio.fail_after(1):
        await StandInDiscord().journal.wait_for(lambda journal: not journal)


async def test_waiting_for_what_never_comes_ends() -> None:
    with pytest.raises(TimeoutError, match="the condition does not hold after 0 requests"):
        await StandInDiscord().journal.wait_for(lambda journal: len(journal) == 1)


async def test_following_yields_what_was_and_what_comes() -> None:
    discord = StandInDiscord()
    one, other = discord.create_webhook(), discord.create_webhook()
    everything: list[Record] = []
    mine: list[Record] = []
    one_is_followed = discord.journal.of(one).follow()

    async def follow_everything() -> None:
        async for record in discord.journal.follow():
            everything.append(record)
            if len(everything) == 4:
                break

    async def follow_one() -> None:
        while len(mine) < 2:
            mine.append(await anext(one_is_followed))

    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await post(client, one)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow_everything)
            tasks.start_soon(follow_one)
            await anyio.wait_all_tasks_blocked()
            assert [record.number for record in everything] == [1]
            await post(client, other)
            await post(client, one)
            await post(client, other)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    assert [record.number for record in everything] == [1, 2, 3, 4]
    assert [record.number for record in mine] == [1, 3]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda url: url, id="right"),
        pytest.param(lambda url: url + "/messages/1?thread_id=2", id="message"),
        pytest.param(lambda url: url + "/slack", id="slack"),
        pytest.param(lambda url: url.replace("/api/", "/api/v99/"), id="version"),
        pytest.param(lambda url: url.replace("/api/", "/"), id="no api"),
        pytest.param(lambda url: url.replace("/webhooks/1", "/webhooks/x"), id="id"),
    ],
)
async def test_no_repr_shows_a_token(change: Callable[[str], str]) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await client.post(change(webhook.url), json={"content": "hello"})

    secret = webhook.token[14:]
    assert len(secret) > 40
    for thing in (discord, webhook, discord.journal, discord.journal[0], discord.webhooks):
        assert secret not in repr(thing)

    assert secret not in discord.journal[0].path
    assert webhook.id in repr(webhook)
