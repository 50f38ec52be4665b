"""What waits in a lane: order and completeness when the memory channel overflows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import example, given
from hypothesis import strategies as st

from lanrage_events.outbox import Outbox, OutboxEntry, OutboxError
from lanrage_events.testing import virtual_time
from lanrage_events_discord._delivery import LaneQueue
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._rendering import Digest, Entry

LANE = "main"
TIME = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)


def entry(number: int) -> Entry:
    return Entry(
        f"id{number}", "peer_joined", TIME, Embed(title=str(number)), Digest("g", "h", "i")
    )


def numbers(queue: LaneQueue) -> list[int]:
    return [int(waiting.entry.embed.title) for waiting in queue.batch]


@asynccontextmanager
async def queue_in_memory(**sizes: Any) -> AsyncIterator[tuple[LaneQueue, Outbox]]:
    async with Outbox() as outbox:
        queue = LaneQueue(outbox, LANE, **sizes)
        yield queue, outbox
        queue.close()


async def put(queue: LaneQueue, outbox: Outbox, what: Entry, expires: datetime | None) -> None:
    """Add an entry as the lanes do."""
    try:
        number = await outbox.put(LANE, what.to_json(), label=what.type, expires=expires)
    except anyio.get_cancelled_exc_class():
        queue.invalidate()
        raise

    queue.append(number, what, expires)


async def deliver(queue: LaneQueue, outbox: Outbox, count: int) -> list[int]:
    """Take some entries out as a lane does."""
    delivered = queue.remove(min(count, len(queue.batch)))
    await outbox.acknowledge(waiting.id for waiting in delivered)
    return [int(waiting.entry.embed.title) for waiting in delivered]


SMALL: dict[str, Any] = {"incoming_size": 3, "batch_size": 5}


@pytest.mark.slow
@pytest.mark.parametrize("taken", [1, 4, 5])
async def test_burst_beyond_channel_and_batch_is_delivered_once_and_in_order(taken: int) -> None:
    delivered: list[int] = []
    async with queue_in_memory(**SMALL) as (queue, outbox):

        async def put_all() -> None:
            for number in range(600):
                await put(queue, outbox, entry(number), None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put_all)
            while len(delivered) < 600:
                await queue.fill()
                assert len(queue.batch) <= SMALL["batch_size"]
                delivered += await deliver(queue, outbox, taken)
                await checkpoint()

        await queue.fill()
        assert queue.is_empty
        assert outbox.statistics().pending == 0

    assert delivered == list(range(600))


async def test_batch_has_no_gap_while_the_outbox_holds_more() -> None:
    """What comes through the channel during a read must not stand before what is not read yet."""
    async with queue_in_memory(**SMALL) as (queue, outbox):
        for number in range(20):
            await put(queue, outbox, entry(number), None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue.fill)
            tasks.start_soon(put, queue, outbox, entry(20), None)

        assert await deliver(queue, outbox, 3) == [0, 1, 2]
        await queue.fill()
        assert numbers(queue) == [3, 4, 5, 6, 7]


async def test_what_was_put_back_comes_at_its_old_place() -> None:
    async with queue_in_memory() as (queue, outbox):
        for number in range(4):
            await put(queue, outbox, entry(number), None)

        await queue.fill()
        first = queue.batch[0].id
        queue.remove_ids({first})
        await outbox.dead_letter([first], "rejected")
        assert numbers(queue) == [1, 2, 3]
        assert await outbox.retry([first]) == 1
        queue.reload()
        assert not queue.is_empty
        await queue.fill()
        assert numbers(queue) == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [3, 5, 12])
async def test_what_was_dropped_from_the_outbox_is_not_posted(count: int) -> None:
    async with queue_in_memory(**SMALL) as (queue, outbox):
        await queue.fill()
        for number in range(count):
            await put(queue, outbox, entry(number), None)

        await queue.fill()
        pending = await outbox.pending(LANE)
        await outbox.drop(e.id for e in pending[1:])
        queue.reload()
        await queue.fill()
        assert numbers(queue) == [0]
        await put(queue, outbox, entry(99), None)
        await queue.fill()
        assert numbers(queue) == [0, 99]


async def test_unreadable_entry_becomes_a_dead_letter_and_its_neighbours_stay(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with queue_in_memory() as (queue, outbox):
        await put(queue, outbox, entry(0), None)
        for body in ("", "{}", "[1]", '{"event_id": "x", "embed": []}'):
            await outbox.put(LANE, body)

        await put(queue, outbox, entry(1), None)
        await queue.fill()
        assert numbers(queue) == [0, 1]
        letters = await outbox.dead_letters(LANE)
        assert {letter.reason for letter in letters} == {"it cannot be read"}
        assert len(letters) == 4

    assert "4 entries in the outbox are unreadable" in caplog.text


async def test_failed_read_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with queue_in_memory() as (queue, outbox):
        await put(queue, outbox, entry(0), None)
        read = outbox.read

        async def fail(*args: object, **kwargs: object) -> None:
            raise OutboxError("disk I/O error")

        monkeypatch.setattr(outbox, "read", fail)
        with pytest.raises(OutboxError):
            await queue.fill()

        assert not queue.is_empty
        monkeypatch.setattr(outbox, "read", read)
        await queue.fill()
        assert numbers(queue) == [0]


async def test_put_whose_caller_is_cancelled_meanwhile_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The outbox ends what it has begun, so the entry may be in there all the same."""
    async with queue_in_memory() as (queue, outbox):
        await queue.fill()
        put_into_outbox = outbox.put

        async def put_and_hang(*args: object, **kwargs: object) -> None:
            await put_into_outbox(LANE, entry(7).to_json())
            await anyio.sleep_forever()

        monkeypatch.setattr(outbox, "put", put_and_hang)
        with anyio.move_on_after(1):
            await put(queue, outbox, entry(7), None)

        assert not queue.is_empty
        await queue.fill()
        assert numbers(queue) == [7]


