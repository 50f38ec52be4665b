"""Threaded hooks: real threads, so real time."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Sequence
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lanrage_events import (
    Event,
    EventBus,
    HookTimeout,
    Notification,
    PartyEvent,
    PeerJoined,
    PluginHookError,
    hookimpl,
)

pytestmark = pytest.mark.real_clock


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


class Threaded:
    """Notes in which threads its hooks run; a gate lets each of them return."""

    when_full = "block"

    def __init__(self) -> None:
        self.names: list[str] = []
        self.threads: set[int] = set()
        self.running = 0
        self.most_running = 0
        self.began = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)

    @hookimpl(threaded=True)
    def peer_joined(self, event: PeerJoined) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.threads.add(threading.get_ident())
        self.began.release()
        self.gate.acquire()
        self.names.append(event.peer_name)
        self.running -= 1


async def wait_for(semaphore: threading.Semaphore) -> None:
    await anyio.to_thread.run_sync(semaphore.acquire)


async def test_hooks_run_in_one_thread_in_order_while_the_loop_goes_on() -> None:
    plugin, seen = Threaded(), []
    async with EventBus() as bus:
        bus.register(plugin)
        bus.subscribe(PeerJoined, lambda event: seen.append(event.peer_name))
        for name in "abc":
            await bus.publish(joined(name))

        await wait_for(plugin.began)
        assert seen == ["a", "b", "c"]
        assert plugin.names == []
        plugin.gate.release(3)
        await bus.drain()

    assert plugin.names == ["a", "b", "c"]
    assert plugin.most_running == 1
    assert len(plugin.threads) == 1
    assert threading.get_ident() not in plugin.threads
    for thread in threading.enumerate():
        if thread.name == "plugin Threaded":
            thread.join()


async def test_a_plugin_may_have_hooks_in_the_thread_and_in_the_loop() -> None:
    calls: list[tuple[str, bool]] = []

    class Plugin:
        @hookimpl(threaded=True)
        def peer_joined(self, event: PeerJoined) -> None:
            calls.append(("peer_joined", threading.current_thread() is threading.main_thread()))

        @hookimpl
        async def party_event(self, event: PartyEvent) -> None:
            calls.append(("party_event", threading.current_thread() is threading.main_thread()))

        @hookimpl(threaded=True)
        def event(self) -> None:
            calls.append(("event", threading.current_thread() is threading.main_thread()))

    async with EventBus() as bus:
        bus.register(Plugin())
        await bus.publish_and_wait(joined())

    assert calls == [("peer_joined", False), ("party_event", True), ("event", False)]


async def test_batches_are_handled_in_a_thread() -> None:
    class Plugin:
        def __init__(self) -> None:
            self.threads: list[str] = []

        @hookimpl(threaded=True)
        def event_batch(self, events: Sequence[Event]) -> dict[int, Exception]:
            self.threads.append(threading.current_thread().name)
            return {0: ValueError("no")}

    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin, name="batches")
        with pytest.raises(ExceptionGroup) as info:
            await bus.publish_and_wait(joined())

        assert bus.statistics().plugins["batches"].failed == 1

    assert str(info.value.exceptions[0]) == "no"
    assert plugin.threads == ["plugin batches"]


async def test_a_subscription_runs_in_a_thread() -> None:
    threads: list[int] = []

    def handler(event: Event) -> None:
        threads.append(threading.get_ident())

    async with EventBus() as bus:
        subscription = bus.subscribe(PeerJoined, handler, threaded=True)
        await bus.publish_and_wait(joined())
        await bus.publish_and_wait(joined())
        assert "handler" in subscription.name

    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_a_threaded_hook_publishes_from_its_thread() -> None:
    seen: list[str] = []

    class Plugin:
        mailbox_size = 1
        when_full = "block"

        def __init__(self, bus: EventBus) -> None:
            self.bus = bus

        @hookimpl(threaded=True)
        def peer_joined(self, event: PeerJoined) -> None:
            # Its own mailbox is full, so waiting for room would be waiting for itself.
            for number in range(2):
                self.bus.publish_from_thread(Notification(title=str(number), message=""))

        @hookimpl
        def notification(self, event: Notification) -> None:
            seen.append(event.title)

    async with EventBus() as bus:
        bus.register(Plugin(bus))
        await bus.publish_and_wait(joined())
        await bus.drain()

    assert seen == ["0", "1"]


async def test_all_else_of_the_bus_belongs_to_its_own_thread() -> None:
    async with EventBus() as bus:
        bus.subscribe(
            PeerJoined,
            lambda event: bus.publish_nowait(Notification(title="wrong", message="")),
            threaded=True,
        )
        with pytest.raises(ExceptionGroup) as info:
            await bus.publish_and_wait(joined())

    assert isinstance(info.value.exceptions[0], RuntimeError)
    assert "publish_from_thread" in str(info.value.exceptions[0])


async def test_what_a_threaded_hook_raises_is_its_error(caplog: pytest.LogCaptureFixture) -> None:
    class Plugin:
        @hookimpl(threaded=True)
        def peer_joined(self, event: PeerJoined) -> None:
            if event.peer_name == "exit":
                raise SystemExit(3)

            if event.peer_name == "error":
                raise OSError("disk on fire")

    async with EventBus() as bus:
        bus.register(Plugin(), name="p")
        for name in ("exit", "error"):
            with pytest.raises(ExceptionGroup):
                await bus.publish_and_wait(joined(name))

        await bus.publish_and_wait(joined("fine"))
        statistics = bus.statistics().plugins["p"]
        assert (statistics.handled, statistics.failed) == (1, 2)

    assert "SystemExit: 3 came out of it" in caplog.text
    assert "disk on fire" in caplog.text


async def test_a_threaded_function_must_not_return_something_to_await() -> None:
    async def work() -> None: ...

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: work(), threaded=True, name="s")
        with pytest.raises(ExceptionGroup) as info:
            await bus.publish_and_wait(joined())

    assert "must not return something to await" in str(info.value.exceptions[0])


async def test_a_replaced_plugin_leaves_its_pending_events_to_the_thread_of_the_new_one() -> None:
    old, new = Threaded(), Threaded()
    new.gate.release(2)
    async with EventBus() as bus:
        bus.register(old, name="p")
        for name in "abc":
            await bus.publish(joined(name))

        await wait_for(old.began)
        async with anyio.create_task_group() as tg:
            tg.start_soon(bus.plugins.replace, "p", new)
            await anyio.wait_all_tasks_blocked()
            old.gate.release()

        await bus.drain()
        assert (old.names, new.names) == (["a"], ["b", "c"])
        assert bus.statistics().plugins["p"].abandoned_threads == 0


@pytest.mark.slow
async def test_one_that_times_out_is_abandoned_named_and_counted_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plugin = Threaded()
    async with EventBus() as bus:
        bus.register(plugin, name="p", hook_timeout=0.5)
        with pytest.raises(ExceptionGroup) as info:
            await bus.publish_and_wait(joined("slow"))

        assert isinstance(info.value.exceptions[0], HookTimeout)
        assert bus.statistics().plugins["p"].abandoned_threads == 1
        health = bus.health()["p"]
        assert health.status == "degraded"
        plugin.gate.release(2)
        await bus.publish_and_wait(joined("next"))
        while sorted(plugin.names) != ["next", "slow"]:  # noqa: ASYNC110 - it happens in another thread
            await anyio.sleep(0.01)

        while bus.health()["p"].status != "ok":  # noqa: ASYNC110 - it happens in another thread
            await anyio.sleep(0.01)

    assert "hook 'peer_joined' still runs in its thread" in caplog.text


@pytest.mark.slow
async def test_no_more_than_four_abandoned_threads_run_at_once() -> None:
    plugin = Threaded()
    async with EventBus() as bus:
        bus.register(plugin, name="p", hook_timeout=0.5)
        for number in range(5):
            with pytest.raises(ExceptionGroup):
                await bus.publish_and_wait(joined(str(number)))

        assert bus.statistics().plugins["p"].abandoned_threads == 4
        assert plugin.running == 4
        plugin.gate.release(5)
        for _ in range(4):
            await wait_for(plugin.began)

        # One ended at least, so there is room for another one.
        while plugin.running:  # noqa: ASYNC110 - it happens in another thread
            await anyio.sleep(0.01)

        await bus.publish_and_wait(joined("last"))

    assert "last" in plugin.names
    assert plugin.most_running == 4


@pytest.mark.slow
async def test_a_thread_that_hangs_holds_up_neither_the_end_of_its_plugin_nor_of_the_bus() -> None:
    plugin, other = Threaded(), Threaded()
    async with EventBus(drain_timeout=0.1) as bus:
        bus.register(plugin, name="p")
        bus.register(other, name="q")
        await bus.publish(joined())
        await wait_for(plugin.began)
        await wait_for(other.began)
        assert await bus.unregister("p", timeout=0.1) == ()

    assert plugin.names == other.names == []
    plugin.gate.release()
    other.gate.release()


@pytest.mark.parametrize("hook", ["health", "metrics", "validate", "lifespan", "register_events"])
def test_other_hooks_cannot_be_threaded(hook: str) -> None:
    def function(self: object) -> tuple[()]:
        return ()

    plugin = type("Plugin", (), {hook: hookimpl(threaded=True)(function)})()
    with pytest.raises(PluginHookError) as caught:
        EventBus().register(plugin)

    only = "only hooks for events and 'event_batch' can run in a thread"
    assert caught.value.reason == f"hook '{hook}' is threaded: {only}"


async def test_async_functions_cannot_be_threaded() -> None:
    class Plugin:
        @hookimpl(threaded=True)
        async def peer_joined(self, event: PeerJoined) -> None: ...

    async def handler(event: Event) -> None: ...

    class Callable:
        async def __call__(self, event: Event) -> None: ...

    async with EventBus() as bus:
        with pytest.raises(PluginHookError, match="'peer_joined' is async, so it cannot be thread"):
            bus.register(Plugin())

        wrong: list[Any] = [handler, functools.partial(handler), Callable()]
        for function in wrong:
            with pytest.raises(TypeError, match="is async, so it cannot be threaded"):
                bus.subscribe(Event, function, threaded=True)

        assert not bus.statistics().plugins


@pytest.mark.slow
async def test_a_threaded_hook_does_not_hold_the_event_loop() -> None:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: time.sleep(0.3), threaded=True, name="s")
        await bus.publish_and_wait(joined())
        assert bus.statistics().plugins["s"].loop_blocks == 0
