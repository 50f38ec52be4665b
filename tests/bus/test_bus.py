from __future__ import annotations

import gc
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    GameEnded,
    Health,
    Metric,
    Notification,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    Sample,
    hookimpl,
)
from lanrage_events._bus.logs import ErrorLog
from lanrage_events.abc import Bus
from lanrage_events.http import RouteError
from lanrage_events.outbox import OutboxError


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


def names(events: list[Any]) -> list[str]:
    return [event.peer_name for event in events]


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    async def event(self, event: Event) -> None:
        self.events.append(event)


class Gate(Recorder):
    """Handles an event only once it is opened."""

    when_full = "block"

    def __init__(self, mailbox_size: int = 1) -> None:
        super().__init__()
        self.mailbox_size = mailbox_size
        self.opened = anyio.Event()

    @hookimpl
    async def event(self, event: Event) -> None:
        await self.opened.wait()
        self.events.append(event)


# Hooks


async def test_event_reaches_the_hooks_of_its_class_and_its_base_classes_most_specific_first() -> (
    None
):
    calls: list[str] = []

    class Plugin:
        @hookimpl
        def event(self, event: Event) -> None:
            calls.append("event")

        @hookimpl
        async def party_event(self, event: PartyEvent) -> None:
            await checkpoint()
            calls.append("party_event")

        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            calls.append("peer_joined")

        @hookimpl
        def peer_left(self, event: PeerLeft) -> None:
            calls.append("peer_left")

    async with EventBus() as bus:
        bus.register(Plugin())
        await bus.publish(joined())
        await bus.drain()
        assert calls == ["peer_joined", "party_event", "event"]
        await bus.publish(Notification(title="a", message="b"))
        await bus.drain()
        assert calls[3:] == ["event"]


async def test_hook_without_argument_is_called() -> None:
    calls = []

    class Plugin:
        @hookimpl
        def peer_joined(self) -> None:
            calls.append("peer_joined")

    async with EventBus() as bus:
        bus.register(Plugin())
        await bus.publish_and_wait(joined())

    assert calls == ["peer_joined"]


async def test_each_plugin_gets_events_in_the_order_of_publishing() -> None:
    class Uneven(Recorder):
        @hookimpl
        async def event(self, event: Event) -> None:
            if len(self.events) % 3:
                await anyio.sleep(0.01)

            self.events.append(event)

    plugins = [Recorder(), Uneven(), Recorder()]
    published = [joined(str(number)) for number in range(500)]
    async with EventBus() as bus:
        for number, plugin in enumerate(plugins):
            bus.register(plugin, f"plugin {number}")

        for event in published:
            await bus.publish(event)

    for plugin in plugins:
        assert plugin.events == published


async def test_raising_hook_is_contained_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Recorder):
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            raise ValueError("no such player")

    broken, sound = Broken(), Recorder()
    async with EventBus() as bus:
        bus.register(broken, "broken")
        bus.register(sound, "sound")
        await bus.publish(joined())
        await bus.drain()
        assert broken.events == sound.events != []
        assert bus.statistics().plugins["broken"].failed == 1
        assert bus.statistics().plugins["broken"].handled == 0
        assert bus.statistics().plugins["sound"].handled == 1
        assert bus.health()["broken"] == Health(
            "degraded", "the last event failed: ValueError: no such player"
        )
        assert bus.health()["sound"] == Health()
        await bus.publish(PeerLeft(peer_name="Ann", party_name="LAN"))
        await bus.drain()
        assert bus.health()["broken"] == Health()

    (record,) = caplog.records
    assert "plugin 'broken': hook 'peer_joined' failed on peer_joined" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


async def test_a_failure_that_is_seldom_says_nothing_of_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic, later = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + later)

    class Broken:
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            raise ValueError("no such player")

    async with EventBus() as bus:
        bus.register(Broken(), "broken")
        for _ in range(2):
            await bus.publish(joined())
            await bus.drain()
            later += 2.0

    event_id, text = caplog.messages[-1].partition("peer_joined ")[2].split(": ", 1)
    assert "more like it" not in event_id
    assert text == "ValueError: no such player"


async def test_an_error_of_an_outbox_explains_itself(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            try:
                raise OSError("no space")
            except OSError as error:
                raise OutboxError("outbox x: it needs 4.2 MB more") from error

    async with EventBus() as bus:
        bus.register(Full(), "full")
        await bus.publish(joined())
        await bus.drain()

    (record,) = caplog.records
    assert record.getMessage().endswith(": OutboxError: outbox x: it needs 4.2 MB more")
    assert record.exc_info is None


async def test_many_failures_alike_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        when_full = "block"

        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            raise KeyError(event.id) if event.peer_name == "other" else ValueError("disk full")

    async with EventBus() as bus:
        bus.register(Broken(), "broken")
        for _ in range(500):
            await bus.publish(joined())

        await bus.publish(joined("other"))
        await bus.drain()
        assert bus.statistics().plugins["broken"].failed == 501
        with_traceback = [record for record in caplog.records if record.exc_info]
        assert len(with_traceback) == 2

    assert len(caplog.records) < 10
    assert "hook 'peer_joined' failed on" in caplog.records[-1].getMessage()
    assert "more" in caplog.records[-1].getMessage()


# Trio's Cancelled cannot be raised by hand.
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_stray_cancellation_out_of_a_hook_is_a_failure_of_the_hook() -> None:
    import asyncio

    class Careless(Recorder):
        @hookimpl
        async def event(self, event: Event) -> None:
            if not self.events:
                self.events.append(event)
                raise asyncio.CancelledError

            self.events.append(event)

    plugin = Careless()
    async with EventBus() as bus:
        bus.register(plugin, "careless")
        with pytest.raises(ExceptionGroup):
            await bus.publish_and_wait(joined())

        await bus.publish_and_wait(joined())
        assert len(plugin.events) == 2
        assert bus.statistics().plugins["careless"].failed == 1


async def test_sync_hook_may_return_what_it_likes() -> None:
    class Plugin:
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> str:
            return "ignored"

    async with EventBus() as bus:
        bus.register(Plugin(), "plugin")
        await bus.publish_and_wait(joined())
        assert bus.statistics().plugins["plugin"].handled == 1


async def test_a_long_backlog_does_not_keep_other_tasks_from_running() -> None:
    turns = 0
    turns_while_handling = 0

    class Plugin:
        mailbox_size = 2000

        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            nonlocal turns_while_handling
            turns_while_handling = turns

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(Plugin())
        for _ in range(2000):
            bus.publish_nowait(joined())

        tg.start_soon(other)
        await bus.drain()
        tg.cancel_scope.cancel()

    assert turns_while_handling >= 2000 // 128


# Publishing


async def test_publish_waits_for_room_in_a_blocking_mailbox() -> None:
    gate = Gate()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate)
        await bus.publish(joined("in hand"))
        await wait_all_tasks_blocked()
        await bus.publish(joined("pending"))
        tg.start_soon(bus.publish, joined("first"))
        await wait_all_tasks_blocked()
        tg.start_soon(bus.publish, joined("second"))
        await wait_all_tasks_blocked()
        assert bus.statistics().waiting == 2
        gate.opened.set()

    assert names(gate.events) == ["in hand", "pending", "first", "second"]


