"""The server on real sockets, with small applications."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from anycorn.tcp_server import TCPServer
from anyio.abc import SocketListener, SocketStream
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lanrage_events.config import ConfigError
from lanrage_events_http._server import (
    MAX_HEAD_BYTES,
    Connections,
    Server,
    Timeouts,
    address_of,
    addresses_of,
    listen,
    port_of,
)

pytestmark = pytest.mark.real_clock

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
)
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


class Running:
    def __init__(self, server: Server, connections: Connections, port: int) -> None:
        self.server = server
        self.connections = connections
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    async def connect(self) -> SocketStream:
        return await anyio.connect_tcp("127.0.0.1", self.port)

    async def get(self) -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(self.url)).text


@asynccontextmanager
async def running(
    app: ASGIApp = hello,
    *,
    limit: int = 10,
    stopping: anyio.Event | None = None,
    wrap: Callable[[SocketListener], Any] = lambda listener: listener,
    **timeouts: float,
) -> AsyncIterator[Running]:
    listeners = [wrap(listener) for listener in await listen("127.0.0.1", 0)]
    connections = Connections(limit, Timeouts(**timeouts))
    server = Server(app, listeners, connections, stopping or anyio.Event())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run)
        yield Running(server, connections, port_of(listeners))
        await server.stop()

    assert not len(connections)


async def read_all(stream: SocketStream) -> bytes:
    received = b""
    with anyio.fail_after(20):
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


async def expect(stream: SocketStream, end: bytes) -> bytes:
    received = b""
    with anyio.fail_after(20):
        while not received.endswith(end):
            received += await stream.receive()

    return received


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - the other end of a socket sets no event of ours
            await anyio.sleep(0.001)


# Listening


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", {"127.0.0.1"}),
        ("::1", {"::1"}),
        ("0.0.0.0", {"0.0.0.0"}),
        ("::", {"::"}),
    ],
)
async def test_listens_where_it_is_configured(host: str, addresses: set[str]) -> None:
    listeners = await listen(host, 0)
    try:
        assert set(addresses_of(listeners)) == addresses
        assert (
            len({listener.extra(anyio.abc.SocketAttribute.local_port) for listener in listeners})
            == 1
        )
    finally:
        for listener in listeners:
            await listener.aclose()


async def test_all_addresses_are_those_of_both_families() -> None:
    (listener,) = await listen("::", 0)
    async with listener:
        for address in ("127.0.0.1", "::1"):
            await (await anyio.connect_tcp(address, port_of([listener]))).aclose()


async def test_localhost_is_listened_on_in_both_families() -> None:
    listeners = await listen("localhost", 0)
    try:
        assert {"127.0.0.1"} <= set(addresses_of(listeners)) <= {"127.0.0.1", "::1"}
        assert address_of(listeners, "localhost") == f"http://localhost:{port_of(listeners)}/"
    finally:
        for listener in listeners:
            await listener.aclose()


async def test_the_address_of_everything_is_one_that_a_browser_can_use() -> None:
    listeners = await listen("0.0.0.0", 0)
    async with listeners[0]:
        host = httpx.URL(address_of(listeners, "0.0.0.0")).host
        assert host != "0.0.0.0"
        await (await anyio.connect_tcp(host, port_of(listeners))).aclose()


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("192.0.2.77", "host: this machine has no address 192.0.2.77: give one of its own"),
        ("no-such-name.invalid", "host: no address of 'no-such-name.invalid' is known"),
        (f"{'x' * 70}.example", "host: no address of 'xxx"),
    ],
)
async def test_says_why_it_cannot_listen(host: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await listen(host, 0)

    (found,) = caught.value.problems
    assert found.startswith(problem)


async def test_says_that_the_port_is_in_use() -> None:
    (listener,) = await listen("127.0.0.1", 0)
    port = port_of([listener])
    async with listener:
        with pytest.raises(ConfigError) as caught:
            await listen("127.0.0.1", port)

    (found,) = caught.value.problems
    assert found.startswith(f"port: 127.0.0.1:{port} is in use by another program: stop it, or")
    await (await listen("127.0.0.1", port))[0].aclose()


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (PermissionError(errno.EACCES, "denied"), "port: this user may not listen on 127.0.0.1:80"),
        (OSError(errno.EIO, "broken"), "host: cannot listen on 127.0.0.1:80: [Errno 5] broken"),
        (
            OSError(errno.EIO, "several", None, None),
            "host: cannot listen on 127.0.0.1:80",
        ),
    ],
)
async def test_says_what_else_is_wrong(
    error: OSError, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(**_: Any) -> Any:
        raise error

    monkeypatch.setattr(anyio, "create_tcp_listener", fail)
    with pytest.raises(ConfigError) as caught:
        await listen("127.0.0.1", 80)

    assert caught.value.problems[0].startswith(problem)


async def test_without_a_network_the_address_is_the_loopback_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unconnected(socket.socket):
        def connect(self, address: Any) -> None:
            raise OSError(errno.ENETUNREACH, "unreachable")

    listeners = await listen("0.0.0.0", 0)
    async with listeners[0]:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", Unconnected)
            address = address_of(listeners, "0.0.0.0")

        assert address == f"http://127.0.0.1:{port_of(listeners)}/"


# Serving


async def test_answers_several_requests_on_a_connection() -> None:
    async with running() as server, httpx.AsyncClient() as client:
        for _ in range(3):
            response = await client.get(server.url)
            assert response.text == "hello"
            assert "server" not in response.headers

        assert server.connections.accepted == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["path"])(scope, receive, send)

    async with running(app) as server, await server.connect() as stream:
        requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(5))
        await stream.send(requests + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = await read_all(stream)

    paths = [line for line in received.split(b"\r\n") if b"/" in line[:1]]
    assert [path.partition(b"HTTP")[0] for path in paths] == [
        *(b"/%d" % n for n in range(5)),
        b"/last",
    ]


async def test_an_application_sees_nothing_of_the_server() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    async with running(app) as server:
        await server.get()

    assert scopes[0]["state"] == {}
    assert "extensions" not in scopes[0]


async def test_stopping_lets_answers_end() -> None:
    stopping = anyio.Event()
    begun = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def generate() -> AsyncIterator[bytes]:
            yield b"begin "
            begun.set()
            await stopping.wait()
            yield b"end"

        await StreamingResponse(generate())(scope, receive, send)

    answers: list[str] = []
    async with anyio.create_task_group() as tasks, running(app, stopping=stopping) as server:

        async def ask() -> None:
            answers.append(await server.get())

        tasks.start_soon(ask)
        await begun.wait()

    assert answers == ["begin end"]


async def test_stopping_cuts_off_answers_that_do_not_end() -> None:
    begun = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await anyio.sleep_forever()

    async with running(app, stop=0.05) as server:
        stream = await server.connect()
        await stream.send(REQUEST)
        await begun.wait()

    async with stream:
        assert b"200" not in await read_all(stream)


async def test_stopping_closes_idle_connections_at_once() -> None:
    async with running(stop=1_000, first_request=1_000, next_request=1_000) as server:
        silent = await server.connect()
        other = await server.connect()
        await other.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert await other.receive()
        kept = await server.connect()
        await kept.send(REQUEST)
        await expect(kept, b"hello")
        await until(lambda: len(server.connections) == 3)

    for stream in (silent, kept, other):
        async with stream:
            await read_all(stream)

    assert server.connections.cut_off == 0


async def test_after_the_stop_the_port_is_free() -> None:
    async with running() as server:
        await server.get()

    with pytest.raises(OSError, match="attempts failed"):
        await server.connect()

    (listener,) = await listen("127.0.0.1", server.port)
    await listener.aclose()


async def test_cancelling_ends_it_and_closes_everything() -> None:
    (listener,) = await listen("127.0.0.1", 0)
    connections = Connections(10)
    begun = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await anyio.sleep_forever()

    server = Server(app, [listener], connections, anyio.Event())
    async with await anyio.connect_tcp("127.0.0.1", port_of([listener])) as stream:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run)
            await stream.send(REQUEST)
            await begun.wait()
            tasks.cancel_scope.cancel()

        assert not len(connections)
        assert b"200" not in await read_all(stream)


async def test_cancelling_closes_what_was_only_just_accepted() -> None:
    (listener,) = await listen("127.0.0.1", 0)
    connections = Connections(10)
    tasks = anyio.create_task_group()

    class LastListener(FailingListener):
        async def accept(self) -> SocketStream:
            stream = await super().accept()
            # The task for it is cancelled before it begins.
            tasks.cancel_scope.cancel()
            return stream

    server = Server(hello, [LastListener(listener)], connections, anyio.Event())  # type: ignore[list-item]  # like one
    async with await anyio.connect_tcp("127.0.0.1", port_of([listener])) as peer:
        async with tasks:
            tasks.start_soon(server.run)

        assert connections.accepted == 1
        assert not len(connections)
        assert await read_all(peer) == b""


# Errors


class FailingListener:
    """A listener whose first accepts fail."""

    def __init__(self, listener: SocketListener, *errors: Exception) -> None:
        self._listener = listener
        self._errors = list(errors)

    async def accept(self) -> SocketStream:
        if self._errors:
            raise self._errors.pop(0)

        return await self._listener.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def broken(code: int) -> anyio.BrokenResourceError:
    error = anyio.BrokenResourceError()
    error.__cause__ = OSError(code, "as on Trio")
    return error


@pytest.mark.slow
async def test_a_shortage_passes(caplog: pytest.LogCaptureFixture) -> None:
    errors = [
        OSError(errno.EMFILE, "too many open files"),
        broken(errno.ENFILE),
        OSError(errno.ECONNABORTED, "gone"),
    ]
    async with running(wrap=lambda listener: FailingListener(listener, *errors)) as server:
        assert await server.get() == "hello"

    (record,) = caplog.records
    assert "cannot accept connections for the moment" in record.getMessage()


async def test_an_error_of_the_listener_is_raised() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running(wrap=lambda li: FailingListener(li, OSError(errno.EBADF, "bad"))):
            await anyio.sleep_forever()

    assert caught.group_contains(OSError, match="bad")


async def test_a_transient_error_that_does_not_end_is_raised() -> None:
    errors = [OSError(errno.EINVAL, "strange")] * 101
    with pytest.raises(ExceptionGroup) as caught:
        async with running(wrap=lambda listener: FailingListener(listener, *errors), accept=0):
            await anyio.sleep_forever()

    assert caught.group_contains(OSError, match="strange")


async def test_an_error_in_one_connection_is_contained(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = TCPServer.run
    errors: list[Exception] = [ValueError("a bug"), OSError("broken"), ValueError("a bug")]

    async def run(self: Any) -> None:
        if errors:
            raise errors.pop()

        await original(self)

    monkeypatch.setattr(TCPServer, "run", run)
    async with running() as server:
        for _ in range(3):
            async with await server.connect() as stream:
                assert await read_all(stream) == b""

        assert await server.get() == "hello"

    assert [record.getMessage() for record in caplog.records] == ["a connection failed: a bug"]


# Bounds


@pytest.mark.slow
async def test_connections_above_the_limit_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    async with running(limit=3, spare=0.01) as server:
        held = [await server.connect() for _ in range(3)]
        await until(lambda: len(server.connections) == 3)
        for _ in range(20):
            async with await server.connect() as excess:
                assert await read_all(excess) == b""

        assert server.connections.rejected == 20
        await held[0].send(REQUEST)
        await expect(held[0], b"hello")
        await held[1].aclose()
        await until(lambda: len(server.connections) < 3)
        assert await server.get() == "hello"
        for stream in held:
            await stream.aclose()

    assert [record.getMessage() for record in caplog.records] == [
        (
            "a new connection of 127.0.0.1 is closed, as are further ones: 127.0.0.1 has 3 connections, "
            "and one address may not have more; close some, or raise 'max_connections'"
        )
    ]


async def test_a_peer_that_hangs_up_makes_room_at_once() -> None:
    async with running(limit=1) as server:
        for sent in (b"", b"GET / HT", REQUEST):
            async with await server.connect() as stream:
                await stream.send(sent or b"G")
                await until(lambda: len(server.connections) == 1)

            with anyio.fail_after(5):
                await until(lambda: not server.connections)

        assert server.connections.cut_off == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "is_slow"),
    [
        (b"", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", True),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", True),
        (UPGRADE, False),
    ],
    ids=["silent", "half a request", "HTTP/2", "upgrade to HTTP/2"],
)
async def test_a_peer_without_a_request_is_disconnected(sent: bytes, is_slow: bool) -> None:
    # Long enough for what is sent at once to arrive, also on a busy machine.
    async with running(first_request=0.4, next_request=0.4) as server:
        async with await server.connect() as stream:
            if sent:
                await stream.send(sent)

            await read_all(stream)

        await until(lambda: not len(server.connections))
        assert server.connections.cut_off == is_slow


async def test_an_offer_of_http_2_is_passed_over() -> None:
    async with running() as server, await server.connect() as stream:
        await stream.send(UPGRADE)
        answer = await expect(stream, b"hello")
        assert answer.startswith(b"HTTP/1.1 200 ")
        await stream.send(REQUEST)
        await expect(stream, b"hello")


@pytest.mark.slow
async def test_a_request_that_trickles_is_cut_off() -> None:
    async with running(first_request=0.4) as server, await server.connect() as stream:
        await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n")

        async def trickle() -> None:
            with anyio.fail_after(20):
                while True:
                    await stream.send(b"X-A: b\r\n")
                    await anyio.sleep(0.005)

        with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
            await trickle()

        await until(lambda: server.connections.cut_off == 1)


async def test_idle_connections_are_closed_after_a_request() -> None:
    async with running(next_request=0.05) as server, await server.connect() as stream:
        await stream.send(REQUEST)
        assert b"hello" in await read_all(stream)
        assert server.connections.cut_off == 0


@pytest.mark.slow
async def test_an_answer_may_take_longer_than_that() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.6)
        await hello(scope, receive, send)

    async with running(app, first_request=0.4) as server:
        assert await server.get() == "hello"


async def test_a_reader_that_does_not_read_is_cut_off() -> None:
    ended = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        piece = {"type": "http.response.body", "body": b"x" * 65_536, "more_body": True}
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                while True:
                    await send(piece)

            tasks.start_soon(write)
            while (await receive())["type"] != "http.disconnect":
                pass

            tasks.cancel_scope.cancel()

        ended.set()

    async with running(app, write=0.1) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(REQUEST)
            with anyio.fail_after(20):
                await ended.wait()

        await until(lambda: not len(server.connections))
        assert server.connections.cut_off == 1


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_socket_without_these_options_will_do(
    is_gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "TCP_KEEPIDLE", raising=False)
    with socket.socket() as raw_socket:

        class Stream:
            def extra(self, attribute: Any) -> socket.socket:
                return raw_socket

        if is_gone:
            raw_socket.close()

        connection = await Connections(1).add(Stream())  # type: ignore[arg-type]  # an odd stream
        assert connection is not None
        if not is_gone:
            assert raw_socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000, b"431"),
        (b"GET /" + b"y" * 2 * MAX_HEAD_BYTES + b" HTTP/1.1\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
        (b"hello\r\n\r\n", b"400"),
    ],
)
async def test_malformed_requests_are_rejected_quietly(
    head: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running() as server:
        async with await server.connect() as stream:
            await stream.send(head)
            received = await read_all(stream)

        assert received.startswith(b"HTTP/1.1 " + status)
        assert b"anycorn" not in received.lower()
        assert await server.get() == "hello"

    assert [record for record in caplog.records if record.name != "httpx"] == []
