"""The clients for programs: what they send, how they retry, and what they say."""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from lanrage_events import Event, Notification, PeerJoined
from lanrage_events_http import AsyncClient, Client, PublishError, Receipt

TOKEN = "made-up-token-of-the-tests"
URL = "http://lan:1"
ANN = {"type": "peer_joined", "id": "a-1", "peer_name": "Ann", "party_name": "LAN"}
Handler = Callable[[httpx.Request], httpx.Response]
Publish = Callable[..., Awaitable[Receipt]]
Serve = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["Client", "AsyncClient"])
def publish(request: pytest.FixtureRequest) -> Publish:
    """Return a function that publishes with a client of either kind."""

    async def with_either(handler: Handler, events: Any, **options: Any) -> Receipt:
        options = {"url": URL, "transport": httpx.MockTransport(handler), **options}
        if request.param == "Client":
            with Client(**options) as client:
                return client.publish(events)

        async with AsyncClient(**options) as client:
            return await client.publish(events)

    return with_either


class Daemon:
    """Answers requests: first as it is given, then as a daemon that accepts all."""

    def __init__(self, *first: httpx.Response | Exception) -> None:
        self.first = list(first)
        self.bodies: list[list[dict[str, Any]]] = []
        self.requests: list[httpx.Request] = []

    @property
    def ids(self) -> list[list[str]]:
        return [[event["id"] for event in body] for body in self.bodies]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(json.loads(request.content))
        if not self.first:
            return httpx.Response(202, json={"ids": self.ids[-1], "repeated": []})

        answer = self.first.pop(0)
        if isinstance(answer, Exception):
            raise answer

        return answer


def problem(
    status: int, data: dict[str, Any] | None = None, retry_after: str = "0"
) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json", "Retry-After": retry_after}
    content = json.dumps({"status": status, "detail": "no room", **(data or {})})
    return httpx.Response(status, content=content, headers=headers)


async def test_an_event_a_mapping_and_several_of_both_are_published(publish: Publish) -> None:
    daemon = Daemon()
    event = Notification(title="Pizza", message="It is upstairs.")
    assert (await publish(daemon, event)).ids == (event.id,)
    assert (await publish(daemon, ANN)).ids == ("a-1",)
    receipt = await publish(daemon, iter([event, {**ANN, "id": "a-2"}]))
    assert receipt == Receipt((event.id, "a-2"))
    assert daemon.bodies[-1] == [event.to_dict(), {**ANN, "id": "a-2"}]
    assert daemon.requests[0].url == f"{URL}/api/events"


async def test_nothing_to_publish_asks_nobody(publish: Publish) -> None:
    daemon = Daemon()
    assert await publish(daemon, []) == Receipt()
    assert daemon.requests == []


async def test_mappings_without_an_id_get_one_each(publish: Publish) -> None:
    daemon = Daemon()
    event = {key: value for key, value in ANN.items() if key != "id"}
    receipt = await publish(daemon, [event, event])
    assert len(set(receipt.ids)) == 2
    assert "id" not in event


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.ConnectError("refused"),
        lambda: httpx.ReadError("reset"),
        lambda: httpx.ReadTimeout(""),
        lambda: problem(503),
        lambda: problem(429),
        lambda: httpx.Response(502, text="<html>"),
    ],
    ids=["refused", "reset", "timeout", "503", "429", "502"],
)
async def test_another_attempt_has_the_same_ids(
    publish: Publish, answer: Callable[[], httpx.Response | Exception]
) -> None:
    daemon = Daemon(answer())
    event = {key: value for key, value in ANN.items() if key != "id"}
    receipt = await publish(daemon, event)
    assert daemon.ids == [list(receipt.ids)] * 2


async def test_only_what_was_not_accepted_is_posted_again(publish: Publish) -> None:
    daemon = Daemon(problem(503, {"taken": ["a-1"], "repeated": [], "refused": [], "failed": []}))
    receipt = await publish(daemon, [ANN, {**ANN, "id": "a-2"}])
    assert receipt.ids == ("a-1", "a-2")
    assert daemon.ids == [["a-1", "a-2"], ["a-2"]]


