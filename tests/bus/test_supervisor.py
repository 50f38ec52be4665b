from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import anyio
import pytest

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    HookTimeout,
    PartyEvent,
    PeerJoined,
    PluginHookError,
    PluginReplaceError,
    PluginStartError,
    hookimpl,
)


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


class Plugin:
    """Notes what happens to it; its worker dies when it is told to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events: list[Event] = []
        self.starts_that_fail = 0
        self.die = anyio.Event()

    async def _worker(self) -> None:
        await self.die.wait()
        raise OSError("connection lost")

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        if self.starts_that_fail:
            self.starts_that_fail -= 1
            self.log.append("start failed")
            raise OSError("port is taken")

        self.log.append("start")
        self.die = anyio.Event()
        try:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self._worker)
                yield
                tg.cancel_scope.cancel()
        finally:
            self.log.append("stop")

    @hookimpl
    async def event(self, event: Event) -> None:
        self.log.append("event")
        self.events.append(event)


async def all_others_wait() -> None:
    """Return when nothing can go on: virtual time moves only then."""
    await anyio.sleep(0.001)


# Lifespan


async def test_lifespan_is_entered_before_the_first_event_and_left_after_the_last() -> None:
    plugin = Plugin()
    bus = EventBus()
    bus.register(plugin)
    async with bus:
        assert plugin.log == ["start"]
        bus.publish_nowait(joined())
        bus.publish_nowait(joined())

    assert plugin.log == ["start", "event", "event", "stop"]


async def test_plugin_registered_on_a_running_bus_starts_at_once() -> None:
    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin)
        await bus.publish_and_wait(joined())
        assert plugin.log == ["start", "event"]


async def test_lifespans_can_publish_into_a_plugin_that_starts_later() -> None:
    class Source:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            for _ in range(3):
                await bus.publish(joined())

            yield

    plugin = Plugin()
    bus = EventBus()
    bus.register(Source())
    bus.register(plugin, mailbox_size=1, when_full="block")
    async with bus:
        pass

    assert len(plugin.events) == 3


async def test_failing_first_start_stops_the_start_of_the_bus_and_ends_the_others() -> None:
    sound, broken = Plugin(), Plugin()
    broken.starts_that_fail = 1
    bus = EventBus()
    bus.register(sound, "sound")
    bus.register(broken, "broken")
    with pytest.raises(PluginStartError) as caught:
        async with bus:
            raise AssertionError("the bus must not start")

    assert str(caught.value) == "plugin 'broken': could not start: OSError: port is taken"
    assert isinstance(caught.value.__cause__, OSError)
    assert sound.log == ["start", "stop"]


async def test_several_failing_starts_are_all_reported(caplog: pytest.LogCaptureFixture) -> None:
    bus = EventBus()
    for name in ("first", "second"):
        plugin = Plugin()
        plugin.starts_that_fail = 1
        bus.register(plugin, name)

    with pytest.raises(PluginStartError, match="first"):
        await bus.__aenter__()

    assert "plugin 'second': could not start: OSError: port is taken" in caplog.text


async def test_plugins_that_close_something_end_in_silence_if_another_cannot_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Closing:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)  # it closes a file

    broken = Plugin()
    broken.starts_that_fail = 1
    bus = EventBus()
    bus.register(Closing(), "closing")
    bus.register(broken, "broken")
    with pytest.raises(PluginStartError, match="port is taken"):
        await bus.__aenter__()

    assert "did not end in time" not in caplog.text


async def test_cancelling_the_start_ends_what_has_started() -> None:
    class Stuck:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            await anyio.sleep_forever()
            yield

    plugin = Plugin()
    bus = EventBus()
    bus.register(plugin)
    bus.register(Stuck())
    with anyio.move_on_after(1) as scope:
        await bus.__aenter__()

    assert scope.cancelled_caught
    assert plugin.log == ["start", "stop"]


async def test_lifespan_that_dies_later_is_restarted_with_a_growing_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin, "plugin")
        await all_others_wait()
        for pause in (1, 2, 4):
            plugin.die.set()
            await all_others_wait()
            assert bus.statistics().plugins["plugin"].state == "down"
            assert bus.health()["plugin"].status == "failed"
            assert bus.health()["plugin"].detail == "it failed: OSError: connection lost"
            await anyio.sleep(pause + 0.5)
            assert bus.statistics().plugins["plugin"].state == "running"
            assert bus.health()["plugin"].status == "ok"

        assert bus.statistics().plugins["plugin"].restarts == 3

    assert plugin.log == ["start", "stop"] * 4
    assert "plugin 'plugin' failed and restarts in 4 seconds: OSError: connection lost" in (
        caplog.text
    )


async def test_statistics_keep_the_last_failure_without_secrets() -> None:
    plugin = Plugin()
    async with EventBus() as bus:
        bus.redactor.add("connection")
        bus.register(plugin, "plugin")
        await all_others_wait()
        assert bus.statistics().plugins["plugin"].last_failure == ""
        plugin.die.set()
        await anyio.sleep(5)
        statistics = bus.statistics().plugins["plugin"]
        assert statistics.state == "running"
        assert statistics.last_failure.startswith("OSError: ")
        assert statistics.last_failure.endswith(" lost")
        assert "connection" not in statistics.last_failure


async def test_pause_is_short_again_after_a_long_life() -> None:
    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin, "plugin")
        for _ in range(3):
            await anyio.sleep(100)
            plugin.die.set()
            await all_others_wait()
            await anyio.sleep(1.5)
            assert bus.statistics().plugins["plugin"].state == "running"


async def test_pending_events_wait_for_the_restart_but_the_one_in_hand_fails() -> None:
    class Slow(Plugin):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(10)
            self.events.append(event)

    plugin = Slow()
    async with EventBus(drain_timeout=60) as bus:
        bus.register(plugin, "slow")
        await all_others_wait()
        async with anyio.create_task_group() as tg:
            tg.start_soon(_expect_drop, bus)
            await all_others_wait()
            bus.publish_nowait(joined("pending"))
            plugin.die.set()

        await bus.drain()
        assert [event.peer_name for event in plugin.events] == ["pending"]  # type: ignore[attr-defined]
        assert bus.statistics().plugins["slow"].failed == 1
        assert bus.statistics().plugins["slow"].handled == 1


async def _expect_drop(bus: EventBus) -> None:
    with pytest.raises(EventDropped, match="the plugin ended while it handled the event"):
        await bus.publish_and_wait(joined("in hand"))


async def test_dead_plugin_does_not_block_publishers(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Plugin()
    async with EventBus(drain_timeout=1) as bus:
        bus.register(plugin, "plugin", mailbox_size=2, when_full="block")
        await all_others_wait()
        plugin.die.set()
        await all_others_wait()
        for _ in range(10):
            await bus.publish(joined())

        assert bus.statistics().plugins["plugin"].dropped == 8
        await anyio.sleep(1.5)
        assert len(plugin.events) == 2

    assert (
        "plugin 'plugin' dropped 1 event (1 so far): its mailbox of 2 is full, and the plugin failed "
        "and does not run now"
    ) in caplog.text
    assert "drop_oldest" not in caplog.text


async def test_publisher_that_waits_for_a_plugin_goes_on_when_that_dies() -> None:
    class Stuck(Plugin):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    plugin = Stuck()
    async with EventBus(drain_timeout=1) as bus, anyio.create_task_group() as tg:
        bus.register(plugin, "stuck", mailbox_size=1, when_full="block")
        for _ in range(3):
            tg.start_soon(bus.publish, joined())
            await all_others_wait()

        assert bus.statistics().waiting == 1
        plugin.die.set()
        await all_others_wait()
        assert bus.statistics().waiting == 0


async def test_lifespan_that_ends_by_itself_is_restarted() -> None:
    scopes = []

    class Quitter:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                yield

    async with EventBus() as bus:
        bus.register(Quitter(), "quitter")
        await all_others_wait()
        scopes[0].cancel()
        await all_others_wait()
        assert "its lifespan ended unexpectedly" in bus.health()["quitter"].detail
        await anyio.sleep(1.5)
        assert len(scopes) == 2
        assert bus.health()["quitter"].status == "ok"


async def test_first_start_that_fails_on_a_running_bus_is_tried_again() -> None:
    plugin = Plugin()
    plugin.starts_that_fail = 2
    async with EventBus() as bus:
        bus.register(plugin, "plugin")
        await bus.publish(joined())
        await anyio.sleep(10)
        assert plugin.log == ["start failed", "start failed", "start", "event"]


async def test_register_and_wait_returns_when_the_plugin_has_started() -> None:
    plugin = Plugin()
    async with EventBus() as bus:
        assert await bus.plugins.register_and_wait(plugin, "plugin") == "plugin"
        assert plugin.log == ["start"]


async def test_register_and_wait_raises_if_the_plugin_cannot_start() -> None:
    plugin = Plugin()
    plugin.starts_that_fail = 1
    async with EventBus() as bus:
        with pytest.raises(PluginStartError, match="port is taken"):
            await bus.plugins.register_and_wait(plugin, "plugin")

        assert "plugin" not in bus.statistics().plugins
        await bus.plugins.register_and_wait(plugin, "plugin")

    with pytest.raises(RuntimeError, match="needs a running bus"):
        await EventBus().plugins.register_and_wait(Plugin())


async def test_cancelled_register_and_wait_leaves_nothing_registered() -> None:
    class Stuck:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            await anyio.sleep_forever()
            yield

    async with EventBus() as bus:
        with anyio.move_on_after(1) as scope:
            await bus.plugins.register_and_wait(Stuck(), "stuck")

        assert scope.cancelled_caught
        assert not bus.statistics().plugins


async def test_failing_stop_is_logged_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            yield
            raise OSError("file is gone")

    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin)
        bus.register(Broken(), "broken")

    assert plugin.log == ["start", "stop"]
    assert "plugin 'broken' failed while it stopped: OSError: file is gone" in caplog.text


async def test_drain_timeout_covers_lifespans_that_do_not_end() -> None:
    class Stuck:
        @hookimpl
        def event(self, event: Event) -> None: ...

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            yield
            await anyio.sleep_forever()

    plugin = Plugin()
    async with EventBus(drain_timeout=5) as bus:
        bus.register(plugin)
        bus.register(Stuck())
        started = anyio.current_time()

    assert anyio.current_time() - started == pytest.approx(5)
    assert plugin.log == ["start", "stop"]


async def test_lifespan_may_be_any_async_context_manager() -> None:
    class Plain:
        @hookimpl
        def lifespan(self, bus: EventBus) -> AbstractAsyncContextManager[None]:
            return nullcontext()

    class Wrong:
        @hookimpl
        def lifespan(self, bus: EventBus) -> None: ...

    async with EventBus() as bus:
        await bus.plugins.register_and_wait(Plain())
        with pytest.raises(PluginStartError, match="decorate it with @asynccontextmanager"):
            await bus.plugins.register_and_wait(Wrong())


# Hook timeout


async def test_hook_that_hangs_is_cancelled_and_counted_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Hanging:
        def __init__(self) -> None:
            self.calls: list[str] = []

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            if event.peer_name == "hang":
                await anyio.sleep_forever()

        @hookimpl
        async def event(self, event: Event) -> None:
            self.calls.append(event.peer_name)  # type: ignore[attr-defined]

    plugin = Hanging()
    async with EventBus(hook_timeout=8) as bus:
        bus.register(plugin, "hanging")
        started = anyio.current_time()
        with pytest.raises(ExceptionGroup) as caught:
            await bus.publish_and_wait(joined("hang"))

        assert 8 <= anyio.current_time() - started <= 10
        assert isinstance(caught.value.exceptions[0], HookTimeout)
        await bus.publish_and_wait(joined("next"))
        assert plugin.calls == ["hang", "next"]
        assert bus.statistics().plugins["hanging"].failed == 1
        assert bus.statistics().plugins["hanging"].handled == 1

    assert "hook 'peer_joined' was cancelled after 8 seconds" in caplog.text


async def test_many_short_hooks_are_not_taken_for_a_long_one() -> None:
    class Busy:
        calls = 0

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(5)
            self.calls += 1

    plugin = Busy()
    async with EventBus(hook_timeout=8, drain_timeout=1000) as bus:
        bus.register(plugin, "busy")
        for _ in range(20):
            await bus.publish(joined())

    assert plugin.calls == 20


async def test_plugin_has_its_own_hook_timeout() -> None:
    class Patient:
        hook_timeout = 100.0
        done = False

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(90)
            self.done = True

    plugin = Patient()
    async with EventBus(hook_timeout=8, drain_timeout=1000) as bus:
        bus.register(plugin, "attribute")
        bus.register(plugin := Patient(), "argument", hook_timeout=200)
        await bus.publish_and_wait(joined())
        with pytest.raises(ValueError, match="hook_timeout must be more than 0"):
            bus.register(Patient(), "wrong", hook_timeout=-1)

    assert plugin.done


async def test_hook_that_answers_its_cancellation_otherwise_is_still_counted_once() -> None:
    class Stubborn:
        def __init__(self) -> None:
            self.calls = 0

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                if event.peer_name == "raise":
                    raise ValueError("no") from None

                raise

        @hookimpl
        async def party_event(self, event: PartyEvent) -> None:
            await anyio.sleep(1)
            self.calls += 1

    plugin = Stubborn()
    async with EventBus(hook_timeout=8) as bus:
        bus.register(plugin, "stubborn")
        for name in ("raise", "wait"):
            with pytest.raises(ExceptionGroup) as caught:
                await bus.publish_and_wait(joined(name))

            assert len(caught.value.exceptions) == 1

        assert plugin.calls == 2
        assert bus.statistics().plugins["stubborn"].failed == 2


async def test_hook_that_swallows_its_cancellation_counts_as_timed_out() -> None:
    class Swallower:
        calls = 0

        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():  # noqa: ASYNC103
                pass

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)
            self.calls += 1

    plugin = Swallower()
    async with EventBus(hook_timeout=8) as bus:
        bus.register(plugin)
        with pytest.raises(ExceptionGroup) as caught:
            await bus.publish_and_wait(joined())

        assert [type(error) for error in caught.value.exceptions] == [HookTimeout]
        assert plugin.calls == 1


async def test_plugin_that_hangs_delays_others_only_while_its_mailbox_is_full() -> None:
    class Hanging:
        when_full = "block"
        mailbox_size = 5

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    plugin = Plugin()
    async with EventBus(hook_timeout=1, drain_timeout=30) as bus:
        bus.register(plugin)
        bus.register(Hanging())
        for _ in range(12):
            await bus.publish(joined())

        await all_others_wait()
        assert len(plugin.events) == 12


# Unregistering


async def test_unregister_handles_what_is_pending_and_ends_the_lifespan() -> None:
    plugin = Plugin()
    async with EventBus() as bus:
        bus.register(plugin, "plugin")
        for _ in range(10):
            bus.publish_nowait(joined())

        assert await bus.unregister("plugin") == ()
        assert plugin.log == ["start", *["event"] * 10, "stop"]
        await bus.publish(joined())
        await bus.drain()
        assert len(plugin.events) == 10
        assert bus.register(plugin, "plugin") == "plugin"
        with pytest.raises(LookupError):
            await bus.unregister("other")


async def test_unregister_tells_what_it_dropped(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(Plugin):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    plugin = Stuck()
    async with EventBus() as bus:
        bus.register(plugin, "stuck")
        for number in range(3):
            bus.publish_nowait(joined(str(number)))

        await all_others_wait()
        dropped: tuple[Any, ...] = await bus.unregister(plugin, timeout=2)
        assert [event.peer_name for event in dropped] == ["1", "2"]

    assert plugin.log == ["start", "stop"]
    assert "plugin 'stuck' dropped 2 events: not handled within 2 seconds" in caplog.text


async def test_unregistering_a_full_plugin_frees_waiting_publishers() -> None:
    class Stuck(Plugin):
        when_full = "block"
        mailbox_size = 1

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(Stuck(), "stuck")
        for _ in range(3):
            tg.start_soon(bus.publish, joined())
            await all_others_wait()

        assert bus.statistics().waiting == 1
        await bus.unregister("stuck", timeout=0)
        assert bus.statistics().waiting == 0


async def test_plugin_cannot_unregister_itself_inside_a_hook() -> None:
    class Suicidal:
        @hookimpl
        async def event(self, event: Event) -> None:
            await bus.unregister(self)

    async with EventBus() as bus:
        bus.register(Suicidal(), "suicidal")
        with pytest.raises(ExceptionGroup) as caught:
            await bus.publish_and_wait(joined())

    assert "cannot unregister itself inside a hook" in str(caught.value.exceptions[0])


async def test_unregister_before_the_bus_is_entered() -> None:
    plugin = Plugin()
    bus = EventBus()
    bus.register(plugin)
    await bus.unregister(plugin)
    async with bus:
        await bus.publish_and_wait(joined())

    assert plugin.log == []


async def test_cancelled_caller_unregisters_before_the_bus_is_entered_too() -> None:
    bus = EventBus()
    bus.register(Plugin(), "plugin")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await bus.unregister("plugin")

    assert scope.cancelled_caught
    assert not bus.plugins
    bus.register(Plugin(), "plugin")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# Replacing


async def test_replaced_plugin_hands_its_mailbox_over() -> None:
    class Slow(Plugin):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)
            self.events.append(event)

    old, new = Slow(), Plugin()
    async with EventBus() as bus:
        bus.register(old, "plugin", mailbox_size=100)
        for number in range(10):
            bus.publish_nowait(joined(str(number)))

        await all_others_wait()
        async with anyio.create_task_group() as tg:
            tg.start_soon(bus.plugins.replace, "plugin", new)
            await all_others_wait()
            bus.publish_nowait(joined("meanwhile"))

        await bus.drain()
        assert len(old.events) == 1
        assert [e.peer_name for e in new.events] == [  # type: ignore[attr-defined]
            *(str(number) for number in range(1, 10)),
            "meanwhile",
        ]
        assert old.log == ["start", "stop"]
        assert bus.statistics().plugins["plugin"].handled == 11
        assert bus.statistics().plugins["plugin"].size == 1024


async def test_replacement_that_cannot_start_leaves_the_old_plugin_running() -> None:
    old, new = Plugin(), Plugin()
    new.starts_that_fail = 1
    async with EventBus() as bus:
        bus.register(old, "plugin", mailbox_size=7, when_full="block")
        with pytest.raises(PluginStartError, match="port is taken"):
            await bus.plugins.replace("plugin", new)

        await bus.publish_and_wait(joined())
        assert len(old.events) == 1
        assert old.log == ["start", "stop", "start", "event"]
        assert bus.statistics().plugins["plugin"].size == 7


async def test_replacement_with_an_unknown_hook_leaves_the_old_plugin_running() -> None:
    class Misspelt:
        @hookimpl
        def peer_joind(self, event: PeerJoined) -> None: ...

    old = Plugin()
    async with EventBus() as bus:
        bus.register(old, "plugin")
        with pytest.raises(
            PluginReplaceError, match="'peer_joind'.*the old one continues"
        ) as caught:
            await bus.plugins.replace("plugin", Misspelt())

        assert isinstance(caught.value.__cause__, PluginHookError)
        assert old.log == ["start"]
        await bus.publish_and_wait(joined())
        assert len(old.events) == 1


async def test_replacing_a_plugin_that_hangs_ends_at_the_timeout() -> None:
    class Stuck(Plugin):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    old, new = Stuck(), Plugin()
    async with EventBus() as bus:
        bus.register(old, "plugin")
        bus.publish_nowait(joined("1"))
        bus.publish_nowait(joined("2"))
        await all_others_wait()
        await bus.plugins.replace("plugin", new, timeout=2)
        await bus.drain()
        assert [e.peer_name for e in new.events] == ["2"]  # type: ignore[attr-defined]
        assert bus.statistics().plugins["plugin"].failed == 1


async def test_only_a_running_plugin_can_be_replaced() -> None:
    bus = EventBus()
    bus.register(Plugin(), "plugin")
    with pytest.raises(RuntimeError, match="needs a running bus"):
        await bus.plugins.replace("plugin", Plugin())

    async with bus:
        with pytest.raises(LookupError):
            await bus.plugins.replace("other", Plugin())
