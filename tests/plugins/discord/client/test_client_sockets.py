from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from lanrage_events_discord._client import Outcome, OutcomeKind, WebhookClient, WebhookURL

pytestmark = pytest.mark.real_clock

TOKEN = "made-up-token-" + "x" * 54
BODY = {"embeds": [{"title": "👋 Ann joined"}]}

Serve = Callable[[SocketStream], Awaitable[None]]


async def execute_at(serve: Serve, *, deadline: float, times: int = 1) -> list[Outcome]:
    """Send to a server that does ``serve`` once it has read a request."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.receive()
                    await serve(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    outcomes: list[Outcome] = []
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    webhook = WebhookURL(host=f"127.0.0.1:{port}", id="1", token=TOKEN, scheme="http")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        async with WebhookClient(deadline=deadline) as client:
            for _ in range(times):
                outcomes.append(await client.execute(webhook, BODY))  # noqa: PERF401

        tasks.cancel_scope.cancel()

    return outcomes


async def test_answers_come_through_a_socket() -> None:
    async def serve(stream: SocketStream) -> None:
        await stream.send(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"id": "7"}')

    outcomes = await execute_at(serve, deadline=30, times=3)
    assert [(outcome.kind, outcome.message_id) for outcome in outcomes] == [
        (OutcomeKind.DELIVERED, "7")
    ] * 3


@pytest.mark.slow
async def test_dripping_answer_ends_at_the_deadline() -> None:
    async def serve(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 204 No Content\r\nX-Slow: ")
        while True:
            await stream.send(b"x")
            await anyio.sleep(0.02)

    (outcome,) = await execute_at(serve, deadline=0.2)
    assert outcome.kind is OutcomeKind.RETRY
    assert outcome.reason.endswith("in time")


async def test_endless_answer_is_cut() -> None:
    async def serve(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    (outcome,) = await execute_at(serve, deadline=30)
    assert (outcome.kind, outcome.status) == (OutcomeKind.DEAD, 400)


async def test_connection_closed_without_an_answer_is_tried_again() -> None:
    async def serve(stream: SocketStream) -> None:
        await stream.aclose()

    (outcome,) = await execute_at(serve, deadline=30)
    assert outcome.kind is OutcomeKind.RETRY


async def test_garbled_answer_is_tried_again() -> None:
    async def serve(stream: SocketStream) -> None:
        await stream.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    (outcome,) = await execute_at(serve, deadline=30)
    assert outcome.kind is OutcomeKind.RETRY
    assert "not valid HTTP" in outcome.reason


async def test_refused_connection_is_retried() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    await listener.aclose()
    webhook = WebhookURL(host=f"127.0.0.1:{port}", id="1", token=TOKEN, scheme="http")
    async with WebhookClient(deadline=30) as client:
        outcome = await client.execute(webhook, BODY)

    assert outcome.kind is OutcomeKind.RETRY
    assert outcome.reason.startswith(f"no connection to 127.0.0.1:{port}")
