from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventDecodeError, UnknownEventType
from lanrage_events.cli import ExitCode, Line, LineSplitter
from lanrage_events.events import EventRegistry
from lanrage_events_http._client import (
    BATCH_MAX_BYTES,
    DaemonClient,
    FilePublisher,
    InputError,
    SinglePublisher,
    Task,
    parse_url,
)

Answer = Callable[[httpx.Request], httpx.Response]


ANN = ("peer_name=Ann", "party_name=LAN")


class FakeDaemon:
    """Answers as the HTTP API does, but first with what a test has laid out."""

    def __init__(self, *answers: Answer | Exception | None) -> None:
        self.events: list[dict[str, Any]] = []
        self.posts: list[list[dict[str, Any]]] = []
        self.times: list[float] = []
        self.latency = 0.0
        self.answered = anyio.Event()
        self.script = list(answers)
        self._registry = EventRegistry()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            await anyio.sleep(self.latency)
            types = [
                {"type": cls.type, "schema": self._registry.json_schema(cls.type)}
                for cls in self._registry.types()
            ]
            return httpx.Response(200, json={"types": types})

        self.posts.append(json.loads(request.content))
        self.times.append(anyio.current_time())
        scripted = self.script.pop(0) if self.script else None
        if isinstance(scripted, Exception):
            raise scripted

        if scripted is not None:
            return scripted(request)

        answer = self.take(self.posts[-1])
        await anyio.sleep(self.latency)
        self.answered.set()
        return answer

    def take(self, events: Iterable[dict[str, Any]]) -> httpx.Response:
        known = {event["id"] for event in self.events}
        taken, repeated, refused = [], [], []
        for index, event in enumerate(events):
            try:
                self._registry.from_dict(event)
            except EventDecodeError as error:
                errors = [{"path": p.field, "message": p.message} for p in error.problems]
                refused.append({"index": index, "id": event["id"], "errors": errors})
            else:
                taken.append(event["id"])
                if event["id"] in known:
                    repeated.append(event["id"])
                else:
                    self.events.append(event)

        if refused:
            return problem(422, taken=taken, repeated=repeated, refused=refused)

        return httpx.Response(202, json={"ids": taken, "repeated": repeated})

    def lose_answer(self, request: httpx.Request) -> httpx.Response:
        self.take(json.loads(request.content))
        raise httpx.ReadError("connection reset")

    def names(self) -> list[str]:
        return [event["peer_name"] for event in self.events]


def problem(
    status: int, headers: dict[str, str] | None = None, **members: object
) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json", **(headers or {})}
    data = {"title": "No", "status": status, "detail": "it cannot", **members}
    return httpx.Response(status, content=json.dumps(data), headers=headers)


def reject(status: int, **headers: str) -> Answer:
    return lambda request: problem(status, headers)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Run:
    """What a command would have, with streams to look at."""

    def __init__(
        self,
        daemon: Callable[[httpx.Request], Any],
        *,
        timeout: float = 30,
        as_json: bool = False,
        err: io.StringIO | None = None,
    ) -> None:
        self.out = io.StringIO()
        self.err = err or io.StringIO()
        transport = httpx.MockTransport(daemon)
        self.task = Task(
            lambda: DaemonClient(parse_url("http://lan:1"), transport=transport),
            timeout=timeout,
            as_json=as_json,
            out=self.out,
            err=self.err,
        )

    async def one(self, event_type: str, *words: str) -> int:
        return await SinglePublisher(self.task, event_type, words).run()

    async def file(self, *lines: str | bytes, **options: Any) -> int:
        publisher = FilePublisher(self.task, "e.jsonl", **{"size": 1, **options})
        async with aclosing(groups(lines)) as found:
            return await publisher.run(found)

    @property
    def messages(self) -> list[str]:
        return self.err.getvalue().splitlines()

    @property
    def printed(self) -> str:
        return self.out.getvalue()


def joined(name: str, **more: object) -> str:
    event = {"type": "peer_joined", "peer_name": name, "party_name": "LAN", **more}
    return json.dumps(event)


def many(count: int) -> list[str]:
    return [joined(f"P{number}") for number in range(1, count + 1)]


async def groups(lines: Iterable[str | bytes]) -> AsyncGenerator[list[Line]]:
    data = b"".join((x.encode() if isinstance(x, str) else x) + b"\n" for x in lines)
    yield list(LineSplitter().feed(data))