async def test_publish_nowait_raises_while_a_mailbox_is_full_or_publishers_wait() -> None:
    gate, other = Gate(), Recorder()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate)
        bus.register(other)
        await bus.publish(joined("in hand"))
        await wait_all_tasks_blocked()
        await bus.publish(joined("pending"))
        full = r"the mailbox of 'Gate' is full \(size 1\): use publish, which waits"
        with pytest.raises(anyio.WouldBlock, match=full):
            bus.publish_nowait(joined("refused"))

        tg.start_soon(bus.publish, joined("waits"))
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.WouldBlock, match="the mailbox of 'Gate' is full"):
            bus.publish_nowait(joined("refused"))

        gate.opened.set()

    assert names(other.events) == names(gate.events) == ["in hand", "pending", "waits"]


async def test_publish_nowait_says_that_others_come_first() -> None:
    opened = anyio.Event()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.subscribe(PeerJoined, lambda _: opened.wait(), when_full="block", mailbox_size=1)
        for _ in range(2):
            await bus.publish(joined())
            await wait_all_tasks_blocked()

        tg.start_soon(bus.publish, joined("waits"))
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.WouldBlock, match="other publishers wait for room in a mailbox"):
            bus.publish_nowait(Notification(title="a", message="b"))

        opened.set()


async def test_publish_nowait_does_not_overtake_a_waiting_publisher() -> None:
    gate = Gate()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate)
        await bus.publish(joined())
        await wait_all_tasks_blocked()
        await bus.publish(joined())
        tg.start_soon(bus.publish, joined())
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.WouldBlock):
            bus.publish_nowait(Notification(title="a", message="b"))

        gate.opened.set()


async def test_event_enters_all_blocking_mailboxes_or_none() -> None:
    gate, other = Gate(), Gate(mailbox_size=10)
    other.opened.set()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate, "gate")
        bus.register(other, "other")
        for _ in range(3):
            tg.start_soon(bus.publish, joined())
            await wait_all_tasks_blocked()

        assert len(other.events) == 2
        gate.opened.set()

    assert len(other.events) == len(gate.events) == 3


async def test_cancelled_publisher_leaves_nothing_behind_and_lets_the_next_one_go_on() -> None:
    gate = Gate()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate)
        await bus.publish(joined("in hand"))
        await wait_all_tasks_blocked()
        await bus.publish(joined("pending"))
        with anyio.CancelScope() as scope:
            tg.start_soon(_cancel_when_blocked, scope)
            await bus.publish(joined("cancelled"))

        tg.start_soon(bus.publish, joined("next"))
        await wait_all_tasks_blocked()
        assert bus.statistics().waiting == 1
        assert scope.cancelled_caught
        gate.opened.set()

    assert names(gate.events) == ["in hand", "pending", "next"]