async def test_there_are_as_many_attempts_as_are_allowed(publish: Publish) -> None:
    daemon = Daemon(*[httpx.ReadError("reset")] * 9)
    with pytest.raises(PublishError, match="given up after 2 attempts") as caught:
        await publish(daemon, ANN, attempts=2)

    assert len(daemon.requests) == 2
    assert caught.value.is_in_doubt
    assert caught.value.receipt == Receipt()


@pytest.mark.parametrize(
    ("answers", "is_in_doubt"),
    [
        (lambda: [httpx.ConnectError("refused")] * 2, False),
        (lambda: [httpx.ReadError("reset"), httpx.ConnectError("refused")], True),
        (lambda: [httpx.Response(504, text="<html>"), httpx.ConnectError("refused")], True),
        (lambda: [httpx.Response(503, text="<html>"), httpx.ConnectError("refused")], False),
    ],
    ids=["never sent", "sent once", "sent on by a proxy", "not sent on"],
)
async def test_only_what_was_sent_is_in_doubt(
    publish: Publish,
    answers: Callable[[], list[Exception | httpx.Response]],
    is_in_doubt: bool,
) -> None:
    with pytest.raises(PublishError, match="given up after 2 attempts") as caught:
        await publish(Daemon(*answers()), ANN, attempts=2)

    assert caught.value.is_in_doubt is is_in_doubt


@pytest.mark.parametrize(
    ("first", "repeated"),
    [
        ([], {"a-1"}),
        ([httpx.ConnectError("refused")], {"a-1"}),
        ([httpx.ReadError("reset")], set()),
    ],
    ids=["at once", "never sent", "sent before"],
)
async def test_what_the_daemon_had_is_repeated_and_what_an_earlier_attempt_brought_is_not(
    publish: Publish, first: list[Exception], repeated: set[str]
) -> None:
    answer = httpx.Response(202, json={"ids": ["a-1"], "repeated": ["a-1"]})
    assert (await publish(Daemon(*first, answer), ANN)).repeated == repeated


async def test_a_daemon_that_wants_a_longer_pause_than_there_is_time_gets_no_more(
    publish: Publish,
) -> None:
    daemon = Daemon(problem(429, retry_after="31"))
    with pytest.raises(PublishError, match="given up after 30 seconds") as caught:
        await publish(daemon, ANN)

    assert len(daemon.requests) == 1
    assert (caught.value.status, caught.value.is_in_doubt) == (429, False)


async def test_a_pause_that_the_daemon_asks_for_is_kept() -> None:
    daemon = Daemon(problem(429, retry_after="20"))
    began = anyio.current_time()
    async with AsyncClient(URL, transport=httpx.MockTransport(daemon)) as client:
        await client.publish(ANN)

    assert anyio.current_time() - began == pytest.approx(20)


async def test_a_call_takes_no_longer_than_its_timeout() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    began = anyio.current_time()
    async with AsyncClient(URL, timeout=25, transport=httpx.MockTransport(never)) as client:
        with pytest.raises(PublishError, match="no answer") as caught:
            await client.publish(ANN)

    assert 10 < anyio.current_time() - began <= 25
    assert caught.value.is_in_doubt


async def test_many_events_are_posted_in_batches_in_their_order(publish: Publish) -> None:
    daemon = Daemon()
    long = [{**ANN, "id": f"l-{n}", "peer_name": "x" * 300_000} for n in range(3)]
    short = [{**ANN, "id": f"s-{n}"} for n in range(150)]
    receipt = await publish(daemon, [*long, *short])
    assert list(receipt.ids) == [event["id"] for event in [*long, *short]]
    assert [id for ids in daemon.ids for id in ids] == list(receipt.ids)
    assert [len(body) for body in daemon.bodies] == [1, 1, 100, 51]


async def test_what_the_daemon_rejects_is_named_by_its_position_and_the_rest_is_published(
    publish: Publish,
) -> None:
    errors = [{"path": "peer_name", "message": "required"}]
    refused = [{"index": 1, "id": None, "errors": errors}]
    first = httpx.Response(202, json={"ids": [], "repeated": []})
    daemon = Daemon(
        first, problem(422, {"taken": ["e-100"], "repeated": [], "refused": refused, "failed": []})
    )
    events = [{**ANN, "id": f"e-{n}"} for n in range(102)]
    with pytest.raises(PublishError, match="1 of 102 events") as caught:
        await publish(daemon, events)

    error = caught.value
    assert str(error).endswith("is not valid: event 101: peer_name: required")
    assert list(error.rejected) == [101]
    assert error.receipt.ids == tuple(event["id"] for event in events[:101])
    assert error.status == 422
    assert pickle.loads(pickle.dumps(error)).rejected == error.rejected


