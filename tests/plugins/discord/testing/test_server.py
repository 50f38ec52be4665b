"""What only a real socket shows."""

from __future__ import annotations

import gc
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from urllib.request import Request, urlopen

import anyio
import anyio.to_thread
import httpx
import pytest
from anyio.abc import SocketStream

from lanrage_events_discord.testing import Journal, StandInDiscord, StandInRequest, StandInWebhook

pytestmark = pytest.mark.real_clock

BODY = b'{"content": "hello"}'


def request(
    webhook: StandInWebhook, body: bytes = BODY, *headers: str, version: str = "1.1"
) -> bytes:
    lines = [
        f"POST /api/webhooks/{webhook.id}/{webhook.token} HTTP/{version}",
        "Host: localhost",
        "Content-Type: application/json",
        *headers,
    ]
    if not any(header.startswith(("Transfer-Encoding", "Content-Length")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")

    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def connect(discord: StandInDiscord) -> AsyncIterator[SocketStream]:
    host, _, port = discord.host.partition(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        yield stream


async def receive_until_end(stream: SocketStream) -> bytes:
    data = b""
    with anyio.fail_after(10):
        async for chunk in stream:
            data += chunk

    return data


async def receive_heads(stream: SocketStream, count: int) -> bytes:
    data = b""
    with anyio.fail_after(10):
        while data.count(b"\r\n\r\n") < count:
            data += await stream.receive()

    return data


@contextmanager
def plain_connection(discord: StandInDiscord) -> Iterator[socket.socket]:
    host, _, port = discord.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


async def test_the_addresses_lead_to_the_server_from_then_on() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve() as base_url:
        assert base_url == discord.base_url == f"http://{discord.host}"
        assert discord.host.startswith("127.0.0.1:")
        assert int(discord.host.rpartition(":")[2]) >= 1024
        assert webhook.url == f"{base_url}/api/webhooks/{webhook.id}/{webhook.token}"
        assert webhook.token not in repr(discord)

    # A forgotten request must not reach the real Discord.
    assert webhook.url.startswith(base_url)


async def test_no_one_answers_after_the_end() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve(), httpx.AsyncClient(trust_env=False) as client:
        await client.post(webhook.url, json={"content": "hello"})

    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(webhook.url, json={"content": "hello"})


async def test_the_port_can_be_chosen_and_used_again() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve() as first:
        pass

    port = int(first.rpartition(":")[2])
    async with discord.serve(port=port) as second, httpx.AsyncClient(trust_env=False) as client:
        assert second == first
        assert (await client.post(webhook.url, json={"content": "x"})).status_code == 204


async def test_a_taken_port_is_an_error() -> None:
    discord = StandInDiscord()
    async with discord.serve() as base_url:
        with pytest.raises(OSError, match="in use"):
            async with StandInDiscord().serve(port=int(base_url.rpartition(":")[2])):
                pass


async def test_a_client_in_a_thread_is_served() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        headers = {"Content-Type": "application/json"}
        asked = Request(webhook.url, BODY, headers, method="POST")
        response = await anyio.to_thread.run_sync(partial(urlopen, asked, timeout=10))
        assert response.status == 204
        response.close()

    assert discord.journal[0].headers["user-agent"].startswith("Python-urllib")


async def test_a_connection_is_kept_for_further_requests() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve(), connect(discord) as stream:
        for _ in range(3):
            await stream.send(request(webhook))
            assert (await receive_heads(stream, 1)).startswith(b"HTTP/1.1 204 No Content\r\n")

    assert len(webhook.messages) == 3


async def test_requests_may_follow_each_other_without_waiting() -> None:
    discord = StandInDiscord(latency=0.02)
    webhook = discord.create_webhook()
    async with discord.serve(), connect(discord) as stream:
        await stream.send(request(webhook) + request(webhook)[:30])
        await discord.journal.wait_for(lambda journal: len(journal) == 1)
        await stream.send(request(webhook)[30:] + request(webhook))
        data = await receive_heads(stream, 3)

    assert data.count(b"HTTP/1.1 204") == 3


@pytest.mark.parametrize(
    ("version", "header", "closed"),
    [
        ("1.1", "Connection: close", True),
        ("1.0", "X-Nothing: 1", True),
        ("1.1", "Connection: Keep-Alive", False),
    ],
)
async def test_a_connection_is_closed_when_the_client_wants_it(
    version: str, header: str, closed: bool
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve(), connect(discord) as stream:
        await stream.send(request(webhook, BODY, header, version=version))
        if closed:
            data = await receive_until_end(stream)
            assert b"\r\nConnection: close\r\n" in data
        else:
            await receive_heads(stream, 1)
            await stream.send(request(webhook, BODY, "Connection: close"))
            await receive_until_end(stream)

    assert len(webhook.messages) == (1 if closed else 2)


async def test_a_body_in_chunks_is_read() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    chunks = b'5;name=value\r\n{"con\r\nF\r\ntent": "hello"}\r\n0\r\nTrailer: 1\r\n\r\n'
    head = request(webhook, b"", "Transfer-Encoding: chunked")
    async with discord.serve(), connect(discord) as stream:
        for position in range(0, len(chunks), 7):
            await stream.send(head + chunks[position : position + 7])
            head = b""

        assert b" 204 " in await receive_heads(stream, 1)
        await stream.send(request(webhook))
        assert b" 204 " in await receive_heads(stream, 1)

    assert [message["content"] for message in webhook.messages] == ["hello", "hello"]


async def test_a_client_may_ask_before_it_sends_the_body() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    asked = request(webhook, BODY, "Expect: 100-continue")
    async with discord.serve(), connect(discord) as stream:
        await stream.send(asked[: -len(BODY)])
        assert await receive_heads(stream, 1) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send(BODY)
        assert b" 204 " in await receive_heads(stream, 1)


async def test_a_head_request_gets_no_body() -> None:
    discord = StandInDiscord()
    async with discord.serve(), httpx.AsyncClient(trust_env=False) as client:
        for _ in range(2):
            response = await client.head(discord.create_webhook().url)
            assert response.status_code == 405


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 70_000,
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
async def test_who_does_not_speak_http_is_reported_and_left(data: bytes) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        async with connect(discord) as stream:
            await stream.send(data)
            answer = b""
            # What was not read makes the end of the connection a reset.
            try:
                answer = await receive_until_end(stream)
            except anyio.BrokenResourceError:
                pass

            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") or len(data) > 65_536

        async with connect(discord) as stream:
            await stream.send(request(webhook))
            assert b" 204 " in await receive_heads(stream, 1)

    assert len(discord.journal) == 1


CHUNKED = b"14\r\n" + BODY + b"\r\n0\r\nTrailer: 1\r\n\r\n"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("part", [0, 10, 100, -1, -2, -12, -16])
async def test_a_client_that_goes_away_in_the_middle_harms_no_one(part: int, chunked: bool) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    headers = ["Transfer-Encoding: chunked"] if chunked else []
    async with discord.serve():
        data = request(webhook, CHUNKED if chunked else BODY, *headers)[:part]
        async with connect(discord) as stream:
            if part:
                await stream.send(data)

        with plain_connection(discord) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(data)

        async with connect(discord) as stream:
            await stream.send(request(webhook))
            assert b" 204 " in await receive_heads(stream, 1)

    assert len(webhook.messages) == 1


def has_records(count: int, journal: Journal) -> bool:
    return len(journal) == count


async def test_a_reset_is_a_reset_and_no_end_of_file() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        for count, accepted in enumerate((False, True), 1):
            discord.faults.reset(accepted=accepted)
            with plain_connection(discord) as connection:
                connection.sendall(request(webhook))
                await discord.journal.wait_for(partial(has_records, count))
                with pytest.raises(ConnectionResetError):
                    await anyio.to_thread.run_sync(connection.recv, 100)

    assert len(webhook.messages) == 1


async def test_a_hanging_request_is_not_accepted_once_the_client_is_gone() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.hang(1000, accepted=False)
    async with discord.serve(), httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(webhook.url, json={"content": "hello"}, timeout=0.05)

        response = await client.post(webhook.url, json={"content": "bye"})

    assert response.status_code == 204
    assert [message["content"] for message in webhook.messages] == ["bye"]


async def test_a_cut_resets_open_connections_and_refuses_new_ones_at_once() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.hang(1000)
    async with discord.serve():
        with plain_connection(discord) as idle, plain_connection(discord) as waiting:
            waiting.sendall(request(webhook))
            await discord.journal.wait_for(lambda journal: journal)
            discord.faults.refuse_connections(1000)
            with pytest.raises(ConnectionRefusedError), plain_connection(discord):
                pass

            for connection in (idle, waiting):
                with pytest.raises(ConnectionResetError):
                    connection.recv(100)

        discord.faults.refuse_connections(2000)
        with pytest.raises(ConnectionRefusedError), plain_connection(discord):
            pass

        discord.faults.clear()
        await post_when_it_listens(webhook)

    assert len(webhook.messages) == 2


async def test_an_outage_ends_by_itself_on_the_same_port() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve() as base_url:
        discord.faults.refuse_connections(0.05)
        await post_when_it_listens(webhook)
        assert discord.base_url == base_url


async def test_an_outage_can_begin_before_the_server() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.refuse_connections(1000)
    async with discord.serve():
        with pytest.raises(ConnectionRefusedError), plain_connection(discord):
            pass

        discord.faults.clear()
        await post_when_it_listens(webhook)


async def post_when_it_listens(webhook: StandInWebhook) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                response = await client.post(webhook.url, json={"content": "hello"})
            except httpx.ConnectError:
                continue

            assert response.status_code == 204
            return


@pytest.mark.slow
async def test_many_clients_are_served_at_once() -> None:
    discord = StandInDiscord(limit=None, global_limit=None, latency=0.02)
    webhook = discord.create_webhook()
    limits = httpx.Limits(max_connections=None)
    async with (
        discord.serve(),
        httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(50):
            tasks.start_soon(partial(client.post, webhook.url, json={"content": "hello"}))

    assert len(webhook.messages) == 50


async def test_a_long_answer_to_a_slow_reader_arrives_whole() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    # The answer repeats what is not a number.
    body = b'{"flags": "%s"}' % (b"x" * 5_000_000)
    target = f"/api/webhooks/{webhook.id}/{webhook.token}"
    head = (
        f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with discord.serve(), connect(discord) as stream:
        await stream.send(head.encode() + body)
        await discord.journal.wait_for(lambda journal: journal)
        await anyio.wait_all_tasks_blocked()
        data = await receive_until_end(stream)

    assert data.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert data.count(b"x" * 5_000_000) == 1
    assert data.endswith(b"}")


async def test_a_slow_reader_is_cut_off_too() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    body = b'{"flags": "%s"}' % (b"x" * 9_000_000)
    head = request(webhook, b"", f"Content-Length: {len(body)}")
    async with discord.serve(), connect(discord) as stream:
        await stream.send(head + body)
        await discord.journal.wait_for(lambda journal: journal)
        await anyio.wait_all_tasks_blocked()
        discord.faults.refuse_connections(1000)
        with pytest.raises(anyio.BrokenResourceError):
            await receive_until_end(stream)


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(AssertionError, match="^not what I expected"):
        async with StandInDiscord().serve():
            raise AssertionError("not what I expected")


async def test_an_error_in_a_script_ends_the_server() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()

    def script(asked: StandInRequest) -> None:
        raise LookupError("no such fault")

    discord.faults.script(script)
    with pytest.raises(LookupError, match="no such fault"):
        async with discord.serve(), httpx.AsyncClient(trust_env=False) as client:
            await client.post(webhook.url, json={"content": "hello"})


async def test_two_errors_come_out_together() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()

    def script(asked: StandInRequest) -> None:
        raise LookupError("no such fault")

    async def fail_twice() -> None:
        async with discord.serve(), httpx.AsyncClient(trust_env=False) as client:
            try:
                await client.post(webhook.url, json={"content": "hello"})
            finally:
                raise ValueError("and this one")

    discord.faults.script(script)
    with pytest.raises(ExceptionGroup) as caught:
        await fail_twice()

    assert {type(error) for error in caught.value.exceptions} == {LookupError, ValueError}


@pytest.mark.slow
@pytest.mark.either_backend
async def test_leaving_closes_every_connection() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.hang()
    async with discord.serve():
        with plain_connection(discord) as idle, plain_connection(discord) as waiting:
            waiting.sendall(request(webhook))
            await discord.journal.wait_for(lambda journal: journal)
            connections = [idle.dup(), waiting.dup()]

    for connection in connections:
        with connection:
            connection.settimeout(10)
            assert connection.recv(100) == b""

    # An unclosed socket would be a ResourceWarning, which is an error here.
    gc.collect()