async def _cancel_when_blocked(scope: anyio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_cancelled_first_publisher_does_not_hold_up_one_that_has_room() -> None:
    class NotificationRecorder:
        events: list[Event] = []  # noqa: RUF012

        @hookimpl
        def notification(self, event: Notification) -> None:
            self.events.append(event)

    class PeerGate:
        when_full = "block"
        mailbox_size = 1
        opened = anyio.Event()

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            await self.opened.wait()

    recorder, gate = NotificationRecorder(), PeerGate()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(recorder)
        bus.register(gate)
        await bus.publish(joined())
        await wait_all_tasks_blocked()
        await bus.publish(joined())
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as inner:
                inner.start_soon(bus.publish, joined())
                await wait_all_tasks_blocked()
                tg.start_soon(bus.publish, Notification(title="a", message="b"))
                await wait_all_tasks_blocked()
                assert not recorder.events
                scope.cancel()

        await wait_all_tasks_blocked()
        assert len(recorder.events) == 1
        gate.opened.set()


async def test_publish_is_a_checkpoint_now_and_then() -> None:
    async with EventBus() as bus:
        with anyio.CancelScope() as scope:
            for _ in range(128):
                scope.cancel()
                await bus.publish(joined())

        assert scope.cancelled_caught


async def test_small_mailbox_that_drops_keeps_up_with_a_fast_publisher() -> None:
    class Small(Recorder):
        mailbox_size = 4

    plugin = Small()
    async with EventBus() as bus:
        bus.register(plugin)
        for number in range(1000):
            await bus.publish(joined(str(number)))

    assert len(plugin.events) == 1000


@pytest.mark.parametrize(
    ("when_full", "kept"), [("drop_oldest", ["2", "3"]), ("drop_newest", ["0", "1"])]
)
async def test_full_mailbox_drops_by_its_policy_and_counts(
    when_full: Any, kept: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    plugin = Recorder()
    async with EventBus() as bus:
        bus.register(plugin, "plugin", mailbox_size=2, when_full=when_full)
        for number in range(4):
            bus.publish_nowait(joined(str(number)))

        await bus.drain()
        assert bus.statistics().plugins["plugin"].dropped == 2
        assert bus.statistics().plugins["plugin"].handled == 2

    assert names(plugin.events) == kept
    first, rest = (record.getMessage() for record in caplog.records)
    assert first == (
        f"plugin 'plugin' dropped 1 event (1 so far): its mailbox of 2 is full ({when_full})"
    )
    assert "dropped 1 event (2 so far)" in rest


async def test_drops_are_logged_once_a_second_at_most(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Gate(mailbox_size=1)
    async with EventBus() as bus:
        bus.register(plugin, "plugin", when_full="drop_oldest")
        for _ in range(1000):
            bus.publish_nowait(joined())

        assert len(caplog.records) == 1
        plugin.opened.set()

    assert sum("dropped" in record.getMessage() for record in caplog.records) == 2


async def test_publishing_something_else_is_a_type_error() -> None:
    async with EventBus() as bus:
        with pytest.raises(TypeError, match="an Event was expected, not 'peer_joined'"):
            await bus.publish("peer_joined")  # type: ignore[arg-type]

        with pytest.raises(TypeError, match="an Event was expected"):
            bus.publish_nowait(PeerJoined)  # type: ignore[arg-type]


async def test_publishing_after_close_is_rejected() -> None:
    bus = EventBus()
    bus.register(Recorder())
    async with bus:
        pass

    with pytest.raises(anyio.ClosedResourceError):
        await bus.publish(joined())

    with pytest.raises(anyio.ClosedResourceError):
        bus.publish_nowait(joined())

    with pytest.raises(anyio.ClosedResourceError):
        await bus.publish_and_wait(joined())

    with pytest.raises(anyio.ClosedResourceError):
        bus.register(Recorder(), "late")

    with pytest.raises(anyio.ClosedResourceError):
        bus.subscribe(PeerJoined, print)

    with pytest.raises(RuntimeError, match="only once"):
        await bus.__aenter__()


# Inside hooks


async def test_hook_may_publish_into_its_own_full_mailbox_up_to_twice_its_size() -> None:
    refused: list[int] = []
    reasons: set[str] = set()

    class Echo(Recorder):
        when_full = "block"
        mailbox_size = 4

        @hookimpl
        async def notification(self, event: Notification) -> None:
            for number in range(10):
                try:
                    await bus.publish(joined(str(number)))
                except anyio.WouldBlock as error:
                    refused.append(number)
                    reasons.add(str(error))

    plugin = Echo()
    async with EventBus() as bus:
        bus.register(plugin, "echo")
        await bus.publish(Notification(title="a", message="b"))
        await bus.drain()
        await bus.drain()
        assert bus.statistics().plugins["echo"].exceeded == 4

    assert names(plugin.events[1:]) == [str(number) for number in range(8)]
    assert refused == [8, 9]
    [reason] = reasons
    assert reason.startswith(
        "the mailbox of 'echo' holds 2 times its size of 4, and a hook must not"
    )


async def test_two_hooks_that_publish_into_each_others_full_mailbox_do_not_hang() -> None:
    class Ping:
        when_full = "block"
        mailbox_size = 1
        calls = 0

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            self.calls += 1
            await bus.publish(PeerLeft(peer_name="Ann", party_name="LAN"))
            await bus.publish(PeerLeft(peer_name="Ann", party_name="LAN"))

    class Pong:
        when_full = "block"
        mailbox_size = 1
        calls = 0

        @hookimpl
        async def peer_left(self, event: PeerLeft) -> None:
            self.calls += 1
            if self.calls < 10:
                await bus.publish(joined())

    ping, pong = Ping(), Pong()
    async with EventBus() as bus:
        bus.register(ping)
        bus.register(pong)
        await bus.publish(joined())

    assert pong.calls >= 10


@pytest.mark.parametrize("method", ["publish_and_wait", "drain"])
async def test_waiting_for_the_bus_inside_a_hook_is_rejected(method: str) -> None:
    class Plugin:
        @hookimpl
        async def notification(self, event: Notification) -> None:
            if method == "drain":
                await bus.drain()
            else:
                await bus.publish_and_wait(joined())

    async with EventBus() as bus:
        bus.register(Plugin())
        with pytest.raises(ExceptionGroup) as caught:
            await bus.publish_and_wait(Notification(title="a", message="b"))

    (error,) = caught.value.exceptions
    assert isinstance(error, RuntimeError)
    assert method in str(error)


async def test_hook_of_one_bus_may_wait_for_another_bus() -> None:
    recorder = Recorder()

    class Bridge:
        @hookimpl
        async def event(self, event: Event) -> None:
            await other.publish_and_wait(event)

    async with EventBus() as other, EventBus() as bus:
        bus.register(Bridge())
        other.register(recorder)
        await bus.publish_and_wait(joined())
        assert len(recorder.events) == 1


# publish_and_wait and drain


async def test_publish_and_wait_returns_when_all_have_handled_the_event() -> None:
    slow, quick = Gate(), Recorder()
    slow.opened.set()

    class Slow(Recorder):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(5)
            self.events.append(event)

    plugin = Slow()
    async with EventBus() as bus:
        bus.register(plugin)
        bus.register(quick)
        started = anyio.current_time()
        await bus.publish_and_wait(joined())
        assert anyio.current_time() - started == pytest.approx(5)
        assert len(plugin.events) == len(quick.events) == 1


async def test_publish_and_wait_raises_what_hooks_raised() -> None:
    class Broken:
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            raise ValueError("first")

        @hookimpl
        def event(self, event: Event) -> None:
            raise KeyError("second")

    async with EventBus() as bus:
        bus.register(Broken())
        bus.register(Recorder())
        with pytest.raises(ExceptionGroup, match="was not handled") as caught:
            await bus.publish_and_wait(joined())

    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]


async def test_publish_and_wait_for_durable_plugins_does_not_wait_for_others() -> None:
    class Durable(Recorder):
        durable = True

    durable, gate = Durable(), Gate()
    async with EventBus() as bus:
        bus.register(durable)
        bus.register(gate)
        await bus.publish_and_wait(joined(), plugins="durable")
        assert len(durable.events) == 1
        assert not gate.events
        gate.opened.set()
        with pytest.raises(ValueError, match="must be 'all' or 'durable'"):
            await bus.publish_and_wait(joined(), plugins="some")  # type: ignore[arg-type]


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
async def test_publish_and_wait_raises_if_the_event_is_dropped(when_full: Any) -> None:
    gate = Gate()
    dropped: list[EventDropped] = []

    async def publish(name: str) -> None:
        try:
            await bus.publish_and_wait(joined(name))
        except EventDropped as error:
            dropped.append(error)

    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate, "gate", when_full=when_full)
        for name in ("in hand", "oldest", "newest"):
            tg.start_soon(publish, name)
            await wait_all_tasks_blocked()

        gate.opened.set()

    (error,) = dropped
    kept = {"drop_oldest": "oldest", "drop_newest": "newest"}[when_full]
    assert error.event.peer_name == kept  # type: ignore[attr-defined]
    assert f"was dropped by plugin 'gate': its mailbox of 1 is full ({when_full})" in str(error)
    assert len(gate.events) == 2


async def test_publish_and_wait_waits_for_room_too() -> None:
    gate = Gate()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate)
        for _ in range(3):
            tg.start_soon(bus.publish_and_wait, joined())

        await wait_all_tasks_blocked()
        assert bus.statistics().waiting == 1
        gate.opened.set()

    assert len(gate.events) == 3