async def one_by_one(lines: Iterable[str]) -> AsyncGenerator[list[Line]]:
    splitter = LineSplitter()
    for line in lines:
        yield list(splitter.feed(line.encode() + b"\n"))
        await anyio.sleep(1)


async def test_an_event_is_published_with_values_as_its_type_wants_them() -> None:
    daemon = FakeDaemon()
    run = Run(daemon)
    assert await run.one("game_started", "game_name=Quake", "players=Ann,Bob") == ExitCode.DONE
    [event] = daemon.events
    id = event.pop("id")
    assert event == {"type": "game_started", "game_name": "Quake", "players": ["Ann", "Bob"]}
    assert run.printed == f"published game_started {id}\n"
    assert run.messages == []


async def test_an_event_keeps_the_id_that_it_is_given() -> None:
    daemon = FakeDaemon()
    words = ("id=mine", "peer_name=Ann", "party_name=LAN", "time=2026-01-31T20:15:00Z")
    assert await Run(daemon).one("peer_joined", *words) == ExitCode.DONE
    run = Run(daemon)
    assert await run.one("peer_joined", *words) == ExitCode.DONE
    assert [event["id"] for event in daemon.events] == ["mine"]
    assert run.printed == "published peer_joined mine, which the daemon had already\n"
    run = Run(daemon, as_json=True)
    assert await run.one("peer_joined", *words) == ExitCode.DONE
    assert json.loads(run.printed) == {"ids": ["mine"], "repeated": ["mine"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (("peer_jond",), ["unknown event type 'peer_jond', did you mean 'peer_joined'?"]),
        (("peer_joined", "Ann"), ["expected name=value, such as peer_name=Ann, not 'Ann'"]),
        (("peer_joined", "party_name=L"), ["peer_name: required"]),
        (
            ("peer_joined", "peer_nam=A", "party_name=L"),
            ["peer_name: required", "peer_nam: unknown field, did you mean 'peer_name'?"],
        ),
    ],
)
async def test_misuse_is_reported_and_publishes_nothing(
    words: tuple[str, ...], messages: list[str]
) -> None:
    daemon = FakeDaemon()
    run = Run(daemon)
    assert await run.one(*words) == ExitCode.MISUSE
    assert sorted(run.messages) == sorted(messages)
    assert (run.printed, daemon.events) == ("", [])


async def test_an_unknown_type_that_is_like_none_gets_the_list_of_types() -> None:
    run = Run(FakeDaemon())
    assert await run.one("zzz") == ExitCode.MISUSE
    assert run.messages[0].startswith(
        "unknown event type 'zzz', known are party_created, peer_joined"
    )


async def test_an_event_whose_answer_was_lost_is_published_once() -> None:
    daemon = FakeDaemon()
    daemon.script += [daemon.lose_answer, reject(503)]
    run = Run(daemon)
    assert await run.one("peer_joined", *ANN) == ExitCode.DONE
    assert daemon.names() == ["Ann"]
    assert len({post[0]["id"] for post in daemon.posts}) == 1
    assert len(daemon.posts) == 3
    assert "already" not in run.printed
    assert len(run.messages) == 1
    assert re.search(
        "broke: connection reset; trying again in 0[.][12] s, for 30 s at most$", run.messages[0]
    )


async def test_the_daemon_is_left_alone_for_as_long_as_it_says() -> None:
    daemon = FakeDaemon(reject(503, **{"Retry-After": "7"}))
    assert await Run(daemon).one("peer_joined", *ANN) == ExitCode.DONE
    first, second = daemon.times
    assert second - first == pytest.approx(7, abs=0.01)


async def test_it_gives_up_after_its_timeout() -> None:
    daemon = FakeDaemon(*[reject(503)] * 100)
    run = Run(daemon, timeout=60)
    began = anyio.current_time()
    assert await run.one("peer_joined", *ANN) == ExitCode.FAILED
    assert 50 < anyio.current_time() - began <= 60
    assert run.messages[-1].endswith("rejected the request: it cannot; given up after 60 seconds")
    assert len(run.messages) == 2


