from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from lanrage_events.events import FieldProblem
from lanrage_events_http._client import (
    DaemonClient,
    DaemonError,
    PostAnswer,
    Rejection,
    Token,
    is_loopback,
    parse_token,
    parse_url,
)

TOKEN = "made-up-token-of-the-tests"
EVENT = {"type": "peer_joined", "id": "a-1", "peer_name": "Ann"}
Handler = Callable[[httpx.Request], httpx.Response]


def client(
    handler: Handler, *, token: str | None = None, url: str = "http://lan:1", **options: Any
) -> DaemonClient:
    return DaemonClient(
        parse_url(url),
        None if token is None else Token(token, "the file 'secret'"),
        transport=httpx.MockTransport(handler),
        **options,
    )


def answering(status: int, data: object, **headers: str) -> Handler:
    kind = "application/problem+json" if status >= 400 else "application/json"
    headers = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return lambda request: httpx.Response(status, content=json.dumps(data), headers=headers)


def text(status: int, content: str = "<html>") -> Handler:
    headers = {"Content-Type": "text/html; charset=utf-8", "Location": "http://evil.example"}
    return lambda request: httpx.Response(status, content=content, headers=headers)


def raising(error: Exception) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    return handle


async def fail(handler: Handler, **options: Any) -> DaemonError:
    async with client(handler, **options) as daemon:
        with pytest.raises(DaemonError) as caught:
            await daemon.post([EVENT])

    return caught.value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://127.0.0.1:8666", "http://127.0.0.1:8666/"),
        (" https://lan.example.org/events/ ", "https://lan.example.org/events/"),
        ("http://[::1]:80", "http://[::1]/"),
    ],
)
def test_an_address_may_have_a_path(written: str, read: str) -> None:
    assert str(parse_url(written)) == read


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("localhost:8666", "is written like http://127.0.0.1:8666"),
        ("ftp://lan", "is written like"),
        ("", "is written like"),
        ("http://", "is written like"),
        ("http://lan:port", "is written like"),
        (f"http://ann:{TOKEN}@lan", "has no user name or password"),
        (f"http://lan/?token={TOKEN}", "has no '?'"),
        (f"http://lan/#{TOKEN}", "has no '?' and no '#'"),
    ],
)
def test_an_address_that_is_not_valid_is_rejected_without_repeating_it(
    written: str, problem: str
) -> None:
    with pytest.raises(ValueError, match="address of a daemon") as caught:
        parse_url(written)

    assert problem in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("my.localhost", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("192.168.0.1", False),
        ("lan.example.org", False),
    ],
)
def test_this_machine_is_known_by_its_names(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_no_proxy_of_the_environment_is_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []

    class Recording(httpx.AsyncClient):
        def __init__(self, **options: Any) -> None:
            seen.append(options["trust_env"])
            super().__init__(**options)

    monkeypatch.setattr(httpx, "AsyncClient", Recording)
    DaemonClient(parse_url("http://127.0.0.1:1"))
    DaemonClient(parse_url("http://lan.example.org:1"))
    assert seen == [False, True]


def test_a_token_is_never_shown() -> None:
    token = parse_token(f"{TOKEN}\n", "the file")
    assert token is not None
    assert token.value == TOKEN
    assert TOKEN not in repr(token)
    assert parse_token(" \n", "the file") is None
    with pytest.raises(ValueError, match="the file holds no token") as caught:
        parse_token(f"{TOKEN}\n{TOKEN}", "the file")

    assert TOKEN not in str(caught.value)


async def test_events_are_posted_as_an_array_with_the_token_in_a_header() -> None:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(202, json={"ids": ["a-1"], "repeated": ["a-1"]})

    async with client(handle, token=TOKEN, url="http://lan/below/") as daemon:
        receipt = await daemon.post([EVENT])

    [request] = requests
    assert str(request.url) == "http://lan/below/api/events?strict=true"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == [EVENT]
    assert receipt == PostAnswer(frozenset({"a-1"}), frozenset({"a-1"}))


async def test_a_receipt_says_which_events_are_rejected() -> None:
    refused = [
        {"index": 0, "id": "a-1", "errors": [{"path": "peer_name", "message": "required"}]},
        {"index": 0, "errors": []},
        {"index": 7},
        {"index": "0"},
        "nonsense",
    ]
    async with client(answering(422, {"taken": ["b"], "refused": refused})) as daemon:
        receipt = await daemon.post([EVENT])

    assert receipt.rejected == (
        Rejection(0, (FieldProblem("peer_name", "required"),)),
        Rejection(0, (FieldProblem("", "rejected"),)),
    )
    assert receipt.taken == frozenset({"b"})
    assert receipt.problem is None


async def test_a_receipt_says_why_events_are_worth_another_attempt() -> None:
    data = {"detail": "the disk is full", "taken": ["b"], "refused": []}
    async with client(answering(503, data, retry_after="3")) as daemon:
        receipt = await daemon.post([EVENT])

    assert receipt.problem is not None
    assert "the disk is full" in str(receipt.problem)
    assert (receipt.problem.is_transient, receipt.problem.retry_after) == (True, 3)


@pytest.mark.parametrize(
    ("handler", "reason", "is_transient"),
    [
        (
            answering(401, {"detail": "no"}),
            "requires its token: put it into the environment variable LANRAGE_EVENTS_TOKEN, or name",
            False,
        ),
        (answering(421, {"title": "Wrong host", "detail": "x is no name"}), "x is no name", False),
        (answering(400, {"title": "Bad"}), "rejected the request: Bad", False),
        (answering(400, {}), "rejected the request: HTTP status 400", False),
        (
            answering(422, {"title": "Bad", "errors": [{"path": "a", "message": "b"}, {}]}),
            "rejected the request: Bad: a: b, rejected",
            False,
        ),
        (
            answering(422, {"detail": "type: x", "errors": [{"path": "type", "message": "x"}]}),
            "rejected the request: type: x",
            False,
        ),
        (answering(429, {"detail": "slowly"}), "slowly", True),
        (answering(503, {"detail": "busy"}), "busy", True),
        (text(502), "the proxy in front of the daemon at http://lan:1 gets no answer", True),
        (text(302), "redirects to another address, which is not followed", False),
        (text(200), "not as lanrage-events does", False),
        (text(404), "not as lanrage-events does", False),
        (answering(202, {"hello": "you"}), "not as lanrage-events does", False),
        (answering(202, ["hello"]), "not as lanrage-events does", False),
        (
            lambda request: httpx.Response(
                202, content=b"{", headers={"Content-Type": "application/json"}
            ),
            "not as lanrage-events does",
            False,
        ),
        (
            raising(httpx.ConnectError("refused")),
            "no daemon answers at http://lan:1: start one with 'lanrage-events run'",
            False,
        ),
        (raising(httpx.ConnectTimeout("")), "no daemon answers", False),
        (raising(httpx.ConnectError("CERTIFICATE_VERIFY_FAILED")), "no safe connection", False),
        (raising(httpx.ProxyError("503 no")), "the proxy of the environment", False),
        (raising(httpx.ReadError("reset")), "the connection to the daemon at http://lan:1", True),
        (raising(ConnectionResetError()), "broke: ConnectionResetError", True),
        (raising(httpx.UnsupportedProtocol("x")), "not as lanrage-events does", False),
    ],
)
async def test_an_error_is_one_line_with_the_remedy(
    handler: Handler, reason: str, is_transient: bool
) -> None:
    error = await fail(handler)
    assert reason in str(error)
    assert str(error).count(reason[-20:]) == 1
    assert error.is_transient is is_transient


async def test_a_wrong_token_is_named_by_its_origin_and_not_shown() -> None:
    error = await fail(answering(401, {"detail": "wrong"}), token=TOKEN)
    assert str(error) == "the daemon at http://lan:1 has another token than the file 'secret'"


async def test_a_daemon_that_answered_once_may_come_back() -> None:
    handlers = iter(
        [
            answering(202, {"ids": []}),
            raising(httpx.ConnectError("refused")),
            raising(httpx.ProxyError("x")),
        ]
    )
    async with client(lambda request: next(handlers)(request)) as daemon:
        await daemon.post([EVENT])
        for reason in ("the daemon at http://lan:1 is gone", "the proxy of the environment"):
            with pytest.raises(DaemonError, match=reason) as caught:
                await daemon.post([EVENT])

            assert caught.value.is_transient


async def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with DaemonClient(
        parse_url("http://lan:1"), transport=httpx.MockTransport(handle)
    ) as daemon:
        with pytest.raises(DaemonError, match="no answer from the daemon .* within 10 seconds"):
            await daemon.post([EVENT])


async def test_an_answer_without_an_end_is_cut_off() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            await anyio.lowlevel.checkpoint()
            yield b"x" * 300

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, content=endless(), headers={"Content-Type": "application/json"})

    assert "not as lanrage-events does" in str(await fail(handle, max_answer=1000))


async def test_the_event_types_come_with_their_schemas() -> None:
    types = [
        {"type": "peer_joined", "schema": {"properties": {}}},
        {"type": "x"},
        {"schema": {}},
        1,
    ]
    async with client(answering(200, {"types": types})) as daemon:
        assert await daemon.event_types() == {"peer_joined": {"properties": {}}}


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (answering(200, {}), "not as lanrage-events does"),
        (answering(404, {"detail": "nothing here"}), "nothing here"),
    ],
)
async def test_types_that_do_not_come_are_an_error(handler: Handler, reason: str) -> None:
    async with client(handler) as daemon:
        with pytest.raises(DaemonError, match=reason):
            await daemon.event_types()
