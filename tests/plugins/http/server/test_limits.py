"""Shares of connections, requests and live feeds, on real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from lanrage_events import EventBus
from lanrage_events_http._server import SPARE, Connections, Timeouts

pytestmark = pytest.mark.real_clock

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]

TOKEN = "correct-horse-battery"
GREEDY = "127.0.0.2"


@asynccontextmanager
async def connections(port: int, address: str, count: int) -> AsyncIterator[list[SocketStream]]:
    """Hold idle connections from an address of this machine."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                await anyio.connect_tcp("127.0.0.1", port, local_host=address)
            )
            for _ in range(count)
        ]


async def get(port: int, path: str, address: str = "127.0.0.1") -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - the other end of a socket sets no event of ours
            await anyio.sleep(0.001)


def count_of(served: Any, name: str) -> float:
    (found,) = [metric for metric in served.plugin.metrics() if metric.name == name]
    return float(found.samples[0].value)


async def test_the_health_names_an_address_that_got_no_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(max_connections=20, max_streams=5) as served:
        async with connections(served.port, GREEDY, 30):
            await until(lambda: count_of(served, "http_connections_refused") == 12)

            assert count_of(served, "http_connections") == 18
            assert (await get(served.port, "/readyz")).status_code == 200
            health = served.bus.health()["http"]
            assert health.status == "degraded"
            assert "127.0.0.2" in health.detail
            assert "this machine has 18 of 20 connections" in health.detail
            assert "close some, or raise 'max_connections'" in health.detail

        assert "127.0.0.2 has 18 connections, and one address may not have more" in caplog.text


async def test_health_is_answered_although_all_connections_are_taken(serve: Serve) -> None:
    async with (
        serve(max_connections=10, max_streams=5) as served,
        connections(served.port, GREEDY, 8),
        connections(served.port, "127.0.0.3", 1),
    ):
        await until(lambda: count_of(served, "http_connections") == 9)
        for path in ("/healthz", "/readyz"):
            response = await get(served.port, path)
            assert response.status_code == 200
            assert response.headers["connection"] == "close"

        rejected = await get(served.port, "/api/plugins")
        assert rejected.status_code == 503
        assert "too many connections are open" in rejected.json()["detail"]
        assert rejected.headers["connection"] == "close"
        assert served.bus.health()["http"].status == "degraded"


async def test_spare_connections_are_few_and_short(serve: Serve) -> None:
    async with serve(max_connections=2, max_streams=1, timeouts=Timeouts(spare=0.2)) as served:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(connections(served.port, "127.0.0.1", 2 + SPARE))
            await until(lambda: count_of(served, "http_connections_refused") == SPARE)

        with anyio.fail_after(10):
            while True:
                with suppress(httpx.TransportError):
                    if (await get(served.port, "/healthz")).status_code == 200:
                        return


async def test_silent_connections_of_this_machine_make_room_for_a_request_about_health(
    serve: Serve,
) -> None:
    timeouts = Timeouts(first_request=300, spare=300)
    async with (
        serve(max_connections=2, max_streams=1, timeouts=timeouts) as served,
        connections(served.port, "127.0.0.1", 20),
    ):
        await until(lambda: count_of(served, "http_connections_refused") == 18)
        for path in ("/healthz", "/readyz"):
            assert (await get(served.port, path)).status_code == 200