async def test_no_daemon_is_reported_at_once() -> None:
    def not_connecting(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed")

    run = Run(not_connecting)
    began = anyio.current_time()
    assert await run.one("peer_joined") == ExitCode.FAILED
    assert anyio.current_time() == began
    assert "start one with 'lanrage-events run'" in run.messages[0]
    assert await run.file(joined("Ann")) == ExitCode.FAILED
    assert run.messages[-1] == "not everything is published: nothing of e.jsonl is done"


async def test_a_file_is_published_in_arrays_of_a_hundred() -> None:
    daemon = FakeDaemon()
    run = Run(daemon)
    assert await run.file(*many(250)) == ExitCode.DONE
    assert [len(post) for post in daemon.posts] == [100, 100, 50]
    assert daemon.names() == [f"P{number}" for number in range(1, 251)]
    assert len({event["id"] for event in daemon.events}) == 250
    assert run.printed == "250 events published\n"
    assert run.messages == []


async def test_an_array_is_not_larger_than_a_daemon_takes() -> None:
    daemon = FakeDaemon()
    lines = [joined("A" * (BATCH_MAX_BYTES // 3)) for _ in range(5)]
    assert await Run(daemon).file(*lines) == ExitCode.DONE
    assert [len(post) for post in daemon.posts] == [2, 2, 1]


async def test_lines_of_a_pipe_are_published_as_they_come() -> None:
    daemon = FakeDaemon()
    publisher = FilePublisher(Run(daemon).task, "stdin")
    assert await publisher.run(one_by_one(many(3))) == ExitCode.DONE
    assert [len(post) for post in daemon.posts] == [1, 1, 1]


async def test_lines_of_a_file_are_gathered_over_several_reads() -> None:
    daemon = FakeDaemon()
    async with aclosing(one_by_one(many(3))) as lines:
        assert await FilePublisher(Run(daemon).task, "e.jsonl", size=1).run(lines) == ExitCode.DONE

    assert [len(post) for post in daemon.posts] == [3]


async def test_bad_lines_are_reported_with_their_numbers_and_the_others_are_published() -> None:
    daemon = FakeDaemon()
    run = Run(daemon)
    code = await run.file(
        b"\xef\xbb\xbf" + joined("Ann").encode(),
        "",
        '{"type": "peer_joined", "peer_name": "Bob"}',
        "{",
        b"\xff",
        "[]",
        '{"type": "notification", "title": NaN}',
        joined("Cy"),
        "x" * (1024 * 1024 + 1),
        '{"type": "peer_jond"}',
    )
    assert code == ExitCode.FAILED
    assert daemon.names() == ["Ann", "Cy"]
    starts = [
        "e.jsonl:4: not valid JSON: Expecting property name",
        "e.jsonl:5: not UTF-8: byte 0xff at position 1",
        "e.jsonl:6: a JSON object was expected",
        "e.jsonl:7: not valid JSON: NaN is not a JSON number",
        "e.jsonl:9: longer than 1048576 bytes",
        "e.jsonl:3: party_name: required",
        "e.jsonl:10: type: unknown event type 'peer_jond', did you mean 'peer_joined'?",
    ]
    assert len(run.messages) == len(starts)
    for line, start in zip(run.messages, starts, strict=True):
        assert line.startswith(start)

    assert run.printed == "2 events published, 7 bad lines\n"


async def test_a_file_may_be_empty() -> None:
    run = Run(FakeDaemon())
    assert await run.file() == ExitCode.DONE
    assert run.printed == "0 events published\n"


async def test_lines_are_skipped_to_go_on() -> None:
    daemon = FakeDaemon()
    run = Run(daemon, as_json=True)
    assert await run.file(*many(3), "{", skip=2) == ExitCode.FAILED
    assert daemon.names() == ["P3"]
    assert run.messages[0].startswith("e.jsonl:4: ")
    assert json.loads(run.printed) == {
        "published": 1,
        "repeated": 0,
        "refused": 1,
        "complete": True,
        "done": 4,
    }


async def test_skipping_more_than_there_is_is_reported() -> None:
    run = Run(FakeDaemon())
    assert await run.file(*many(3), skip=9) == ExitCode.DONE
    assert run.messages == ["e.jsonl has only 3 lines, and all were skipped"]


async def test_ids_of_a_file_that_come_twice_are_counted() -> None:
    daemon = FakeDaemon()
    assert await Run(daemon).file(joined("Ann", id="a"), joined("Bob", id="b")) == ExitCode.DONE
    run = Run(daemon)
    assert await run.file(joined("Ann", id="a"), joined("Cy", id="c")) == ExitCode.DONE
    assert daemon.names() == ["Ann", "Bob", "Cy"]
    assert run.printed == "2 events published, of which the daemon had 1 already\n"


async def test_a_lost_connection_loses_and_repeats_nothing() -> None:
    daemon = FakeDaemon()
    daemon.script += [
        None,
        httpx.ConnectError("refused"),
        httpx.ConnectError("refused"),
        daemon.lose_answer,
        reject(503),
    ]
    run = Run(daemon)
    assert await run.file(*many(250)) == ExitCode.DONE
    assert daemon.names() == [f"P{number}" for number in range(1, 251)]
    assert run.printed == "250 events published\n"
    [message] = run.messages
    assert message.startswith("the daemon at http://lan:1 is gone; trying again in 0.")


async def test_what_was_taken_is_not_posted_again() -> None:
    def take_half(request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)
        daemon.take(events[::2])
        return problem(503, taken=[event["id"] for event in events[::2]], refused=[])

    daemon = FakeDaemon(take_half)
    run = Run(daemon)
    assert await run.file(*many(4)) == ExitCode.DONE
    assert [len(post) for post in daemon.posts] == [4, 2]
    assert sorted(daemon.names()) == ["P1", "P2", "P3", "P4"]
    assert run.printed == "4 events published\n"


async def test_what_was_rejected_is_not_posted_again() -> None:
    def reject_one(request: httpx.Request) -> httpx.Response:
        refused = [{"index": 1, "errors": [{"path": "peer_name", "message": "too long"}]}]
        return problem(503, taken=[], refused=refused)

    daemon = FakeDaemon(reject_one)
    run = Run(daemon)
    assert await run.file(*many(3)) == ExitCode.FAILED
    assert [len(post) for post in daemon.posts] == [3, 2]
    assert daemon.names() == ["P1", "P3"]
    assert run.messages[-1] == "e.jsonl:2: peer_name: too long"


async def test_giving_up_reports_where_to_go_on_and_what_is_published_after_that() -> None:
    def take_half(request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)
        daemon.take(events[::2])
        return problem(503, taken=[event["id"] for event in events[::2]], refused=[])

    daemon = FakeDaemon(None, take_half, *[reject(503)] * 100)
    run = Run(daemon, as_json=True)
    assert await run.file(*many(104)) == ExitCode.FAILED
    assert run.messages[-2].endswith("given up after 30 seconds")
    assert run.messages[-1] == (
        "not everything is published: e.jsonl is done up to line 101, go on with --skip 101; "
        "published after that: 103"
    )
    summary = json.loads(run.printed)
    assert (summary["published"], summary["complete"], summary["done"]) == (102, False, 101)


async def test_a_lost_answer_at_the_end_leaves_a_doubt_that_is_reported() -> None:
    daemon = FakeDaemon()
    daemon.script += [daemon.lose_answer] * 100
    run = Run(daemon)
    assert await run.file(*many(3)) == ExitCode.FAILED
    assert run.messages[-1].endswith(
        "nothing of e.jsonl is done; lines 1 to 3 may have been published nevertheless"
    )


async def test_an_array_that_is_too_large_is_halved() -> None:
    def limit(request: httpx.Request) -> httpx.Response:
        if len(request.content) > 400:
            return problem(413)

        return daemon.take(json.loads(request.content))

    daemon = FakeDaemon(*[limit] * 100)
    run = Run(daemon)
    assert await run.file(*many(8), joined("A" * 500), *many(2)) == ExitCode.FAILED
    assert daemon.names() == [*(f"P{n}" for n in range(1, 9)), "P1", "P2"]
    assert run.messages == ["e.jsonl:9: larger than the daemon takes"]
    assert run.printed == "10 events published, 1 bad line\n"


async def test_what_no_repetition_helps_against_ends_it() -> None:
    daemon = FakeDaemon(None, reject(401))
    run = Run(daemon)
    assert await run.file(*many(150)) == ExitCode.FAILED
    assert "LANRAGE_EVENTS_TOKEN" in run.messages[0]
    assert run.messages[1].endswith("is done up to line 100, go on with --skip 100")
    assert run.printed == "100 events published\n"


async def test_an_input_that_breaks_is_reported() -> None:
    async def breaking() -> AsyncIterator[list[Line]]:
        yield [Line(1, joined("Ann").encode(), 100)]
        raise InputError("Input/output error")

    daemon = FakeDaemon()
    run = Run(daemon)
    assert await FilePublisher(run.task, "stdin").run(breaking()) == ExitCode.FAILED
    assert daemon.names() == ["Ann"]
    assert run.messages == [
        "cannot read stdin: Input/output error",
        "not everything is published: stdin is done up to line 1, go on with --skip 1",
    ]


async def test_a_request_on_its_way_is_finished_when_it_is_interrupted() -> None:
    daemon = FakeDaemon()
    daemon.latency = 1
    run = Run(daemon)
    publisher = FilePublisher(run.task, "e.jsonl", size=1)
    async with aclosing(groups(many(250))) as lines:
        with anyio.move_on_after(1.5):
            await publisher.run(lines)

    assert publisher.report_interruption() == ExitCode.INTERRUPTED
    assert daemon.names() == [f"P{number}" for number in range(1, 201)]
    assert run.messages == ["interrupted: e.jsonl is done up to line 200, go on with --skip 200"]
    assert run.printed == "200 events published\n"


async def test_an_answer_that_does_not_come_holds_an_interruption_up_only_shortly() -> None:
    daemon = FakeDaemon()
    daemon.latency = 8
    run = Run(daemon)
    publisher = FilePublisher(run.task, "e.jsonl", size=1)
    began = anyio.current_time()
    async with aclosing(groups(many(2))) as lines:
        with anyio.move_on_after(1):
            await publisher.run(lines)

    assert anyio.current_time() - began == pytest.approx(3)
    assert publisher.report_interruption() == ExitCode.INTERRUPTED
    [message] = run.messages
    assert message.startswith("interrupted: nothing of e.jsonl is done; lines 1 to 2 may have been")


@pytest.mark.parametrize(
    ("latency", "seconds", "message"),
    [
        (1, 1.5, "interrupted, but the event was published"),
        (8, 8.5, "interrupted: the event may or may not have been published"),
        (1, 0.5, "interrupted: the event was not published"),
    ],
)
async def test_an_interruption_reports_what_became_of_the_event(
    latency: float, seconds: float, message: str
) -> None:
    daemon = FakeDaemon()
    daemon.latency = latency
    run = Run(daemon)
    words = ("peer_name=Ann", "party_name=LAN")
    publisher = SinglePublisher(run.task, "peer_joined", words)
    with anyio.move_on_after(seconds):
        await publisher.run()

    assert publisher.report_interruption() == ExitCode.INTERRUPTED
    assert run.messages == [message]


async def test_a_terminal_shows_how_far_it_is() -> None:
    daemon = FakeDaemon()
    err = Terminal()
    run = Run(daemon, err=err)
    lines = many(250)
    lines[150] = "{"
    size = sum(len(line) + 1 for line in lines)
    assert await run.file(*lines, size=size) == ExitCode.FAILED
    # The line is there again below what was reported.
    assert "(char 1)\n\re.jsonl [" in err.getvalue()
    shown = err.getvalue().split("\r")
    assert any(
        "e.jsonl [#######.............]  40 % 100 events published" in text for text in shown
    )
    assert any("[################" in text and "1 bad line" in text for text in shown)
    assert any("100 %" in text for text in shown)
    assert not shown[-1].strip()


class ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("name", ["out", "err"])
async def test_a_reader_that_is_gone_is_left_to_the_caller(name: str) -> None:
    run = Run(FakeDaemon(), err=ClosedPipe() if name == "err" else None)
    run.task = replace(run.task, out=ClosedPipe())
    with pytest.raises(BrokenPipeError):
        await run.one("peer_joined" if name == "out" else "peer_jond", *ANN)

    with pytest.raises(BrokenPipeError):
        await run.file(joined("Ann") if name == "out" else "{")


async def test_names_in_rejections_cannot_steer_the_terminal() -> None:
    run = Run(FakeDaemon(lambda request: problem(400, detail="\x1b[2J\n\u202e")))
    assert await run.file(joined("Ann")) == ExitCode.FAILED
    assert "\\u001b[2J\\n\\u202e" in run.messages[0]


def test_the_fake_rejects_as_the_registry_does() -> None:
    with pytest.raises(UnknownEventType):
        EventRegistry().from_dict({"type": "peer_jond"})