async def test_entries_know_when_they_came() -> None:
    async with Outbox() as outbox:
        await outbox.put(LANE, entry(0).to_json())
        await anyio.sleep(100)
        queue = LaneQueue(outbox, LANE, **SMALL)
        made = anyio.current_time()
        await put(queue, outbox, entry(1), None)
        await queue.fill()
        assert queue.batch[0].arrived == float("-inf")
        # The outbox keeps the time of the wall clock, which is not virtual.
        assert made <= queue.batch[1].arrived <= anyio.current_time()
        await anyio.sleep(1)
        await put(queue, outbox, entry(2), None)
        await queue.fill()
        assert queue.batch[2].arrived == made + 1
        queue.close()


async def test_queue_that_starts_empty_needs_not_look_into_the_outbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with queue_in_memory() as (queue, outbox):
        queue.mark_empty()
        assert queue.is_empty
        monkeypatch.setattr(Outbox, "read", None)
        for number in range(3):
            await put(queue, outbox, entry(number), None)

        await queue.fill()
        assert await deliver(queue, outbox, 3) == [0, 1, 2]


async def test_what_is_put_back_before_the_queue_starts_empty_is_found() -> None:
    async with queue_in_memory() as (queue, outbox):
        await outbox.put(LANE, entry(7).to_json())
        queue.reload()
        queue.mark_empty()
        await queue.fill()
        assert numbers(queue) == [7]


async def test_expired_entries_leave_the_batch() -> None:
    now = datetime.now(UTC)
    async with queue_in_memory() as (queue, outbox):
        await queue.fill()
        for number in range(3):
            await put(queue, outbox, entry(number), now + timedelta(hours=number - 1.5))

        await queue.fill()
        assert sum(expiry.count for expiry in await queue.expire()) == 2
        assert numbers(queue) == [2]
        assert queue.first_id == queue.batch[0].id
        assert not queue.is_urgent
        assert outbox.statistics().pending == 1


async def test_outbox_is_asked_for_what_expired_only_if_something_may_have() -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    async with queue_in_memory() as (queue, outbox):

        async def count_expired() -> int | None:
            """Return how many have expired, None if the outbox is not asked."""
            forgotten = await outbox.put(LANE, "?", expires=past)
            found = sum(expiry.count for expiry in await queue.expire())
            await outbox.drop([forgotten])
            return found - 1 if found else None

        await queue.fill()
        assert await count_expired() == 0
        queue.nothing_expires()
        assert await count_expired() is None
        await put(queue, outbox, entry(1), None)
        await queue.fill()
        assert await count_expired() is None
        await put(queue, outbox, entry(2), past)
        await queue.fill()
        assert await count_expired() == 1
        assert await count_expired() is None, "nothing else expires"

        await deliver(queue, outbox, 1)
        for look_again in (queue.invalidate, queue.reload):
            queue.nothing_expires()
            assert await count_expired() is None
            look_again()
            assert await count_expired() == 0
            await queue.fill()


