"""What holds over httpx's transport in virtual time and over the loopback server alike."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeAlias

import httpx
import pytest

from lanrage_events_discord.testing import StandInDiscord, StandInWebhook

Reach: TypeAlias = Callable[[StandInDiscord], AbstractAsyncContextManager[httpx.AsyncClient]]


@asynccontextmanager
async def _over_transport(discord: StandInDiscord) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        yield client


@asynccontextmanager
async def _over_server(discord: StandInDiscord) -> AsyncIterator[httpx.AsyncClient]:
    async with discord.serve(), httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture(
    params=[
        pytest.param(_over_transport, id="transport"),
        pytest.param(_over_server, id="server", marks=pytest.mark.real_clock),
    ]
)
def reach(request: pytest.FixtureRequest) -> Reach:
    function: Reach = request.param
    return function


async def post(client: httpx.AsyncClient, webhook: StandInWebhook, **query: str) -> httpx.Response:
    return await client.post(webhook.url, params=query, json={"content": "hello"})


async def test_a_message_is_accepted_without_a_body_in_the_answer(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        response = await post(client, webhook)

    assert response.status_code == 204
    assert response.content == b""
    assert [message["content"] for message in webhook.messages] == ["hello"]


@pytest.mark.parametrize("word", ["true", "True", "1"])
async def test_wait_answers_with_the_message(reach: Reach, word: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        response = await post(client, webhook, wait=word)

    assert response.status_code == 200
    message = response.json()
    assert message == webhook.messages[0] == discord.journal.messages()[0]
    assert message["channel_id"] == webhook.channel_id
    assert message["webhook_id"] == webhook.id
    assert message["author"]["username"] == "LANrage"
    assert message["id"].isdecimal()


@pytest.mark.parametrize("word", ["false", "False", "0"])
async def test_wait_can_be_switched_off(reach: Reach, word: str) -> None:
    discord = StandInDiscord()
    async with reach(discord) as client:
        response = await post(client, discord.create_webhook(), wait=word)

    assert response.status_code == 204


async def test_answers_of_discord_have_the_rate_limit_headers(reach: Reach) -> None:
    discord = StandInDiscord(limit=3, per=60.0)
    async with reach(discord) as client:
        webhook = discord.create_webhook()
        responses = [await post(client, webhook) for _ in range(4)]

    assert [response.status_code for response in responses] == [204, 204, 204, 429]
    remaining = [response.headers["X-RateLimit-Remaining"] for response in responses]
    assert remaining == ["2", "1", "0", "0"]
    for response in responses:
        assert response.headers["Via"]
        assert response.headers["X-RateLimit-Limit"] == "3"
        assert 0 < float(response.headers["X-RateLimit-Reset-After"]) <= 60
        assert float(response.headers["X-RateLimit-Reset"]) > 1_700_000_000
        assert response.headers["X-RateLimit-Bucket"]

    assert "Retry-After" not in responses[0].headers
    assert "X-RateLimit-Scope" not in responses[0].headers
    rejection = responses[-1]
    body = rejection.json()
    assert set(body) == {"message", "retry_after", "global"}
    assert body["global"] is False
    assert 0 < body["retry_after"] <= 60
    assert int(rejection.headers["Retry-After"]) >= body["retry_after"]
    assert rejection.headers["X-RateLimit-Scope"] == "user"
    assert "X-RateLimit-Global" not in rejection.headers


async def test_each_webhook_has_a_window_of_its_own_and_the_same_bucket_name(
    reach: Reach,
) -> None:
    discord = StandInDiscord(limit=1, per=60.0)
    async with reach(discord) as client:
        first = await post(client, discord.create_webhook())
        second = await post(client, discord.create_webhook())

    assert [first.status_code, second.status_code] == [204, 204]
    assert first.headers["X-RateLimit-Bucket"] == second.headers["X-RateLimit-Bucket"]


async def test_the_hidden_limit_of_a_channel_shows_in_no_header(reach: Reach) -> None:
    discord = StandInDiscord(channel_limit=2)
    async with reach(discord) as client:
        one = discord.create_webhook("lobby")
        other = discord.create_webhook("lobby")
        await post(client, one)
        await post(client, other)
        rejection = await post(client, one)
        elsewhere = await post(client, discord.create_webhook("finals"))

    assert rejection.status_code == 429
    assert rejection.headers["X-RateLimit-Scope"] == "shared"
    assert rejection.headers["X-RateLimit-Limit"] == "5"
    assert rejection.headers["X-RateLimit-Remaining"] == "4"
    assert float(rejection.headers["X-RateLimit-Reset-After"]) <= 2
    assert rejection.json()["retry_after"] > 50
    assert rejection.json()["message"] == "The resource is being rate limited."
    assert elsewhere.status_code == 204


async def test_the_limit_of_an_address_is_global(reach: Reach) -> None:
    discord = StandInDiscord(global_limit=2)
    async with reach(discord) as client:
        statuses = [(await post(client, discord.create_webhook())).status_code for _ in range(2)]
        rejection = await post(client, discord.create_webhook())

    assert statuses == [204, 204]
    assert rejection.status_code == 429
    assert rejection.headers["X-RateLimit-Global"] == "true"
    assert rejection.headers["X-RateLimit-Scope"] == "global"
    assert "X-RateLimit-Remaining" not in rejection.headers
    assert rejection.json()["global"] is True


async def test_too_many_invalid_requests_are_answered_by_cloudflare(reach: Reach) -> None:
    discord = StandInDiscord(invalid_limit=2, ban_seconds=100.0)
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        wrong = f"{webhook.url[:-1]}!"
        statuses = [(await client.post(wrong, json={})).status_code for _ in range(2)]
        rejection = await post(client, webhook)
        discord.faults.clear()
        again = await post(client, webhook)

    assert statuses == [401, 401]
    assert rejection.status_code == 429
    assert "Via" not in rejection.headers
    assert rejection.headers["Content-Type"].startswith("text/html")
    assert rejection.headers["Retry-After"] == "100"
    with pytest.raises(json.JSONDecodeError):
        rejection.json()

    assert again.status_code == 204


@pytest.mark.parametrize("prefix", ["/api", *(f"/api/v{number}" for number in range(6, 11))])
async def test_every_api_version_is_served(reach: Reach, prefix: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        url = webhook.url.replace("/api", prefix)
        response = await client.post(url, json={"content": "hello"})

    assert response.status_code == 204


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param(lambda url: url.replace("/webhooks/1", "/webhooks/9"), 404, 10015, id="id"),
        pytest.param(lambda url: url[:-4], 401, 50027, id="token"),
        pytest.param(lambda url: url.rpartition("/")[0], 401, 0, id="no token"),
        pytest.param(lambda url: url.replace("/api", "/api/v99"), 400, 50041, id="version"),
        pytest.param(lambda url: url.replace("/api", "/ipa"), 404, 0, id="path"),
        pytest.param(lambda url: url + "/slack", 404, 0, id="slack"),
    ],
)
async def test_a_wrong_address_is_rejected(
    reach: Reach, change: Callable[[str], str], status: int, code: int
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        response = await client.post(change(webhook.url), json={"content": "hello"})

    assert response.status_code == status
    assert response.json()["code"] == code
    assert response.headers["Via"]
    (record,) = discord.journal
    assert not record.accepted
    assert webhook.token[:20] not in repr(record)


async def test_a_deleted_webhook_is_unknown(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        webhook.delete()
        response = await post(client, webhook)

    assert response.status_code == 404
    assert response.json() == {"message": "Unknown Webhook", "code": 10015}
    assert webhook.deleted


async def test_a_webhook_can_be_deleted_by_its_own_address(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        gone = await client.delete(webhook.url)
        response = await post(client, webhook)

    assert [gone.status_code, response.status_code] == [204, 404]


async def test_a_webhook_describes_itself(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook(name="LAN")
    async with reach(discord) as client:
        response = await client.get(webhook.url)

    assert response.status_code == 200
    description = response.json()
    assert description["id"] == webhook.id
    assert description["name"] == "LAN"
    assert description["channel_id"] == webhook.channel_id
    assert description["guild_id"].isdecimal()
    assert webhook.messages == []


async def test_a_method_that_is_not_offered_is_rejected(reach: Reach) -> None:
    discord = StandInDiscord()
    async with reach(discord) as client:
        response = await client.put(discord.create_webhook().url, json={})

    assert response.status_code == 405


async def test_a_body_that_breaks_a_limit_is_rejected_in_discords_form(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        body = {"embeds": [{"description": "x" * 4097}]}
        url = webhook.url.replace("/api/", "/api/v8/")
        response = await client.post(url, json=body)

    assert response.status_code == 400
    assert response.json() == {
        "message": "Invalid Form Body",
        "code": 50035,
        "errors": {
            "embeds": {
                "0": {
                    "description": {
                        "_errors": [
                            {
                                "code": "BASE_TYPE_MAX_LENGTH",
                                "message": "Must be 4096 or fewer in length.",
                            }
                        ]
                    }
                }
            }
        },
    }
    (record,) = discord.journal.rejected
    assert record.reason == (
        "50035 Invalid Form Body: embeds.0.description: Must be 4096 or fewer in length."
    )
    assert webhook.messages == []


@pytest.mark.parametrize("version", ["", "v6/", "v7/"])
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"embeds": [{"description": "x" * 4097}]}, {"embeds": ["0"]}),
        ({"content": "x" * 2001}, {"content": ["Must be 2000 or fewer in length."]}),
        (
            {"content": "x", "username": "discord", "allowed_mentions": {"parse": ["x"]}},
            {
                "username": ['Username cannot contain "discord"'],
                "allowed_mentions": ["parse"],
            },
        ),
        ([], {"_misc": ["Only dictionaries may be used in a DictType"]}),
        ({}, {"message": "Cannot send an empty message", "code": 50006}),
    ],
)
async def test_before_version_8_a_rejected_body_is_answered_with_names(
    reach: Reach, version: str, body: object, answer: object
) -> None:
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        url = webhook.url.replace("/api/", f"/api/{version}")
        response = await client.post(url, json=body)

    assert response.status_code == 400
    assert response.json() == answer
    assert discord.journal[0].code in (50035, 50006)


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"content": NaN}', b"[" * 100_000])
async def test_broken_json_is_rejected(reach: Reach, content: bytes) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    headers = {"Content-Type": "application/json"}
    async with reach(discord) as client:
        response = await client.post(webhook.url, content=content, headers=headers)

    assert response.status_code == 400
    assert response.json()["code"] == 50109


async def test_an_edit_changes_a_message_and_a_deletion_removes_it(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        posted = (await post(client, webhook, wait="true")).json()
        url = f"{webhook.url}/messages/{posted['id']}"
        edited = await client.patch(url, json={"content": "bye"})
        fetched = await client.get(url)
        seen = webhook.messages
        deleted = await client.delete(url)
        missing = [(await client.request(method, url)).json() for method in ("GET", "DELETE")]

    assert [edited.status_code, fetched.status_code, deleted.status_code] == [200, 200, 204]
    assert edited.json() == fetched.json() == seen[0]
    assert seen[0]["content"] == "bye"
    assert seen[0]["edited_timestamp"] is not None
    assert webhook.messages == []
    assert missing == [{"message": "Unknown Message", "code": 10008}] * 2
    assert discord.journal.messages() == [posted]


async def test_an_answer_by_script_replaces_discords(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.fail(503, times=2)
        statuses = [(await post(client, webhook)).status_code for _ in range(3)]

    assert statuses == [503, 503, 204]
    assert len(webhook.messages) == 1


async def test_a_reset_before_acceptance_loses_the_request(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.reset()
        with pytest.raises(httpx.ReadError):
            await post(client, webhook)

        again = await post(client, webhook)

    assert again.status_code == 204
    assert [record.accepted for record in discord.journal] == [False, True]
    assert discord.journal[0].status is None


async def test_a_reset_after_acceptance_loses_only_the_answer(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.reset(accepted=True)
        with pytest.raises(httpx.ReadError):
            await post(client, webhook)

    (record,) = discord.journal
    assert record.accepted
    assert record.status is None
    assert record.message_id == webhook.messages[0]["id"]


async def test_an_answer_that_hangs_runs_into_the_clients_timeout(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.hang()
        with pytest.raises(httpx.ReadTimeout):
            await client.post(webhook.url, json={"content": "hello"}, timeout=0.1)

        again = await post(client, webhook)

    assert again.status_code == 204
    assert len(webhook.messages) == 2


async def test_a_late_answer_arrives_whole(reach: Reach) -> None:
    discord = StandInDiscord(latency=0.01)
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.hang(0.01)
        response = await post(client, webhook, wait="true")

    assert response.json()["content"] == "hello"


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["true", "false"])
async def test_a_dripping_answer_arrives_whole(reach: Reach, wait: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.drip(0.01)
        response = await post(client, webhook, wait=wait)

    assert response.status_code == (200 if wait == "true" else 204)
    if wait == "true":
        assert response.json() == webhook.messages[0]


async def test_an_answer_that_drips_too_slowly_runs_into_the_clients_timeout(
    reach: Reach,
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        discord.faults.drip(10_000)
        with pytest.raises(httpx.ReadTimeout):
            await client.post(webhook.url, json={"content": "hello"}, timeout=0.1)

    assert len(webhook.messages) == 1


async def test_times_since_1970_are_those_of_now(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        response = await post(client, webhook, wait="true")

    day = 86_400
    reset = float(response.headers["X-RateLimit-Reset"])
    posted = datetime.fromisoformat(response.json()["timestamp"])
    assert abs(reset - time.time()) < day
    assert abs(posted.timestamp() - time.time()) < day


async def test_no_one_can_connect_during_an_outage(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with reach(discord) as client:
        before = await post(client, webhook)
        discord.faults.refuse_connections(1000.0)
        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                await post(client, webhook)

        discord.faults.clear()
        # The server listens again as soon as its task had a turn.
        after = await _post_until_connected(client, webhook)

    assert [before.status_code, after.status_code] == [204, 204]
    assert len(discord.journal) == 2


async def _post_until_connected(
    client: httpx.AsyncClient, webhook: StandInWebhook
) -> httpx.Response:
    while True:
        try:
            return await post(client, webhook)
        except httpx.ConnectError:
            continue


async def test_files_come_with_a_message(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    payload: dict[str, Any] = {"payload_json": json.dumps({"content": "scores"})}
    async with reach(discord) as client:
        response = await client.post(
            webhook.url,
            params={"wait": "true"},
            data=payload,
            files={"files[0]": ("scores.txt", b"Ann\r\n--Bob\r\n")},
        )

    assert response.status_code == 200
    (attachment,) = response.json()["attachments"]
    assert (attachment["filename"], attachment["size"]) == ("scores.txt", 12)
    assert attachment["url"].startswith(webhook.url.partition("/api/")[0])
    assert response.json()["content"] == "scores"


async def test_a_body_above_discords_bound_is_rejected(reach: Reach) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    headers = {"Content-Type": "application/json"}
    content = b" " * (25 * 1024 * 1024 + 1)
    async with reach(discord) as client:
        response = await client.post(webhook.url, content=content, headers=headers)

    assert response.status_code == 413
    assert response.json()["code"] == 40005
