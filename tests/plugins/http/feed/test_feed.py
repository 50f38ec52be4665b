from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from lanrage_events import Event, Notification, PartyEvent, PeerJoined, PeerLeft, Redactor
from lanrage_events._rules import NamedPerson
from lanrage_events_http._feed import (
    CLIENT_BUFFER,
    HEARTBEAT_SECONDS,
    OVERRUN_SECONDS,
    RING_SIZE,
    Feed,
    FeedClient,
)

SECRET = "geheimnis-0123456789"


@pytest.fixture
def feed() -> Feed:
    redactor = Redactor()
    redactor.add(SECRET)
    return Feed(redactor, max_clients=3)


def note(title: object) -> Notification:
    return Notification(title=str(title), message="-")


@dataclass(frozen=True)
class Received:
    id: str
    name: str
    data: dict[str, Any]


def read(chunk: bytes) -> list[Received]:
    received = []
    for text in chunk.decode().removesuffix("\n\n").split("\n\n"):
        if not text.startswith(":"):
            fields = dict(line.split(": ", 1) for line in text.split("\n"))
            received.append(Received(fields["id"], fields["event"], json.loads(fields["data"])))

    return received


@asynccontextmanager
async def reading(
    feed: Feed, *types: str, last_event_id: str | None = None
) -> AsyncIterator[tuple[FeedClient, AsyncGenerator[bytes]]]:
    with feed.open(types, last_event_id) as client:
        async with aclosing(client.chunks()) as chunks:
            assert await anext(chunks) == b": connected\n\n"
            yield client, chunks


async def test_a_client_receives_what_happens_from_now_on(feed: Feed) -> None:
    feed.add(note("before"))
    async with reading(feed) as (_, chunks):
        events = note(1), PeerJoined(peer_name="Ann", party_name="Friday LAN")
        for event in events:
            feed.add(event)

        received = read(await anext(chunks))

    assert [(item.name, item.data) for item in received] == [(e.type, e.to_dict()) for e in events]
    assert [item.id for item in received] == [feed.id(2), feed.id(3)]


async def test_a_client_that_waits_is_woken(feed: Feed) -> None:
    received: list[Received] = []
    async with reading(feed) as (_, chunks), anyio.create_task_group() as tasks:

        async def follow() -> None:
            received.extend(read(await anext(chunks)))

        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        feed.add(note(1))

    assert [item.data["title"] for item in received] == ["1"]


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        ((), ["note", "joined", "left", "own"]),
        (("event",), ["note", "joined", "left", "own"]),
        (("party_event",), ["joined", "left", "own"]),
        (("peer_joined", "notification"), ["note", "joined"]),
    ],
)
async def test_types_stand_for_all_that_derive_from_them(
    feed: Feed, types: tuple[str, ...], wanted: list[str]
) -> None:
    class PizzaArrived(PartyEvent):
        pass

    events: dict[str, Event] = {
        "note": note(1),
        "joined": PeerJoined(peer_name="Ann", party_name="-"),
        "left": PeerLeft(peer_name="Ann", party_name="-"),
        "own": PizzaArrived(),
    }
    async with reading(feed, *types) as (_, chunks):
        for event in events.values():
            feed.add(event)

        received = read(await anext(chunks))

    assert [item.name for item in received] == [events[name].type for name in wanted]


async def test_a_client_that_comes_back_gets_what_it_missed(feed: Feed) -> None:
    for number in range(5):
        feed.add(note(number))

    async with reading(feed, last_event_id=feed.id(3)) as (_, chunks):
        feed.add(note("new"))
        received = read(await anext(chunks))

    assert [item.data["title"] for item in received] == ["3", "4", "new"]


async def test_a_client_that_missed_nothing_gets_nothing_again(feed: Feed) -> None:
    feed.add(note(1))
    async with reading(feed, last_event_id=feed.id(1)) as (_, chunks):
        feed.add(note("new"))
        assert [item.data["title"] for item in read(await anext(chunks))] == ["new"]


