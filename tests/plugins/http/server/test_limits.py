"""Shares of connections, requests and live feeds, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from lanrage_events import EventBus
from lanrage_events_http._server import SPARE, Timeouts

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


async def test_one_address_leaves_room_for_others(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(max_connections=20, max_streams=5) as served:
        async with connections(served.port, GREEDY, 30):
            await until(lambda: count_of(served, "http_connections_refused") == 12)

            assert count_of(served, "http_connections") == 18
            assert (await get(served.port, "/api/plugins")).status_code == 200
            assert served.bus.health()["http"].status == "ok"

        assert "127.0.0.2 has too many connections, 18 are open in total" in caplog.text


async def test_health_is_answered_although_all_connections_are_taken(serve: Serve) -> None:
    async with (
        serve(max_connections=10, max_streams=5) as served,
        connections(served.port, GREEDY, 9),
        connections(served.port, "127.0.0.3", 1),
    ):
        await until(lambda: count_of(served, "http_connections") == 10)
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
            for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"):
                await stack.enter_async_context(connections(served.port, address, 1))

            # One for each address: the second of 127.0.0.2 is closed at once.
            await until(lambda: count_of(served, "http_connections_refused") == 3)
            for number in range(SPARE):
                await stack.enter_async_context(
                    connections(served.port, f"127.0.0.{4 + number}", 1)
                )

        with anyio.fail_after(10):
            while True:
                with suppress(httpx.TransportError):
                    if (await get(served.port, "/healthz")).status_code == 200:
                        return


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
        assert "2 clients of this address may follow the feed" in third.json()["detail"]
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
