"""A plugin that sends once, on a bus, with what the receiver may answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventBus, Health, Metric, Notification, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.delivery import Delivery, Entry, Item, LaneStatistics, Outcome, Selection
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox, OutboxFull, OutboxItem, Storage
from lanrage_events.testing import virtual_time

Answer: TypeAlias = Outcome | Exception | Callable[[Sequence[Entry]], Outcome]


class Sink:
    """Puts what it gets, in the lane that the title names, and answers requests in turn.

    :param answers: what comes of the requests; then all are delivered
    """

    durable = True

    def __init__(self, answers: Iterable[Answer] = (), **options: Any) -> None:
        self.answers: list[Answer] = [*answers]
        self.requests: list[list[str]] = []
        self.times: list[float] = []
        self.got: list[str] = []
        self.before_answer: Callable[[], Awaitable[object]] | None = None
        self.delivery = Delivery(self.send, **options)

    async def send(self, entries: Sequence[Entry]) -> Outcome:
        texts = [entry.data["message"] for entry in entries]
        self.requests.append(texts)
        self.times.append(anyio.current_time())
        if self.before_answer is not None:
            await self.before_answer()

        answer = self.answers.pop(0) if self.answers else Outcome.delivered()
        if isinstance(answer, Exception):
            raise answer

        outcome = answer if isinstance(answer, Outcome) else answer(entries)
        if outcome.kind.value == "delivered":
            ids = outcome.entries
            self.got += [e.data["message"] for e in entries if ids is None or e.id in ids]

        return outcome

    @hookimpl
    async def notification(self, event: Notification) -> None:
        await self.delivery.put(event, event.title or "default")

    @hookimpl
    def lifespan(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        return self.delivery.running(bus, self)

    @hookimpl
    def health(self) -> Health:
        return self.delivery.health()

    @hookimpl
    def metrics(self) -> list[Metric]:
        return self.delivery.metrics()

    @hookimpl
    def outbox(self) -> Storage | None:
        return self.delivery.outbox


def on_file(path: Path) -> Callable[[], Outbox]:
    """Return what opens an outbox on a file."""
    return lambda: Outbox(path)


@asynccontextmanager
async def running(sink: Sink, *, drain_timeout: float = 10.0) -> AsyncIterator[EventBus]:
    async with EventBus(drain_timeout=drain_timeout) as bus:
        await bus.plugins.register_and_wait(sink, name="pager")
        yield bus


async def publish(bus: EventBus, *texts: str, lane: str = "") -> None:
    for text in texts:
        await bus.publish_and_wait(Notification(title=lane, message=text))


async def test_each_event_is_sent_once_in_order() -> None:
    sink = Sink()
    async with running(sink) as bus:
        await publish(bus, "a", "b", "c")
        await wait_all_tasks_blocked()
        assert sink.requests == [["a"], ["b"], ["c"]]
        assert bus.health()["pager"] == Health()


async def test_what_comes_after_a_quiet_time_goes_at_once_and_the_rest_is_gathered() -> None:
    sink = Sink(batch_size=10, window=0.5)
    async with running(sink) as bus:
        await publish(bus, "a")
        await anyio.sleep(0.1)
        await publish(bus, "b", "c")
        await anyio.sleep(1)
        assert sink.requests == [["a"], ["b", "c"]]
        assert sink.times[1] - sink.times[0] == pytest.approx(0.6)


async def test_a_full_or_urgent_batch_is_not_gathered_any_longer() -> None:
    sink = Sink(batch_size=3, window=60.0, immediate=False)
    async with running(sink) as bus:
        await publish(bus, "a", "b", "c")
        await wait_all_tasks_blocked()
        assert sink.requests == [["a", "b", "c"]]
        await publish(bus, "d")
        await sink.delivery.put({"message": "e"}, immediate=True)
        await wait_all_tasks_blocked()
        assert sink.requests[1:] == [["d", "e"]]
        assert sink.times[1] - sink.times[0] < 1


async def test_requests_of_a_lane_keep_their_interval() -> None:
    sink = Sink(interval=2.0)
    async with running(sink) as bus:
        await publish(bus, "a", "b", "c")
        await anyio.sleep(10)
        assert [time - sink.times[0] for time in sink.times] == pytest.approx([0.0, 2.0, 4.0])


async def test_what_fails_is_sent_again_with_longer_and_longer_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink([Outcome.retry("HTTP 503")] * 6)
    async with running(sink) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()
        health = bus.health()["pager"]
        assert (health.status, health.undelivered) == ("degraded", 1)
        assert health.detail.startswith("1 event waiting: lane 'default': HTTP 503; retries in 0.")
        await anyio.sleep(10)
        assert sink.got == ["a"]
        pauses = [later - time for time, later in zip(sink.times, sink.times[1:], strict=False)]
        assert pauses[0] <= 0.1 < max(pauses) <= 2.0
        assert bus.health()["pager"] == Health()

    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


async def test_nothing_is_sent_before_the_time_that_the_receiver_asks_for() -> None:
    sink = Sink([Outcome.retry("HTTP 429", after=40.0)])
    async with running(sink) as bus:
        await publish(bus, "a")
        await anyio.sleep(39.9)
        assert len(sink.requests) == 1
        await anyio.sleep(0.2)
        assert sink.got == ["a"]


async def test_one_lane_does_not_wait_for_another() -> None:
    sink = Sink([Outcome.retry("HTTP 429", after=3600.0)])
    async with running(sink) as bus:
        await publish(bus, "a", lane="first")
        await publish(bus, "b", lane="second")
        await wait_all_tasks_blocked()
        assert sink.got == ["b"]


async def test_a_batch_with_an_unknown_bad_entry_is_halved_until_it_is_found() -> None:
    def answer(entries: Sequence[Entry]) -> Outcome:
        is_bad = any("bad" in entry.data["message"] for entry in entries)
        return Outcome.dead("HTTP 400", detail="no such field") if is_bad else Outcome.delivered()

    sink = Sink([answer] * 30, batch_size=10, window=0.5, immediate=False)
    texts = ["a", "b", "bad 1", "c", "d", "e", "bad 2", "f"]
    async with running(sink) as bus:
        await publish(bus, *texts)
        await anyio.sleep(1)
        assert sink.got == ["a", "b", "c", "d", "e", "f"]
        assert sink.delivery.outbox is not None
        letters = await sink.delivery.outbox.dead_letters()
        assert [(one.id, one.label, one.reason, one.detail) for one in letters] == [
            (3, "notification", "HTTP 400", "no such field"),
            (7, "notification", "HTTP 400", "no such field"),
        ]
        assert bus.health()["pager"] == Health("degraded", "rejected for good: 2 events", 2)
        await publish(bus, "g", "h")
        await anyio.sleep(1)
        assert sink.requests[-1] == ["g", "h"]


async def test_known_bad_entries_become_dead_letters_and_can_be_retried() -> None:
    sink = Sink(
        [lambda entries: Outcome.dead("too long", entries[1:])],
        batch_size=5,
        window=0.1,
        immediate=False,
    )
    async with running(sink) as bus:
        await publish(bus, "a", "b", "c")
        await anyio.sleep(1)
        assert sink.requests == [["a", "b", "c"], ["a"]]
        assert sink.delivery.outbox is not None
        assert await sink.delivery.outbox.retry_lane("default") == 2
        await anyio.sleep(1)
        assert sink.got == ["a", "b", "c"]
        assert bus.health()["pager"] == Health()


async def test_a_receiver_may_take_a_part() -> None:
    sink = Sink(
        [lambda entries: Outcome.delivered(entries[:2])], batch_size=5, window=0.1, immediate=False
    )
    async with running(sink) as bus:
        await publish(bus, "a", "b", "c")
        await anyio.sleep(1)
        assert sink.requests == [["a", "b", "c"], ["c"]]
        assert sink.got == ["a", "b", "c"]


async def test_a_lane_that_stops_keeps_its_entries_until_it_is_resumed() -> None:
    sink = Sink([Outcome.stop("the token is wrong")])
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(3600)
        assert sink.requests == [["a"]]
        assert bus.health()["pager"] == Health("failed", "lane 'default': the token is wrong", 2)
        sink.delivery.resume("default")
        await wait_all_tasks_blocked()
        assert sink.got == ["a", "b"]
        assert bus.health()["pager"] == Health()


@pytest.mark.parametrize("is_hanging", [True, False])
async def test_send_may_hang_or_raise(is_hanging: bool, caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink(
        () if is_hanging else [KeyError("bug"), ConnectionResetError("gone")], send_timeout=5.0
    )
    if is_hanging:
        sink.before_answer = anyio.sleep_forever

    async with running(sink, drain_timeout=3.0) as bus:
        await publish(bus, "a")
        await anyio.sleep(4.9 if is_hanging else 0.0)
        await wait_all_tasks_blocked()
        await anyio.sleep(0.11)
        sink.before_answer = None
        await anyio.sleep(1)
        assert sink.got == ["a"]
        assert sink.delivery.statistics()["default"].requests == (2 if is_hanging else 3)

    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == (0 if is_hanging else 1)


async def test_a_send_that_returns_nothing_is_an_error_that_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink()

    async def send(_: Sequence[Entry]) -> Outcome:
        return None  # type: ignore[return-value]

    sink.delivery = Delivery(send)
    async with running(sink, drain_timeout=0.5) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()
        assert bus.health()["pager"].status == "failed"

    assert "send must return an Outcome, not None" in caplog.text


async def test_a_send_that_is_not_async_stops_the_lane_after_one_request() -> None:
    requests: list[object] = []
    sink = Sink()

    def send(entries: Sequence[Entry]) -> Outcome:
        requests.append(entries)
        return Outcome.delivered()

    sink.delivery = Delivery(send)  # type: ignore[arg-type]
    async with running(sink, drain_timeout=0.5) as bus:
        await publish(bus, "a")
        await anyio.sleep(60)
        assert len(requests) == 1
        assert "send must be async" in bus.health()["pager"].detail


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), asyncio.CancelledError()])
async def test_what_ends_a_task_is_an_error_like_any_other_when_it_comes_out_of_send(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink()

    async def raise_once() -> None:
        if len(sink.requests) == 1:
            raise error

    sink.before_answer = raise_once
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(60)
        assert sink.requests == [["a"], ["a"], ["b"]]
        assert bus.health()["pager"] == Health()

    assert "is retried after an internal error" in caplog.text


@pytest.mark.parametrize("anyio_backend", [virtual_time("asyncio")])
async def test_a_send_that_cancels_its_task_harms_nothing() -> None:
    sink = Sink()

    async def cancel_twice() -> None:
        if len(sink.requests) <= 2:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if len(sink.requests) == 1:
                await anyio.sleep(1)

    sink.before_answer = cancel_twice
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(60)
        assert sink.requests == [["a"], ["a"], ["b"]]


async def test_what_send_makes_of_the_entries_is_not_sent_again() -> None:
    sink = Sink([Outcome.retry("busy")], batch_size=2, window=0.1, immediate=False)

    def change(entries: Sequence[Entry]) -> Outcome:
        assert isinstance(entries, list)
        entries[0].data["message"] += "!"
        entries.pop()
        return Outcome.retry("busy")

    sink.answers = [change]
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(60)
        assert sink.requests == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("outcome", [Outcome.delivered([]), Outcome.dead("bad", [])])
async def test_an_outcome_about_no_entry_waits_before_the_next_request(
    outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink([outcome] * 3)
    async with running(sink) as bus:
        await publish(bus, "a")
        await anyio.sleep(60)

    assert sink.got == ["a"]
    assert all(later > earlier for earlier, later in pairwise(sink.times))
    assert "about none of the entries" in caplog.text


class TransportError(Exception):
    """What httpx raises where no error of the system is the cause, such as without an answer."""


async def test_a_lost_answer_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink([TransportError("Server disconnected without sending a response.")])
    async with running(sink) as bus:
        await publish(bus, "a")
        await anyio.sleep(60)

    [record] = caplog.records
    assert "does not work (1 event waits)" in record.getMessage()
    assert record.exc_info is None


async def test_the_log_counts_what_waits_in_the_lane_that_does_not_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink([Outcome.stop("gone"), Outcome.retry("busy")])
    async with running(sink, drain_timeout=0) as bus:
        await publish(bus, "1", "2", "3", lane="b")
        await publish(bus, "4", "5", lane="a")
        await anyio.sleep(1)

    assert "lane 'a' does not work (2 events wait)" in caplog.text


async def test_what_expires_is_not_sent_but_counted(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    async with running(sink):
        await sink.delivery.put({"message": "old"}, expires=utc_now() - timedelta(seconds=1))
        await sink.delivery.put({"message": "new"}, expires=utc_now() + timedelta(hours=1))
        await wait_all_tasks_blocked()
        assert sink.got == ["new"]
        assert sink.delivery.statistics()["default"].expired == 1

    assert "expired before they could be sent" in caplog.text


# Selecting


def hold_leaves(entries: Sequence[Entry], now: datetime) -> Selection:
    """Send joins at once and leaves after 20 s, and cancel a leave that a join follows."""
    last: dict[str, Entry] = {}
    done: list[Entry] = []
    for entry in entries:
        kind, name = entry.data["message"].split()
        if kind == "join" and name in last and last[name].data["message"].startswith("leave"):
            done += [last.pop(name), entry]
        else:
            last[name] = entry

    waiting = [entry for entry in entries if entry not in done]
    held = {
        entry.id: entry.put_time + timedelta(seconds=20)
        for entry in waiting
        if entry.data["message"].startswith("leave")
    }
    send = [entry for entry in waiting if held.get(entry.id, now) <= now]
    return Selection(send, done, min(held.values(), default=None))


async def test_select_holds_and_cancels_and_the_sums_meet() -> None:
    sink = Sink(select=hold_leaves)
    async with running(sink) as bus:
        began = anyio.current_time()
        await publish(bus, "join Ann", "leave Bob", "leave Cy")
        await anyio.sleep(5)
        assert sink.requests == [["join Ann"]]
        await publish(bus, "join Bob", "join Eve")
        await anyio.sleep(30)
        assert sink.requests == [["join Ann"], ["join Eve"], ["leave Cy"]]
        assert sink.times[-1] - began == pytest.approx(20, abs=0.1)
        statistics = sink.delivery.statistics()["default"]
        assert statistics == LaneStatistics(sent=3, messages=3, requests=3, cancelled=2)
        assert bus.health()["pager"] == Health()


async def test_what_is_held_goes_at_once_when_the_outbox_is_in_memory() -> None:
    sink = Sink(select=hold_leaves)
    async with running(sink) as bus:
        await publish(bus, "leave Bob")
        await wait_all_tasks_blocked()
        began = anyio.current_time()

    assert sink.got == ["leave Bob"]
    assert anyio.current_time() - began < 1


async def test_what_is_held_stays_in_a_file_until_it_is_due(tmp_path: Path) -> None:
    sink = Sink(storage=on_file(tmp_path / "a"), select=hold_leaves)
    async with running(sink) as bus:
        await publish(bus, "leave Bob")
        await anyio.sleep(5)

    assert sink.requests == []
    again = Sink(storage=on_file(tmp_path / "a"), select=hold_leaves)
    async with running(again):
        await anyio.sleep(14.5)
        assert again.requests == []
        await anyio.sleep(1)
        assert again.got == ["leave Bob"]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (lambda entries, _: Selection([entries[0], entries[0]]), "names an entry twice"),
        (
            lambda entries, _: Selection([replace(entries[0], id=99)]),
            "names 99, which is not among",
        ),
        (lambda entries, _: Selection(), "select sends nothing and gives no time"),
        (lambda entries, now: Selection(due=now), "which has come"),
    ],
)
async def test_a_wrong_selection_is_an_error_that_says_so(
    selection: object, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink(select=selection)
    async with running(sink, drain_timeout=0.5) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()
        assert bus.health()["pager"].status == "degraded"
        assert sink.requests == []

    assert message in caplog.text


async def test_a_select_that_never_lets_anything_go_does_not_hold_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink(select=lambda _, now: Selection(due=now + timedelta(seconds=1)))
    async with running(sink) as bus:
        await publish(bus, "a")

    assert "select sends nothing" in caplog.text
    assert "1 event is lost" in caplog.text


@pytest.mark.parametrize("what", ["nothing", "SystemExit"])
async def test_a_wrong_select_is_an_error_of_its_lane(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    def select(entries: Sequence[Entry], _: datetime) -> Selection:
        if entries[0].lane == "b":
            return Selection(entries)

        if what == "SystemExit":
            raise SystemExit(3)

        return None  # type: ignore[return-value]

    sink = Sink(select=select)
    async with running(sink, drain_timeout=0.5) as bus:
        await publish(bus, "a", lane="a")
        await publish(bus, "b", lane="b")
        await wait_all_tasks_blocked()
        assert sink.got == ["b"]
        assert bus.health()["pager"].status == "degraded"

    expected = "SystemExit: 3 came out of it" if what == "SystemExit" else "must return a Selection"
    assert expected in caplog.text


# Stopping, restarts and cancellation


async def test_what_follows_entries_that_expire_during_the_end_is_sent() -> None:
    sink = Sink([Outcome.retry("busy", after=5.0)])
    async with running(sink):
        soon = utc_now() + timedelta(seconds=2)
        brief = [Item({"message": "brief"}, expires=soon) for _ in range(1200)]
        await sink.delivery.put_many([*brief, Item({"message": "lasting"})])
        await wait_all_tasks_blocked()

    assert sink.got == ["lasting"]


@pytest.mark.parametrize("how", ["retry", "rename"])
async def test_what_others_put_into_a_lane_that_had_nothing_is_delivered(
    how: str, tmp_path: Path
) -> None:
    answer = Outcome.dead("bad") if how == "retry" else Outcome.stop("gone")
    async with running(Sink([answer], storage=on_file(tmp_path / "a"))) as bus:
        await publish(bus, "a", lane="a" if how == "retry" else "old")
        await wait_all_tasks_blocked()

    sink = Sink(storage=on_file(tmp_path / "a"), lanes=["a"])
    async with running(sink):
        await wait_all_tasks_blocked()
        assert sink.requests == []
        assert sink.delivery.outbox is not None
        if how == "retry":
            await sink.delivery.outbox.retry_lane("a")
        else:
            await sink.delivery.outbox.rename_lane("old", "a")

        await anyio.sleep(1)
        assert sink.got == ["a"]


async def test_a_stop_sends_what_is_gathered(tmp_path: Path) -> None:
    sink = Sink(batch_size=9, window=60.0, immediate=False, storage=on_file(tmp_path / "a"))
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        began = anyio.current_time()

    assert sink.requests == [["a", "b"]]
    assert anyio.current_time() == began


async def test_a_stop_leaves_to_the_next_start_what_has_to_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink([Outcome.retry("HTTP 429", after=60.0)], storage=on_file(tmp_path / "a"))
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await wait_all_tasks_blocked()
        began = anyio.current_time()

    assert anyio.current_time() == began
    assert "2 events are kept in the outbox for the next start" in caplog.text
    assert sink.health().undelivered == 2
    again = Sink(storage=on_file(tmp_path / "a"))
    async with running(again):
        await wait_all_tasks_blocked()
        assert again.got == ["a", "b"]


async def test_a_stop_sends_nothing_in_its_last_second(tmp_path: Path) -> None:
    sink = Sink(storage=on_file(tmp_path / "a"))
    sink.before_answer = lambda: anyio.sleep(0.4)
    async with running(sink, drain_timeout=3.0) as bus:
        await publish(bus, *"abcdefghijk")
        began = anyio.current_time()

    assert anyio.current_time() - began <= 3.0
    assert [[text] for text in sink.got] == sink.requests
    assert sink.health().undelivered == 11 - len(sink.got) > 0


async def test_what_memory_loses_is_said(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink([Outcome.stop("the token is wrong")])
    async with running(sink) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()

    assert "1 event is lost: they were kept in memory only" in caplog.text
    assert sink.health().undelivered == 1


async def test_a_reload_hands_over_to_the_new_plugin(tmp_path: Path) -> None:
    old = Sink([Outcome.retry("HTTP 429", after=60.0)], storage=on_file(tmp_path / "a"))
    new = Sink(storage=on_file(tmp_path / "a"))
    async with running(old) as bus:
        await publish(bus, "a", "b")
        await wait_all_tasks_blocked()
        began = anyio.current_time()
        await bus.plugins.replace("pager", new)
        await wait_all_tasks_blocked()
        assert new.got == ["a", "b"]
        assert anyio.current_time() - began < 0.2


async def test_counts_survive_a_restart_of_the_plugin(tmp_path: Path) -> None:
    sink = Sink(storage=on_file(tmp_path / "a"))
    for text in ("a", "b"):
        async with running(sink) as bus:
            await publish(bus, text)

    assert sink.delivery.statistics()["default"].sent == 2


@pytest.mark.real_clock
async def test_a_durable_plugin_keeps_a_file_named_after_it(tmp_path: Path) -> None:
    for durable in (True, False):
        sink = Sink()
        sink.durable = durable
        async with EventBus(state_folder=tmp_path / str(durable)) as bus:
            await bus.plugins.register_and_wait(sink, name="pager")
            assert sink.delivery.outbox is not None
            assert sink.delivery.outbox.durable == durable

        assert (tmp_path / str(durable) / "pager.outbox").exists() == durable


class SlowToAnswer(Outbox):
    """Returns from a put when what was put is stored since a second."""

    async def put_many(self, items: Iterable[OutboxItem]) -> Sequence[int]:
        ids = await super().put_many(items)
        await anyio.sleep(1)
        return ids


async def test_what_was_stored_by_a_put_that_was_cancelled_is_sent_in_order() -> None:
    sink = Sink(storage=SlowToAnswer)
    async with running(sink) as bus:
        await publish(bus, "first")
        await wait_all_tasks_blocked()
        with anyio.move_on_after(0.5):
            await sink.delivery.put({"message": "a"})

        await publish(bus, "b")
        await wait_all_tasks_blocked()
        assert sink.got == ["first", "a", "b"]
        assert bus.health()["pager"] == Health()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.real_clock
async def test_what_was_answered_is_not_sent_again_after_a_native_cancellation(
    tmp_path: Path,
) -> None:
    answered: list[asyncio.Task[object]] = []
    sink = Sink(storage=lambda: Outbox(tmp_path / "a"))

    async def cancel_lane() -> None:
        task = asyncio.current_task()
        assert task is not None
        answered.append(task)
        task.get_loop().call_soon(task.cancel)

    sink.before_answer = cancel_lane
    async with running(sink) as bus:
        await publish(bus, "a")
        with anyio.fail_after(5):
            while not answered or not answered[0].done():
                await checkpoint()

        sink.before_answer = None

    again = Sink(storage=lambda: Outbox(tmp_path / "a"))
    async with running(again):
        await wait_all_tasks_blocked()

    assert sink.requests + again.requests == [["a"]]


class Shared(Outbox):
    """Belongs to this process only while that is so."""

    is_ours = False

    async def claim(self, lane: str, seconds: float) -> bool:
        return self.is_ours and await super().claim(lane, seconds)


async def test_nothing_is_sent_from_a_storage_that_another_process_owns() -> None:
    storage = Shared()
    as_interface: Storage = storage
    sink = Sink(storage=lambda: as_interface)
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(60)
        assert sink.requests == []
        storage.is_ours = True
        assert await storage.retry([]) == 0  # as a lease that was taken is reported
        await anyio.sleep(1)
        assert sink.got == ["a", "b"]


# Putting


async def test_an_item_is_put_in_all_lanes_or_none(tmp_path: Path) -> None:
    sink = Sink(max_entries=3)
    sink.answers = [Outcome.stop("closed")] * 2
    async with running(sink):
        await sink.delivery.put_many([Item({"message": "a"}, "x"), Item({"message": "a"}, "y")])
        with pytest.raises(OutboxFull):
            await sink.delivery.put_many([Item({"message": "b"}, "x"), Item({"message": "b"}, "y")])

        await sink.delivery.put({"message": "c"}, "x")
        await wait_all_tasks_blocked()
        assert sink.requests == [["a"], ["a"]]


async def test_only_configured_lanes_are_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = on_file(tmp_path / "a")
    sink = Sink([Outcome.stop("closed")] * 2, storage=file)
    async with running(sink) as bus:
        await publish(bus, "a", lane="old")
        await publish(bus, "b", lane="new")

    sink = Sink(lanes=["new"], what="target", storage=file)
    async with running(sink):
        await wait_all_tasks_blocked()
        assert sink.got == ["b"]
        with pytest.raises(ValueError, match="there is no target 'old', known are new"):
            await sink.delivery.put({}, "old")

    assert "the outbox keeps 1 event for target 'old', which is not configured" in caplog.text


async def test_what_is_no_json_is_rejected_where_it_is_put() -> None:
    sink = Sink()
    with pytest.raises(RuntimeError, match=r"enter `delivery\.running\(bus, self\)`"):
        await sink.delivery.put({"message": "a"})

    async with running(sink):
        for bad, error in (
            (object(), TypeError),
            (float("nan"), ValueError),
            ("\ud800", ValueError),
        ):
            with pytest.raises(error, match="JSON cannot express|surrogates"):
                await sink.delivery.put({"message": bad})

        assert sink.health() == Health()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"batch_size": "10"}, "batch_size must be a whole number, not '10'"),
        ({"batch_size": {"a": 0.5}}, "batch_size must be a whole number, not 0.5"),
        ({"window": -1.0}, "window must be at least 0 seconds, not -1.0"),
        ({"window": "1s"}, "window must be a number of seconds, not '1s'"),
        ({"interval": float("inf")}, "interval must be a finite number of seconds, not inf"),
        ({"send_timeout": 0.0}, "send_timeout must be more than 0 seconds, not 0.0"),
        ({"send_timeout": None}, "send_timeout must be a number of seconds, not None"),
        ({"batchsize": 10}, "no option 'batchsize', did you mean 'batch_size'?"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Sink(**options)


async def alone() -> Outcome:
    return Outcome.delivered()


async def yields(entries: Sequence[Entry]) -> AsyncIterator[Outcome]:
    yield Outcome.delivered()


@pytest.mark.parametrize(
    ("send", "message"),
    [
        (alone, "send is called with one argument, the entries, but cannot be: too many"),
        (yields, "send is a generator, which would never run"),
        ("https://example.org", "send must be an async function of the entries, not 'https"),
    ],
)
def test_a_send_that_cannot_be_called_is_an_error_at_once(send: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Delivery(send)


async def test_metrics_show_what_the_lanes_did() -> None:
    sink = Sink([Outcome.from_status(503), Outcome.from_status(400)])
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(1)
        metrics = {metric.name: metric.samples for metric in bus.query("metrics")["pager"]}

    values = {name: [sample.value for sample in found] for name, found in metrics.items()}
    assert (values["lane_sent"], values["lane_requests"], values["outbox_dead"]) == ([1], [3], [1])
    assert {s.labels["reason"] for s in metrics["lane_requests_failed"]} == {"http_503", "http_400"}
    assert [s.labels for s in metrics["lane_failed"]] == [{"lane": "default", "reason": "http_400"}]


class Events:
    """Sends events as events."""

    def __init__(self, lanes: Sequence[str], **options: Any) -> None:
        self.lanes = lanes
        self.stopped: set[str] = set()
        self.got: list[tuple[str, list[str]]] = []
        self.answers: list[Outcome] = []
        self.delivery = Delivery(self.send, lanes=lanes, **options)

    async def send(self, entries: Sequence[Entry]) -> Outcome:
        events = self.delivery.read_events(entries)
        if entries[0].lane in self.stopped:
            return Outcome.stop("wrong token")

        if self.answers:
            return self.answers.pop(0)

        titles = [event.title for event in events if isinstance(event, Notification)]
        self.got.append((entries[0].lane, titles))
        return Outcome.delivered()

    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        return await self.delivery.put_events(events, lambda _: self.lanes)

    @hookimpl
    def lifespan(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        return self.delivery.running(bus, self)


async def test_each_lane_has_a_batch_size_of_its_own() -> None:
    sink = Events(["many", "one"], batch_size={"many": 3})
    sink.answers = [Outcome.retry("later", after=60.0)] * 2
    bus = EventBus()
    bus.register(sink, "sink")
    async with bus:
        for number in range(4):
            await bus.publish_and_wait(Notification(title=f"{number}", message="a"))

        await anyio.sleep(120)

    assert [titles for lane, titles in sink.got if lane == "many"] == [["0", "1", "2"], ["3"]]
    assert [titles for lane, titles in sink.got if lane == "one"] == [["0"], ["1"], ["2"], ["3"]]


async def test_a_full_lane_keeps_no_event_from_the_others() -> None:
    sink = Events(["stopped", "other"], max_entries_per_lane=2)
    sink.stopped.add("stopped")
    bus = EventBus()
    bus.register(sink, "sink")
    async with bus:
        results: list[Exception | None] = []
        for number in range(3):
            event = Notification(title=f"{number}", message="a")
            results += await bus.publish_many_and_wait([event])
            await anyio.sleep(1)

    assert sink.got == [("other", [f"{number}"]) for number in range(3)]
    assert results[:2] == [None, None]
    assert isinstance(results[2], ExceptionGroup)
    assert "lane 'stopped'" in str(results[2].exceptions[0])


async def test_an_entry_that_is_no_event_any_more_is_a_dead_letter() -> None:
    sink = Events(["a"], batch_size={"a": 5})
    sink.answers = [Outcome.retry("later", after=60.0)]
    bus = EventBus()
    bus.register(sink, "sink")
    async with bus:
        await sink.delivery.put(Notification(title="0", message="a"), "a")
        await sink.delivery.put({"type": "gone", "id": "1"}, "a")
        await sink.delivery.put(Notification(title="2", message="a"), "a")
        await anyio.sleep(120)
        assert sink.delivery.outbox is not None
        (dead,) = await sink.delivery.outbox.dead_letters()

    assert sink.got == [("a", ["0", "2"])]
    assert dead.reason.startswith("it is no event any more: type: unknown event type 'gone'")


async def test_a_file_needs_no_real_time_in_tests(tmp_path: Path) -> None:
    sink = Sink([Outcome.retry("busy", after=3600)])
    async with EventBus(state_folder=tmp_path) as bus:
        await bus.plugins.register_and_wait(sink, name="pager")
        await publish(bus, "a")
        await anyio.sleep(60)
        async with Outbox.administer(tmp_path / "pager.outbox") as admin:
            [entry] = await admin.pending()
            assert entry.label == "notification"
            assert await admin.drop([entry.id]) == 1

        await publish(bus, "b")
        await anyio.sleep(3600)
        assert sink.got == ["b"]
        assert sink.times[1] - sink.times[0] == pytest.approx(3600)


async def test_lists_of_the_outbox_show_why_a_lane_waits_or_has_stopped(tmp_path: Path) -> None:
    async def last_error() -> str:
        async with Outbox.administer(tmp_path / "pager.outbox") as admin:
            [lane] = await admin.lanes()
            return lane.last_error

    sink = Sink()
    sink.answers = [
        Outcome.retry("HTTP 503 for s3cret", after=5.0),
        Outcome.delivered(),
        Outcome.stop("HTTP 401"),
    ]
    async with EventBus(state_folder=tmp_path) as bus:
        bus.redactor.add("s3cret")
        await bus.plugins.register_and_wait(sink, name="pager")
        await publish(bus, "a")
        await wait_all_tasks_blocked()
        assert await last_error() == "HTTP 503 for **********"
        await anyio.sleep(10)
        assert sink.got == ["a"]
        await publish(bus, "b")
        await wait_all_tasks_blocked()
        assert await last_error() == "HTTP 401"

    assert await last_error() == "HTTP 401"


async def test_an_error_that_is_over_is_not_shown_any_more() -> None:
    sink = Sink([Outcome.retry("busy"), Outcome.delivered(), Outcome.dead("bad", detail="x")])
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await anyio.sleep(60)
        assert sink.delivery.outbox is not None
        [lane] = await sink.delivery.outbox.lanes()
        assert (lane.pending, lane.dead, lane.last_error) == (0, 1, "")


class NotingOutbox(Outbox):
    """Records what is noted of lanes, and can take long to keep it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.noted: list[str] = []
        self.kept = anyio.Event()
        self.kept.set()

    async def note_error(self, lane: str, error: str) -> None:
        self.noted.append(error)
        await self.kept.wait()
        await super().note_error(lane, error)


