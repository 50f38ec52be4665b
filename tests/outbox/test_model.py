from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lanrage_events.outbox import UNTIL_RESUMED, Outbox, OutboxFull, OutboxItem

T = TypeVar("T")

START = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)


class ModelEntry:
    """What the model knows of one entry or dead letter."""

    def __init__(self, id: int, lane: str, body: str, expires: datetime | None) -> None:
        self.id = id
        self.lane = lane
        self.body = body
        self.expires = expires
        self.postponed_until: datetime | None = None
        self.attempts = 0


class ModelLane:
    """What the model knows of one lane."""

    def __init__(self) -> None:
        self.postponed_until: datetime | None = None
        self.attempts = 0


LANES = st.sampled_from("abc")
SECONDS = st.integers(0, 5)
PICKS = st.lists(st.integers(0, 30), max_size=4)


class OutboxMachine(RuleBasedStateMachine):
    """Does things to an outbox and to a simple model of it, and holds them equal."""

    MAX_ENTRIES = 8
    MAX_BYTES = 24
    MAX_DEAD = 3

    def __init__(self, backend: str, folder: Path | None) -> None:
        super().__init__()
        self.path = None if folder is None else folder / f"{uuid4()}.db"
        self.time = START
        self.entries: dict[int, ModelEntry] = {}
        self.dead: dict[int, ModelEntry] = {}
        self.died: dict[int, datetime] = {}
        self.lanes = {name: ModelLane() for name in "abc"}
        self.last_id = 0
        self.counts = Counter[str]()
        self.portals = ExitStack()
        self.portal = self.portals.enter_context(start_blocking_portal(backend))
        self.opened = ExitStack()
        self.open()

    def open(self) -> None:
        self.outbox = Outbox(
            self.path,
            inline=True,
            now=lambda: self.time,
            max_entries=self.MAX_ENTRIES,
            max_bytes=self.MAX_BYTES,
            max_dead=self.MAX_DEAD,
        )
        self.opened.enter_context(self.portal.wrap_async_context_manager(self.outbox))
        self.counts.clear()

    def teardown(self) -> None:
        self.opened.close()
        self.portals.close()

    def call(self, method: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        return self.portal.call(partial(method, *args, **options))

    def pick(self, picks: list[int]) -> list[int]:
        """Turn any numbers into ids that exist, existed or never did."""
        return [pick % (self.last_id + 2) for pick in picks]

    def lane_is_postponed(self, name: str) -> bool:
        until = self.lanes[name].postponed_until
        return until is not None and until > self.time

    def readable(self, name: str) -> list[ModelEntry]:
        return [
            entry
            for _, entry in sorted(self.entries.items())
            if entry.lane == name
            and not self.has_expired(entry)
            and (entry.postponed_until is None or entry.postponed_until <= self.time)
        ]

    def has_expired(self, entry: ModelEntry) -> bool:
        return entry.expires is not None and entry.expires <= self.time

    def resume(self, names: Iterable[str]) -> None:
        for name in names:
            self.lanes[name] = ModelLane()

    def forget_empty_lanes(self) -> None:
        for name, lane in self.lanes.items():
            held = [*self.entries.values(), *self.dead.values()]
            if lane.postponed_until is None and all(entry.lane != name for entry in held):
                lane.attempts = 0

    @rule(
        items=st.lists(st.tuples(LANES, st.text("xé", max_size=4), st.none() | SECONDS), max_size=4)
    )
    def put(self, items: list[tuple[str, str, int | None]]) -> None:
        chosen = [
            OutboxItem(
                lane,
                body,
                "",
                None if seconds is None else self.time + timedelta(seconds=seconds),
            )
            for lane, body, seconds in items
        ]
        size = sum(len(item.body.encode()) for item in chosen)
        held = sum(len(entry.body.encode()) for entry in self.entries.values())
        if len(self.entries) + len(chosen) > self.MAX_ENTRIES or held + size > self.MAX_BYTES:
            self.counts["rejected"] += len(chosen)
            with pytest.raises(OutboxFull):
                self.call(self.outbox.put_many, chosen)

            return

        for id, item in zip(self.call(self.outbox.put_many, chosen), chosen, strict=True):
            assert id > self.last_id
            self.last_id = id
            self.entries[id] = ModelEntry(id, item.lane, item.body, item.expires)
            self.counts["put"] += 1

    @rule(picks=PICKS)
    def acknowledge(self, picks: list[int]) -> None:
        ids = self.pick(picks)
        self.call(self.outbox.acknowledge, ids)
        for id in set(ids) & set(self.entries):
            self.lanes[self.entries.pop(id).lane].attempts = 0
            self.counts["acknowledged"] += 1

    @rule(name=LANES, limit=st.integers(1, 4))
    def deliver_the_first(self, name: str, limit: int) -> None:
        self.acknowledge([entry.id for entry in self.call(self.outbox.read, name, limit=limit)])

    @rule(picks=PICKS, seconds=SECONDS)
    def postpone(self, picks: list[int], seconds: int) -> None:
        ids = self.pick(picks)
        until = self.time + timedelta(seconds=seconds)
        self.call(self.outbox.postpone, ids, until, "error")
        for id in set(ids) & set(self.entries):
            self.entries[id].postponed_until = until if seconds else None
            self.entries[id].attempts += 1

    @rule(name=LANES, seconds=st.none() | SECONDS)
    def postpone_lane(self, name: str, seconds: int | None) -> None:
        until = UNTIL_RESUMED
        if seconds is not None:
            until = self.time + timedelta(seconds=seconds)

        self.call(self.outbox.postpone_lane, name, until, "error")
        self.lanes[name].postponed_until = until
        self.lanes[name].attempts += 1

    @rule(name=LANES)
    def resume_lane(self, name: str) -> None:
        self.call(self.outbox.resume_lane, name)
        self.resume([name])

    @rule(picks=PICKS)
    def dead_letter(self, picks: list[int]) -> None:
        ids = self.pick(picks)
        self.call(self.outbox.dead_letter, ids, "reason")
        for id in sorted(set(ids) & set(self.entries)):
            self.dead[id] = self.entries.pop(id)
            self.died[id] = self.time
            self.counts["dead_lettered"] += 1

        by_age = sorted(self.dead, key=lambda id: (self.died[id], id))
        for id in by_age[: max(0, len(by_age) - self.MAX_DEAD)]:
            del self.dead[id]
            self.counts["forgotten"] += 1

    @rule(picks=PICKS)
    def retry(self, picks: list[int]) -> None:
        ids = set(self.pick(picks))
        assert self.call(self.outbox.retry, ids) == self.model_retry(ids)

    def model_retry(self, ids: set[int]) -> int:
        found = ids & (set(self.entries) | set(self.dead))
        for id in found:
            if id in self.dead:
                self.entries[id] = self.dead.pop(id)
                self.entries[id].expires = None
                self.counts["retried"] += 1

            entry = self.entries[id]
            entry.attempts = 0
            entry.postponed_until = None
            self.resume([entry.lane])

        return len(found)

    @rule(name=LANES)
    def retry_lane(self, name: str) -> None:
        ids = {id for id, entry in self.dead.items() if entry.lane == name}
        ids |= {
            id
            for id, entry in self.entries.items()
            if entry.lane == name and entry.postponed_until is not None
        }
        assert self.call(self.outbox.retry_lane, name) == self.model_retry(ids)
        self.resume([name])

    @rule(picks=PICKS)
    def drop(self, picks: list[int]) -> None:
        ids = set(self.pick(picks))
        assert self.call(self.outbox.drop, ids) == self.model_drop(ids)

    def model_drop(self, ids: set[int]) -> int:
        found = ids & (set(self.entries) | set(self.dead))
        for id in found:
            self.entries.pop(id, None)
            self.dead.pop(id, None)
            self.counts["dropped"] += 1

        return len(found)

    @rule(name=LANES, which=st.sampled_from(["all", "pending", "dead"]))
    def drop_lane(self, name: str, which: str) -> None:
        ids = set()
        if which != "dead":
            ids |= {id for id, entry in self.entries.items() if entry.lane == name}

        if which != "pending":
            ids |= {id for id, entry in self.dead.items() if entry.lane == name}

        assert self.call(self.outbox.drop_lane, name, which) == self.model_drop(ids)

    @rule(name=LANES, to=LANES)
    def rename_lane(self, name: str, to: str) -> None:
        holding = [*self.entries.values(), *self.dead.values()]
        moved = [entry for entry in holding if entry.lane == name]
        is_new = self.lanes[to].postponed_until is None and all(e.lane != to for e in holding)
        expected = len(moved) if name != to else 0
        assert self.call(self.outbox.rename_lane, name, to) == expected
        if name == to:
            return

        if is_new and (moved or self.lanes[name].postponed_until is not None):
            self.lanes[to] = self.lanes[name]

        self.lanes[name] = ModelLane()
        for entry in moved:
            entry.lane = to

    @rule(name=st.none() | LANES)
    def expire(self, name: str | None) -> None:
        ids = [
            id
            for id, entry in self.entries.items()
            if self.has_expired(entry) and name in {None, entry.lane}
        ]
        found = self.call(self.outbox.expire, name)
        assert sum(expiry.count for expiry in found) == len(ids)
        for id in ids:
            del self.entries[id]
            self.counts["expired"] += 1

    @rule(seconds=st.integers(1, 4))
    def advance(self, seconds: int) -> None:
        self.time += timedelta(seconds=seconds)

    @precondition(lambda self: self.path is not None)
    @rule()
    def reopen(self) -> None:
        self.opened.close()
        self.open()

    @invariant()
    def each_lane_reads_as_in_the_model(self) -> None:
        self.forget_empty_lanes()
        for name in "abc":
            expected = [] if self.lane_is_postponed(name) else self.readable(name)
            entries = self.call(self.outbox.read, name)
            assert [(entry.id, entry.body) for entry in entries] == [
                (entry.id, entry.body) for entry in expected
            ]
            assert [entry.attempts for entry in entries] == [entry.attempts for entry in expected]
            if expected:
                second = self.call(self.outbox.read, name, after=expected[0].id, limit=1)
                assert [entry.id for entry in second] == [entry.id for entry in expected[1:2]]

    @invariant()
    def next_due_is_as_in_the_model(self) -> None:
        for name in "abc":
            lane = self.lanes[name].postponed_until
            dues = [
                entry.postponed_until or self.time
                for entry in self.entries.values()
                if entry.lane == name and not self.has_expired(entry)
            ]
            expected = None
            if dues and lane != UNTIL_RESUMED:
                expected = max(min(dues), lane or START)

            due = self.call(self.outbox.next_due, name)
            assert due == expected or (due and expected and max(due, expected) <= self.time)

    @invariant()
    def everything_is_listed_and_counted(self) -> None:
        self.forget_empty_lanes()
        pending = self.call(self.outbox.pending)
        assert [entry.id for entry in pending] == sorted(self.entries)
        assert [letter.id for letter in self.call(self.outbox.dead_letters)] == sorted(self.dead)
        by_name = {lane.name: lane for lane in self.call(self.outbox.lanes)}
        for name in "abc":
            entries = [entry for entry in pending if entry.lane == name]
            dead = [entry for entry in self.dead.values() if entry.lane == name]
            model = self.lanes[name]
            assert self.call(self.outbox.pending, name) == entries
            if name not in by_name:
                assert not entries
                assert not dead
                assert model.postponed_until is None
                continue

            lane = by_name[name]
            assert lane.pending == len(entries)
            assert lane.bytes == sum(entry.size for entry in entries)
            assert lane.dead == len(dead)
            assert lane.oldest == (entries[0].put_time if entries else None)
            assert (lane.postponed_until, lane.attempts) == (model.postponed_until, model.attempts)

        statistics = self.outbox.statistics()
        assert statistics.pending == len(pending)
        assert statistics.bytes == sum(entry.size for entry in pending)
        assert statistics.dead == len(self.dead)
        assert statistics.oldest == (pending[0].put_time if pending else None)
        for name in (
            "put",
            "acknowledged",
            "expired",
            "dead_lettered",
            "retried",
            "dropped",
            "forgotten",
            "rejected",
        ):
            assert getattr(statistics, name) == self.counts[name]


# The tables are the same on both backends, which only wake those that wait.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "in_file"), [("asyncio", False), ("trio", True)], ids=["memory", "file"]
)
def test_an_outbox_does_what_a_simple_model_does(
    backend: str, in_file: bool, tmp_path: Path
) -> None:
    class Machine(OutboxMachine):
        def __init__(self) -> None:
            super().__init__(backend, tmp_path if in_file else None)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
