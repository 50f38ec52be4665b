"""Plugins that take their events in batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    HookTimeout,
    PeerJoined,
    PluginHookError,
    hookimpl,
)


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


def many(count: int) -> list[PeerJoined]:
    return [joined(f"player {number}") for number in range(count)]


class Batches:
    """Notes the batches that it gets, and waits in each one until it is opened."""

    durable = True
    when_full = "block"

    def __init__(self, *, is_open: bool = True) -> None:
        self.batches: list[Sequence[Event]] = []
        self.opened = anyio.Event()
        if is_open:
            self.opened.set()

    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception] | None:
        self.batches.append(events)
        await self.opened.wait()
        return None

    @property
    def names(self) -> list[str]:
        return [getattr(event, "peer_name", "") for batch in self.batches for event in batch]


async def test_what_waits_is_handled_in_order_in_batches_of_at_most_128() -> None:
    plugin = Batches()
    events = many(300)
    async with EventBus() as bus:
        bus.register(plugin)
        for event in events:
            bus.publish_nowait(event)

        await bus.drain()
        statistics = bus.statistics().plugins["Batches"]

    assert plugin.names == [event.peer_name for event in events]
    assert [len(batch) for batch in plugin.batches] == [128, 128, 44]
    assert (statistics.handled, statistics.failed, statistics.pending) == (300, 0, 0)


async def test_what_comes_while_a_batch_is_handled_is_the_next_batch() -> None:
    plugin = Batches(is_open=False)
    async with EventBus() as bus:
        bus.register(plugin)
        bus.publish_nowait(joined("first"))
        await anyio.sleep(1)
        for event in many(3):
            bus.publish_nowait(event)

        assert bus.statistics().plugins["Batches"].handled == 0
        plugin.opened.set()
        await bus.drain()

    assert [len(batch) for batch in plugin.batches] == [1, 3]


async def test_hook_may_be_sync() -> None:
    sizes: list[int] = []

    class Sync:
        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> None:
            sizes.append(len(events))

    async with EventBus() as bus:
        bus.register(Sync())
        await bus.publish_many_and_wait(many(5), "all")

    assert sizes == [5]


async def test_only_what_the_hook_names_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    class Picky:
        durable = True

        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception]:
            return {1: ValueError("too loud")}

    async with EventBus() as bus:
        bus.register(Picky(), "picky")
        outcomes = await bus.publish_many_and_wait(many(3))
        statistics = bus.statistics().plugins["picky"]
        assert bus.health()["picky"].status == "degraded"

    assert outcomes[0] is None
    assert outcomes[2] is None
    assert isinstance(outcomes[1], ExceptionGroup)
    assert isinstance(outcomes[1].exceptions[0], ValueError)
    assert (statistics.handled, statistics.failed) == (2, 1)
    assert "plugin 'picky': hook 'event_batch' failed on peer_joined" in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
async def test_all_of_a_batch_fails_with_a_hook_that_raises(is_async: bool) -> None:
    class Sync:
        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> None:
            raise OSError("disk full")

    class Async:
        @hookimpl
        async def event_batch(self, events: Sequence[Event]) -> None:
            raise OSError("disk full")

    async with EventBus() as bus:
        bus.register(Async() if is_async else Sync(), "full")
        outcomes = await bus.publish_many_and_wait(many(3), "all")
        assert bus.statistics().plugins["full"].failed == 3

    assert [type(outcome) for outcome in outcomes] == [ExceptionGroup] * 3


@pytest.mark.parametrize("answer", [7, {3: ValueError()}, {0: "no"}, {"0": ValueError()}])
async def test_an_answer_of_another_kind_is_a_failure_of_the_batch(answer: Any) -> None:
    class Odd:
        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> Any:
            return answer

    async with EventBus() as bus:
        bus.register(Odd())
        [first, second, third] = await bus.publish_many_and_wait(many(3), "all")
        for outcome in (first, second, third):
            assert isinstance(outcome, ExceptionGroup)
            assert "must return None or a mapping" in str(outcome.exceptions[0])


async def test_a_hook_that_takes_too_long_is_cancelled_and_the_next_batch_comes() -> None:
    class Slow(Batches):
        hook_timeout = 8.0

        @hookimpl
        async def event_batch(self, events: Sequence[Event]) -> None:
            self.batches.append(events)
            if len(self.batches) == 1:
                await anyio.sleep_forever()

    plugin = Slow()
    async with EventBus() as bus:
        bus.register(plugin)
        outcomes = await bus.publish_many_and_wait(many(2))
        assert await bus.publish_many_and_wait(many(1)) == [None]
        assert bus.statistics().plugins["Slow"].hook_seconds >= 0

    for outcome in outcomes:
        assert isinstance(outcome, ExceptionGroup)
        assert isinstance(outcome.exceptions[0], HookTimeout)


async def test_a_hook_that_swallows_its_cancellation_has_failed_all_the_same() -> None:
    class Stubborn(Batches):
        hook_timeout = 8.0

        @hookimpl
        async def event_batch(self, events: Sequence[Event]) -> None:
            self.batches.append(events)
            if len(self.batches) == 1:
                with anyio.move_on_after(100), anyio.CancelScope(shield=True):
                    await anyio.sleep(20)

    plugin = Stubborn()
    async with EventBus() as bus:
        bus.register(plugin)
        [outcome] = await bus.publish_many_and_wait(many(1))
        assert isinstance(outcome, ExceptionGroup)
        assert isinstance(outcome.exceptions[0], HookTimeout)
        assert await bus.publish_many_and_wait(many(1)) == [None]


async def test_a_batch_whose_plugin_is_cancelled_is_reported_as_dropped() -> None:
    plugin = Batches(is_open=False)
    outcomes: list[Exception | None] = []

    async def publish() -> None:
        outcomes.extend(await bus.publish_many_and_wait(many(3)))

    async with anyio.create_task_group() as tasks, EventBus(drain_timeout=5) as bus:
        bus.register(plugin)
        tasks.start_soon(publish)
        await anyio.sleep(1)

    assert [type(outcome) for outcome in outcomes] == [EventDropped] * 3
    assert bus.statistics().plugins["Batches"].failed == 3


async def test_stray_cancellation_is_a_failure_of_the_batch(anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        return  # it has no cancellation that nobody asked for

    import asyncio

    class Stray:
        @hookimpl
        async def event_batch(self, events: Sequence[Event]) -> None:
            raise asyncio.CancelledError

    async with EventBus() as bus:
        bus.register(Stray())
        [outcome] = await bus.publish_many_and_wait(many(1), "all")
        assert isinstance(outcome, ExceptionGroup)
        assert "which was not cancelled" in str(outcome.exceptions[0])


async def test_publishers_that_wait_are_let_in_when_a_batch_is_taken() -> None:
    class Small(Batches):
        mailbox_size = 2

    plugin = Small()
    async with EventBus() as bus:
        bus.register(plugin)
        assert await bus.publish_many_and_wait(many(50)) == [None] * 50

    assert plugin.names == [event.peer_name for event in many(50)]


async def test_the_place_of_a_plugin_is_taken_over_between_two_batches() -> None:
    old, new = Batches(is_open=False), Batches()
    async with EventBus() as bus:
        bus.register(old, "batches")
        bus.publish_nowait(joined("first"))
        await anyio.sleep(1)
        bus.publish_nowait(joined("second"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bus.plugins.replace, "batches", new)
            await anyio.sleep(1)
            old.opened.set()

        await bus.drain()

    assert (old.names, new.names) == (["first"], ["second"])


def test_a_plugin_gets_events_in_batches_or_one_by_one_but_not_both() -> None:
    class Both(Batches):
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None: ...

    with pytest.raises(PluginHookError, match="both 'event_batch' and 'peer_joined'"):
        EventBus().register(Both())


def test_a_wrapper_of_batches_is_rejected() -> None:
    class Wrapper:
        @hookimpl(tryfirst=True)
        def event_batch(self, events: Sequence[Event]) -> None: ...

    with pytest.raises(PluginHookError, match="wrapper, tryfirst or trylast"):
        EventBus().register(Wrapper())


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_each_event_has_its_outcome(plan: list[tuple[int, bool]]) -> None:
    """In bursts of any sizes, with failures anywhere."""

    class Planned:
        durable = True

        @hookimpl
        async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception]:
            return {
                position: ValueError(event.id)
                for position, event in enumerate(events)
                if isinstance(event, PeerJoined) and event.peer_name == "bad"
            }

    async def main() -> None:
        async with EventBus() as bus:
            bus.register(Planned())
            for size, is_bad in plan:
                events = [joined("bad" if is_bad and n % 2 else "good") for n in range(size)]
                outcomes = await bus.publish_many_and_wait(events)
                for event, outcome in zip(events, outcomes, strict=True):
                    if event.peer_name == "good":
                        assert outcome is None
                    else:
                        assert isinstance(outcome, ExceptionGroup)
                        assert str(outcome.exceptions[0]) == event.id

    logging.disable()
    try:
        anyio.run(main)
    finally:
        logging.disable(logging.NOTSET)