async def test_a_lane_delivers_while_its_error_is_being_kept(tmp_path: Path) -> None:
    outbox = NotingOutbox(tmp_path / "pager.outbox")
    outbox.kept = anyio.Event()
    sink = Sink([Outcome.dead("bad")] * 2, storage=lambda: outbox)
    sink.answers.insert(0, Outcome.retry("busy"))
    async with running(sink) as bus:
        await publish(bus, "a")
        await anyio.sleep(10)
        await publish(bus, "b", "c")
        await anyio.sleep(10)
        assert sink.got == ["c"]
        outbox.kept.set()


async def test_a_lane_without_an_error_writes_none(tmp_path: Path) -> None:
    outbox = NotingOutbox(tmp_path / "pager.outbox")
    sink = Sink(storage=lambda: outbox)
    async with running(sink) as bus:
        await publish(bus, "a", "b")
        await wait_all_tasks_blocked()

    assert sink.got == ["a", "b"]
    assert outbox.noted == []


@pytest.mark.parametrize("answer", [Outcome.delivered(), Outcome.dead("bad")])
async def test_an_error_of_an_earlier_process_is_over_once_the_receiver_answers(
    tmp_path: Path, answer: Outcome
) -> None:
    path = tmp_path / "pager.outbox"
    async with running(Sink([Outcome.stop("HTTP 401")], storage=on_file(path))) as bus:
        await publish(bus, "a", "b")
        await wait_all_tasks_blocked()

    async with Outbox.administer(path) as admin:
        assert [lane.last_error for lane in await admin.lanes()] == ["HTTP 401"]

    sink = Sink([answer], storage=on_file(path), interval=3600.0)
    async with running(sink), Outbox.administer(path) as admin:
        await wait_all_tasks_blocked()
        assert [(lane.pending, lane.last_error) for lane in await admin.lanes()] == [(1, "")]


