from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from importlib import metadata
from typing import Any

import anyio
import httpx
import pytest
import respx
from anyio.lowlevel import checkpoint

from lanrage_events import Redactor
from lanrage_events_discord._client import (
    ANSWER_MAX_BYTES,
    Outcome,
    OutcomeKind,
    RateLimit,
    WebhookClient,
    WebhookURL,
    validate_webhook_url,
)
from lanrage_events_discord._embeds import Picture
from lanrage_events_discord.testing import StandInDiscord

TOKEN = "made-up-token-" + "x" * 54
WEBHOOK = WebhookURL(host="discord.com", id="42", token=TOKEN)
API_URL = f"https://discord.com/api/v10/webhooks/42/{TOKEN}"
BODY = {"embeds": [{"title": "👋 Ann joined"}], "allowed_mentions": {"parse": []}}

Handler = Callable[[httpx.Request], Any]


def client_of(handler: Handler, *, deadline: float = 8.0) -> WebhookClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return WebhookClient(http, deadline=deadline)


async def outcome_of(handler: Handler, webhook: WebhookURL = WEBHOOK) -> Outcome:
    async with client_of(handler) as client:
        return await client.execute(webhook, BODY)


class Answer(httpx.AsyncByteStream):
    """An answer whose body comes piece by piece."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        self.is_closed = True


async def test_message_is_posted_as_discord_wants_it() -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"id": "7", "channel_id": "8"})

    outcome = await outcome_of(handler)
    assert outcome == Outcome(
        OutcomeKind.DELIVERED,
        "delivered (HTTP 200)",
        status=200,
        message_id="7",
        channel_id="8",
    )
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", f"{API_URL}?wait=true")
    assert json.loads(request.content) == BODY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("DiscordBot (https://")
    name, version = request.headers["user-agent"].rstrip(")").split(", ")
    assert name
    assert version[0].isdigit()


@respx.mock
async def test_client_of_its_own_is_made_and_closed(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(API_URL, params={"wait": "true"}).respond(204)
    async with WebhookClient() as client:
        outcome = await client.execute(WEBHOOK, BODY)

    assert (outcome.kind, outcome.status) == (OutcomeKind.DELIVERED, 204)
    with pytest.raises(RuntimeError, match="must be entered first"):
        await client.execute(WEBHOOK, BODY)


@respx.mock
async def test_other_tasks_run_and_virtual_time_stands_while_certificates_are_read() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        with anyio.fail_after(30):
            async with WebhookClient():
                assert turns
                assert anyio.current_time() == began

        tasks.cancel_scope.cancel()


async def test_cookies_are_not_kept(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(API_URL).respond(204, headers={"set-cookie": "__cfruid=made-up"})
    async with WebhookClient() as client:
        for _ in range(2):
            await client.execute(WEBHOOK, BODY)

    assert ["cookie" in call.request.headers for call in route.calls] == [False, False]


async def test_client_that_was_passed_in_stays_open() -> None:
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    async with WebhookClient(http) as client:
        await client.execute(WEBHOOK, BODY)

    assert not http.is_closed
    await http.aclose()


async def test_thread_is_named_in_the_query() -> None:
    queries: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        queries.append(request.url.query.decode())
        return httpx.Response(204)

    in_thread = validate_webhook_url(f"{API_URL}?thread_id=5")
    async with client_of(handler) as client:
        await client.execute(in_thread, BODY)
        await client.execute(in_thread, BODY, thread_id="6")
        await client.execute(WEBHOOK, BODY, thread_id="6")
        await client.execute(in_thread, {**BODY, "thread_name": "Friday"})

    assert queries == [
        "wait=true&thread_id=5",
        "wait=true&thread_id=6",
        "wait=true&thread_id=6",
        "wait=true",
    ]


async def test_thread_id_and_thread_name_together_are_a_mistake() -> None:
    async with client_of(lambda _: httpx.Response(204)) as client:
        with pytest.raises(ValueError, match="at most one of thread_id and"):
            await client.execute(WEBHOOK, {"thread_name": "Friday"}, thread_id="6")


async def test_message_is_edited_and_deleted_where_it_is() -> None:
    discord = StandInDiscord(old_edit_limit=None)
    channel, forum = discord.create_webhook(), discord.create_webhook(forum=True)
    http = httpx.AsyncClient(transport=discord.transport())
    async with http, WebhookClient(http) as client:
        for webhook, body in ((channel, BODY), (forum, {**BODY, "thread_name": "Friday"})):
            url = validate_webhook_url(webhook.url)
            posted = await client.execute(url, body)
            assert posted.message_id is not None
            thread = posted.channel_id if webhook is forum else None
            edited = await client.edit(url, posted.message_id, {"content": "ü"}, thread_id=thread)
            assert edited.kind is OutcomeKind.DELIVERED
            assert edited.message_id == posted.message_id
            assert [message["content"] for message in webhook.messages] == ["ü"]
            elsewhere = await client.edit(url, posted.message_id, BODY, thread_id="404")
            assert elsewhere.kind is OutcomeKind.LANE_DEAD
            deleted = await client.delete(url, posted.message_id, thread_id=thread)
            assert deleted.kind is OutcomeKind.DELIVERED
            assert webhook.messages == []
            gone = [
                await client.edit(url, posted.message_id, BODY, thread_id=thread),
                await client.delete(url, posted.message_id, thread_id=thread),
            ]
            assert {(one.kind, one.code) for one in gone} == {(OutcomeKind.DEAD, 10008)}

    actions = [record.action for record in discord.journal]
    assert actions == ["execute", "edit", "edit", "delete", "edit", "delete"] * 2


async def test_buttons_are_shown_posted_and_taken_away() -> None:
    discord = StandInDiscord()
    posted = discord.create_webhook()
    webhook = validate_webhook_url(posted.url)
    button = {"type": 2, "style": 5, "label": "Join", "url": "https://example.org"}
    row = {"type": 1, "components": [button]}
    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        WebhookClient(http) as client,
    ):
        made = await client.execute(webhook, {**BODY, "components": [row]})
        assert made.message_id is not None
        [message] = posted.messages
        assert [one["label"] for one in message["components"][0]["components"]] == ["Join"]
        await client.edit(webhook, made.message_id, BODY)
        assert posted.messages[0]["components"]
        await client.edit(webhook, made.message_id, {**BODY, "components": []})
        assert posted.messages[0]["components"] == []

    queries = [record.query.get("with_components") for record in discord.journal]
    assert queries == ["true", None, "true"]


async def test_message_in_the_thread_of_the_url_is_edited_there() -> None:
    targets: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        targets.append(f"{request.method} {request.url}")
        return httpx.Response(204)

    in_thread = validate_webhook_url(f"{API_URL}?thread_id=5")
    async with client_of(handler) as client:
        await client.edit(in_thread, "7", BODY)
        await client.delete(in_thread, "7", thread_id="6")

    assert targets == [
        f"PATCH {API_URL}/messages/7?thread_id=5",
        f"DELETE {API_URL}/messages/7?thread_id=6",
    ]


def test_user_agent_needs_no_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_installed)
    agent = WebhookClient()._headers["user-agent"]
    assert agent.startswith("DiscordBot (https://")
    assert agent.endswith(", 0)")


async def test_text_that_is_not_unicode_is_sent_nevertheless() -> None:
    sent: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(204)

    async with client_of(handler) as client:
        await client.execute(WEBHOOK, {"content": "a\ud800b"})

    assert sent == [b'{"content":"a?b"}']


async def test_redirect_is_not_followed() -> None:
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://login.example/"})

    outcome = await outcome_of(handler)
    assert hosts == ["discord.com"]
    assert (outcome.kind, outcome.status) == (OutcomeKind.RETRY, 307)


async def test_redirect_to_nowhere_is_tried_again() -> None:
    outcome = await outcome_of(lambda _: httpx.Response(302, headers={"location": "http://[/"}))
    assert outcome.kind is OutcomeKind.RETRY


NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("refused"), "no connection to discord.com: refused"),
        (httpx.ConnectTimeout(""), "no connection to discord.com in time"),
        (httpx.PoolTimeout("full"), "no connection was free in time: full"),
        (httpx.ProxyError("407"), "the proxy does not let the request through: 407"),
        (httpx.UnsupportedProtocol("x"), "the address has a scheme that cannot be used: x"),
        (httpx.InvalidURL("x"), "the address or a redirect from discord.com is not a URL: x"),
        (httpx.ReadTimeout(""), "no answer from discord.com in time"),
        (httpx.WriteTimeout(""), "no answer from discord.com in time"),
        (httpx.ReadError("reset"), "the connection to discord.com broke: reset"),
        (httpx.WriteError("reset"), "the connection to discord.com broke: reset"),
        (httpx.CloseError("x"), "the connection to discord.com broke: x"),
        (OSError(5, "odd"), "the connection to discord.com broke: [Errno 5] odd"),
        (TimeoutError(), "the connection to discord.com broke"),
        (anyio.BrokenResourceError(), "the connection to discord.com broke"),
        (
            httpx.RemoteProtocolError("cut"),
            "the answer from discord.com is not valid HTTP or broke off: cut",
        ),
        (httpx.DecodingError("zip"), "the answer from discord.com cannot be unpacked: zip"),
        (httpx.LocalProtocolError("x"), "the request to discord.com failed: x"),
        (httpx.TooManyRedirects("x"), "the request to discord.com failed: x"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_error_of_the_network_is_tried_again(error: Exception, reason: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    expected = Outcome(
        OutcomeKind.RETRY, reason, may_be_carried_out=not isinstance(error, NEVER_SENT)
    )
    assert await outcome_of(handler) == expected


async def test_mistake_of_the_programmer_is_raised() -> None:
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    await http.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await WebhookClient(http).execute(WEBHOOK, BODY)

    with pytest.raises(TypeError, match="not JSON serializable"):
        await client_of(lambda _: httpx.Response(204)).execute(WEBHOOK, {"embeds": object()})


async def test_deadline_ends_a_request_that_is_never_answered() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    start = anyio.current_time()
    outcome = await outcome_of(handler)
    assert anyio.current_time() - start == pytest.approx(8)
    assert outcome == Outcome(
        OutcomeKind.RETRY, "no answer from discord.com in time", may_be_carried_out=True
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.DELIVERED),
        (400, OutcomeKind.DEAD),
        (404, OutcomeKind.LANE_DEAD),
        (429, OutcomeKind.RETRY_AFTER),
        (502, OutcomeKind.RETRY),
    ],
)
async def test_deadline_ends_a_dripping_answer_whose_status_counts(
    status: int, kind: OutcomeKind
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(1)
            yield b" "

    answer = Answer(drip())
    start = anyio.current_time()
    outcome = await outcome_of(lambda _: httpx.Response(status, stream=answer))
    assert anyio.current_time() - start == pytest.approx(8)
    assert (outcome.kind, outcome.status, outcome.message_id) == (kind, status, None)
    assert answer.is_closed


async def test_answer_that_breaks_off_counts_by_its_status() -> None:
    async def break_off() -> AsyncIterator[bytes]:
        yield b'{"id": "7", '
        raise httpx.ReadError("reset")

    outcome = await outcome_of(lambda _: httpx.Response(200, stream=Answer(break_off())))
    assert (outcome.kind, outcome.message_id) == (OutcomeKind.DELIVERED, None)


async def test_endless_answer_is_read_no_further_than_an_answer_is_long() -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            await anyio.lowlevel.checkpoint()
            sent += 100_000
            yield b"x" * 100_000

    start = anyio.current_time()
    outcome = await outcome_of(lambda _: httpx.Response(400, stream=Answer(flood())))
    assert anyio.current_time() == start
    assert outcome.kind is OutcomeKind.DEAD
    assert ANSWER_MAX_BYTES <= sent < ANSWER_MAX_BYTES + 100_000


async def test_cancellation_passes_and_closes_the_answer() -> None:
    async def hang() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    answer = Answer(hang())
    finished = False
    async with client_of(lambda _: httpx.Response(200, stream=answer)) as client:
        with anyio.move_on_after(3) as scope:
            await client.execute(WEBHOOK, BODY)
            finished = True

    assert scope.cancelled_caught
    assert not finished
    assert answer.is_closed


async def test_one_hanging_request_delays_no_other() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        if "/1/" in request.url.path:
            await anyio.sleep_forever()

        return httpx.Response(204)

    times: dict[str, float] = {}

    async def execute(webhook_id: str) -> None:
        await client.execute(WebhookURL("discord.com", webhook_id, TOKEN), BODY)
        times[webhook_id] = anyio.current_time()

    start = anyio.current_time()
    async with client_of(handler) as client, anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(execute, str(number))

    assert times.pop("1") == pytest.approx(start + 8)
    assert set(times.values()) == {start}
    assert len(times) == 199


async def test_rejection_comes_with_headers_errors_and_codes() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            400,
            headers={"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "3"},
            json={
                "code": 50035,
                "message": "Invalid Form Body",
                "errors": {
                    "embeds": {"0": {"title": {"_errors": [{"code": "C", "message": "m"}]}}}
                },
            },
        )

    outcome = await outcome_of(handler)
    assert (outcome.kind, outcome.code, outcome.bad_embeds) == (OutcomeKind.DEAD, 50035, (0,))
    assert outcome.rate_limit == RateLimit(limit=5, remaining=3)


async def test_token_is_in_no_outcome() -> None:
    def repeat(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            400,
            headers={"X-RateLimit-Bucket": f"bucket of {TOKEN}"},
            json={
                "message": f"no route POST /api/v10/webhooks/42/{TOKEN}",
                "errors": {TOKEN: {"_errors": [{"code": TOKEN, "message": TOKEN}]}},
            },
        )

    def break_down(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"while reading {request.url}")

    for handler in (repeat, break_down):
        outcome = await outcome_of(handler)
        assert TOKEN not in repr(outcome)
        assert "**********" in repr(outcome)


async def test_redactor_keeps_the_token_out_of_the_log_of_httpx(
    caplog: pytest.LogCaptureFixture,
) -> None:
    redactor = Redactor()
    for secret in WEBHOOK.secrets():
        redactor.add(secret)

    caplog.set_level(logging.DEBUG)
    caplog.handler.addFilter(redactor.filter)
    try:
        await outcome_of(lambda _: httpx.Response(204))
    finally:
        caplog.handler.removeFilter(redactor.filter)

    assert "HTTP Request: POST" in caplog.text
    assert TOKEN not in caplog.text


async def test_fetch_returns_the_name_without_posting() -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(
            200,
            json={
                "id": "42",
                "name": "LANrage",
                "channel_id": "8",
                "guild_id": "9",
                "token": TOKEN,
                "url": API_URL,
                "avatar": None,
            },
        )

    async with client_of(handler) as client:
        outcome = await client.fetch(WEBHOOK)

    assert outcome == Outcome(
        OutcomeKind.DELIVERED,
        "delivered (HTTP 200)",
        status=200,
        webhook_name="LANrage",
        webhook_channel_id="8",
        webhook_guild_id="9",
    )
    assert [(request.method, str(request.url)) for request in requests] == [("GET", API_URL)]
    assert requests[0].content == b""


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
    [
        (
            httpx.Response(404, json={"code": 10015, "message": "Unknown Webhook"}),
            OutcomeKind.LANE_DEAD,
            "the webhook was deleted in Discord",
        ),
        (httpx.Response(503), OutcomeKind.RETRY, "Discord has an internal error"),
        (httpx.Response(200, json={"id": 7}), OutcomeKind.RETRY, "does not describe a webhook"),
        (httpx.Response(200, json=[]), OutcomeKind.RETRY, "does not describe a webhook"),
        (httpx.Response(200, text="[" * 10**5), OutcomeKind.RETRY, "does not describe a webhook"),
        (httpx.Response(204), OutcomeKind.RETRY, "does not describe a webhook"),
        (httpx.Response(200, html="<html>"), OutcomeKind.RETRY, "is a web page"),
    ],
)
async def test_fetch_gives_the_reason_why_not(
    response: httpx.Response, kind: OutcomeKind, reason: str
) -> None:
    async with client_of(lambda _: response) as client:
        outcome = await client.fetch(WEBHOOK)

    assert outcome.kind is kind
    assert reason in outcome.reason


async def test_fetch_does_not_raise_for_the_network() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with client_of(handler) as client:
        outcome = await client.fetch(WEBHOOK)

    assert outcome == Outcome(OutcomeKind.RETRY, "no connection to discord.com: refused")


@pytest.mark.slow
async def test_proxy_of_the_environment_is_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    async with WebhookClient() as client:
        http = client._http
        assert http is not None
        direct = http._transport
        assert http._transport_for_url(httpx.URL("https://discord.com/")) is not direct
        for host in ("localhost", "127.0.0.1:8123", "[::1]:8123"):
            assert http._transport_for_url(httpx.URL(f"http://{host}/")) is direct


PICTURES = tuple(
    Picture(f"{name}.png", "image/png", content)
    for name, content in (("a", bytes(range(256)) * 2000), ("b", b"--\r\n--boundary\r\n"))
)


def shows(*pictures: Picture) -> dict[str, Any]:
    embeds = [{"image": {"url": f"attachment://{one.name}"}} for one in pictures]
    return {**BODY, "embeds": embeds, "content": "ü"}


async def test_files_arrive_with_their_names_and_bytes() -> None:
    bodies: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        bodies.append(request.content)
        return httpx.Response(200, json={"id": "7", "channel_id": "8"})

    async with client_of(handler) as client:
        outcome = await client.execute(WEBHOOK, shows(*PICTURES), files=PICTURES)

    assert outcome.kind is OutcomeKind.DELIVERED
    [body] = bodies
    message = message_from_bytes(
        b"Content-Type: multipart/form-data; boundary="
        + body[2:].split(b"\r\n")[0]
        + b"\r\n\r\n"
        + body
    )
    parts = [one for one in message.walk() if not one.is_multipart()]
    named = [(p.get_param("name", header="content-disposition"), p.get_filename()) for p in parts]
    assert named == [("payload_json", None), ("files[0]", "a.png"), ("files[1]", "b.png")]
    payload = parts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert json.loads(payload) == shows(*PICTURES)
    assert all(one.content in body for one in PICTURES)


async def test_an_edit_keeps_replaces_and_removes_files() -> None:
    discord = StandInDiscord()
    posted = discord.create_webhook()
    webhook = validate_webhook_url(posted.url)
    one, other = PICTURES

    def names() -> list[str]:
        [message] = posted.messages
        # It would have those that no embed shows.
        assert message["attachments"] == []
        return [embed["image"]["url"].rpartition("/")[2] for embed in message["embeds"]]

    async with (
        httpx.AsyncClient(transport=discord.transport()) as http,
        WebhookClient(http) as client,
    ):
        made = await client.execute(webhook, shows(one), files=[one])
        id = made.message_id or ""
        for shown, had, sent, expected in (
            ([one], ["a.png"], "application/json", [one]),
            ([other], ["a.png"], "multipart/form-data", [other]),
            ([other], None, "multipart/form-data", [other]),
            ([one, other], ["b.png"], "multipart/form-data", [one, other]),
            ([], ["a.png", "b.png"], "application/json", []),
            ([], [], "application/json", []),
        ):
            body = {**shows(*shown), "content": f"{had}"}
            edited = await client.edit(webhook, id, body, files=shown, had=had)
            assert edited.kind is OutcomeKind.DELIVERED
            assert discord.journal[-1].headers["content-type"].startswith(sent)
            assert names() == [one.name for one in expected]
            await anyio.sleep(1)


async def test_files_have_time_to_arrive_over_a_slow_connection() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(8 + 60)
        return httpx.Response(204)

    large = Picture("a.png", "image/png", bytes(8_000_000))
    async with client_of(handler) as client:
        outcome = await client.execute(WEBHOOK, shows(large), files=[large])

    assert outcome.kind is OutcomeKind.DELIVERED