async def test_drain_waits_for_events_published_before_only() -> None:
    gate = Gate(mailbox_size=10)
    drained = anyio.Event()

    async def drain() -> None:
        await bus.drain()
        drained.set()

    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(gate)
        await bus.drain()
        await bus.publish(joined())
        tg.start_soon(drain)
        await wait_all_tasks_blocked()
        assert not drained.is_set()
        gate.opened.set()
        await wait_all_tasks_blocked()
        assert drained.is_set()


async def test_drain_ends_though_new_events_keep_coming_and_old_ones_are_dropped() -> None:
    class Slow(Recorder):
        mailbox_size = 2

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)
            self.events.append(event)

    plugin = Slow()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(plugin, "slow")
        bus.publish_nowait(joined("1"))
        bus.publish_nowait(joined("2"))

        async def keep_publishing() -> None:
            while True:
                await bus.publish(joined("later"))
                await anyio.sleep(0.1)

        await wait_all_tasks_blocked()
        tg.start_soon(keep_publishing)
        with anyio.fail_after(5):
            await bus.drain()

        assert "1" in names(plugin.events)
        tg.cancel_scope.cancel()


async def test_drain_counts_what_is_dropped_after_the_call_as_gone() -> None:
    class Slow(Recorder):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)
            self.events.append(event)

    plugin = Slow()
    handled_when_drained: list[str] = []

    async def drain() -> None:
        await bus.drain()
        handled_when_drained.extend(names(plugin.events))

    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(plugin, mailbox_size=2)
        bus.publish_nowait(joined("in hand"))
        await wait_all_tasks_blocked()
        bus.publish_nowait(joined("dropped later"))
        bus.publish_nowait(joined("last before the drain"))
        tg.start_soon(drain)
        await wait_all_tasks_blocked()
        bus.publish_nowait(joined("after the drain"))

    assert handled_when_drained == ["in hand", "last before the drain"]
    assert len(plugin.events) == 3


# Subscriptions and streams


async def test_subscription_receives_its_class_and_subclasses_until_unsubscribed() -> None:
    events: list[PartyEvent] = []
    async with EventBus() as bus:
        subscription = bus.subscribe(PartyEvent, events.append)
        await bus.publish(joined())
        await bus.publish(Notification(title="a", message="b"))
        await bus.publish(GameEnded(game_name="Quake", duration=3))
        subscription.unsubscribe()
        subscription.unsubscribe()
        await bus.publish(joined())
        await wait_all_tasks_blocked()
        assert [event.type for event in events] == ["peer_joined", "game_ended"]
        assert not bus.statistics().plugins


async def test_subscription_is_undone_by_with_and_takes_async_handlers() -> None:
    events = []

    async def handle(event: PeerJoined) -> None:
        await checkpoint()
        events.append(event)

    async with EventBus() as bus:
        with bus.subscribe(PeerJoined, handle) as subscription:
            await bus.publish_and_wait(joined())
            assert subscription.name in bus.statistics().plugins

        await bus.publish_and_wait(joined())

    assert len(events) == 1


async def test_handler_subscribed_before_the_bus_is_entered_is_called() -> None:
    events: list[Event] = []
    bus = EventBus()
    undone = bus.subscribe(Event, print)
    bus.subscribe(Event, events.append, name="list")
    with pytest.raises(ValueError, match="'list' is taken"):
        bus.subscribe(Event, events.append, name="list")

    undone.unsubscribe()
    async with bus:
        await bus.publish_and_wait(joined())

    assert len(events) == 1