# What receivers ask to wait, over restarts


@asynccontextmanager
async def restarted(sink: Sink, folder: Path) -> AsyncIterator[EventBus]:
    async with EventBus(drain_timeout=0, state_folder=folder) as bus:
        await bus.plugins.register_and_wait(sink, name="pager")
        yield bus


@pytest.mark.parametrize(("asked", "waited"), [(40.0, 40.0), (2.0, 0.0), (None, 0.0)])
async def test_a_restart_does_not_shorten_what_the_receiver_asked_to_wait(
    asked: float | None, waited: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink([Outcome.retry("HTTP 429", after=asked)] * 9)
    async with restarted(sink, tmp_path) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()

    again = Sink()
    async with restarted(again, tmp_path) as bus:
        began = anyio.current_time()
        await publish(bus, "b", lane="other")
        await wait_all_tasks_blocked()
        assert "b" in again.got
        await anyio.sleep(60)
        assert again.times[again.requests.index(["a"])] - began == pytest.approx(waited, abs=0.2)

    text = "as its receiver asked before the restart: HTTP 429"
    assert (text in caplog.text) is bool(waited)


async def test_what_the_receiver_asked_to_wait_goes_on_after_a_replacement(tmp_path: Path) -> None:
    sink, other = Sink([Outcome.retry("busy", after=40)]), Sink()
    async with restarted(sink, tmp_path) as bus:
        await publish(bus, "a")
        await anyio.sleep(10)
        await bus.plugins.replace("pager", other)
        began = anyio.current_time()
        await anyio.sleep(60)

    assert other.times[0] - began == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("token", ["old", "new"])
async def test_another_receiver_of_a_lane_is_not_waited_for(token: str, tmp_path: Path) -> None:
    sink = Sink(
        [Outcome.retry("HTTP 429", after=3600)],
        receivers={"default": "https://pager.example/old"},
    )
    async with restarted(sink, tmp_path) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()

    again = Sink(receivers={"default": f"https://pager.example/{token}"})
    async with restarted(again, tmp_path):
        await anyio.sleep(1)
        assert again.got == (["a"] if token == "new" else [])

    assert "pager.example" not in (tmp_path / "pager.waits.json").read_text()


async def test_a_lane_that_is_resumed_does_not_wait_after_a_restart_either(tmp_path: Path) -> None:
    sink = Sink([Outcome.retry("busy", after=40), *[Outcome.retry("busy")] * 9])
    async with restarted(sink, tmp_path) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()
        sink.delivery.resume()
        await wait_all_tasks_blocked()

    again = Sink()
    async with restarted(again, tmp_path):
        await wait_all_tasks_blocked()
        assert again.got == ["a"]


@pytest.mark.parametrize(
    "content",
    ["{", "[1]", '{"written": "x", "lanes": {}}', '{"written": 1, "lanes": {"default": 3}}', "{}"],
)
async def test_waits_that_cannot_be_read_are_ignored(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pager.waits.json").write_text(content)
    sink = Sink()
    async with restarted(sink, tmp_path) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()

    assert sink.got == ["a"]
    assert ("pager.waits.json is ignored, since it cannot be read" in caplog.text) is (
        content != "{}"
    )


@pytest.mark.parametrize(("moved", "waited"), [(-7200, 3600), (1800, 1800), (7200, 0)])
async def test_a_clock_that_was_set_lengthens_no_wait(
    moved: float, waited: float, tmp_path: Path
) -> None:
    sink = Sink([Outcome.retry("busy", after=3600)])
    async with restarted(sink, tmp_path) as bus:
        await publish(bus, "a")
        await wait_all_tasks_blocked()

    file = tmp_path / "pager.waits.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"written": kept["written"] - moved}))
    again = Sink()
    async with restarted(again, tmp_path):
        began = anyio.current_time()
        await anyio.sleep(8000)

    assert again.times[0] - began == pytest.approx(waited, abs=1)
