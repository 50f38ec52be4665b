"""Peers that want to do harm: the bus and its other plugins must not notice."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from lanrage_events import Notification, hookimpl
from lanrage_events_http._server import Timeouts

pytestmark = pytest.mark.real_clock

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]
Attack: TypeAlias = Callable[[int], Coroutine[Any, Any, None]]

LIMIT = 20
GONE = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, OSError)
HOST = b"Host: localhost:%d\r\n"


class Recorder:
    """Another plugin, which goes on handling events."""

    when_full = "block"

    def __init__(self) -> None:
        self.titles: list[str] = []

    @hookimpl
    async def notification(self, event: Notification) -> None:
        self.titles.append(event.title)


async def connect(port: int) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", port)


async def read_all(stream: SocketStream) -> bytes:
    received = b""
    with anyio.fail_after(20), suppress(*GONE):
        while True:
            received += await stream.receive()

    return received


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Send something, and return all that came back until the server hung up."""
    async with await connect(port) as stream:
        with suppress(*GONE):
            for piece in pieces:
                await stream.send(piece)

        return await read_all(stream)


async def together(
    function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, times: int
) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(times):
            tasks.start_soon(function, *arguments)


def head(port: int, method: bytes = b"POST", *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return method + b" /api/events HTTP/1.1\r\n" + HOST % port + lines + b"\r\n"


# What is tried


async def connect_and_be_silent(port: int) -> None:
    async with await connect(port) as stream:
        assert await read_all(stream) == b""


async def flood_with_connections(port: int) -> None:
    await together(connect_and_be_silent, port, times=10 * LIMIT)


async def hold_half_requests(port: int) -> None:
    await together(exchange, port, b"GET / HTTP/1.1\r\nHos", times=LIMIT)


async def trickle_a_head(port: int) -> None:
    async with await connect(port) as stream:
        with anyio.fail_after(20), suppress(*GONE):
            await stream.send(b"GET / HTTP/1.1\r\n")
            while True:
                await stream.send(b"X: y\r\n")
                await anyio.sleep(0.01)


async def trickle_heads(port: int) -> None:
    await together(trickle_a_head, port, times=LIMIT)


async def trickle_a_body(port: int) -> None:
    received = b""
    async with await connect(port) as stream, anyio.create_task_group() as tasks:

        async def send() -> None:
            with suppress(*GONE):
                await stream.send(
                    head(port, b"POST", b"Content-Type: application/json", b"Content-Length: 9999")
                )
                while True:
                    await stream.send(b" ")
                    await anyio.sleep(0.01)

        tasks.start_soon(send)
        received = await read_all(stream)
        tasks.cancel_scope.cancel()

    assert received.startswith(b"HTTP/1.1 408")


async def trickle_bodies(port: int) -> None:
    await together(trickle_a_body, port, times=LIMIT // 2)


async def send_a_huge_body(port: int, *headers: bytes, piece: bytes) -> None:
    received = b""
    async with await connect(port) as stream, anyio.create_task_group() as tasks:

        async def send() -> None:
            with suppress(*GONE):
                await stream.send(head(port, b"POST", b"Content-Type: application/json", *headers))
                while True:
                    await stream.send(piece)

        tasks.start_soon(send)
        received = await read_all(stream)
        tasks.cancel_scope.cancel()

    assert received.startswith(b"HTTP/1.1 413")


async def send_huge_bodies(port: int) -> None:
    with anyio.fail_after(30):
        for _ in range(2):
            await send_a_huge_body(port, b"Content-Length: 99999999999", piece=b"x" * 65_536)
            await send_a_huge_body(
                port,
                b"Transfer-Encoding: chunked",
                piece=b"10000\r\n" + b"x" * 65_536 + b"\r\n",
            )


async def send_malformed_requests(port: int) -> None:
    random_bytes = random.Random(8666)
    websocket = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
    for request in (
        b"\0" * 1_000,
        b"\r\n" * 1_000 + b"x",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
        + b"\0\0\x01\x01\x05\0\0\0\x01\x82" * 50,
        b"GET http://evil.example.org/ HTTP/1.1\r\n" + HOST % port + b"\r\n",
        b"GET /%ff%00%2e%2e/ HTTP/1.1\r\n" + HOST % port + b"\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n" + HOST % port + b"\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"CONNECT evil.example.org:443 HTTP/1.1\r\n" + HOST % port + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST % port + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST % port + b"X: y\r\n z: folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST % port + b"X: " + b"y" * 100_000,
        head(port, b"POST", b"Content-Length: 10", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        head(port, b"POST", b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
        head(port, b"POST", b"Transfer-Encoding: chunked") + b"fffffffffffffffffffff\r\n",
        head(port, b"POST", b"Transfer-Encoding: chunked") + b"-1\r\nx\r\n",
        head(port, b"POST", b"Transfer-Encoding: chunked") + b"1;" + b"e" * 100_000,
        head(port, b"POST", b"Content-Length: 5", b"Content-Length: 6") + b"hello!",
        head(port, b"GET", *websocket, b"Sec-WebSocket-Key: x"),
        head(port, b"GET", *websocket, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        + b"\xff\xff\xff\xff",
        *(random_bytes.randbytes(500) for _ in range(20)),
    ):
        with anyio.fail_after(20):
            received = await exchange(port, request)
            assert b"Traceback" not in received


async def hang_up_in_the_middle(port: int) -> None:
    for request in (
        b"GET / HTTP/1.1\r\n",
        head(port, b"GET"),
        head(port, b"POST", b"Content-Type: application/json", b"Content-Length: 100") + b"{",
        b"GET /api/events/stream HTTP/1.1\r\n" + HOST % port + b"\r\n",
    ):
        for _ in range(10):
            stream = await connect(port)
            raw_socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)
            # Reset instead of a proper end.
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(*GONE):
                await stream.send(request)

            await stream.aclose()


async def read_nothing(port: int) -> None:
    request = b"GET /static/app.css HTTP/1.1\r\n" + HOST % port + b"\r\n"
    streams = [await connect(port) for _ in range(5)]
    for stream in streams:
        with anyio.move_on_after(1), suppress(*GONE):
            await stream.send(request * 2_000)

    for stream in streams:
        await anyio.aclose_forcefully(stream)


async def follow_the_feed(port: int) -> bytes:
    async with await connect(port) as stream:
        await stream.send(b"GET /api/events/stream HTTP/1.1\r\n" + HOST % port + b"\r\n")
        received = b""
        with anyio.move_on_after(0.5), suppress(*GONE):
            while True:
                received += await stream.receive()

        return received


async def follow_the_feed_often(port: int) -> None:
    await together(follow_the_feed, port, times=LIMIT)


async def ask_often(port: int) -> None:
    request = b"GET /api/plugins HTTP/1.1\r\n" + HOST % port + b"Connection: close\r\n\r\n"

    async def ask() -> None:
        for _ in range(5):
            with suppress(*GONE):
                await exchange(port, request)

    await together(ask, times=LIMIT)


async def guess_tokens(port: int) -> None:
    for number in range(50):
        await exchange(
            port,
            head(port, b"GET", b"Authorization: Bearer guess-%d" % number, b"Connection: close"),
        )


SHORT = Timeouts(first_request=0.15, next_request=0.15, write=0.15, body=0.15)
# A busy machine needs time for the answers that these attacks look at.
PATIENT: dict[Attack, Timeouts] = {
    trickle_bodies: Timeouts(body=0.15),
    send_huge_bodies: Timeouts(),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    [
        flood_with_connections,
        hold_half_requests,
        trickle_heads,
        trickle_bodies,
        send_huge_bodies,
        send_malformed_requests,
        hang_up_in_the_middle,
        read_nothing,
        follow_the_feed_often,
        ask_often,
        guess_tokens,
    ],
)
async def test_the_bus_goes_on(
    attack: Attack, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    ended = anyio.Event()
    published = 0
    async with serve(
        {"recorder": recorder},
        timeouts=PATIENT.get(attack, SHORT),
        max_connections=LIMIT,
        max_streams=5,
    ) as served:

        async def run_attack() -> None:
            await attack(served.port)
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_attack)
            while not ended.is_set() or published < 15:
                # A bus that did not go on would not return from it.
                with anyio.fail_after(10):
                    await served.bus.publish_and_wait(
                        Notification(title=str(published), message="still here")
                    )

                published += 1
                await anyio.sleep(0.02)

        assert await is_well(served.port)
        plugins = served.bus.statistics().plugins
        assert plugins["http"].restarts == plugins["http"].failed == 0

    assert recorder.titles == [str(number) for number in range(published)]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def is_well(port: int) -> bool:
    with anyio.fail_after(10):
        while True:
            try:
                async with httpx.AsyncClient() as client:
                    response = await client.get(f"http://127.0.0.1:{port}/healthz")
                    return response.status_code == 200
            except httpx.TransportError:  # until the last of the others are closed
                await anyio.sleep(0.05)


async def test_an_answer_reaches_a_peer_that_sends_too_much(serve: Serve) -> None:
    async with serve(max_body=2_000) as served, httpx.AsyncClient() as client:
        for content in (b"x" * 500_000, pieces()):
            response = await client.post(
                f"{served.url}/api/events",
                content=content,
                headers={"content-type": "application/json"},
            )

            assert response.status_code == 413
            assert "2,000 bytes at most" in response.json()["detail"]


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(50):
        yield b"x" * 10_000


@pytest.mark.slow
async def test_a_slow_follower_of_the_feed_does_not_slow_down_the_bus(serve: Serve) -> None:
    async with serve() as served:
        slow = await connect(served.port)
        await slow.send(b"GET /api/events/stream HTTP/1.1\r\n" + HOST % served.port + b"\r\n")
        assert b"200" in await slow.receive()
        with anyio.fail_after(20):
            for number in range(2_000):
                await served.bus.publish_and_wait(
                    Notification(title=str(number), message="x" * 1_000)
                )

        assert await is_well(served.port)
        await anyio.aclose_forcefully(slow)