async def test_handler_subscribed_before_the_bus_is_entered_is_forgotten_at_its_end() -> None:
    bus = EventBus()
    subscription = bus.subscribe(Event, print, name="s")
    async with bus:
        await bus.publish_and_wait(joined())
        subscription.unsubscribe()
        await wait_all_tasks_blocked()
        assert not bus.statistics().plugins
        assert not bus.health()
        bus.subscribe(Event, print, name="s")


async def test_events_that_a_handler_does_not_handle_in_time_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang(event: Event) -> None:
        await anyio.sleep_forever()

    errors: list[BaseException] = []

    async def publish() -> None:
        try:
            await bus.publish_and_wait(joined())
        except (EventDropped, ExceptionGroup) as error:
            errors.append(error)

    async with anyio.create_task_group() as tg, EventBus(drain_timeout=1) as bus:
        bus.subscribe(Event, hang, name="s")
        for _ in range(3):
            tg.start_soon(publish)

        await wait_all_tasks_blocked()

    assert len(errors) == 3
    assert "plugin 's' dropped 2 events: not handled within 1 seconds" in caplog.text


async def test_one_handler_can_be_subscribed_twice() -> None:
    events: list[Event] = []
    async with EventBus() as bus:
        first = bus.subscribe(Event, events.append)
        second = bus.subscribe(Event, events.append)
        assert first.name != second.name
        await bus.publish_and_wait(joined())

    assert len(events) == 2


async def test_raising_handler_is_contained() -> None:
    def fail(event: Event) -> None:
        raise ValueError

    async with EventBus() as bus:
        subscription = bus.subscribe(Event, fail)
        await bus.publish(joined())
        await bus.drain()
        assert bus.statistics().plugins[subscription.name].failed == 1


async def test_stream_gives_events_in_order_and_ends_with_the_bus() -> None:
    received: list[PeerJoined] = []

    async def read(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with bus.stream(PeerJoined) as events:
            task_status.started()
            received.extend([event async for event in events])

    async with anyio.create_task_group() as tg, EventBus() as bus:
        await tg.start(read)
        for number in range(5):
            await bus.publish(joined(str(number)))
            await bus.publish(Notification(title="a", message="b"))

    assert names(received) == ["0", "1", "2", "3", "4"]


async def test_stream_that_nobody_reads_holds_up_nobody() -> None:
    async with EventBus() as bus, bus.stream(Event, mailbox_size=2, name="lazy") as events:
        for number in range(5):
            await bus.publish_and_wait(joined(str(number)))

        await bus.drain()
        assert bus.statistics().plugins["lazy"].dropped == 3
        assert bus.statistics().plugins["lazy"].pending == 2
        assert (await anext(events)).peer_name == "3"  # type: ignore[attr-defined]


async def test_blocking_stream_makes_the_publisher_wait_until_it_is_read() -> None:
    async with (
        EventBus() as bus,
        bus.stream(Event, mailbox_size=1, when_full="block") as events,
        anyio.create_task_group() as tg,
    ):
        await bus.publish(joined("1"))
        tg.start_soon(bus.publish, joined("2"))
        await wait_all_tasks_blocked()
        assert bus.statistics().waiting == 1
        await anext(events)
        assert bus.statistics().waiting == 0
        await anext(events)


async def test_closed_stream_receives_nothing() -> None:
    async with EventBus() as bus:
        async with bus.stream(Event) as events:
            pass

        await bus.publish(joined())
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_stream_reaches_its_reader_although_another_one_gave_up() -> None:
    received: list[Event] = []
    async with EventBus() as bus, bus.stream(PeerJoined) as events:

        async def read() -> None:
            received.append(await anext(events))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as readers, anyio.create_task_group() as given_up:
                given_up.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                readers.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                given_up.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.wait_all_tasks_blocked()

                readers.start_soon(bus.publish, joined("Ann"))

    assert names(received) == ["Ann"]


# Leaving the bus


async def test_leaving_handles_what_is_pending() -> None:
    plugin = Recorder()
    async with EventBus() as bus:
        bus.register(plugin)
        for _ in range(100):
            bus.publish_nowait(joined())

    assert len(plugin.events) == 100


async def test_leaving_handles_what_hooks_publish_meanwhile() -> None:
    class Chain:
        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            await anyio.sleep(1)
            await bus.publish(Notification(title="a", message="b"))

    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Chain())
        await bus.publish(joined())

    assert [event.type for event in recorder.events] == ["peer_joined", "notification"]


async def test_leaving_under_outer_cancellation_handles_what_is_pending() -> None:
    class Slow(Recorder):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(0.1)
            self.events.append(event)

    plugin = Slow()
    with anyio.CancelScope() as scope:
        async with EventBus() as bus:
            bus.register(plugin)
            for _ in range(20):
                bus.publish_nowait(joined())

            scope.cancel()
            await checkpoint()

    assert scope.cancelled_caught
    assert len(plugin.events) == 20


async def test_leaving_ends_at_the_drain_timeout_and_tells_what_was_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with EventBus(drain_timeout=3) as bus:
        bus.register(Gate(mailbox_size=10), "gate")
        for _ in range(5):
            bus.publish_nowait(joined())

        await wait_all_tasks_blocked()
        started = anyio.current_time()

    assert anyio.current_time() - started == pytest.approx(3)
    assert "plugin 'gate' dropped 4 events: not handled within 3 seconds" in caplog.text
    assert bus.statistics().plugins["gate"].failed == 1
    assert bus.statistics().plugins["gate"].dropped == 4