async def test_an_id_at_the_edge_of_the_ring_is_no_gap(feed: Feed) -> None:
    for number in range(RING_SIZE + 10):
        feed.add(note(number))

    async with reading(feed, last_event_id=feed.id(10)) as (_, chunks):
        received = read(await anext(chunks))

    assert len(received) == RING_SIZE
    assert received[0].data["title"] == "10"


@pytest.mark.parametrize(
    "last_event_id",
    ["{feed}-9", "{feed}-0", "deadbeef-12", "", "7", "{feed}-", "{feed}--1", "{feed}-²", "x-y-z"],
)
async def test_an_id_that_is_too_old_or_of_another_process_is_a_gap(
    feed: Feed, last_event_id: str
) -> None:
    for number in range(RING_SIZE + 10):
        feed.add(note(number))

    prefix = feed.id(0).partition("-")[0]
    async with reading(feed, last_event_id=last_event_id.format(feed=prefix)) as (_, chunks):
        gap = read(await anext(chunks))
        received = read(await anext(chunks))

    assert [(item.name, item.id) for item in gap] == [("gap", feed.id(10))]
    assert len(received) == RING_SIZE
    assert received[0].id == feed.id(11)


@pytest.mark.parametrize("digits", ["2", "10", "1" + "0" * 5000], ids=["next", "later", "huge"])
async def test_an_id_that_is_not_yet_given_is_a_gap(feed: Feed, digits: str) -> None:
    feed.add(note(1))
    async with reading(feed, last_event_id=feed.id(0)[:-1] + digits) as (_, chunks):
        assert read(await anext(chunks))[0].name == "gap"
        assert read(await anext(chunks))[0].data["title"] == "1"


async def test_only_wanted_events_are_had_again(feed: Feed) -> None:
    feed.add(note(1))
    feed.add(PeerJoined(peer_name="Ann", party_name="-"))
    async with reading(feed, "peer_joined", last_event_id="old") as (_, chunks):
        assert read(await anext(chunks))[0].name == "gap"
        assert [item.name for item in read(await anext(chunks))] == ["peer_joined"]


async def test_ids_of_two_feeds_differ() -> None:
    assert Feed(Redactor()).id(1) != Feed(Redactor()).id(1)


async def test_a_client_that_is_too_slow_gets_an_overrun_and_ends(feed: Feed) -> None:
    async with reading(feed) as (_, chunks), reading(feed) as (_, others):
        for number in range(CLIENT_BUFFER + 3):
            feed.add(note(number))
            await anext(others)

        overrun = read(await anext(chunks))
        assert [(item.name, item.id) for item in overrun] == [("overrun", feed.id(feed.number))]
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)


async def test_a_client_that_had_to_get_many_again_still_has_its_whole_buffer(feed: Feed) -> None:
    for number in range(RING_SIZE):
        feed.add(note(number))

    async with reading(feed, last_event_id=feed.id(0)) as (_, chunks):
        for number in range(CLIENT_BUFFER):
            feed.add(note(number))

        received = read(await anext(chunks))
        while len(received) < RING_SIZE + CLIENT_BUFFER:
            received += read(await anext(chunks))

    assert {item.name for item in received} == {"notification"}


async def test_a_client_that_takes_nothing_is_cut_off_after_an_overrun(feed: Feed) -> None:
    async with reading(feed) as (client, _):
        began = anyio.current_time()
        with anyio.CancelScope() as client.scope:
            for number in range(CLIENT_BUFFER + 1):
                feed.add(note(number))

            await anyio.sleep(OVERRUN_SECONDS / 2)
            # A flood gives it no more time.
            for number in range(2 * CLIENT_BUFFER):
                feed.add(note(number))

            await anyio.sleep_forever()

    assert anyio.current_time() - began == pytest.approx(OVERRUN_SECONDS)


async def test_a_comment_comes_when_nothing_happens(feed: Feed) -> None:
    async with reading(feed) as (_, chunks):
        began = anyio.current_time()
        assert await anext(chunks) == b": still here\n\n"
        assert anyio.current_time() - began == pytest.approx(HEARTBEAT_SECONDS)
        feed.add(note(1))
        assert len(read(await anext(chunks))) == 1