async def test_a_later_batch_that_fails_leaves_the_receipt_of_the_earlier_ones(
    publish: Publish,
) -> None:
    daemon = Daemon(
        httpx.Response(202, json={"ids": [], "repeated": ["e-7"]}), problem(401), problem(401)
    )
    with pytest.raises(PublishError, match="requires its token") as caught:
        await publish(daemon, [{**ANN, "id": f"e-{n}"} for n in range(250)])

    assert len(daemon.requests) == 2
    assert len(caught.value.receipt.ids) == 100
    assert caught.value.receipt.repeated == {"e-7"}


async def test_a_field_that_the_daemon_does_not_know_is_in_the_receipt(publish: Publish) -> None:
    fields = [{"path": "party_idd", "message": "unknown field"}]
    dropped = [{"index": 0, "id": "a-1", "fields": fields}]
    daemon = Daemon(httpx.Response(202, json={"ids": ["a-1"], "repeated": [], "dropped": dropped}))
    receipt = await publish(daemon, {**ANN, "party_idd": "7"})
    assert [str(field) for field in receipt.dropped["a-1"]] == ["party_idd: unknown field"]


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ("peer_joined", TypeError, "str is no event"),
        (7, TypeError, "int is no event"),
        ([ANN, "x"], TypeError, "str is no event"),
        (PeerJoined, TypeError, "type is no event"),
        ([ANN, {"type": "x", "n": float("nan")}], ValueError, "cannot express event 1"),
        ({"type": "x", "n": {1, 2}}, ValueError, "cannot express event 0"),
    ],
)
async def test_what_is_no_event_is_an_error_before_anything_is_sent(
    publish: Publish, events: Any, error: type[Exception], message: str
) -> None:
    daemon = Daemon()
    with pytest.raises(error, match=message):
        await publish(daemon, events)

    assert daemon.requests == []


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "lan:8666"}, "written like http://127.0.0.1:8666"),
        ({"token": "two words"}, "argument 'token' holds no token"),
        ({"timeout": 0}, "timeout must be more than 0"),
        ({"attempts": 0}, "attempts must be at least 1"),
        ({"timeout": "30s"}, "timeout must be a number of seconds, not '30s'"),
        ({"attempts": 1.5}, "attempts must be a whole number, not 1.5"),
    ],
)
def test_a_client_says_at_once_what_is_wrong_with_it(
    make: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make(**options)


async def test_address_and_token_come_from_the_environment_unless_they_are_given(
    publish: Publish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("LANRAGE_EVENTS_URL", "http://box:9/events")
    monkeypatch.setenv("LANRAGE_EVENTS_TOKEN", TOKEN)
    daemon = Daemon()
    await publish(daemon, ANN, url=None)
    await publish(daemon, ANN, token="another-token")
    sent = [(str(r.url), r.headers["Authorization"]) for r in daemon.requests]
    assert sent == [
        ("http://box:9/events/api/events", f"Bearer {TOKEN}"),
        (f"{URL}/api/events", "Bearer another-token"),
    ]

    with pytest.raises(PublishError, match="another token than the environment variable") as caught:
        await publish(Daemon(problem(401)), ANN)

    shown = caplog.text + str(caught.value) + repr(Client(token=TOKEN)) + repr(AsyncClient())
    assert TOKEN not in shown


async def test_a_client_that_was_closed_says_so() -> None:
    client = Client(URL)
    client.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        client.publish(ANN)

    waiting = AsyncClient(URL)
    await waiting.aclose()
    with pytest.raises(RuntimeError, match="has been closed"):
        await waiting.publish(ANN)


@pytest.mark.skipif(sys.platform != "linux", reason="it needs stacks that cannot be had")
def test_a_client_publishes_where_no_thread_can_start_as_at_the_end_of_python() -> None:
    earlier = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError, match="start new thread"):
            threading.Thread(target=print).start()

        with Client(URL, transport=httpx.MockTransport(Daemon(problem(503)))) as client:
            assert client.publish(ANN).ids == ("a-1",)
    finally:
        threading.stack_size(earlier)


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_a_client_is_not_pickled_with_its_token(make: Any) -> None:
    with pytest.raises(TypeError, match="create one in each process"):
        pickle.dumps(make(token=TOKEN))


@pytest.mark.slow
@pytest.mark.real_clock
def test_importing_the_clients_imports_no_server() -> None:
    program = (
        "import sys; from lanrage_events_http import AsyncClient, Client; Client(); "
        "print([m for m in ('anycorn', 'cyclopts', 'jinja2', 'pydantic', 'starlette', 'yaml')"
        " if m in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "[]\n"


# Over a network


@contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[str]:
    """Serve an answer that never ends, a few bytes at a time, and yield its address."""
    is_over = threading.Event()

    def serve() -> None:
        with suppress(OSError), server.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(start)
            for _ in range(100):
                if is_over.wait(0.05):
                    break

                connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join()


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("start", "drop"),
    [(b"HTTP/1.1 202 Accepted\r\n", b"a: b\r\n"), (b"HTTP/1.1 202 Accepted\r\n\r\n", b" ")],
    ids=["headers", "body"],
)
def test_a_call_does_not_wait_for_an_answer_that_never_ends(start: bytes, drop: bytes) -> None:
    with (
        dripping(start, drop) as url,
        Client(url, timeout=0.3) as client,
        pytest.raises(PublishError, match=r"within 0\.3 seconds") as caught,
    ):
        client.publish(ANN)

    assert caught.value.is_in_doubt


# Against a daemon


class Losing(httpx.BaseTransport):
    """Loses the first answers, after the daemon had the request."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        if self.lost:
            self.lost -= 1
            response.close()
            raise httpx.ReadError("reset")

        return response

    def close(self) -> None:
        self.inner.close()


def titles(events: Sequence[Event]) -> list[str]:
    return [event.title for event in events if isinstance(event, Notification)]


@pytest.mark.real_clock
async def test_an_event_whose_answer_is_lost_is_published_once(serve: Serve) -> None:
    published: list[Event] = []
    async with serve() as served:
        served.bus.subscribe(Event, published.append)

        def run() -> Receipt:
            with Client(served.url, transport=Losing(2)) as client:
                return client.publish(Notification(title="Pizza", message="It is upstairs."))

        receipt = await anyio.to_thread.run_sync(run)
        await served.bus.drain()

    assert titles(published) == ["Pizza"]
    assert receipt.ids == (published[0].id,)


@pytest.mark.slow
@pytest.mark.real_clock
async def test_threads_share_a_client_and_tasks_share_another(serve: Serve) -> None:
    published: list[Event] = []
    async with serve(token=TOKEN) as served:
        served.bus.subscribe(Event, published.append)
        with Client(served.url, token=TOKEN) as client:
            async with (
                AsyncClient(served.url, token=TOKEN) as waiting,
                anyio.create_task_group() as tasks,
            ):
                for number in range(10):
                    event = Notification(title=str(number), message="hello")
                    tasks.start_soon(anyio.to_thread.run_sync, client.publish, event)
                    tasks.start_soon(waiting.publish, {**event.to_dict(), "id": f"w-{number}"})

        await served.bus.drain()

    assert sorted(titles(published)) == sorted([*map(str, range(10))] * 2)


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_process_that_was_forked_has_connections_of_its_own(serve: Serve) -> None:
    published: list[Event] = []
    async with serve() as served:
        served.bus.subscribe(Event, published.append)
        with Client(served.url) as client:

            def publish(title: str) -> None:
                client.publish(Notification(title=title, message="hello"))

            await anyio.to_thread.run_sync(publish, "parent")
            child = os.fork()
            if not child:
                try:
                    publish("child")
                finally:
                    os._exit(0)

            await anyio.to_thread.run_sync(publish, "parent again")
            await anyio.to_thread.run_sync(os.waitpid, child, 0)

        await served.bus.drain()

    assert sorted(titles(published)) == ["child", "parent", "parent again"]


@pytest.mark.real_clock
async def test_a_client_waits_for_a_daemon_that_is_about_to_start(serve: Serve) -> None:
    async with serve() as served:
        url = served.url

    # Nothing listens there any more.
    with (
        Client(url, timeout=0.05) as client,
        pytest.raises(PublishError, match="no daemon answers"),
    ):
        client.publish(ANN)
