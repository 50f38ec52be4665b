from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from anyio.streams.buffered import BufferedByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.applications import Starlette

from lanrage_events import EventBus, Notification, PeerJoined
from lanrage_events_http import HTTPConfig
from lanrage_events_http._api import EventSchemas, event_operations
from lanrage_events_http._app import application
from lanrage_events_http._feed import CLIENT_BUFFER, OVERRUN_SECONDS, Feed

Client = Callable[..., httpx.AsyncClient]


class Peer:
    """A client of the ASGI application that reads one endless answer as it likes."""

    def __init__(self, app: Starlette, query: str, headers: dict[str, str], method: str) -> None:
        self._app = app
        self._left = anyio.Event()
        self._send: MemoryObjectSendStream[Any]
        self._receive: MemoryObjectReceiveStream[Any]
        self._send, self._receive = anyio.create_memory_object_stream[Any](0)
        self._scope = {
            "type": "http",
            "method": method,
            "path": "/api/events/stream",
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()

    async def run(self) -> None:
        with self.scope, self._send, self._receive:
            await self._app(self._scope, self._wait_until_left, self._send.send)

        self.ended.set()

    async def _wait_until_left(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._left.set()

    async def message(self) -> Any:
        return await self._receive.receive()

    async def text(self) -> str:
        message = await self.message()
        assert message["more_body"]
        return str(message["body"].decode())


class Served:
    def __init__(self, bus: EventBus, feed: Feed, app: Starlette, stopping: anyio.Event) -> None:
        self.bus = bus
        self.feed = feed
        self.app = app
        self.stopping = stopping

    @asynccontextmanager
    async def peer(
        self, query: str = "", headers: dict[str, str] | None = None, method: str = "GET"
    ) -> AsyncIterator[Peer]:
        peer = Peer(self.app, query, headers or {}, method)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.run)
            yield peer
            tasks.cancel_scope.cancel()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with EventBus() as bus:
        feed, stopping = Feed(bus.redactor, max_clients=2), anyio.Event()
        operations = event_operations(bus, feed, HTTPConfig(), EventSchemas(bus), stopping)
        app = application(operations, bus.redactor)
        yield Served(bus, feed, app, stopping)


def titles(text: str) -> Sequence[str]:
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: "))["title"] for line in lines]


def note(title: object) -> Notification:
    return Notification(title=str(title), message="-")


async def test_a_stream_sends_events_as_they_come(served: Served) -> None:
    async with served.peer() as peer:
        start = await peer.message()
        assert start["status"] == 200
        assert dict(start["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert dict(start["headers"])[b"cache-control"] == b"no-store"
        assert await peer.text() == ": connected\n\n"
        for number in range(3):
            served.feed.add(note(number))
            assert titles(await peer.text()) == [str(number)]


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_stream_goes_on_after_the_last_event_id(served: Served, by_header: bool) -> None:
    for number in range(3):
        served.feed.add(note(number))

    last = served.feed.id(1)
    query = "" if by_header else f"last_event_id={last}"
    headers = {"Last-Event-ID": last} if by_header else {}
    async with served.peer(query, headers) as peer:
        await peer.message()
        await peer.text()
        assert titles(await peer.text()) == ["1", "2"]


async def test_a_stream_sends_only_the_types_asked_for(served: Served) -> None:
    async with served.peer("type=party_event&type=game_started") as peer:
        await peer.message()
        await peer.text()
        served.feed.add(note("-"))
        served.feed.add(PeerJoined(peer_name="Ann", party_name="-"))
        text = await peer.text()

    assert text.count("event: ") == 1
    assert "event: peer_joined\n" in text


async def test_a_stream_ends_when_the_server_stops(served: Served) -> None:
    async with served.peer() as peer:
        await peer.message()
        await peer.text()
        served.stopping.set()
        assert await peer.message() == {
            "type": "http.response.body",
            "body": b"",
            "more_body": False,
        }
        await peer.ended.wait()

    assert served.feed.clients == 0


async def test_a_stream_that_is_opened_while_the_server_stops_ends_at_once(served: Served) -> None:
    served.stopping.set()
    async with served.peer() as peer:
        await peer.message()
        while (await peer.message())["more_body"]:
            pass


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_client_that_leaves_is_forgotten_at_once(served: Served, is_waiting: bool) -> None:
    async with served.peer() as peer:
        await peer.message()
        if is_waiting:
            await peer.text()

        await anyio.wait_all_tasks_blocked()
        assert served.feed.clients == 1
        peer.leave()
        await peer.ended.wait()
        assert served.feed.clients == 0


async def test_a_stream_that_is_cancelled_leaves_nothing_behind(served: Served) -> None:
    for is_waiting in True, False:
        async with served.peer() as peer:
            await peer.message()
            if is_waiting:
                await peer.text()

            await anyio.wait_all_tasks_blocked()
            peer.scope.cancel()
            await peer.ended.wait()
            assert served.feed.clients == 0


async def test_a_client_that_reads_nothing_is_cut_off_and_stops_no_other(served: Served) -> None:
    async with served.peer() as slow, served.peer() as quick:
        await slow.message()
        await quick.message()
        await quick.text()
        for number in range(CLIENT_BUFFER + 1):
            served.feed.add(note(number))
            assert titles(await quick.text()) == [str(number)]

        began = anyio.current_time()
        await slow.ended.wait()
        assert anyio.current_time() - began == pytest.approx(OVERRUN_SECONDS)
        assert not quick.ended.is_set()


async def test_a_client_that_reads_slowly_gets_an_overrun(served: Served) -> None:
    async with served.peer() as peer:
        await peer.message()
        for number in range(CLIENT_BUFFER + 1):
            served.feed.add(note(number))

        await peer.text()
        assert "event: overrun\n" in await peer.text()
        assert not (await peer.message())["more_body"]


async def test_more_clients_than_allowed_get_a_time_to_retry(
    served: Served, client: Client
) -> None:
    async with served.peer() as first, served.peer() as second:
        await first.message()
        await second.message()
        async with client(served.app) as http:
            response = await http.get("/api/events/stream")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["detail"] == (
        "all 2 clients of the live feed are connected: close one, or raise 'max_streams'"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("peer_joind", "did you mean 'peer_joined'?"),
        ("partyevent", "did you mean 'party_event'?"),
        ("x", "known are "),
    ],
)
async def test_a_type_that_is_not_known_is_rejected(
    served: Served, client: Client, name: str, hint: str
) -> None:
    async with client(served.app) as http:
        response = await http.get("/api/events/stream", params=[("type", "event"), ("type", name)])

    assert response.status_code == 422
    assert f"unknown event type '{name}', {hint}" in response.json()["detail"]
    assert [error["path"] for error in response.json()["errors"]] == ["type"]


async def test_the_head_of_a_stream_ends(served: Served) -> None:
    async with served.peer(method="HEAD") as peer:
        assert (await peer.message())["status"] == 200
        assert await peer.message() == {
            "type": "http.response.body",
            "body": b"",
            "more_body": False,
        }

    assert served.feed.clients == 0


async def follow(server: Any) -> BufferedByteStream:
    stream = BufferedByteStream(await anyio.connect_tcp("127.0.0.1", server.port))
    head = f"GET /api/events/stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
    await stream.send(head.encode())
    await stream.receive_until(b": connected\n\n", 65_536)
    return stream


@pytest.mark.real_clock
async def test_a_real_client_receives_leaves_and_is_forgotten(serve: Any) -> None:
    async with serve() as server, httpx.AsyncClient(base_url=server.url) as http:
        async with await follow(server) as stream:
            await http.post("/api/events", json={**note("new").to_dict(), "id": "a"})
            again = await http.post("/api/events", json={**note("new").to_dict(), "id": "a"})
            assert again.json() == {"ids": ["a"], "repeated": ["a"]}
            received = await stream.receive_until(b"}\n\n", 65_536)
            assert b"event: notification\ndata: " in received
            assert titles(f"{received.decode()}}}".partition("\r\n")[2]) == ["new"]
            assert "lanrage_stream_clients 1.0" in (await http.get("/metrics")).text

        # There is nothing to wait for: that it left, the server learns from the network.
        while "lanrage_stream_clients 0.0" not in (await http.get("/metrics")).text:  # noqa: ASYNC110
            await anyio.sleep(0.01)


@pytest.mark.real_clock
async def test_a_real_stream_ends_whole_when_the_bus_ends(serve: Any) -> None:
    async with serve() as server:
        stream = await follow(server)

    async with stream:
        # The last chunk of an answer whose length is not known before.
        assert (await stream.receive_until(b"0\r\n\r\n", 65_536)).strip() == b""