async def test_waiting_publishers_fail_when_the_bus_closes() -> None:
    outcomes: list[str] = []

    async def publish(name: str) -> None:
        try:
            await bus.publish_and_wait(joined(name))
        except (EventDropped, ExceptionGroup) as error:
            outcomes.append(f"{name}: {type(error).__name__}")
        except anyio.ClosedResourceError:
            outcomes.append(f"{name}: closed")

    async with anyio.create_task_group() as tg, EventBus(drain_timeout=1) as bus:
        bus.register(Gate(), "gate")
        for name in ("in hand", "pending", "waiting"):
            tg.start_soon(publish, name)
            await wait_all_tasks_blocked()

    assert sorted(outcomes) == ["in hand: EventDropped", "pending: EventDropped", "waiting: closed"]


async def test_exception_of_the_body_leaves_the_bus_as_it_is() -> None:
    async def fail() -> None:
        async with EventBus() as bus:
            bus.register(Recorder())
            raise ValueError("mine")

    with pytest.raises(ValueError, match="^mine$"):
        await fail()


async def test_what_only_publishes_ends_first_so_that_its_last_event_is_handled() -> None:
    class Source:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            yield
            await bus.publish(joined("last"))

    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder)
        bus.register(Source())

    assert names(recorder.events) == ["last"]


# Problems, health and statistics


def test_a_broken_hook_validate_is_a_problem() -> None:
    class Broken:
        @hookimpl
        def validate(self, bus: EventBus) -> list[str]:
            raise ValueError("oops")

    bus = EventBus()
    bus.register(Broken(), "broken")
    bus.register(Recorder(), "recorder")
    assert bus.plugins.validate() == [("broken", "hook 'validate' failed: ValueError: oops")]


async def test_health_says_that_a_plugin_is_starting() -> None:
    class Slow(Recorder):
        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            await anyio.sleep(10)
            yield

    starting = Health("degraded", "it is starting, and handles no events yet")
    bus = EventBus()
    async with bus:
        bus.register(Recorder(), "plugin")
        bus.register(Slow(), "slow")
        assert bus.health() == {"plugin": Health(), "slow": starting}
        await anyio.sleep(9)
        assert bus.health()["slow"] == starting
        await anyio.sleep(2)
        assert bus.health()["slow"] == Health()


async def test_health_asks_the_plugin() -> None:
    class Plugin:
        answer: Any = Health("degraded", "waits for Discord")

        @hookimpl
        def health(self) -> Health:
            if self.answer is None:
                raise ValueError("broken")

            return self.answer  # type: ignore[no-any-return]

    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin, "plugin")
        bus.redactor.add("broken")
        assert bus.health() == {"plugin": Health("degraded", "waits for Discord")}
        plugin.answer = "fine"
        assert bus.health()["plugin"].status == "failed"
        plugin.answer = None
        assert bus.health()["plugin"].detail.startswith("hook 'health' failed: ValueError: ")
        assert "broken" not in bus.health()["plugin"].detail


async def test_statistics_show_the_mailbox() -> None:
    gate = Gate(mailbox_size=7)
    async with EventBus() as bus:
        bus.register(gate, "gate")
        for _ in range(3):
            await bus.publish(joined())

        await wait_all_tasks_blocked()
        statistics = bus.statistics().plugins["gate"]
        assert (statistics.size, statistics.when_full) == (7, "block")
        assert (statistics.pending, statistics.handled) == (2, 0)
        assert statistics.state == "running"
        gate.opened.set()

    assert bus.statistics().plugins["gate"].state == "stopped"
    assert bus.statistics().plugins["gate"].handled == 3


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorOpened(Event):
    door: str


async def test_event_class_that_nobody_registered_can_be_published() -> None:
    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder)
        await bus.publish_and_wait(DoorOpened(door="front"))

    assert len(recorder.events) == 1


def test_bus_made_outside_of_an_event_loop_works(anyio_backend_name: str) -> None:
    bus = EventBus()
    recorder = Recorder()
    bus.register(recorder)

    async def main() -> None:
        async with bus:
            await bus.publish_and_wait(joined())

    anyio.run(main, backend=anyio_backend_name)
    assert len(recorder.events) == 1


async def test_nothing_is_shared_between_buses() -> None:
    class Plugin(Recorder):
        @hookimpl
        def register_events(self) -> list[type[Event]]:
            return [DoorOpened]

    async with EventBus() as first, EventBus() as second:
        first.register(Plugin())
        assert DoorOpened in first.events.types()
        assert DoorOpened not in second.events.types()
        assert first.redactor is not second.redactor


