from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    Health,
    HookTimeout,
    Metric,
    PeerJoined,
    PluginStartError,
    hookimpl,
)
from lanrage_events.abc import Bus, HookCall, Instrument

ANN = PeerJoined(peer_name="Ann", party_name="Friday LAN")
BEN = PeerJoined(peer_name="Ben", party_name="Friday LAN")


class Recorder(Instrument):
    """Keeps what it is called for."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.open_calls: list[HookCall] = []

    def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
        self.seen.append(("registered", plugin, *hooks))

    def plugin_failed(self, plugin: str, error: Exception, restart_delay: float | None) -> None:
        self.seen.append(("failed", plugin, str(error), restart_delay))

    def plugin_restarted(self, plugin: str) -> None:
        self.seen.append(("restarted", plugin))

    def plugin_ended(self, plugin: str) -> None:
        self.seen.append(("ended", plugin))

    def hook_began(self, call: HookCall) -> None:
        self.open_calls.append(call)

    def hook_ended(self, call: HookCall, seconds: float, error: BaseException | None) -> None:
        assert seconds >= 0
        self.open_calls.remove(call)
        kind = None if error is None else type(error).__name__
        self.seen.append(("call", call.plugin, call.hook, *call.events, round(seconds), kind))

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        self.seen.append(("hook failed", plugin, hook, event, type(error).__name__))

    def event_dropped(self, error: EventDropped) -> None:
        self.seen.append(("dropped", error.plugin, error.event, error.reason))

    def of(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [one for one in self.seen if one[0] in kinds]


class Greeter:
    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        await anyio.lowlevel.checkpoint()
        if event is BEN:
            raise ValueError("not Ben")

    @hookimpl
    def health(self) -> Health:
        return Health()


async def test_each_call_of_a_hook_begins_and_ends_with_its_outcome() -> None:
    recorder = Recorder()
    async with EventBus(instruments=[recorder]) as bus:
        bus.register(Greeter(), "greeter")
        for event in (ANN, BEN):
            await bus.publish(event)

        await bus.drain()
        bus.health()

    assert recorder.open_calls == []
    assert recorder.of("call") == [
        ("call", "greeter", "peer_joined", ANN, 0, None),
        ("call", "greeter", "peer_joined", BEN, 0, "ValueError"),
        ("call", "greeter", "health", 0, None),
    ]


async def test_a_batch_and_a_lifespan_are_calls_too() -> None:
    class Batches:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
            yield

        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> None: ...

    recorder = Recorder()
    async with EventBus(instruments=[recorder]) as bus:
        await bus.plugins.register_and_wait(Batches(), "batches")
        await bus.publish_many_and_wait([ANN, BEN], "all")

    assert recorder.of("call") == [
        ("call", "batches", "lifespan start", 0, None),
        ("call", "batches", "event_batch", ANN, BEN, 0, None),
        ("call", "batches", "lifespan end", 0, None),
    ]


async def test_a_hook_that_raises_or_runs_too_long_has_failed() -> None:
    class Slow(Greeter):
        @hookimpl
        async def event(self, event: Event) -> None:
            if event is ANN:
                await anyio.sleep_forever()

    recorder = Recorder()
    async with EventBus(hook_timeout=8, instruments=[recorder]) as bus:
        bus.register(Slow(), "slow")
        for event in (ANN, BEN):
            await bus.publish(event)

        await bus.drain()

    assert recorder.of("hook failed") == [
        ("hook failed", "slow", "event", ANN, HookTimeout.__name__),
        ("hook failed", "slow", "peer_joined", BEN, "ValueError"),
    ]


async def test_the_handler_of_a_subscription_can_fail() -> None:
    def wave(event: PeerJoined) -> None:
        raise LookupError

    recorder = Recorder()
    async with EventBus(instruments=[recorder]) as bus:
        bus.subscribe(PeerJoined, wave, name="door")
        await bus.publish(ANN)

    assert recorder.seen == [
        ("hook failed", "door", "wave", ANN, "LookupError"),
        ("ended", "door"),
    ]


async def test_a_query_can_fail() -> None:
    class Broken:
        @hookimpl
        def metrics(self) -> list[Metric]:
            raise OSError

    recorder = Recorder()
    bus = EventBus(instruments=[recorder])
    bus.register(Broken(), "broken")
    assert bus.query("metrics") == {}
    assert recorder.of("hook failed") == [("hook failed", "broken", "metrics", None, "OSError")]


async def test_a_plugin_is_registered_with_its_hooks_and_so_is_the_one_that_replaces_it() -> None:
    recorder = Recorder()
    async with EventBus(instruments=[recorder]) as bus:
        bus.register(Greeter(), "greeter")
        await bus.plugins.replace("greeter", object())

    assert recorder.of("registered") == [
        ("registered", "greeter", "health", "peer_joined"),
        ("registered", "greeter"),
    ]


async def test_a_plugin_that_dies_has_failed_ended_and_is_restarted() -> None:
    class Mortal(Greeter):
        lives = 0

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
            self.lives += 1
            async with anyio.create_task_group() as tasks:
                if self.lives == 1:
                    tasks.start_soon(self.die)

                yield

            if self.lives == 2:
                raise OSError("no end")

        async def die(self) -> None:
            await anyio.sleep(5)
            raise OSError("no disk")

    recorder = Recorder()
    async with EventBus(instruments=[recorder]) as bus:
        await bus.plugins.register_and_wait(Mortal(), "mortal")
        await anyio.sleep(10)

    seen = recorder.of("failed", "restarted", "ended")
    assert [one[0] for one in seen] == ["ended", "failed", "restarted", "ended", "failed"]
    assert seen[1][3] == 1
    assert seen[-1] == ("failed", "mortal", "no end", None)


@pytest.mark.parametrize(
    ("when_full", "dropped"), [("drop_oldest", ANN), ("drop_newest", BEN)], ids=["oldest", "newest"]
)
async def test_an_event_that_a_full_mailbox_loses_is_dropped(
    when_full: Any, dropped: PeerJoined
) -> None:
    recorder = Recorder()
    async with (
        EventBus(instruments=[recorder]) as bus,
        bus.stream(PeerJoined, name="ears", mailbox_size=1, when_full=when_full),
    ):
        bus.publish_nowait(ANN)
        bus.publish_nowait(BEN)

    reason = f"its mailbox of 1 is full ({when_full})"
    assert recorder.of("dropped") == [("dropped", "ears", dropped, reason)]


async def test_what_is_not_handled_in_time_is_dropped() -> None:
    class Stuck:
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    recorder = Recorder()
    async with EventBus(drain_timeout=3, instruments=[recorder]) as bus:
        bus.register(Stuck(), "stuck")
        for event in (ANN, BEN):
            await bus.publish(event)

    assert recorder.of("dropped") == [
        ("dropped", "stuck", ANN, "the plugin ended while it handled the event"),
        ("dropped", "stuck", BEN, "not handled within 3 seconds"),
    ]


async def test_an_instrument_that_fails_is_logged_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Instrument):
        def hook_began(self, call: HookCall) -> None:
            raise ZeroDivisionError

    recorder = Recorder()
    async with EventBus(instruments=[Broken(), recorder]) as bus:
        bus.register(Greeter(), "greeter")
        await bus.publish_and_wait(ANN)

    assert recorder.of("call") == [("call", "greeter", "peer_joined", ANN, 0, None)]
    (record,) = caplog.records
    assert "an instrument failed" in record.getMessage()
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


async def test_an_instrument_that_watches_no_calls_changes_no_hook() -> None:
    called: list[Any] = []

    class Drops(Instrument):
        def event_dropped(self, error: EventDropped) -> None: ...

    class Caller:
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            called.append(sys._getframe(1).f_code.co_name)

    async with EventBus(instruments=[Drops()], trace=False) as bus:
        bus.register(Caller())
        await bus.publish_and_wait(ANN)

    assert called == ["_handle_events"]


async def test_a_lifespan_that_cannot_be_made_is_a_call_that_failed() -> None:
    class Wrong:
        @hookimpl
        def lifespan(self, bus: Bus) -> None: ...

    recorder = Recorder()
    bus = EventBus(instruments=[recorder])
    bus.register(Wrong(), "wrong")
    with pytest.raises(PluginStartError):
        await bus.__aenter__()

    assert recorder.of("call") == [("call", "wrong", "lifespan start", 0, "TypeError")]