class Peer(SocketStream):
    """A stream of a peer elsewhere, which this machine cannot have."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.is_closed = False

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {SocketAttribute.raw_socket: lambda: self}

    @property
    def _raw_socket(self) -> Any:
        return self

    def getpeername(self) -> tuple[str, int]:
        return self._address, 1

    def setsockopt(self, *_: object) -> None:
        pass

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        raise anyio.EndOfStream

    async def send(self, item: bytes) -> None:
        pass

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        self.is_closed = True


async def test_the_problem_says_who_got_no_connection_why_and_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    some = Connections(100, clock=lambda: now)
    for address, count in (("192.0.2.1", 50), ("192.0.2.2", 40)):
        for _ in range(count):
            assert await some.add(Peer(address)) is not None

    assert some.problem is None
    for number in range(3, 9):
        await some.add(Peer(f"192.0.2.{number}"))

    assert some.problem == (
        "new connections of 192.0.2.8, 192.0.2.7, 192.0.2.6 and others are closed: other machines "
        "have 90 of 100 connections, and the rest is kept for this one; close some, or raise "
        "'max_connections'; if 192.0.2.8 is a proxy, name it in 'trusted_proxies'"
    )
    assert [record.getMessage() for record in caplog.records] == [
        (
            "a new connection of 192.0.2.3 is closed, as are further ones: other machines have 90 of "
            "100 connections, and the rest is kept for this one; close some, or raise "
            "'max_connections'; if 192.0.2.3 is a proxy, name it in 'trusted_proxies'"
        )
    ]
    now = 59.0
    assert some.problem is not None
    now = 60.0
    assert some.problem is None


async def test_this_machine_does_not_shut_out_others() -> None:
    some = Connections(100)
    for _ in range(200):
        await some.add(Peer("127.0.0.1"))

    assert len(some) == 90
    remote = await some.add(Peer("192.0.2.1"))
    assert remote is not None
    assert not remote.is_spare


async def test_live_feeds_are_shared_among_the_clients_of_a_proxy(serve: Serve) -> None:
    def forwarded(address: str) -> dict[str, str]:
        return {"X-Forwarded-For": address}

    async with (
        serve(max_streams=4, trusted_proxies=("127.0.0.1",)) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False) as client,
        AsyncExitStack() as stack,
    ):
        path = "/api/events/stream"
        for _ in range(2):
            request = client.stream("GET", path, headers=forwarded("192.0.2.1"))
            assert (await stack.enter_async_context(request)).status_code == 200

        third = await client.get(path, headers=forwarded("192.0.2.1"))
        assert third.status_code == 503
        assert (
            "192.0.2.1 has 2 clients of the live feed, and one address may not have more"
            in third.json()["detail"]
        )
        request = client.stream("GET", path, headers=forwarded("192.0.2.2"))
        assert (await stack.enter_async_context(request)).status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/plugins HTTP/1.1",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_a_request_with_two_ends_closes_its_connection(request_: bytes, serve: Serve) -> None:
    async with (
        serve() as served,
        await anyio.connect_tcp("127.0.0.1", served.port) as stream,
    ):
        host = b"Host: localhost:%d\r\n" % served.port
        head = b"POST /api/events HTTP/1.1\r\nContent-Type: application/json\r\n" + host
        received = b""
        with anyio.fail_after(10), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await stream.send(head + request_ + b"\r\n" + host + b"\r\n")
            while True:
                received += await stream.receive()

    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in received.lower()
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body) == {
        "title": "Bad Request",
        "status": 400,
        "detail": "the length of the body is ambiguous: send either Content-Length or, with "
        "HTTP/1.1, Transfer-Encoding",
    }


async def test_what_is_not_http_gets_a_problem(serve: Serve) -> None:
    async with serve() as served, await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        await stream.send(b"nonsense\r\n\r\n")
        received = b""
        with anyio.fail_after(10), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                received += await stream.receive()

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head
    assert json.loads(body)["detail"] == "this is not a request of HTTP/1.1"


async def test_chunks_are_not_for_http_1_0(serve: Serve) -> None:
    async with (
        serve() as served,
        await anyio.connect_tcp("127.0.0.1", served.port) as stream,
    ):
        host = b"Host: localhost:%d\r\n" % served.port
        await stream.send(
            b"POST /api/events HTTP/1.0\r\nConnection: keep-alive\r\n"
            b"Transfer-Encoding: chunked\r\n" + host + b"\r\n0\r\n\r\n"
        )
        received = b""
        with anyio.fail_after(10), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                received += await stream.receive()

    assert received.startswith(b"HTTP/1.1 400")


async def test_the_live_feeds_of_a_session_end_with_it(serve: Serve) -> None:
    async with (
        serve(token=TOKEN) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False) as browser,
    ):
        await browser.post("/login", json={"token": TOKEN})
        async with browser.stream("GET", "/api/events/stream") as feed:
            assert feed.status_code == 200
            program = httpx.AsyncClient(
                base_url=served.url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
            )
            async with program:
                assert (await program.delete("/api/sessions")).json() == {"count": 1}

            with anyio.fail_after(10):
                async for _ in feed.aiter_raw():
                    pass

        assert (await browser.get("/api/me")).status_code == 401


async def test_sessions_of_the_plugin_outlive_a_restart(serve: Serve, tmp_path: Path) -> None:
    cookies = httpx.Cookies()
    for is_first in (True, False):
        bus = EventBus(state_folder=tmp_path)
        async with (
            serve(bus=bus, token=TOKEN) as served,
            httpx.AsyncClient(base_url=served.url, cookies=cookies, trust_env=False) as browser,
        ):
            if is_first:
                await browser.post("/login", json={"token": TOKEN})
                cookies = browser.cookies

            assert (await browser.get("/api/me")).json()["session"] is not None

    assert (tmp_path / "http.sessions.json").stat().st_mode & 0o777 == 0o600