async def test_template_folders_are_the_users_then_the_plugins_then_those_that_came_along(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Plugin:
        @hookimpl
        def template_folders(self) -> list[Any]:
            return [tmp_path / "plugin"]

    class Broken:
        @hookimpl
        def template_folders(self) -> list[Any]:
            raise ValueError("broken")

    bus = EventBus(templates=[tmp_path / "user"])
    bus.register(Plugin())
    bus.register(Broken(), "broken")
    first, second, bundled = bus.template_folders()
    assert (first, second) == (tmp_path / "user", tmp_path / "plugin")
    assert (bundled / "discord" / "event.yaml").is_file()
    assert "plugin 'broken' hook 'template_folders' failed" in caplog.text


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# Asking


class Declaring:
    def __init__(self, metric: str = "warmth") -> None:
        self.metric = metric

    @hookimpl
    def metrics(self) -> Iterator[Metric]:
        yield Metric(name=self.metric, help="How warm it is.", samples=[Sample(20.5)])

    @hookimpl
    def outbox(self) -> None:
        return None


async def test_plugins_are_asked_what_they_declare(caplog: pytest.LogCaptureFixture) -> None:
    async with EventBus() as bus:
        bus.register(Declaring(), "good")
        bus.register(Declaring("No Name"), "bad")
        bus.register(Recorder(), "silent")
        bus.subscribe(Event, lambda event: None, name="handler")
        answers = bus.query("metrics")
        assert list(answers) == ["good"]
        assert [metric.name for metric in answers["good"]] == ["warmth"]
        assert "plugin 'bad' hook 'metrics' failed" in caplog.text
        assert bus.query("outbox") == {"good": None, "bad": None}


@pytest.mark.parametrize("hook", ["lifespan", "event", "register_events", "nothing"])
def test_only_hooks_that_declare_can_be_asked(hook: str) -> None:
    known = "known are http_pages, http_routes, invite_url, mention_player, metrics"
    with pytest.raises(ValueError, match=known):
        EventBus().query(hook)
    with pytest.raises(ValueError, match=known):
        EventBus().query(hook, 1)


def test_hooks_are_queried_with_the_arguments_that_they_have() -> None:
    for hook, arguments in (("mention_player", ()), ("metrics", (1,))):
        with pytest.raises(ValueError, match=f"'{hook}' is not a hook that can be queried"):
            EventBus().query(hook, *arguments)


async def test_registered_plugins_are_listed_without_subscriptions() -> None:
    recorder = Recorder()
    async with EventBus() as bus:
        bus.register(recorder, "recorder")
        bus.subscribe(Event, lambda event: None, name="handler")
        assert bus.plugins == {"recorder": recorder}
        await bus.unregister("recorder")
        assert bus.plugins == {}


def test_the_place_of_a_key_is_known_if_a_file_gives_it() -> None:
    bus = EventBus()
    recorder = Recorder()
    bus.register(recorder, "recorder", locations={"path": "lanrage.yaml:3:5"})
    assert bus.plugins.source_location(recorder, "path") == "lanrage.yaml:3:5"
    assert bus.plugins.source_location("recorder", "size") is None
    bus.plugins.update_locations("recorder", {"size": "lanrage.yaml:9:5"})
    assert bus.plugins.source_location("recorder", "path") is None
    assert bus.plugins.source_location("recorder", "size") == "lanrage.yaml:9:5"
    with pytest.raises(LookupError):
        bus.plugins.source_location("other", "path")


@pytest.mark.parametrize("name", ["", "Warmth", "9lives", "a-b", "ä"])
def test_a_metric_has_a_proper_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a metric"):
        Metric(name=name, help="", samples=[])


@pytest.mark.parametrize("status", [200, 399, 600])
def test_a_route_error_has_a_status_of_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        RouteError(status, "no")


# Several at once


async def test_publish_many_and_wait_tells_what_became_of_each() -> None:
    class Picky:
        durable = True

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            if event.peer_name == "Bob":
                raise ValueError("not him")

    async with EventBus() as bus:
        bus.register(Picky())
        events = [joined("Ann"), joined("Bob"), joined("Cy")]
        first, second, third = await bus.publish_many_and_wait(events)
        assert (first, third) == (None, None)
        assert isinstance(second, ExceptionGroup)
        assert str(second.exceptions[0]) == "not him"
        assert await bus.publish_many_and_wait([]) == []


@pytest.mark.parametrize("many", [True, False])
async def test_publishing_and_waiting_is_for_all_plugins_by_default(many: bool) -> None:
    gate = Gate(8)
    async with EventBus() as bus:
        publish: Any = bus.publish_many_and_wait if many else bus.publish_and_wait
        events = [joined(), joined()] if many else joined()
        bus.register(gate)
        assert await publish(events, "durable") == ([None, None] if many else None)
        assert gate.events == []
        with anyio.move_on_after(1) as scope:
            await publish(events)

        assert scope.cancelled_caught
        with pytest.raises(ValueError, match="plugins must be 'all' or 'durable', not 'some'"):
            await publish(events, "some")

        gate.opened.set()


async def test_publish_many_and_wait_publishes_nothing_if_one_is_no_event() -> None:
    got: list[Event] = []
    wrong: Any = [joined(), PeerJoined]
    async with EventBus() as bus:
        bus.subscribe(Event, got.append)
        with pytest.raises(TypeError, match="not the class PeerJoined: publish"):
            await bus.publish_many_and_wait(wrong)

        with pytest.raises(TypeError, match="not the class PeerJoined: publish"):
            await bus.publish_and_wait(wrong[1])

    assert got == []


class DurableGate(Gate):
    durable = True


async def test_publish_many_and_wait_tells_which_came_too_late() -> None:
    gate = DurableGate()
    outcomes: list[Exception | None] = []

    async def publish() -> None:
        outcomes.extend(await bus.publish_many_and_wait([joined("a"), joined("b"), joined("c")]))

    async def open_later() -> None:
        await anyio.sleep(2)
        gate.opened.set()

    async with anyio.create_task_group() as tasks, EventBus() as bus:
        bus.register(gate)
        tasks.start_soon(publish)
        tasks.start_soon(open_later)
        await anyio.sleep(1)  # until one is in hand, one waits, and one waits for room

    assert outcomes[:2] == [None, None]
    assert isinstance(outcomes[2], anyio.ClosedResourceError)


async def test_statistics_tell_how_long_hooks_took() -> None:
    class Sleeper:
        @hookimpl
        async def event(self, event: Event) -> None:
            await checkpoint()

    async with EventBus() as bus:
        bus.register(Sleeper())
        assert bus.statistics().plugins["Sleeper"].hook_seconds == 0
        await bus.publish_and_wait(joined())
        await bus.drain()
        await anyio.sleep(1)
        before = bus.statistics().plugins["Sleeper"].hook_seconds
        assert before > 0
        await anyio.sleep(1)
        assert bus.statistics().plugins["Sleeper"].hook_seconds == before


async def test_plugin_knows_whether_the_bus_is_closing_when_it_ends() -> None:
    class Plugin:
        def __init__(self) -> None:
            self.closing: list[bool] = []

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
            self.closing.append(bus.closing)
            yield
            self.closing.append(bus.closing)

    first, second, third = Plugin(), Plugin(), Plugin()
    async with EventBus() as bus:
        for plugin in (first, third):
            await bus.plugins.register_and_wait(plugin, "first" if plugin is first else "third")

        await bus.plugins.replace("first", second)
        await bus.unregister(third)
        assert not bus.closing

    assert first.closing == third.closing == [False, False]
    assert second.closing == [False, True]
    assert bus.closing


# Streams: leaving and sharing


async def test_stream_that_is_cancelled_while_it_is_entered_blocks_nobody() -> None:
    async with EventBus() as bus:
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with bus.stream(PeerJoined, when_full="block", mailbox_size=1, name="ears"):
                raise AssertionError("it was cancelled")

        assert bus.statistics().plugins == {}
        with anyio.fail_after(1):
            for _ in range(3):
                await bus.publish(joined())

        async with bus.stream(PeerJoined, name="ears"):
            pass


async def test_stream_without_a_name_gets_one_that_is_free() -> None:
    async with EventBus() as bus:
        async with bus.stream(PeerJoined):
            [default] = bus.statistics().plugins

        stream = bus.stream(PeerJoined)
        for name in (default, f"{default}#2"):
            bus.subscribe(PeerJoined, print, name=name)

        async with stream, bus.stream(PeerJoined) as other:
            assert len(bus.statistics().plugins) == 4
            with pytest.raises(RuntimeError, match="entered only once"):
                await other.__aenter__()


async def test_name_of_a_stream_is_taken_while_it_is_entered() -> None:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, print, name="handler")
        taken = "is taken on this bus: give another name"
        with pytest.raises(ValueError, match=f"'handler' {taken}"):
            await bus.stream(PeerJoined, name="handler").__aenter__()

        async with bus.stream(PeerJoined, name="ears") as events:
            with pytest.raises(ValueError, match=f"'ears' {taken}"):
                await bus.stream(PeerJoined, name="ears").__aenter__()

            with pytest.raises(ValueError, match=f"'ears' {taken}"):
                bus.subscribe(PeerJoined, print, name="ears")

            for name in (None, "ears"):
                with pytest.raises(ValueError, match=f"'ears' {taken}"):
                    bus.register(type("ears", (), {})(), name)

            await bus.publish(joined())
            assert (await anext(events)).peer_name == "Ann"

        with pytest.raises(RuntimeError, match="entered only once"):
            await events.__aenter__()

        bus.subscribe(PeerJoined, print, name="ears")


