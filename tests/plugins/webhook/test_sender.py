"""One request: what is sent, and what each answer means."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from lanrage_events import PeerJoined, Redactor
from lanrage_events.config import SecretStr
from lanrage_events.delivery import Outcome
from lanrage_events.events import utc_now
from lanrage_events_webhook import TargetConfig
from lanrage_events_webhook._sender import ANSWER_MAX_BYTES, Sender, sign

JOINED = PeerJoined(peer_name="Ann", party_name="Friday LAN")
PLAIN: dict[str, Any] = {"url": "https://example.org/hook"}
TELEGRAM = {"preset": "telegram", "token": "123456:secret-of-the-bot", "to": "7"}
MATRIX = {"preset": "matrix", "url": "https://example.org", "token": "t", "to": "!r:example.org"}


async def send(
    answer: Callable[[httpx.Request], Any] | httpx.Response,
    settings: dict[str, Any] | None = None,
    *,
    redactor: Redactor | None = None,
    content: bytes = b"{}",
) -> Outcome:
    handler = answer if callable(answer) else lambda _: answer
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        target = TargetConfig.model_validate(settings or PLAIN)
        return await Sender(target, client, redactor or Redactor()).send(
            [JOINED], "application/json", content
        )


@pytest.mark.slow
async def test_each_status_has_its_outcome() -> None:
    for status in range(200, 600):
        outcome = await send(httpx.Response(status, text="because"))

        if status < 300:
            expected = "delivered"
        elif status < 400 or status in (408, 425, 429) or status >= 500:
            expected = "retry"
        elif status in (401, 403, 404, 405, 407, 410):
            expected = "stop"
        else:
            expected = "dead"

        assert outcome.kind == expected, status
        assert status < 400 or "because" in outcome.reason


async def test_a_redirect_is_not_followed() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(308, headers={"Location": "https://evil.example.org/"})

    outcome = await send(answer)
    assert len(requests) == 1
    assert outcome.reason == (
        "HTTP 308: set the address that it redirects to, which is not followed"
    )


@pytest.mark.parametrize(
    ("headers", "data", "seconds"),
    [
        ({"Retry-After": "7"}, None, 7.0),
        ({"Retry-After": "Fri, 06 Mar 2026 20:00:30 GMT", "Date": "Fri, 06 Mar 2026 20:00:00 GMT"},
         None, 30.0),
        ({}, {"ok": False, "error_code": 429, "parameters": {"retry_after": 35}}, 35.0),
        ({}, {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many", "retry_after_ms": 2500}, 2.5),
        ({"Retry-After": "3"}, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}, 3.0),
        ({}, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": "soon"}, None),
        ({}, {"parameters": [1]}, None),
        ({}, [], None),
        ({}, None, None),
        ({"Retry-After": "999999999"}, None, 86_400.0),
        ({}, {"parameters": {"retry_after": 999999999}}, 86_400.0),
        ({}, {"retry_after_ms": 10**400}, None),
    ],
)  # fmt: skip
async def test_the_wait_that_a_target_asks_for_is_obeyed(
    headers: dict[str, str], data: object, seconds: float | None
) -> None:
    outcome = await send(httpx.Response(429, headers=headers, json=data))

    assert (outcome.kind, outcome.after) == ("retry", seconds)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Bad Request: chat not found", "stop"),
        ("Bad Request: group chat was upgraded to a supergroup chat", "stop"),
        ("Bad Request: can't parse entities", "dead"),
    ],
)
async def test_a_chat_that_does_not_exist_stops_telegram(text: str, kind: str) -> None:
    answer = httpx.Response(400, json={"ok": False, "error_code": 400, "description": text})

    assert (await send(answer, TELEGRAM)).kind == kind


async def test_what_a_target_answers_is_shown_in_one_line_without_secrets() -> None:
    redactor = Redactor()
    redactor.add("secret-of-the-hook")
    text = "no such hook:\n secret-of-the-hook\x1b[2J " + "x" * 1000
    outcome = await send(httpx.Response(422, text=text), redactor=redactor)

    assert outcome.reason.startswith("HTTP 422: no such hook: **********\\u001b[2J xxx")
    assert outcome.detail.startswith("no such hook")
    assert len(outcome.reason) < 330


async def test_a_secret_at_the_end_of_what_is_shown_is_not_cut_before_it_is_masked() -> None:
    redactor = Redactor()
    redactor.add("secret-of-the-hook")
    text = "x" * 290 + " secret-of-the-hook"

    assert "secret" not in (await send(httpx.Response(400, text=text), redactor=redactor)).reason


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("All connection attempts failed"),
        httpx.RemoteProtocolError("secret-of-the-bot"),
        httpx.InvalidURL("secret-of-the-bot"),
        OSError("secret-of-the-bot"),
    ],
)
async def test_no_answer_is_retried_and_shows_no_address(error: Exception) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    outcome = await send(answer, TELEGRAM)
    assert outcome.kind == "retry"
    assert outcome.reason == f"api.telegram.org: {type(error).__name__}"


async def test_a_target_that_hangs_is_given_up_after_its_timeout() -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    began = anyio.current_time()
    outcome = await send(hang, {**PLAIN, "timeout": 3.0})
    assert (outcome.kind, outcome.reason) == ("retry", "example.org: no answer in time")
    assert anyio.current_time() - began == 3.0


async def test_no_more_of_an_answer_is_read_than_is_shown() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            await anyio.lowlevel.checkpoint()
            read += 1000
            yield b"x" * 1000

    assert (await send(lambda _: httpx.Response(200, content=endless()))).kind == "delivered"
    assert read <= ANSWER_MAX_BYTES + 2000


async def test_a_request_has_method_headers_and_token() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204)

    settings = {
        **PLAIN,
        "method": "PUT",
        "token": "abc",
        "headers": {"X-Key": "k", "user-agent": "me"},
    }
    await send(answer, settings, content=b'{"a":1}')
    (request,) = requests
    assert request.method == "PUT"
    assert str(request.url) == PLAIN["url"]
    assert request.content == b'{"a":1}'
    assert request.headers["Authorization"] == "Bearer abc"
    assert request.headers["X-Key"] == "k"
    assert request.headers.get_list("User-Agent") == ["me"]
    assert "webhook-signature" not in request.headers


async def test_a_matrix_transaction_has_the_same_id_each_time_and_no_room_leaves_the_path() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"event_id": "$1"})

    for _ in range(2):
        await send(answer, {**MATRIX, "to": "!a/../b?c:example.org"})

    assert paths[0] == paths[1]
    assert paths[0].startswith("/_matrix/client/v3/rooms/%21a%2F..%2Fb%3Fc%3Aexample.org/send/")


async def test_a_signature_is_one_of_standard_webhooks(services: Any, key: str) -> None:
    services.signed.now = lambda: utc_now().timestamp()
    settings = {"url": "https://signed.example.org/", "sign": key}
    first = await send(services.signed, settings, content=b'{"who": "Ann"}')
    await anyio.sleep(3600)
    again = await send(services.signed, settings, content=b'{"who": "Ann"}')
    other = base64.b64encode(bytes(32)).decode()
    wrong = await send(services.signed, {**settings, "sign": other}, content=b'{"who": "Ann"}')

    assert (first.kind, again.kind, wrong.kind) == ("delivered", "delivered", "stop")
    assert services.signed.accepted == [{"who": "Ann"}]


def test_a_signature_is_that_of_the_example_of_the_specification() -> None:
    """It is in the tests of https://github.com/standard-webhooks/standard-webhooks."""
    key = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = json.dumps({"test": 2432232314}).encode()

    assert sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, content) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