async def test_chunks_end_when_they_should(feed: Feed) -> None:
    async with reading(feed) as (client, chunks), anyio.create_task_group() as tasks:

        async def follow() -> None:
            with pytest.raises(StopAsyncIteration):
                await anext(chunks)

        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        client.end()


async def test_a_long_backlog_comes_in_several_chunks(feed: Feed) -> None:
    async with reading(feed) as (_, chunks):
        for _ in range(4):
            feed.add(note("x" * 30_000))

        assert len(read(await anext(chunks))) == 3
        assert len(read(await anext(chunks))) == 1


async def test_a_feed_is_full_when_it_has_as_many_clients_as_allowed(feed: Feed) -> None:
    async with reading(feed), reading(feed), reading(feed):
        assert feed.is_full

    assert (feed.clients, feed.is_full) == (0, False)


async def test_an_event_is_encoded_once_for_all_and_never_without_a_client(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Event] = []
    to_json = Event.to_json

    def count(event: Event) -> str:
        encoded.append(event)
        return to_json(event)

    monkeypatch.setattr(Event, "to_json", count)
    feed.add(note("for nobody"))
    assert encoded == []
    async with (
        reading(feed) as (_, chunks),
        reading(feed) as (_, others),
        reading(feed, "peer_joined"),
    ):
        feed.add(event := note("for two"))
        await anext(chunks)
        await anext(others)

    async with reading(feed, last_event_id=feed.id(1)) as (_, chunks):
        await anext(chunks)

    assert encoded == [event]


async def test_secrets_are_not_shown(feed: Feed) -> None:
    async with reading(feed) as (_, chunks):
        feed.add(note(f"the token is {SECRET}"))
        assert read(await anext(chunks))[0].data["title"] == "the token is **********"


async def test_text_cannot_forge_another_event(feed: Feed) -> None:
    async with reading(feed) as (_, chunks):
        feed.add(event := note("a\n\nevent: overrun\rdata: {}\r\n\u2028\ud800"))
        chunk = await anext(chunks)

    assert chunk.count(b"\n") == 4
    assert b"\r" not in chunk
    assert read(chunk)[0].data["title"] == event.title.replace("\ud800", "?")


async def test_an_event_that_cannot_be_shown_is_logged_once_and_left_out(
    feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Notification):
        def to_json(self) -> str:
            raise TypeError(f"not with {SECRET}")

    async with reading(feed) as (_, chunks), reading(feed) as (_, others):
        feed.add(Odd(title="-", message="-"))
        feed.add(note(1))
        assert [item.name for item in read(await anext(chunks))] == ["notification"]
        assert [item.name for item in read(await anext(others))] == ["notification"]

    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "TypeError: not with **********" in caplog.text
    assert SECRET not in caplog.text


async def test_events_are_counted_by_their_type(feed: Feed) -> None:
    for event in note(1), note(2), PeerJoined(peer_name="Ann", party_name="-"):
        feed.add(event)

    assert feed.counts == {"notification": 2, "peer_joined": 1}


async def test_the_events_of_a_person_are_not_sent_again(feed: Feed) -> None:
    for number in range(RING_SIZE + 2):
        name = "Ann" if number % 2 else "Bob"
        feed.add(PeerJoined(peer_name=name, party_name=str(number)))

    async with reading(feed, last_event_id=feed.id(RING_SIZE - 2)) as (_, chunks):
        assert feed.forget(NamedPerson("ann")) == RING_SIZE // 2
        feed.add(note("new"))
        received = read(await anext(chunks))

    assert [item.id for item in received] == [feed.id(RING_SIZE + n) for n in (-1, 1, 3)]
    # Only what the ring has lost is a gap.
    async with reading(feed, last_event_id=feed.id(2)) as (_, chunks):
        names = {item.data.get("peer_name", "note") for item in read(await anext(chunks))}
        assert names == {"Bob", "note"}

    with feed.open((), feed.id(1)) as client:
        async with aclosing(client.chunks()) as chunks:
            await anext(chunks)
            [gap] = read(await anext(chunks))
            assert (gap.name, gap.id) == ("gap", feed.id(2))
