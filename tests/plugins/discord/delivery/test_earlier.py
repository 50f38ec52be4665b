from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.outbox import Outbox, OutboxItem
from lanrage_events_discord._delivery import EarlierEntries


async def put(outbox: Outbox, lane: str, *bodies: str) -> Sequence[int]:
    return await outbox.put_many([OutboxItem(lane, body) for body in bodies])


async def test_nothing_is_known_of_an_empty_outbox() -> None:
    async with Outbox() as outbox:
        assert ("main", "a") not in await EarlierEntries.read(outbox)


async def test_what_waits_is_known_by_its_lane_and_event() -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", '{"event_id":"a","type":"x"}', '{"event_id": "b"}')
        await put(outbox, "other", '{"event_id":"c"}')
        (gone,) = await put(outbox, "main", '{"event_id":"d"}')
        await outbox.acknowledge([gone])
        earlier = await EarlierEntries.read(outbox)

    assert ("main", "a") in earlier
    assert ("main", "b") in earlier
    assert ("other", "c") in earlier
    assert ("main", "c") not in earlier
    assert ("main", "d") not in earlier


async def test_of_a_large_backlog_the_last_ones_are_known() -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", *(f'{{"event_id":"{number}"}}' for number in range(6_000)))
        earlier = await EarlierEntries.read(outbox)

    assert ("main", "5999") in earlier
    assert ("main", "1000") in earlier
    assert ("main", "0") not in earlier


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"event_id":7}', '{"event_id":', "7"])
async def test_an_entry_that_cannot_be_read_is_left_alone(body: str) -> None:
    async with Outbox() as outbox:
        await put(outbox, "main", body, '{"event_id":"a"}')

        assert ("main", "a") in await EarlierEntries.read(outbox)


@given(st.sets(st.tuples(st.sampled_from("ab"), st.text())))
def test_only_what_is_there_is_known(entries: set[tuple[str, str]]) -> None:
    earlier = EarlierEntries(frozenset(entries))

    assert all(entry in earlier for entry in entries)
    assert ("c", "") not in earlier
