from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from lanrage_events.outbox import (
    UNTIL_RESUMED,
    DeadLetter,
    Outbox,
    OutboxEntry,
    OutboxFull,
    OutboxItem,
)

START = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class RunningClock:
    """Tells the time that the event loop thinks it is."""

    def __init__(self) -> None:
        self._start = anyio.current_time()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=anyio.current_time() - self._start)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def bodies(entries: Iterable[OutboxEntry]) -> list[str]:
    return [entry.body for entry in entries]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the outbox of the test is: it must not make a difference."""
    return None if request.param == "memory" else tmp_path / "state" / "outbox.db"


def make_outbox(path: Path | None, **options: Any) -> Outbox:
    """Return an outbox without a thread: these tests run in virtual time."""
    return Outbox(path, inline=True, **options)


@pytest.fixture
def outbox(path: Path | None, clock: Clock) -> Outbox:
    return make_outbox(path, now=clock)


async def test_what_was_put_is_read_in_order(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        first = await outbox.put("general", '{"n": 1}', label="peer_joined", expires=after(60))
        clock.advance(1.5)
        second = await outbox.put("general", "2")

        assert first < second
        assert await outbox.read("general") == [
            OutboxEntry(
                id=first,
                lane="general",
                body='{"n": 1}',
                label="peer_joined",
                put_time=START,
                expires=after(60),
                postponed_until=None,
                attempts=0,
                last_error="",
                size=8,
            ),
            OutboxEntry(
                id=second,
                lane="general",
                body="2",
                label="",
                put_time=after(1.5),
                expires=None,
                postponed_until=None,
                attempts=0,
                last_error="",
                size=1,
            ),
        ]


async def test_lanes_do_not_mix(outbox: Outbox) -> None:
    async with outbox:
        await outbox.put("a", "1")
        await outbox.put("b", "2")
        await outbox.put("a", "3")

        assert bodies(await outbox.read("a")) == ["1", "3"]
        assert bodies(await outbox.read("b")) == ["2"]
        assert await outbox.read("c") == []


async def test_many_are_put_at_once(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("b", "2", "x", after(9))])

        assert [entry.id for entry in await outbox.pending()] == list(ids)
        assert [entry.lane for entry in await outbox.pending()] == ["a", "b"]
        assert await outbox.put_many([]) == range(ids[-1] + 1, ids[-1] + 1)


async def test_reading_goes_on_after_an_id_and_stops_at_the_limit(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(10)])

        assert bodies(await outbox.read("a", limit=3)) == ["0", "1", "2"]
        assert bodies(await outbox.read("a", after=ids[2], limit=3)) == ["3", "4", "5"]
        assert bodies(await outbox.read("a", after=ids[8])) == ["9"]


async def test_any_text_comes_back_as_it_was(outbox: Outbox) -> None:
    text = 'nul \0, quote ", line\n, 🎮, \u202e, ' + "x" * 10_000
    async with outbox:
        await outbox.put(text, text, label=text)
        (entry,) = await outbox.read(text)

        assert (entry.body, entry.label) == (text, text)
        assert entry.size == len(text.encode())
        assert outbox.statistics().bytes == entry.size


@pytest.mark.parametrize(
    ("item", "error", "message"),
    [
        (OutboxItem("", "1"), ValueError, "expected the name of a lane"),
        (OutboxItem("a", b"1"), TypeError, "expected text, not bytes"),  # type: ignore[arg-type]
        (OutboxItem("a", "1", None), TypeError, "expected text"),  # type: ignore[arg-type]
        (OutboxItem("a", "\ud800"), UnicodeEncodeError, "surrogates"),
        (OutboxItem("\ud800", "1"), UnicodeEncodeError, "surrogates"),
        (OutboxItem("a", "1", "", START.replace(tzinfo=None)), ValueError, "a time zone"),
    ],
)
async def test_what_cannot_be_put_is_rejected_and_changes_nothing(
    outbox: Outbox, item: OutboxItem, error: type[Exception], message: str
) -> None:
    async with outbox:
        with pytest.raises(error, match=message):
            await outbox.put_many([OutboxItem("a", "0"), item])

        assert await outbox.pending() == []
        assert await outbox.lanes() == []
        assert outbox.statistics().pending == 0
        assert outbox.problem is None


async def test_what_is_acknowledged_is_gone(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(4)])
        await outbox.acknowledge([ids[0], ids[2], ids[2], 999])

        assert bodies(await outbox.read("a")) == ["1", "3"]
        statistics = outbox.statistics()
        assert (statistics.put, statistics.pending, statistics.acknowledged) == (4, 2, 2)
        await outbox.acknowledge(ids)
        assert outbox.statistics().acknowledged == 4
        assert await outbox.lanes() == []


async def test_a_postponed_entry_lets_others_overtake_it(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(3)])
        await outbox.postpone([ids[0]], after(10), "HTTP 503")

        assert bodies(await outbox.read("a")) == ["1", "2"]
        assert bodies(await outbox.pending("a")) == ["0", "1", "2"]
        clock.advance(10)
        entries = await outbox.read("a")
        assert bodies(entries) == ["0", "1", "2"]
        assert entries[0].attempts == 1
        assert entries[0].last_error == "HTTP 503"
        assert entries[0].postponed_until == after(10)


async def test_postponing_into_the_past_only_counts_the_attempt(outbox: Outbox) -> None:
    async with outbox:
        id = await outbox.put("a", "0")
        await outbox.postpone([id], after(-1), "reset")
        await outbox.postpone([id], START, "reset again")
        (entry,) = await outbox.read("a")

        assert (entry.attempts, entry.last_error) == (2, "reset again")
        assert entry.postponed_until is None


async def test_due_postponed_entries_are_read_in_their_place(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(6)])
        await outbox.postpone([ids[1], ids[4]], after(1))
        clock.advance(1)

        assert bodies(await outbox.read("a", limit=2)) == ["0", "1"]
        assert bodies(await outbox.read("a", after=ids[1], limit=3)) == ["2", "3", "4"]
        assert bodies(await outbox.pending("a", after=ids[0], limit=2)) == ["1", "2"]


async def test_a_postponed_lane_is_left_alone_as_a_whole(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        await outbox.put("a", "1")
        await outbox.put("b", "2")
        await outbox.postpone_lane("a", after(10), "HTTP 503")
        await outbox.postpone_lane("a", after(20), "HTTP 502")

        assert await outbox.read("a") == []
        assert bodies(await outbox.read("b")) == ["2"]
        lane = (await outbox.lanes())[0]
        assert (lane.attempts, lane.last_error, lane.postponed_until) == (2, "HTTP 502", after(20))
        clock.advance(20)
        assert bodies(await outbox.read("a")) == ["1"]


async def test_a_lane_can_be_postponed_until_it_is_resumed(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        await outbox.put("a", "1")
        await outbox.postpone_lane("a", error="the webhook was deleted")
        clock.advance(1e9)

        assert await outbox.read("a") == []
        assert await outbox.next_due("a") is None
        assert (await outbox.lanes())[0].postponed_until == UNTIL_RESUMED
        await outbox.resume_lane("a")
        assert bodies(await outbox.read("a")) == ["1"]
        lane = (await outbox.lanes())[0]
        assert (lane.attempts, lane.last_error, lane.postponed_until) == (0, "", None)


async def test_the_postponement_of_an_empty_lane_is_kept(outbox: Outbox) -> None:
    async with outbox:
        await outbox.postpone_lane("a", error="the webhook was deleted")
        id = await outbox.put("a", "1")

        assert await outbox.read("a") == []
        await outbox.acknowledge([id])
        assert [lane.name for lane in await outbox.lanes()] == ["a"]
        await outbox.resume_lane("a")
        assert await outbox.lanes() == []


async def test_delivering_something_forgets_the_attempts_of_the_lane(
    outbox: Outbox, clock: Clock
) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("a", "2")])
        await outbox.postpone_lane("a", after(1), "HTTP 503")
        clock.advance(1)
        await outbox.acknowledge(ids[:1])

        lane = (await outbox.lanes())[0]
        assert (lane.attempts, lane.last_error) == (0, "")


async def test_next_due_says_when_there_is_something_to_read(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        assert await outbox.next_due("a") is None
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("a", "2")])
        assert await outbox.next_due("a") == START
        await outbox.postpone(ids[:1], after(10))
        assert await outbox.next_due("a") == START
        await outbox.postpone(ids[1:], after(20))
        assert await outbox.next_due("a") == after(10)
        await outbox.postpone_lane("a", after(15))
        assert await outbox.next_due("a") == after(15)
        clock.advance(30)
        assert await outbox.next_due("a") == after(10 + 5)
        await outbox.acknowledge(ids)
        assert await outbox.next_due("a") is None


async def test_next_due_of_a_postponed_lane_is_the_end_of_its_postponement(
    outbox: Outbox,
) -> None:
    async with outbox:
        await outbox.put("a", "1")
        await outbox.postpone_lane("a", after(15))

        assert await outbox.next_due("a") == after(15)


async def test_what_expired_is_not_read(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        first = await outbox.put("a", "1", expires=after(10))
        second = await outbox.put("a", "2", expires=after(11))
        await outbox.put("a", "3")
        await outbox.postpone([first, second], after(5))
        clock.advance(10)

        assert bodies(await outbox.read("a")) == ["2", "3"]
        assert len(await outbox.pending("a")) == 3


async def test_what_expired_does_not_keep_a_lane_awake(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        first = await outbox.put("a", "1", expires=after(10))
        await outbox.put("a", "2", expires=after(10))
        await outbox.postpone([first], after(20))
        clock.advance(10)

        assert await outbox.next_due("a") is None


async def test_expiring_removes_and_reports(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        await outbox.put("a", "1", label="peer_joined", expires=after(10))
        clock.advance(1)
        await outbox.put("a", "2", label="peer_joined", expires=after(5))
        await outbox.put("a", "3", label="peer_left", expires=after(5))
        await outbox.put("a", "4", label="peer_left", expires=after(500))
        await outbox.put("b", "5", label="peer_joined", expires=after(5))
        await outbox.put("b", "6", label="peer_joined")
        clock.advance(9)

        assert [
            (expiry.lane, expiry.label, expiry.count, expiry.oldest, expiry.newest)
            for expiry in await outbox.expire("a")
        ] == [("a", "peer_joined", 2, START, after(1)), ("a", "peer_left", 1, after(1), after(1))]
        assert [(expiry.lane, expiry.count) for expiry in await outbox.expire()] == [("b", 1)]
        assert await outbox.expire() == []
        assert bodies(await outbox.pending()) == ["4", "6"]
        statistics = outbox.statistics()
        assert (statistics.expired, statistics.pending, statistics.bytes) == (4, 2, 2)
        assert statistics.oldest == after(1)


async def test_next_expiry_is_that_of_the_first_entry_to_expire(outbox: Outbox) -> None:
    async with outbox:
        assert await outbox.next_expiry("a") is None
        await outbox.put("a", "1")
        assert await outbox.next_expiry("a") is None
        await outbox.put("a", "2", expires=after(10))
        await outbox.put("a", "3", expires=after(5))
        await outbox.put("b", "4", expires=after(1))
        assert await outbox.next_expiry("a") == after(5)


@pytest.mark.slow
@pytest.mark.either_backend
async def test_expiring_more_than_one_transaction_takes(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        await outbox.put_many([OutboxItem("a", "x", "p", START) for _ in range(10_001)])
        await outbox.put_many([OutboxItem("b", "x", "p", START) for _ in range(4)])

        found = await outbox.expire()

        assert [(expiry.lane, expiry.count) for expiry in found] == [("a", 10_001), ("b", 4)]
        assert await outbox.pending() == []


async def test_a_dead_letter_keeps_everything(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        id = await outbox.put("a", "body", label="peer_joined", expires=after(60))
        await outbox.postpone([id], START, "HTTP 503")
        clock.advance(3)
        await outbox.dead_letter([id], "HTTP 400", "embeds.0.title: required")
        expected = DeadLetter(
            id=id,
            lane="a",
            body="body",
            label="peer_joined",
            put_time=START,
            expires=after(60),
            postponed_until=None,
            attempts=1,
            last_error="HTTP 503",
            size=4,
            failed_time=after(3),
            reason="HTTP 400",
            detail="embeds.0.title: required",
        )

        assert await outbox.dead_letters() == [expected]
        assert await outbox.dead_letters("a") == [expected]
        assert await outbox.dead_letters("b") == []
        assert await outbox.show(id) == expected
        assert await outbox.read("a") == []
        statistics = outbox.statistics()
        assert (statistics.pending, statistics.dead, statistics.dead_lettered) == (0, 1, 1)
        assert (await outbox.lanes())[0].dead == 1


async def test_the_oldest_dead_letters_make_room(
    path: Path | None, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_outbox(path, now=clock, max_dead=2) as outbox:
        ids = await outbox.put_many([OutboxItem(lane, lane) for lane in "abcd"])
        await outbox.dead_letter([ids[3]], "first")
        clock.advance(1)
        await outbox.dead_letter(ids[:3], "second")

        assert bodies(await outbox.dead_letters()) == ["b", "c"]
        statistics = outbox.statistics()
        assert (statistics.dead, statistics.dead_lettered, statistics.forgotten) == (2, 4, 2)
        assert [lane.name for lane in await outbox.lanes()] == ["b", "c"]
        assert "2 oldest dead letters were removed because it keeps at most 2" in caplog.text


async def test_a_retried_dead_letter_takes_its_old_place(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        ids = await outbox.put_many(
            [OutboxItem("a", "0", "", after(5)), OutboxItem("a", "1"), OutboxItem("a", "2")]
        )
        await outbox.postpone(ids[:1], START, "HTTP 503")
        await outbox.dead_letter(ids[:2], "HTTP 400")
        clock.advance(10)

        assert await outbox.retry([ids[0], 999, 10**30]) == 1
        entries = await outbox.read("a")
        assert bodies(entries) == ["0", "2"]
        assert entries[0].id == ids[0]
        assert (entries[0].attempts, entries[0].last_error, entries[0].expires) == (0, "", None)
        statistics = outbox.statistics()
        assert (statistics.retried, statistics.dead, statistics.pending) == (1, 1, 2)


async def test_retrying_takes_back_postponements(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(3)])
        await outbox.postpone(ids[:2], after(10), "HTTP 503")
        await outbox.postpone_lane("a", error="gone")

        assert await outbox.retry(ids[1:2]) == 1
        assert bodies(await outbox.read("a")) == ["1", "2"]
        assert (await outbox.pending())[1].attempts == 0
        assert outbox.statistics().retried == 0


async def test_a_lane_is_retried_as_a_whole(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(5)])
        other = await outbox.put("b", "5")
        await outbox.dead_letter([*ids[:3], other], "HTTP 400")
        await outbox.postpone(ids[3:4], after(10))
        await outbox.postpone_lane("a", error="gone")

        assert await outbox.retry_lane("a", limit=2) == 2
        assert bodies(await outbox.dead_letters()) == ["2", "5"]
        assert await outbox.retry_lane("a") == 2
        assert bodies(await outbox.read("a")) == ["0", "1", "2", "3", "4"]
        assert await outbox.retry_lane("a") == 0
        assert await outbox.retry_lane("nobody") == 0


async def test_retrying_a_lane_without_dead_letters_resumes_it(outbox: Outbox) -> None:
    async with outbox:
        await outbox.put("a", "1")
        await outbox.postpone_lane("a", error="gone")

        assert await outbox.retry_lane("a") == 0
        assert bodies(await outbox.read("a")) == ["1"]


async def test_what_is_dropped_is_gone(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(3)])
        await outbox.dead_letter(ids[:1], "HTTP 400")

        assert await outbox.drop([ids[0], ids[1], 999, 10**30]) == 2
        assert bodies(await outbox.pending()) == ["2"]
        assert await outbox.dead_letters() == []
        statistics = outbox.statistics()
        assert (statistics.dropped, statistics.pending, statistics.dead) == (2, 1, 0)
        assert statistics.bytes == 1


async def test_a_lane_is_dropped_in_parts(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n)) for n in range(6)])
        await outbox.put("b", "6")
        await outbox.dead_letter(ids[:2], "HTTP 400")
        await outbox.postpone(ids[2:3], after(10))

        assert await outbox.drop_lane("a", "dead", limit=1) == 1
        assert bodies(await outbox.dead_letters()) == ["1"]
        assert await outbox.drop_lane("a", "dead") == 1
        assert await outbox.drop_lane("a", "pending", limit=2) == 2
        assert bodies(await outbox.pending("a")) == ["2", "5"]
        assert await outbox.drop_lane("a", "pending") == 2
        assert bodies(await outbox.pending()) == ["6"]
        await outbox.dead_letter([await outbox.put("a", "7")], "HTTP 400")
        await outbox.put("a", "8")
        assert await outbox.drop_lane("a") == 2
        assert [lane.name for lane in await outbox.lanes()] == ["b"]


@pytest.mark.slow
@pytest.mark.either_backend
async def test_a_lane_larger_than_a_transaction_is_dropped_and_retried(path: Path | None) -> None:
    async with make_outbox(path, max_dead=20_000) as outbox:
        ids = await outbox.put_many([OutboxItem("a", "x") for _ in range(10_007)])
        await outbox.dead_letter(ids, "HTTP 400")

        assert await outbox.retry_lane("a") == 10_007
        assert await outbox.drop_lane("a", limit=5) == 5
        assert await outbox.drop_lane("a") == 10_002


async def test_showing_an_entry_or_nothing(outbox: Outbox) -> None:
    async with outbox:
        id = await outbox.put("a", "1")
        entry = await outbox.show(id)

        assert isinstance(entry, OutboxEntry)
        assert not isinstance(entry, DeadLetter)
        assert entry.body == "1"
        assert await outbox.show(999) is None
        assert await outbox.show(10**30) is None


async def test_lists_are_paged(outbox: Outbox) -> None:
    async with outbox:
        ids = await outbox.put_many([OutboxItem("ab"[n % 2], str(n)) for n in range(8)])

        assert bodies(await outbox.pending(limit=3)) == ["0", "1", "2"]
        assert bodies(await outbox.pending("b", after=ids[1], limit=2)) == ["3", "5"]
        await outbox.dead_letter(ids, "HTTP 400")
        assert bodies(await outbox.dead_letters(after=ids[2], limit=2)) == ["3", "4"]
        assert bodies(await outbox.dead_letters("a", after=ids[2], limit=2)) == ["4", "6"]


async def test_lanes_are_counted(outbox: Outbox, clock: Clock) -> None:
    async with outbox:
        first = await outbox.put("b", "12")
        clock.advance(1)
        await outbox.put("b", "345")
        await outbox.put("a", "é")
        dead = await outbox.put("b", "6")
        await outbox.dead_letter([dead], "HTTP 400")
        await outbox.postpone([first], after(100))

        a, b = await outbox.lanes()
        assert (a.name, a.pending, a.bytes, a.dead, a.oldest) == ("a", 1, 2, 0, after(1))
        assert (b.name, b.pending, b.bytes, b.dead, b.oldest) == ("b", 2, 5, 1, START)
        statistics = outbox.statistics()
        assert (statistics.pending, statistics.bytes, statistics.dead) == (3, 7, 1)
        assert statistics.oldest == START


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_entries": 2}, "2 of at most 2 entries wait"),
        ({"max_bytes": 3}, "2 of at most 3 bytes wait"),
        ({"max_entries_per_lane": 2}, "2 of at most 2 entries wait in lane 'a'"),
    ],
)
async def test_a_full_outbox_rejects_the_new_and_keeps_the_old(
    path: Path | None, limits: dict[str, int], message: str
) -> None:
    async with make_outbox(path, **limits) as outbox:
        ids = await outbox.put_many([OutboxItem("a", "1"), OutboxItem("a", "2")])
        with pytest.raises(OutboxFull, match=f"^the outbox is full: {message}$") as caught:
            await outbox.put_many([OutboxItem("a", "3"), OutboxItem("a", "4")])

        assert caught.value.rejected == 2
        assert bodies(await outbox.pending()) == ["1", "2"]
        statistics = outbox.statistics()
        assert (statistics.put, statistics.rejected, statistics.failed) == (2, 2, 0)
        assert outbox.problem is None
        await outbox.acknowledge(ids)
        await outbox.put_many([OutboxItem("a", "5"), OutboxItem("a", "6")])


async def test_a_lane_that_is_full_leaves_room_for_others(path: Path | None) -> None:
    async with make_outbox(path, max_entries_per_lane=1) as outbox:
        await outbox.put("a", "1")
        with pytest.raises(OutboxFull):
            await outbox.put("a", "2")

        await outbox.put("b", "3")


async def test_ids_are_never_used_again(path: Path | None, tmp_path: Path) -> None:
    file = path or tmp_path / "outbox.db"
    seen: set[int] = set()
    for _ in range(3):
        async with make_outbox(file) as outbox:
            ids = await outbox.put_many([OutboxItem("a", "x") for _ in range(3)])
            await outbox.acknowledge(ids)
            assert seen.isdisjoint(ids)
            seen.update(ids)

    assert len(seen) == max(seen) - min(seen) + 1


async def test_everything_is_there_after_opening_again(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "outbox.db"
    async with make_outbox(path, now=clock) as outbox:
        ids = await outbox.put_many([OutboxItem("a", str(n), "x", after(99)) for n in range(3)])
        await outbox.dead_letter(ids[:1], "HTTP 400", "detail")
        await outbox.postpone(ids[1:2], after(5), "HTTP 503")
        await outbox.postpone_lane("a", after(7), "HTTP 502")
        expected = [
            await outbox.pending(),
            await outbox.dead_letters(),
            await outbox.lanes(),
        ]

    async with make_outbox(path, now=clock) as outbox:
        assert outbox.moved_aside is None
        assert [
            await outbox.pending(),
            await outbox.dead_letters(),
            await outbox.lanes(),
        ] == expected
        statistics = outbox.statistics()
        assert (statistics.pending, statistics.dead, statistics.put) == (2, 1, 0)
        assert statistics.oldest == START


async def test_waiting_ends_when_something_is_put(path: Path | None) -> None:
    async with make_outbox(path, now=RunningClock()) as outbox, anyio.create_task_group() as tg:
        woken = anyio.Event()

        async def wait() -> None:
            await outbox.wait("a")
            woken.set()

        tg.start_soon(wait)
        await wait_all_tasks_blocked()
        await outbox.put("b", "1")
        await wait_all_tasks_blocked()
        assert not woken.is_set()
        await outbox.put("a", "2")
        with anyio.fail_after(1):
            await woken.wait()


async def test_waiting_ends_at_once_when_there_is_something(outbox: Outbox) -> None:
    async with outbox:
        await outbox.put("a", "1")
        with anyio.fail_after(1):
            await outbox.wait("a")


async def test_waiting_ends_when_a_postponement_does(path: Path | None) -> None:
    async with make_outbox(path, now=RunningClock()) as outbox:
        id = await outbox.put("a", "1")
        await outbox.postpone([id], after(3600))
        await outbox.wait("a")

        assert anyio.current_time() >= 3600
        assert bodies(await outbox.read("a")) == ["1"]


async def test_waiting_ends_with_a_postponement_in_which_all_expired(path: Path | None) -> None:
    async with make_outbox(path, now=RunningClock()) as outbox:
        await outbox.put("a", "1", expires=after(60))
        await outbox.postpone_lane("a", after(3600))
        await outbox.wait("a")

        assert await outbox.read("a") == []
        assert len(await outbox.expire("a")) == 1


async def test_waiting_begins_again_when_something_else_happens(path: Path | None) -> None:
    async with make_outbox(path, now=RunningClock()) as outbox, anyio.create_task_group() as tg:
        first = await outbox.put("a", "1")
        await outbox.postpone([first], after(3600))
        tg.start_soon(outbox.wait, "a")
        await wait_all_tasks_blocked()
        await outbox.postpone_lane("a", after(7200))
        await outbox.put("a", "2")

    assert anyio.current_time() >= 7200


@pytest.mark.parametrize("how", ["retry", "retry_lane", "resume_lane"])
async def test_waiting_ends_at_a_retry(path: Path | None, how: str) -> None:
    async with make_outbox(path, now=RunningClock()) as outbox, anyio.create_task_group() as tg:
        id = await outbox.put("a", "1")
        await outbox.postpone_lane("a")
        tg.start_soon(outbox.wait, "a")
        await wait_all_tasks_blocked()
        if how == "retry":
            await outbox.retry([id])
        elif how == "retry_lane":
            await outbox.retry_lane("a")
        else:
            await outbox.resume_lane("a")

    assert anyio.current_time() < 3600


async def test_closing_ends_waiting_and_listening(outbox: Outbox) -> None:
    ended = []

    async def expect_closed(what: str) -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await (outbox.wait("a") if what == "wait" else outbox.listen())

        ended.append(what)

    async with anyio.create_task_group() as task_group, outbox:
        task_group.start_soon(expect_closed, "wait")
        task_group.start_soon(expect_closed, "listen")
        await wait_all_tasks_blocked()

    assert sorted(ended) == ["listen", "wait"]


async def test_a_lane_gets_another_name_with_all_that_it_holds(outbox: Outbox) -> None:
    async with outbox:
        ids = [await outbox.put(lane, lane + str(n)) for n in range(3) for lane in ("a", "b")]
        await outbox.dead_letter(ids[:1], "rejected")
        await outbox.acknowledge(ids[2:3])
        assert await outbox.rename_lane("a", "b") == 2
        assert bodies(await outbox.read("b")) == ["b0", "b1", "a2", "b2"]
        assert bodies(await outbox.dead_letters("b")) == ["a0"]
        [lane] = await outbox.lanes()
        assert (lane.name, lane.pending, lane.dead, lane.bytes) == ("b", 4, 1, 8)
        assert await outbox.rename_lane("a", "c") == 0
        with pytest.raises(ValueError, match="not an empty text"):
            await outbox.rename_lane("b", "")

        assert await outbox.retry_lane("b") == 1
        assert bodies(await outbox.read("b")) == ["a0", "b0", "b1", "a2", "b2"]


@pytest.mark.parametrize("change", ["retry", "retry_lane", "drop", "drop_lane", "resume_lane"])
async def test_a_listener_is_notified_of_changes_in_this_process_too(
    outbox: Outbox, change: str
) -> None:
    heard: list[str] = []
    async with outbox, anyio.create_task_group() as task_group:
        number = await outbox.put("a", "1")
        await outbox.dead_letter([number], "refused")
        task_group.start_soon(outbox.listen, lambda: heard.append(change))
        await wait_all_tasks_blocked()
        assert heard == []
        method = getattr(outbox, change)
        await method("a" if change.endswith("lane") else [number])
        await wait_all_tasks_blocked()
        assert heard == [change]
        task_group.cancel_scope.cancel()


async def test_an_outbox_is_used_only_in_its_context(outbox: Outbox) -> None:
    with pytest.raises(RuntimeError, match="async with outbox"):
        await outbox.put("a", "1")

    with pytest.raises(RuntimeError, match="async with outbox"):
        outbox.statistics()

    async with outbox:
        await outbox.put("a", "1")
        with pytest.raises(RuntimeError, match="only once"):
            await outbox.__aenter__()

    with pytest.raises(anyio.ClosedResourceError):
        await outbox.put("a", "2")

    assert outbox.statistics().pending == 1
    with pytest.raises(RuntimeError, match="only once"):
        await outbox.__aenter__()


async def test_a_cancelled_put_puts_nothing(outbox: Outbox) -> None:
    async with outbox:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await outbox.put("a", "1")

        assert await outbox.pending() == []


async def test_nothing_of_a_body_is_logged(
    path: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with make_outbox(path, max_dead=0) as outbox:
        id = await outbox.put("a", "made-up-secret", label="peer_joined")
        await outbox.dead_letter([id], "HTTP 400")

    assert "dead letters were removed" in caplog.text
    assert "made-up-secret" not in caplog.text


async def measure_steps(backlog: int, postponed: int) -> dict[str, int]:
    """Return how many steps SQLite takes for each operation beside a backlog."""
    steps: dict[str, int] = {}
    async with make_outbox(None, now=Clock(), max_entries=10**6) as outbox:
        await outbox.put_many([OutboxItem("a", "x", "", after(9)) for _ in range(backlog)])
        ids = await outbox.put_many([OutboxItem("b", "x") for _ in range(postponed)])
        await outbox.postpone(ids, after(60))
        (last,) = await outbox.put_many([OutboxItem("a", "x")])
        await outbox.put("b", "x")
        connection = outbox._store._connection
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        connection.set_progress_handler(step, 1)

        async def measure(name: str, call: Awaitable[object]) -> None:
            nonlocal count
            count = 0
            await call
            steps[name] = count

        await measure("read", outbox.read("a", limit=10))
        await measure("read after", outbox.read("a", after=last - 1))
        await measure("read beside the postponed", outbox.read("b"))
        await measure("next due", outbox.next_due("a"))
        await measure("next due beside the postponed", outbox.next_due("b"))
        await measure("expire", outbox.expire())
        await measure("show", outbox.show(last))
        await measure("pending", outbox.pending(limit=10))
        await measure("pending of a lane", outbox.pending("a", limit=10))
        await measure("put", outbox.put("a", "x"))
        await measure("postpone", outbox.postpone([last], after(1)))
        await measure("acknowledge", outbox.acknowledge([1, 2, 3]))
        await measure("dead letter", outbox.dead_letter([4], "HTTP 400"))
        await measure("retry", outbox.retry([4]))
        await measure("drop", outbox.drop([5]))
        connection.set_progress_handler(None, 0)

    return steps


async def test_nothing_costs_more_beside_a_backlog() -> None:
    assert await measure_steps(50, 50) == await measure_steps(5000, 5000)