async def test_entry_that_is_put_while_the_outbox_is_read_is_delivered_once() -> None:
    class Busy(Outbox):
        """An outbox into which somebody puts an entry just before it is read."""

        async def read(self, lane: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
            if coming:
                await put(queue, outbox, entry(coming.pop()), None)

            return await super().read(lane, after=after, limit=limit)

    coming = [1]
    async with Busy() as outbox:
        queue = LaneQueue(outbox, LANE)
        await put(queue, outbox, entry(0), None)
        await queue.fill()
        delivered = await deliver(queue, outbox, 2)
        await queue.fill()
        delivered += await deliver(queue, outbox, 2)
        assert delivered == [0, 1]
        assert queue.is_empty
        queue.close()


async def test_outbox_is_not_asked_before_the_next_entry_expires() -> None:
    now = datetime.now(UTC)
    async with queue_in_memory(**SMALL) as (queue, outbox):
        await put(queue, outbox, entry(0), now + timedelta(hours=1))
        assert await queue.expire() == []
        await outbox.put(LANE, entry(1).to_json(), expires=now - timedelta(hours=1))
        assert await queue.expire() == [], "nothing says that there is another one"
        queue.reload()
        assert sum(expiry.count for expiry in await queue.expire()) == 1
        await put(queue, outbox, entry(2), now - timedelta(hours=1))
        assert sum(expiry.count for expiry in await queue.expire()) == 1
        await queue.fill()
        assert numbers(queue) == [0]


class CountingOutbox(Outbox):
    """An outbox that counts the entries that were read from it."""

    read_entries = 0

    async def read(self, lane: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        found = await super().read(lane, after=after, limit=limit)
        self.read_entries += len(found)
        return found


async def test_backlog_is_read_once_however_long_it_is() -> None:
    async with CountingOutbox() as outbox:
        queue = LaneQueue(outbox, LANE, incoming_size=10, batch_size=20)
        for number in range(500):
            await put(queue, outbox, entry(number), None)

        delivered: list[int] = []
        while len(delivered) < 500:
            await queue.fill()
            delivered += await deliver(queue, outbox, 2)

        assert delivered == list(range(500))
        # Each read also looks whether there is more.
        assert outbox.read_entries <= 500 * 1.15
        queue.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 12)),
        st.tuples(st.just("lost put"), st.integers(1, 3)),
        st.tuples(st.just("fill"), st.just(0)),
        st.tuples(st.just("deliver"), st.integers(1, 6)),
        st.tuples(st.just("reject"), st.integers(0, 5)),
        st.tuples(st.just("retry"), st.just(0)),
    ),
    max_size=60,
)


@pytest.mark.slow
@given(STEPS)
@example(
    [("put", 2), ("fill", 0)] + [("put", 1)] * 4 + [("reject", 0), ("fill", 0)]  # then "retry"
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_happens_each_entry_is_delivered_once_and_in_order(
    backend: Literal["asyncio", "trio"], steps: list[tuple[str, int]]
) -> None:
    async def main() -> None:
        async with queue_in_memory(**SMALL) as (queue, outbox):
            count = 0
            delivered: list[int] = []
            retried: set[int] = set()
            for step, number in [*steps, ("retry", 0)]:
                match step:
                    case "put":
                        for _ in range(number):
                            await put(queue, outbox, entry(count), None)
                            count += 1
                    case "lost put":
                        for _ in range(number):
                            await outbox.put(LANE, entry(count).to_json())
                            count += 1

                        queue.invalidate()
                    case "fill":
                        await queue.fill()
                    case "deliver":
                        delivered += await deliver(queue, outbox, number)
                    case "reject" if number < len(queue.batch):
                        rejected = queue.batch[number]
                        queue.remove_ids({rejected.id})
                        await outbox.dead_letter([rejected.id], "rejected")
                        retried.add(int(rejected.entry.embed.title))
                    case "retry":
                        await outbox.retry_lane(LANE)
                        queue.reload()

            await queue.fill()
            while not queue.is_empty:
                delivered += await deliver(queue, outbox, 2)
                await queue.fill()

            assert sorted(delivered) == list(range(count))
            in_order = [number for number in delivered if number not in retried]
            assert in_order == sorted(in_order)

    name, options = virtual_time(backend)
    anyio.run(main, backend=name, backend_options=options)