async def test_readers_of_one_stream_share_its_events_and_all_end() -> None:
    received: list[list[str]] = [[], [], []]
    bus = EventBus()
    stream = bus.stream(PeerJoined)
    async with anyio.create_task_group() as tasks, bus:
        await stream.__aenter__()

        async def read(names: list[str]) -> None:
            names.extend([event.peer_name async for event in stream])

        for names in received:
            tasks.start_soon(read, names)

        for number in range(6):
            await anyio.sleep(1)
            await bus.publish(joined(str(number)))

        bus.publish_nowait(joined("6"))
        bus.publish_nowait(joined("7"))

    assert sorted(name for names in received for name in names) == list("01234567")
    assert stream.statistics().state == "stopped"


@pytest.mark.slow
async def test_a_slow_machine_degrades_nothing_in_virtual_time() -> None:
    def hold(event: PeerJoined) -> None:
        time.sleep(0.15)

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, hold, name="slow")
        for _ in range(4):
            await bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))

        assert bus.statistics().plugins["slow"].loop_blocks == 0
        assert bus.health()["slow"].status == "ok"


async def test_only_the_task_that_entered_a_bus_leaves_it_and_only_once() -> None:
    recorder = Recorder()

    async def leave() -> None:
        with pytest.raises(RuntimeError, match="only be left by the task that entered it"):
            await bus.__aexit__(None, None, None)

    async with EventBus() as bus:
        bus.register(recorder)
        async with anyio.create_task_group() as tg:
            tg.start_soon(leave)

        await bus.publish_and_wait(joined())

    await bus.__aexit__(None, None, None)
    await EventBus().__aexit__(None, None, None)
    assert len(recorder.events) == 1


@pytest.mark.slow
async def test_drains_that_are_cancelled_do_not_accumulate() -> None:
    gate = Gate(mailbox_size=3)
    async with EventBus() as bus:
        bus.register(gate)
        for _ in range(3):
            await bus.publish(joined())
            await wait_all_tasks_blocked()

        gc.collect()
        before = len(gc.get_objects())
        for _ in range(500):
            with anyio.move_on_after(0.001):
                await bus.drain()

        gc.collect()
        assert len(gc.get_objects()) < before + 500
        async with anyio.create_task_group() as tg:
            for _ in range(2):
                tg.start_soon(bus.drain)

            await wait_all_tasks_blocked()
            gate.opened.set()

    assert len(gate.events) == 3


def test_of_many_kinds_of_failures_the_least_recent_are_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = ErrorLog()
    event = joined()
    for number in range(250):
        for _ in range(2):
            log.hook_failed("p", "peer_joined", event, type(f"Error{number}", (Exception,), {})())

    more = [r.getMessage() for r in caplog.records if "on 1 more event with" in r.getMessage()]
    assert len(more) == 150
    assert more[0].endswith("failed on 1 more event with Error0")
    log.plugin_ended("p")
    assert len(caplog.records) == 500


async def test_statistics_say_how_long_ago_each_source_took_something_in() -> None:
    async with EventBus() as bus:
        assert bus.statistics().seconds_since_input == {}
        bus.record_input("http")
        await anyio.sleep(60)
        bus.record_input("stdin")
        await anyio.sleep(3600)
        assert bus.statistics().seconds_since_input == pytest.approx({"http": 3660, "stdin": 3600})
        bus.record_input("http")
        assert bus.statistics().seconds_since_input["http"] == pytest.approx(0)

    assert bus.statistics().seconds_since_input == {}
