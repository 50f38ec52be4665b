"""One request of a sink: what is sent, what of the answer is read, and what it means."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from lanrage_events import Redactor
from lanrage_events.delivery import Answer, open_http_client, send_request

URL = "https://example.org/hook"


async def ask(answer: Callable[[httpx.Request], Any], **options: Any) -> Answer:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await send_request(client, "POST", options.pop("url", URL), **options)


async def test_a_request_is_sent_once_with_what_it_was_given() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(308, headers={"Location": "https://evil.example.org/"}, text="no")

    got = await ask(answer, headers={"X-Key": "k"}, content=b"{}")
    (request,) = requests
    assert (request.method, request.content, request.headers["X-Key"]) == ("POST", b"{}", "k")
    assert request.headers["Accept-Encoding"] == "identity"
    assert (got.host, got.status, got.content, got.error) == ("example.org", 308, b"no", None)
    assert got.headers["location"] == "https://evil.example.org/"


@pytest.mark.parametrize("headers", [None, {"X-Key": "k"}, httpx.Headers({"X-Key": "k"})])
async def test_json_is_sent_with_its_type(headers: Any) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    await ask(answer, json=[{"name": "Ann é"}], headers=headers)
    await ask(answer, json=0, headers={"Content-Type": "application/x+json"})
    assert [json.loads(request.content) for request in requests] == [[{"name": "Ann é"}], 0]
    assert [request.headers["Content-Type"] for request in requests] == [
        "application/json",
        "application/x+json",
    ]
    assert requests[0].headers.get("X-Key") == ("k" if headers else None)
    with pytest.raises(TypeError, match="not JSON serializable"):
        await ask(answer, json={"time": object()})


async def test_the_time_is_that_of_the_request_and_not_that_of_the_client() -> None:
    timeouts: list[Any] = []

    async def hang(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        await anyio.sleep_forever()
        raise AssertionError

    began = anyio.current_time()
    got = await ask(hang, timeout=30.0)
    assert anyio.current_time() - began == 30.0
    assert timeouts == [None]
    assert got.outcome(Redactor()).reason == "example.org: no answer in time"


async def test_the_status_counts_even_if_the_rest_breaks_off() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"beginning"
        raise httpx.ReadError("gone")

    got = await ask(lambda _: httpx.Response(200, content=broken()))
    assert (got.status, got.content, type(got.error)) == (200, b"beginning", httpx.ReadError)
    assert got.outcome(Redactor()).kind == "delivered"


async def test_no_more_is_read_than_was_asked_for() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            await anyio.lowlevel.checkpoint()
            yield b"x" * 100

    got = await ask(lambda _: httpx.Response(200, content=endless()), max_bytes=250)
    assert len(got.content) == 250


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("secret"),
        httpx.RemoteProtocolError("secret"),
        OSError("secret"),
        anyio.BrokenResourceError("secret"),
    ],
)
async def test_an_error_of_the_network_is_no_exception(error: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    outcome = (await ask(fail)).outcome(Redactor())
    assert (outcome.kind, outcome.reason) == ("retry", f"example.org: {type(error).__name__}")


async def test_an_address_that_is_none_is_no_exception() -> None:
    got = await ask(lambda _: httpx.Response(200), url="https://exa mple:x/")

    assert got.outcome(Redactor()).reason == ": InvalidURL"


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        ('{"retry_after": 3}', 3.0),
        ('{"retry_after_ms": 2500}', 2.5),
        ('{"parameters": {"retry_after": 35}}', 35.0),
        ('{"parameters": {"retry_after": 99999999999}}', 86_400.0),
        ('{"retry_after": -5}', None),
        ('{"retry_after": NaN}', None),
        ('{"retry_after_ms": 1e400}', None),
        (f'{{"retry_after_ms": 1{"0" * 400}}}', None),
        ('{"retry_after": "soon"}', None),
        ('{"parameters": 3}', None),
        ("[" * 100_000, None),
        ("nothing", None),
    ],
)
def test_the_wait_in_an_answer_is_obeyed_and_bounded(data: str, seconds: float | None) -> None:
    outcome = Answer("example.org", 429, {}, data.encode()).outcome(Redactor())

    assert (outcome.kind, outcome.after) == ("retry", seconds)


def test_a_header_counts_more_than_the_answer() -> None:
    content = json.dumps({"retry_after": 7}).encode()

    assert Answer("x", 503, {"retry-after": "2"}, content).outcome(Redactor()).after == 2.0


def test_what_is_said_is_one_line_without_secrets() -> None:
    redactor = Redactor()
    redactor.add("secret-word")
    answer = Answer("x", 422, {}, b"no\n secret-word \x1b[2J" + b"y" * 1000)

    outcome = answer.outcome(redactor)
    assert outcome.reason.startswith("HTTP 422: no ********** \\u001b[2Jyyy")
    assert len(outcome.reason) < 330
    assert outcome.detail.startswith("no ")


async def test_a_client_that_was_given_stays_open() -> None:
    async with httpx.AsyncClient() as given:
        async with open_http_client(given) as client:
            assert client is given

        assert not given.is_closed


@pytest.mark.real_clock
async def test_a_client_of_its_own_is_closed() -> None:
    async with open_http_client() as client:
        assert not client.is_closed

    assert client.is_closed


@pytest.mark.slow
def test_the_package_does_not_import_httpx() -> None:
    code = "import sys, lanrage_events.delivery; sys.exit('httpx' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
