"""Random answers, crashes and restarts: every entry arrives once, in order, or it is known why not."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.delivery import Delivery, Entry, Item, Outcome
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox
from lanrage_events.testing import virtual_time

EXAMPLES = int(os.environ.get("LANRAGE_EVENTS_EXAMPLES", "15"))
ROUND_TRIP = 0.05

Action = tuple[str, float]

answers = st.sampled_from(("ok", "ok", "part", "retry", "after", "raise", "lost", "hang", "stop"))
actions = st.one_of(
    st.tuples(st.just("put"), st.sampled_from((1.0, 2.0, 7.0, 30.0))),
    st.tuples(st.sampled_from(("put bad", "put both", "put brief")), st.just(1.0)),
    st.tuples(st.just("wait"), st.sampled_from((0.01, 0.06, 0.3, 2.0, 40.0))),
    st.tuples(st.sampled_from(("crash", "stop", "reload", "resume")), st.just(0.0)),
)


class Receiver:
    """Takes what it is sent, and answers as it was drawn."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, int]] = []
        self.unanswered: set[int] = set()
        """what it took in a request whose answer did not arrive"""

    async def request(self, entries: Sequence[Entry]) -> Outcome:
        answer = self.answers.pop(0) if self.answers else "ok"
        if answer == "hang":
            await anyio.sleep_forever()

        await anyio.sleep(ROUND_TRIP)
        if answer == "raise":
            raise OSError("no route")

        if answer in ("retry", "after", "stop"):
            return {
                "retry": Outcome.retry("HTTP 503"),
                "after": Outcome.retry("HTTP 429", after=3.0),
                "stop": Outcome.stop("HTTP 401"),
            }[answer]

        if bad := [entry for entry in entries if entry.data["bad"]]:
            return Outcome.dead("HTTP 400", bad if answer == "part" else None)

        taken = entries[: max(1, len(entries) // 2)] if answer == "part" else entries
        numbers = [entry.data["number"] for entry in taken]
        self.got += [(taken[0].lane, number) for number in numbers]
        is_answered = False
        try:
            await anyio.sleep(ROUND_TRIP)
            is_answered = answer != "lost"
        finally:
            if not is_answered:
                self.unanswered.update(numbers)

        if not is_answered:
            raise OSError("connection reset")

        return Outcome.delivered(taken)


class Sink:
    durable = True

    def __init__(self, receiver: Receiver, path: Path) -> None:
        self.delivery = Delivery(
            receiver.request,
            batch_size=5,
            window=0.2,
            send_timeout=1.0,
            storage=lambda: Outbox(path, inline=True),
        )

    @hookimpl
    def lifespan(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        return self.delivery.running(bus, self)


class World:
    """What was put, across all lives of the plugin on one file."""

    def __init__(self, receiver: Receiver, path: Path) -> None:
        self.receiver = receiver
        self.path = path
        self.put: dict[int, Item] = {}
        self.expired = 0
        self.sink = Sink(receiver, path)

    async def life(self, actions: list[Action], *, until_empty: bool = False) -> None:
        """Run a bus until it crashes or stops, or the actions are done."""
        self.sink = Sink(self.receiver, self.path)
        async with EventBus(drain_timeout=5.0) as bus:
            await bus.plugins.register_and_wait(self.sink, name="sink")
            while actions:
                kind, value = actions.pop(0)
                if kind == "crash":
                    bus.plugins.drain_timeout = 0
                    break

                if kind == "stop":
                    break

                if kind == "wait":
                    await anyio.sleep(value)
                elif kind == "resume":
                    self.sink.delivery.resume()
                elif kind == "reload":
                    self._count()
                    self.sink = Sink(self.receiver, self.path)
                    await bus.plugins.replace("sink", self.sink)
                else:
                    await self._put(kind, int(value))

            if until_empty:
                with anyio.fail_after(600):
                    while (
                        self.sink.delivery.outbox and self.sink.delivery.outbox.statistics().pending
                    ):
                        self.sink.delivery.resume()
                        await anyio.sleep(1)

        self._count()

    def _count(self) -> None:
        self.expired += sum(one.expired for one in self.sink.delivery.statistics().values())

    async def _put(self, kind: str, count: int) -> None:
        items = []
        for _ in range(count):
            for lane in ("a", "b") if kind == "put both" else ("a",):
                number = len(self.put)
                expires = utc_now() + timedelta(seconds=2) if kind == "put brief" else None
                data = {"number": number, "bad": kind == "put bad"}
                self.put[number] = Item(data, lane, expires=expires)
                items.append(self.put[number])

        await self.sink.delivery.put_many(items)

    async def check(self) -> None:
        counts = Counter(number for _, number in self.receiver.got)
        bad = {number for number, item in self.put.items() if item.data["bad"]}
        brief = {number for number, item in self.put.items() if item.expires is not None}
        twice = {number for number, count in counts.items() if count > 1}
        assert twice <= self.receiver.unanswered
        assert not bad & set(counts)
        missing = set(self.put) - set(counts) - bad
        assert missing <= brief
        assert 0 <= self.expired - len(missing) <= len(brief & self.receiver.unanswered)
        for lane in ("a", "b"):
            first = list(
                dict.fromkeys(number for name, number in self.receiver.got if name == lane)
            )
            assert first == sorted(first)

        async with Outbox(self.path, inline=True) as outbox:
            letters = [letter.id for letter in await outbox.dead_letters(limit=1000)]
            assert len(letters) == len(bad)
            assert outbox.statistics().pending == 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_entry_arrives_once_in_order_or_it_is_known_why_not(
    backend: Literal["asyncio", "trio"],
) -> None:
    @settings(max_examples=EXAMPLES)
    @given(st.lists(actions, max_size=25), st.lists(answers, max_size=25))
    def run(actions: list[Action], answers: list[str]) -> None:
        async def main() -> None:
            with tempfile.TemporaryDirectory() as folder:
                world = World(Receiver(answers), Path(folder) / "outbox")
                while actions:
                    await world.life(actions)

                await world.life([], until_empty=True)
                await world.check()

        name, options = virtual_time(backend)
        anyio.run(main, backend=name, backend_options=options)

    run()
