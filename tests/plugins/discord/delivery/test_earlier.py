from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.outbox import Outbox, OutboxItem
from lanrage_events_discord._delivery import EarlierEntries, EarlierEntry


def body(id: object, title: str = "Ann joined", time: str = "2026-03-06T19:30:00Z") -> str:
    data = {"event_id": id, "type": "peer_joined", "time": time}
    return json.dumps({**data, "embed": {"title": title, "timestamp": time}})


async def put(outbox: Outbox, lane: str, *bodies: str) -> list[int]:
    return list(await outbox.put_many([OutboxItem(lane, body) for body in bodies]))


async def test_nothing_is_known_of_an_empty_outbox() -> None:
    async with Outbox() as outbox:
        earlier = await EarlierEntries.read(outbox)

    assert earlier.find("main", "a", body("a")) is None


async def test_what_waits_is_known_by_its_lane_event_and_content() -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", body("a"), body("b"))
        await put(outbox, "other", body("c"))
        (gone,) = await put(outbox, "main", body("d"))
        await outbox.acknowledge([gone])
        earlier = await EarlierEntries.read(outbox)

    known = [
        (lane, id)
        for lane in ("main", "other")
        for id in "abcd"
        if earlier.find(lane, id, body(id))
    ]
    assert known == [("main", "a"), ("main", "b"), ("other", "c")]
    assert earlier.find("main", "a", body("a", "Bob joined")) is None
    assert earlier.find("main", "a", body("a", time="2026-03-06T19:30:02Z")) is not None


async def test_each_is_expected_once_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with Outbox() as outbox:
        await put(outbox, "main", body("a"), body("a", "Bob joined"))
        earlier = await EarlierEntries.read(outbox)

    found = earlier.find("main", "a", body("a"))
    assert found is not None
    # What could not be put elsewhere comes once more.
    assert earlier.find("main", "a", body("a")) == found
    earlier.skip([found])
    assert earlier.find("main", "a", body("a")) is None
    assert earlier.find("main", "a", body("a", "Bob joined")) is not None
    assert earlier.skipped == 1
    assert "1 event came again after the start" in caplog.text
    assert "the first has the id 'a'" in caplog.text


async def test_ten_minutes_after_it_was_put_an_event_is_another() -> None:
    times = iter([-599.0, -601.0, 3600.0])
    now = datetime.now(UTC)
    async with Outbox(now=lambda: now + timedelta(seconds=next(times, 0.0))) as outbox:
        for id in "abc":
            await put(outbox, "main", body(id))

        earlier = await EarlierEntries.read(outbox)

    assert [id for id in "abc" if earlier.find("main", id, body(id))] == ["a", "c"]
    await anyio.sleep(2)
    assert [id for id in "abc" if earlier.find("main", id, body(id))] == ["c"]
    # The clock was set back meanwhile.
    await anyio.sleep(598)
    assert [id for id in "abc" if earlier.find("main", id, body(id))] == []


@pytest.mark.slow
@pytest.mark.either_backend
async def test_of_a_large_backlog_the_last_ones_are_known() -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", *(body(str(number)) for number in range(6_000)))
        earlier = await EarlierEntries.read(outbox)

    known = [n for n in (0, 1000, 5999) if earlier.find("main", str(n), body(str(n)))]
    assert known == [1000, 5999]


@pytest.mark.parametrize("id", ["", " "])
async def test_an_id_that_says_nothing_is_not_recognized(id: str) -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", body(id), body("a"))
        earlier = await EarlierEntries.read(outbox)

    assert earlier.find("main", id, body(id)) is None
    assert earlier.find("main", "a", body("a")) is not None


BAD = ["", "{", "[]", "{}", '{"event_id":"x"}', body(7), '{"event_id":', "7", "[" * 100_000]


@pytest.mark.parametrize("bad", [*BAD, '{"event_id":"x","type":"y","embed":7}'])
async def test_an_entry_that_cannot_be_read_is_left_alone(bad: str) -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", bad, body("a"))
        earlier = await EarlierEntries.read(outbox)

    assert earlier.find("main", "a", body("a")) is not None


@pytest.mark.slow
@given(st.dictionaries(st.tuples(st.sampled_from("ab"), st.text()), st.binary()))
async def test_only_what_is_there_is_known(entries: dict[tuple[str, str], bytes]) -> None:
    earlier = EarlierEntries({EarlierEntry(*key, content): 1 for key, content in entries.items()})

    assert not any(earlier.find(lane, id, body(id)) for lane, id in entries)
    assert earlier.find("c", "", body("")) is None
