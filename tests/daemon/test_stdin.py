from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, EventBus, PeerJoined, hookimpl
from lanrage_events._daemon import LineFeed, SeenIds
from lanrage_events.cli import LINE_MAX_BYTES


class Recorder:
    when_full = "block"

    def __init__(self) -> None:
        self.names: list[str] = []

    @hookimpl
    def event(self, event: Event) -> None:
        self.names.append(event.to_dict()["peer_name"])


class Chunks(AsyncIterator[bytes]):
    """An input that ends, or goes on without anything more coming."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._chunks = iter(chunks)
        self._ends = ends

    async def __anext__(self) -> bytes:
        await checkpoint()
        chunk = next(self._chunks, None)
        if chunk is not None:
            return chunk

        if self._ends:
            raise StopAsyncIteration

        await anyio.sleep_forever()
        raise AssertionError


def joined(name: str) -> bytes:
    return b'{"type": "peer_joined", "peer_name": "%s", "party_name": "LAN"}\n' % name.encode()


async def feed(*chunks: bytes) -> tuple[LineFeed, list[str]]:
    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder)
        line_feed = LineFeed(bus)
        await line_feed.run(Chunks(*chunks))

    return line_feed, recorder.names


async def test_each_line_is_published_in_order() -> None:
    line_feed, names = await feed(*(joined(f"P{number}") for number in range(100)))

    assert names == [f"P{number}" for number in range(100)]
    assert (line_feed.published, line_feed.bad) == (100, 0)
    assert line_feed.finished
    assert not line_feed.interrupted


async def test_a_last_line_without_a_newline_is_read() -> None:
    _, names = await feed(joined("Ann") + joined("Bob").rstrip())
    assert names == ["Ann", "Bob"]


async def test_blank_lines_and_other_line_endings_are_accepted() -> None:
    line_feed, names = await feed(
        b"\xef\xbb\xbf" + joined("Ann"), b"\n  \r\n", joined("Bob").replace(b"\n", b"\r\n")
    )
    assert names == ["Ann", "Bob"]
    assert line_feed.bad == 0


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not valid JSON: Expecting property name"),
        (b"[]", "a JSON object was expected, not an array"),
        (b'{"type": "peer_jond"}', "unknown event type 'peer_jond', did you mean 'peer_joined'?"),
        (b'{"type": "peer_joined", "peer_name": 3}', "peer_joined: peer_name: input should be a"),
        (
            rb'{"type": "peer_joined", "peer_name": "a\ud83d", "party_name": "LAN"}',
            r"peer_joined: peer_name: lone surrogate \ud83d, which is half of a character",
        ),
        (b'"\xff"', "not UTF-8: byte 0xff at position 2"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"x" * (LINE_MAX_BYTES + 1), f"longer than {LINE_MAX_BYTES} bytes"),
    ],
)
async def test_a_bad_line_is_reported_with_its_number_and_does_not_stop_the_others(
    line: bytes, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    line_feed, names = await feed(joined("Ann"), line, b"\n", joined("Bob"))

    assert names == ["Ann", "Bob"]
    assert (line_feed.published, line_feed.bad) == (2, 1)
    [record] = caplog.records
    assert record.getMessage().startswith("stdin line 2: ")
    assert problem in record.getMessage()


class Privacy:
    transform_required = True

    @hookimpl
    def transform(self, event: PeerJoined) -> Event:
        if event.peer_name == "Secret":
            raise ValueError(event.peer_name)

        return event


async def test_an_event_that_must_not_pass_is_reported_and_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(Privacy())
        bus.register(recorder)
        line_feed = LineFeed(bus)
        await line_feed.run(Chunks(joined("Ann"), joined("Secret"), joined("Bob")))

    assert recorder.names == ["Ann", "Bob"]
    assert (line_feed.published, line_feed.rejected, line_feed.bad) == (2, 1, 0)
    assert line_feed.finished
    [message] = [m for m in caplog.messages if m.startswith("stdin line 2: ")]
    assert "peer_joined was not published: the transform of plugin 'Privacy'" in message


async def test_a_line_of_the_greatest_length_is_read() -> None:
    padding = b" " * (LINE_MAX_BYTES - len(joined("Ann").rstrip()))
    _, names = await feed(padding + joined("Ann"))
    assert names == ["Ann"]


async def test_an_input_that_breaks_off_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Chunks):
        async def __anext__(self) -> bytes:
            try:
                return await super().__anext__()
            except StopAsyncIteration:
                raise OSError(5, "Input/output error") from None

    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder)
        line_feed = LineFeed(bus)
        await line_feed.run(Broken(joined("Ann") + joined("Bob").rstrip()))

    assert recorder.names == ["Ann", "Bob"]
    assert line_feed.bad == 1
    assert caplog.messages == ["stdin cannot be read any more: Input/output error"]


async def test_it_waits_for_room_in_a_full_mailbox() -> None:
    opened = anyio.Event()

    class Slow:
        when_full = "block"
        mailbox_size = 2

        def __init__(self) -> None:
            self.names: list[str] = []

        @hookimpl
        async def event(self, event: Event) -> None:
            await opened.wait()
            self.names.append(event.to_dict()["peer_name"])

    slow = Slow()
    async with EventBus() as bus, anyio.create_task_group() as tasks:
        bus.register(slow)
        line_feed = LineFeed(bus)
        tasks.start_soon(line_feed.run, Chunks(*(joined(f"P{number}") for number in range(10))))
        await wait_all_tasks_blocked()
        assert line_feed.published < 5
        assert not line_feed.finished
        opened.set()

    assert slow.names == [f"P{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("chunks", "interrupted"),
    [
        ([], False),
        ([joined("Ann")], False),
        ([joined("Ann"), b'{"type"'], True),
        ([joined("Ann"), b"\n"], False),
    ],
)
async def test_it_knows_whether_it_was_cancelled_with_something_in_hand(
    chunks: list[bytes], interrupted: bool
) -> None:
    bus = EventBus()
    line_feed = LineFeed(bus)
    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(line_feed.run, Chunks(*chunks, ends=False))
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert line_feed.interrupted is interrupted
    assert not line_feed.finished


@pytest.mark.parametrize(
    "chunks", [[joined("Ann") * 5], [joined("Ann") * 2, joined("Bob").rstrip()]]
)
async def test_an_event_that_was_not_published_when_it_was_cancelled_is_in_hand(
    chunks: list[bytes],
) -> None:
    class Stuck:
        when_full = "block"
        mailbox_size = 1

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    bus = EventBus(drain_timeout=0)
    bus.register(Stuck())
    line_feed = LineFeed(bus)
    async with bus, anyio.create_task_group() as tasks:
        tasks.start_soon(line_feed.run, Chunks(*chunks))
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert line_feed.interrupted
    assert line_feed.published == 2


@pytest.mark.parametrize(
    ("chunk", "sources"), [(joined("Ann"), {"stdin"}), (b"\n", set()), (b"no event\n", set())]
)
async def test_what_was_published_counts_as_input_of_the_bus(
    chunk: bytes, sources: set[str]
) -> None:
    async with EventBus() as bus:
        await LineFeed(bus).run(Chunks(chunk))
        assert bus.statistics().seconds_since_input.keys() == sources


async def test_an_event_from_before_the_calendar_is_reported_and_the_others_are_published(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = joined("Ben").replace(b"}", b', "time": "0001-01-01T00:00:00+01:00"}')

    line_feed, names = await feed(joined("Ann"), wrong, joined("Cy"))

    assert names == ["Ann", "Cy"]
    assert line_feed.bad == 1
    assert "stdin line 2: peer_joined: time: a time from 0001-01-02 to" in caplog.text


def numbered(id: str) -> bytes:
    return joined("Ann").replace(b"}", f', "id": "{id}"}}'.encode())


async def test_an_id_that_was_read_is_not_taken_twice() -> None:
    line_feed, names = await feed(
        numbered("1"), numbered("2"), numbered("1") * 3, joined("Ben") * 2
    )

    assert len(names) == 4
    assert (line_feed.published, line_feed.repeated, line_feed.bad) == (4, 3, 0)
    assert line_feed.summary("read") == "4 events read, 3 repeated events skipped"


async def test_the_id_of_an_event_that_was_not_valid_is_not_taken() -> None:
    wrong = numbered("1").replace(b"peer_name", b"peer_nam")

    line_feed, names = await feed(wrong, numbered("1"))

    assert names == ["Ann"]
    assert (line_feed.bad, line_feed.repeated) == (1, 0)


async def test_an_id_that_is_not_as_documented_is_an_error_with_its_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line_feed, names = await feed(numbered(""), numbered(""), numbered("x" * 65), numbered("1"))

    assert names == ["Ann"]
    assert (line_feed.bad, line_feed.repeated) == (3, 0)
    messages = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [message.partition(": it ")[0] for message in messages] == [
        "stdin line 1: peer_joined: id",
        "stdin line 2: peer_joined: id",
        "stdin line 3: peer_joined: id",
    ]


@pytest.mark.slow
@given(st.lists(st.integers(0, 6)), st.integers(1, 4))
def test_the_ids_that_came_last_are_remembered(numbers: list[int], size: int) -> None:
    seen = SeenIds(size)
    order: list[int] = []
    for number in numbers:
        id = f"{number}" * 10
        assert (id in seen) == (number in order[-size:])
        seen.add(id)
        order = [*(other for other in order if other != number), number]
