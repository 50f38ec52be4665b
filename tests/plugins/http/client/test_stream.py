from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from lanrage_events.events import format_event
from lanrage_events_http._client import (
    DaemonClient,
    DaemonError,
    FeedPrinter,
    json_line,
    parse_url,
)

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
TIME = "2026-01-31T20:15:30.123456Z"

Handler = Callable[[httpx.Request], httpx.Response]


def joined(name: str, **more: object) -> dict[str, object]:
    return {"type": "peer_joined", "id": f"id-{name}", "time": TIME, "peer_name": name, **more}


def frames(*events: dict[str, object], first: int = 1) -> bytes:
    return b": connected\n\n" + b"".join(
        f"id: p-{number}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for number, event in enumerate(events, first)
    )


async def sent(*chunks: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk

    if then is not None:
        raise then


def feed(*chunks: bytes, then: Exception | None = None) -> Handler:
    return lambda request: httpx.Response(200, content=sent(*chunks, then=then), headers=STREAM)


async def endless() -> AsyncIterator[bytes]:
    yield frames(joined("Ann"))
    await anyio.sleep_forever()


class Run:
    """The command with a daemon that answers as a test has laid out."""

    def __init__(self, *handlers: Handler, **options: Any) -> None:
        self.out = io.StringIO()
        self.err = io.StringIO()
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self._handlers = iter(handlers)
        transport = httpx.MockTransport(self._answer)
        self._printer = FeedPrinter(
            lambda: DaemonClient(parse_url("http://lan:1"), transport=transport),
            out=self.out,
            err=self.err,
            **options,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(anyio.current_time())
        return next(self._handlers)(request)

    async def run(self) -> None:
        await self._printer.run()

    @property
    def printed(self) -> list[str]:
        return self.out.getvalue().splitlines()

    @property
    def messages(self) -> list[str]:
        return self.err.getvalue().splitlines()


def problem(status: int, detail: str, **headers: str) -> Handler:
    headers = {"Content-Type": "application/problem+json", **headers}
    data = {"title": "No", "detail": detail}
    return lambda request: httpx.Response(status, content=json.dumps(data), headers=headers)


def not_connecting(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


async def test_events_are_printed_as_they_come_until_there_are_enough() -> None:
    run = Run(feed(frames(joined("Ann")), frames(joined("Bob C."), joined("Cy"), first=2)), count=2)
    await run.run()
    assert run.printed == [
        "2026-01-31T20:15:30.123Z peer_joined peer_name=Ann id=id-Ann",
        '2026-01-31T20:15:30.123Z peer_joined peer_name="Bob C." id="id-Bob C."',
    ]
    assert run.messages == []


async def test_events_are_printed_as_json_on_demand() -> None:
    run = Run(feed(frames(joined("Ann"))), count=1, as_json=True)
    await run.run()
    [line] = run.printed
    assert json.loads(line) == joined("Ann")


async def test_only_the_types_that_matter_are_asked_for() -> None:
    run = Run(feed(frames(joined("Ann"))), count=1, types=("peer_joined", "party_event"))
    await run.run()
    [request] = run.requests
    assert request.url.path == "/api/events/stream"
    assert request.url.params.get_list("type") == ["peer_joined", "party_event"]
    assert "Last-Event-ID" not in request.headers


async def test_it_goes_on_after_the_last_event_when_the_connection_is_lost() -> None:
    run = Run(
        feed(frames(joined("Ann"), joined("Bob")), then=httpx.ReadError("reset")),
        not_connecting,
        not_connecting,
        feed(frames(joined("Cy"), first=3)),
        count=3,
    )
    await run.run()
    assert [line.split("=")[-1] for line in run.printed] == ["id-Ann", "id-Bob", "id-Cy"]
    assert [r.headers.get("Last-Event-ID") for r in run.requests] == [None, "p-2", "p-2", "p-2"]
    problem, again = run.messages
    assert again == "connected again"
    assert re.fullmatch(
        "the connection to the daemon at http://lan:1 broke: reset; trying again in 0[.][2-5] s, "
        "then at least every 30 s, until Ctrl-C",
        problem,
    )
    waits = [later - earlier for earlier, later in pairwise(run.times)]
    for wait, longest in zip(waits, [0.5, 1, 2], strict=True):
        assert longest / 2 <= wait <= longest


async def test_each_outage_is_reported_once() -> None:
    end = feed(frames(joined("Ann")))
    run = Run(end, end, end, count=3)
    await run.run()
    assert run.messages[1::2] == ["connected again"] * 2
    for message in run.messages[::2]:
        assert message.startswith("the daemon at http://lan:1 ended the feed; trying again in 0.")


async def test_a_daemon_that_is_too_busy_later_is_asked_again_when_it_says() -> None:
    run = Run(
        feed(frames(joined("Ann"))),
        problem(503, "too many", **{"Retry-After": "60"}),
        feed(frames(joined("Bob"))),
        count=2,
    )
    await run.run()
    assert run.times[2] - run.times[1] == pytest.approx(60)


async def test_waits_are_short_again_after_an_event() -> None:
    end = feed(frames(joined("Ann")))
    run = Run(end, *[not_connecting] * 8, end, end, count=3)
    await run.run()
    waits = [later - earlier for earlier, later in pairwise(run.times)]
    assert waits[-2] >= 15
    assert waits[-1] <= 0.5


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (not_connecting, "no daemon answers at http://lan:1"),
        (problem(503, "20 clients read the feed"), "20 clients read the feed"),
        (problem(401, "no"), "LANRAGE_EVENTS_TOKEN"),
        (problem(422, "unknown event type 'x'"), "unknown event type 'x'"),
        (lambda request: httpx.Response(200, json={}), "not as lanrage-events does"),
        (lambda request: httpx.Response(404, text="?"), "not as lanrage-events does"),
    ],
)
async def test_a_feed_that_does_not_open_is_an_error_at_once(handler: Handler, reason: str) -> None:
    run = Run(handler)
    with pytest.raises(DaemonError, match=reason):
        await run.run()

    assert len(run.requests) == 1


async def test_a_token_that_changed_meanwhile_ends_it() -> None:
    run = Run(feed(frames(joined("Ann"))), problem(401, "no"))
    with pytest.raises(DaemonError, match="LANRAGE_EVENTS_TOKEN"):
        await run.run()


async def test_missing_events_are_reported() -> None:
    gap = b'id: p-9\nevent: gap\ndata: {"detail": "not kept"}\n\n'
    overrun = b'id: p-10\nevent: overrun\ndata: {"detail": "too slow\\u001b"}\n\n'
    run = Run(
        feed(gap + frames(joined("Ann"), first=10) + overrun), feed(frames(joined("Bob"))), count=2
    )
    await run.run()
    assert run.messages[:2] == [
        "some events are missing here: not kept",
        "some events are missing here: too slow\\u001b",
    ]


async def test_what_is_not_an_event_is_reported_and_left_out() -> None:
    run = Run(
        feed(b'event: x\x1b\ndata: {\n\nevent: news\ndata: {"a": 1}\n\n', frames(joined("Ann"))),
        count=1,
    )
    await run.run()
    assert run.messages == ["the feed sent something that is not an event: x\\u001b"]
    assert len(run.printed) == 1


async def test_a_message_without_an_end_ends_it() -> None:
    run = Run(feed(b"data: 123456789012345"), max_message=10)
    with pytest.raises(DaemonError, match="cannot be read: a message has more than 10 characters"):
        await run.run()


async def test_it_can_be_cancelled_while_nothing_happens() -> None:
    run = Run(lambda request: httpx.Response(200, content=endless(), headers=STREAM))
    with anyio.move_on_after(3600) as scope:
        await run.run()

    assert scope.cancelled_caught
    assert len(run.printed) == 1


@pytest.mark.parametrize("line", [format_event, json_line])
async def test_names_cannot_steer_the_terminal_or_forge_a_line(
    line: Callable[[dict[str, Any]], str],
) -> None:
    name = "\x1b[2J\n\u202e\u2028\x9b\U000e0041"
    run = Run(feed(frames(joined(name))), count=1, as_json=line is json_line)
    await run.run()
    [printed] = run.printed
    assert printed.isprintable()
    if line is json_line:
        assert json.loads(printed) == joined(name)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"type": "x"}, "- x id=-"),
        ({"type": "x", "time": "soon", "id": "1", "a": None}, "soon x id=1"),
        (
            {"type": "x", "time": "2026-01-31T21:15:00+01:00", "id": "1"},
            "2026-01-31T20:15:00.000Z x id=1",
        ),
        (
            {"type": "x", "time": TIME, "id": "1", "a": [1, "ü"], "b": ""},
            f'{TIME[:23]}Z x a=[1, "ü"] b="" id=1',
        ),
    ],
)
def test_a_line_has_time_type_and_fields(event: dict[str, Any], line: str) -> None:
    assert format_event(event) == line
