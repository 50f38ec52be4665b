"""Changes of plugins while a bus runs: of one plugin they are made one after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    Notification,
    PluginError,
    PluginHookError,
    PluginReplaceError,
    PluginStartError,
    UnknownEventType,
    hookimpl,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableReserved(Event):
    """A table was reserved."""

    table: int


def notification(title: str = "1") -> Notification:
    return Notification(title=title, message="hello")


class Plugin:
    """Needs a second to start, and knows how many of its kind run."""

    running = 0
    most = 0

    def __init__(self, *, starts_after: float = 1.0) -> None:
        self.starts_after = starts_after
        self.titles: list[str] = []
        self.error: Exception | None = None
        self.ended_at = 0.0

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await anyio.sleep(self.starts_after)
        if self.error is not None:
            raise self.error

        cls = type(self)
        cls.running += 1
        cls.most = max(cls.most, cls.running)
        try:
            yield
        finally:
            cls.running -= 1
            self.ended_at = anyio.current_time()

    @hookimpl
    async def event(self, event: Event) -> None:
        assert isinstance(event, Notification)
        self.titles.append(event.title)


@pytest.fixture(autouse=True)
def _count(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Plugin.running = Plugin.most = 0


@pytest.fixture
async def bus() -> AsyncIterator[EventBus]:
    """Return a running bus that lets plugins fail."""
    async with EventBus() as bus:
        yield bus


async def soon() -> None:
    """Return when every other task waits: virtual time moves only then."""
    await anyio.sleep(0.001)


# Several changes at once


async def test_replacements_at_once_leave_one_plugin() -> None:
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(Plugin(), "plugin", when_full="block", mailbox_size=2)
        plugins = [Plugin() for _ in range(5)]
        async with anyio.create_task_group() as tasks:
            for plugin in plugins:
                tasks.start_soon(bus.plugins.replace, "plugin", plugin)

            for number in range(10):
                await bus.publish(notification(str(number)))

        assert bus.plugins["plugin"] in plugins
        assert (Plugin.running, Plugin.most) == (1, 1)
        await bus.drain()
        assert bus.statistics().plugins["plugin"].handled == 10

    assert Plugin.running == 0


async def test_unregistering_supersedes_a_replacement() -> None:
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(Plugin(), "plugin")
        async with anyio.create_task_group() as tasks:

            async def replace(plugin: Plugin) -> None:
                with pytest.raises(anyio.ClosedResourceError, match="'plugin' was unregistered"):
                    await bus.plugins.replace("plugin", plugin)

            tasks.start_soon(replace, Plugin(starts_after=20))
            tasks.start_soon(replace, Plugin())
            await soon()
            began = anyio.current_time()
            await bus.unregister("plugin")
            assert anyio.current_time() - began < 2
            assert not bus.plugins

        await bus.plugins.register_and_wait(Plugin(), "plugin")
        assert Plugin.running == 1

    assert Plugin.running == 0


async def test_unregistering_what_is_starting() -> None:
    async with EventBus() as bus, anyio.create_task_group() as tasks:

        async def register() -> None:
            with pytest.raises(anyio.ClosedResourceError, match="'plugin' was unregistered"):
                await bus.plugins.register_and_wait(Plugin(starts_after=20), "plugin")

        tasks.start_soon(register)
        await soon()
        began = anyio.current_time()
        await bus.unregister("plugin")
        assert anyio.current_time() == began
        assert not bus.plugins
        assert not bus.statistics().plugins


async def test_unregistering_twice_at_once_removes_only_what_was_there() -> None:
    other = Plugin()
    async with EventBus() as bus, anyio.create_task_group() as tasks:
        await bus.plugins.register_and_wait(Plugin(), "plugin")
        tasks.start_soon(bus.unregister, "plugin")
        tasks.start_soon(bus.unregister, "plugin")
        while "plugin" in bus.plugins:
            await anyio.lowlevel.checkpoint()

        bus.register(other, "plugin")
        await anyio.sleep(5)
        assert bus.plugins["plugin"] is other
        assert Plugin.running == 1


async def test_replacement_that_the_end_of_the_bus_overtakes() -> None:
    async with anyio.create_task_group() as tasks:
        async with EventBus(drain_timeout=3) as bus:

            async def replace() -> None:
                with pytest.raises(anyio.ClosedResourceError, match="the bus is closed"):
                    await bus.plugins.replace("plugin", Plugin(starts_after=20))

            await bus.plugins.register_and_wait(Plugin(), "plugin")
            tasks.start_soon(replace)
            await soon()
            began = anyio.current_time()

        assert anyio.current_time() - began < 4

    assert Plugin.running == 0


async def test_leaving_waits_for_a_replacement_that_is_quick_enough() -> None:
    new = Plugin()
    async with anyio.create_task_group() as tasks, EventBus(drain_timeout=3) as bus:
        await bus.plugins.register_and_wait(Plugin(), "plugin")
        tasks.start_soon(bus.plugins.replace, "plugin", new)
        await soon()
        bus.publish_nowait(notification())

    assert new.titles == ["1"]
    assert Plugin.running == 0


async def test_no_change_is_accepted_by_a_closed_bus() -> None:
    async with EventBus() as bus:
        bus.register(Plugin(), "plugin")

    with pytest.raises(anyio.ClosedResourceError, match="closed"):
        await bus.plugins.replace("plugin", Plugin())

    with pytest.raises(anyio.ClosedResourceError, match="closed"):
        await bus.plugins.register_and_wait(Plugin(), "other")

    await bus.unregister("plugin")
    assert not bus.plugins


async def test_plugins_that_unregister_each_other_inside_their_hooks() -> None:
    def enemy(bus: EventBus, other: str) -> object:
        class Enemy:
            @hookimpl
            async def event(self, event: Event) -> None:
                await bus.unregister(other, timeout=5)

        return Enemy()

    async with EventBus() as bus:
        bus.register(enemy(bus, "two"), "one")
        bus.register(enemy(bus, "one"), "two")
        bus.publish_nowait(notification())
        await anyio.sleep(6)
        assert not bus.plugins


# Starts that fail


async def test_start_that_takes_too_long_fails(bus: EventBus) -> None:
    for start in (
        partial(bus.plugins.register_and_wait, Plugin(starts_after=31), "plugin"),
        partial(bus.plugins.register_and_wait, Plugin(), "plugin", start_timeout=0.5),
    ):
        with pytest.raises(PluginStartError, match="did not start within (30|0.5) seconds"):
            await start()

        assert not bus.plugins
        assert not bus.statistics().plugins

    with pytest.raises(ValueError, match="start_timeout must be more than 0 seconds"):
        await bus.plugins.register_and_wait(Plugin(), "plugin", start_timeout=0)

    assert Plugin.running == 0


async def test_bus_with_a_plugin_that_takes_too_long_to_start_is_not_entered() -> None:
    class Slow(Plugin):
        start_timeout = 2.0

    bus = EventBus()
    bus.register(Plugin(), "quick")
    bus.register(Slow(starts_after=3), "slow")
    began = anyio.current_time()
    with pytest.raises(PluginStartError, match="'slow': .* did not start within 2 seconds"):
        await bus.__aenter__()

    assert anyio.current_time() == began + 2
    assert Plugin.running == 0


async def test_restart_that_takes_too_long_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Plugin(starts_after=3)
    async with EventBus(start_timeout=2) as bus:
        bus.register(plugin, "plugin")
        await anyio.sleep(2.5)
        assert bus.health()["plugin"].status == "failed"
        assert bus.statistics().plugins["plugin"].state == "down"
        plugin.starts_after = 1
        await anyio.sleep(5)
        assert bus.statistics().plugins["plugin"].state == "running"

    assert "did not start within 2 seconds" in caplog.text


async def test_event_types_of_a_plugin_that_cannot_start_are_unknown_again(bus: EventBus) -> None:
    class Reservations(Plugin):
        @hookimpl
        def register_events(self) -> tuple[type[Event], ...]:
            return (TableReserved, Notification)

    class Misspelt(Reservations):
        @hookimpl
        def table_resarved(self, event: Event) -> None: ...

    class Interested:
        @hookimpl
        def table_reserved(self, event: TableReserved) -> None: ...

    broken = Reservations()
    broken.error = OSError("no")
    for plugin in (Misspelt(), broken):
        with pytest.raises(PluginError):
            await bus.plugins.register_and_wait(plugin, "plugin")

        with pytest.raises(UnknownEventType):
            bus.events.get("table_reserved")

        with pytest.raises(PluginHookError, match="unknown hook 'table_reserved'"):
            bus.register(Interested())

    assert bus.events.get("notification") is Notification
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.plugins.register_and_wait, Reservations(starts_after=2), "works")
        await soon()
        with pytest.raises(PluginStartError):
            await bus.plugins.register_and_wait(broken, "plugin")

    # Another plugin has it, too.
    assert bus.events.get("table_reserved") is TableReserved
    bus.register(Interested())
    await bus.unregister("works")
    assert bus.events.get("table_reserved") is TableReserved


class Broken(Plugin):
    @hookimpl
    def register_events(self) -> tuple[type[Event], ...]:
        return (TableReserved,)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        raise OSError("port is taken")
        yield


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"mailbox_size": 0}, "mailbox_size must be at least 1, not 0"),
        ({"when_full": "explode"}, "when_full must be one of"),
        ({"hook_timeout": -1}, "hook_timeout must be more than 0"),
        ({"start_timeout": "soon"}, "TypeError"),
        ({"peer_joind": hookimpl(lambda event: None)}, "unknown hook 'peer_joind'"),
        (
            {"register_events": hookimpl(lambda self: 5)},
            "hook 'register_events' must return a list",
        ),
    ],
)
async def test_what_can_be_checked_is_checked_before_the_old_plugin_ends(
    bus: EventBus, attributes: dict[str, object], reason: str
) -> None:
    old = Plugin()
    await bus.plugins.register_and_wait(old, "plugin")
    with pytest.raises(PluginReplaceError, match=reason) as caught:
        await bus.plugins.replace("plugin", type("New", (Plugin,), attributes)())

    assert str(caught.value).endswith("; the old one continues unchanged")
    assert caught.value.old_error is None
    assert (bus.plugins["plugin"], old.running) == (old, 1)


async def test_plugin_that_another_name_has_replaces_nothing(bus: EventBus) -> None:
    other = Plugin()
    bus.register(other, "other")
    bus.register(Plugin(), "plugin")
    with pytest.raises(PluginReplaceError, match="already registered as 'other'"):
        await bus.plugins.replace("plugin", other)

    await bus.plugins.replace("other", other)
    await anyio.sleep(2)
    assert Plugin.running == 2


async def test_old_plugin_runs_again_if_the_new_one_cannot_start(bus: EventBus) -> None:
    old = Plugin()
    await bus.plugins.register_and_wait(old, "plugin")
    with pytest.raises(PluginReplaceError) as caught:
        await bus.plugins.replace("plugin", Broken())

    assert str(caught.value) == (
        "plugin 'plugin': is not replaced: could not start: OSError: port is taken; "
        "the old one runs again"
    )
    assert isinstance(caught.value.__cause__, PluginStartError)
    assert caught.value.old_error is None
    assert (bus.plugins["plugin"], old.running) == (old, 1)
    with pytest.raises(UnknownEventType):
        bus.events.get("table_reserved")

    await bus.publish_and_wait(notification())
    assert old.titles == ["1"]


# Plugins that end what runs them


def exits() -> None:
    raise SystemExit(3)


def cancels_its_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("when", ["start", "run", "end", "hook"])
@pytest.mark.parametrize(
    ("anyio_backend", "act"),
    [("asyncio", exits), ("trio", exits), ("asyncio", cancels_its_task)],
    indirect=["anyio_backend"],
)
async def test_plugin_that_ends_what_runs_it_fails_alone(
    caplog: pytest.LogCaptureFixture, act: Callable[[], None], when: str
) -> None:
    class Deadly(Plugin):
        deadly = True

        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            if when == "start" and self.deadly:
                act()

            await anyio.sleep(1)
            if when == "run" and self.deadly:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(anyio.sleep, 0)
                    yield
            else:
                yield

            if when == "end":
                act()
                await anyio.sleep(1)

        @hookimpl
        async def event(self, event: Event) -> None:
            if when in ("run", "hook") and self.deadly:
                act()

            await anyio.lowlevel.checkpoint()
            await super().event(event)

    other, deadly = Plugin(), Deadly()
    async with EventBus() as bus:
        bus.register(other, "other")
        bus.register(deadly, "deadly")
        await anyio.sleep(1.1)
        await bus.publish(notification())
        await anyio.sleep(1)
        deadly.deadly = False
        await anyio.sleep(5)
        assert bus.statistics().plugins["deadly"].state == "running"
        await bus.publish_and_wait(notification("2"))
        assert other.titles == ["1", "2"]
        assert deadly.titles[-1] == "2"

    assert Plugin.running == 0
    assert ("SystemExit: 3" if act is exits else "cancelled by Task.cancel()") in caplog.text


# Neither the new plugin nor the old one starts


class StartsOnce(Plugin):
    """Cannot be started again until it is repaired."""

    when_full = "block"
    mailbox_size = 2
    broken = False

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        if self.broken:
            raise OSError("port is taken")

        self.broken = True
        yield


async def fail_to_replace(bus: EventBus, old: Plugin) -> None:
    await bus.plugins.register_and_wait(old, "plugin")
    with pytest.raises(PluginReplaceError) as caught:
        await bus.plugins.replace("plugin", Broken())

    assert str(caught.value) == (
        "plugin 'plugin': is not replaced: could not start: OSError: port is taken; "
        "the old one does not start again either, and is retried: OSError: port is taken"
    )
    assert isinstance(caught.value.old_error, PluginStartError)


async def test_plugin_that_cannot_start_again_blocks_nobody_and_is_restarted(bus: EventBus) -> None:
    old = StartsOnce()
    await fail_to_replace(bus, old)
    with anyio.fail_after(0.5):
        for number in range(5):
            await bus.publish(notification(str(number)))

    statistics = bus.statistics().plugins["plugin"]
    assert (statistics.state, statistics.pending, statistics.dropped) == ("down", 2, 3)
    health = bus.health()["plugin"]
    assert (health.status, health.detail) == ("failed", "it failed: OSError: port is taken")
    old.broken = False
    await anyio.sleep(2)
    assert bus.statistics().plugins["plugin"].state == "running"
    assert bus.health()["plugin"].status == "ok"
    assert old.titles == ["3", "4"]


async def test_plugin_that_cannot_start_again_can_be_replaced(bus: EventBus) -> None:
    await fail_to_replace(bus, StartsOnce())
    await bus.publish(notification("kept"))
    new = Plugin()
    await bus.plugins.replace("plugin", new)
    await bus.drain()
    assert new.titles == ["kept"]
    assert bus.health()["plugin"].status == "ok"
    for number in range(5):  # it blocks no more, since the new one does not ask for it
        await bus.publish(notification(str(number)))

    await bus.drain()
    assert len(new.titles) == 6


async def test_publishers_learn_at_once_that_a_durable_plugin_does_not_run(
    bus: EventBus, caplog: pytest.LogCaptureFixture
) -> None:
    class Durable(StartsOnce):
        durable = True
        mailbox_size = 20

        def __init__(self) -> None:
            super().__init__()
            self.fail = anyio.Event()

        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            if self.broken:
                raise OSError("disk is gone")

            self.broken = True
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._fail)
                yield
                tasks.cancel_scope.cancel()

        async def _fail(self) -> None:
            await self.fail.wait()
            raise OSError("disk is gone")

        @hookimpl
        async def event(self, event: Event) -> None:
            if isinstance(event, Notification) and event.title == "first":
                await anyio.sleep(5)

            await super().event(event)

    plugin = Durable()
    other = Plugin()
    await bus.plugins.register_and_wait(plugin, "durable")
    await bus.plugins.register_and_wait(other, "other")
    outcomes: dict[str, str] = {}
    reason = "the plugin failed and does not run now"

    async def publish_and_wait(title: str) -> None:
        try:
            await bus.publish_and_wait(notification(title), "durable")
        except EventDropped as error:
            outcomes[title] = error.reason

    async with anyio.create_task_group() as tasks:
        await bus.publish(notification("first"))
        await soon()
        for number in range(3):
            await bus.publish(notification(f"kept {number}"))
            tasks.start_soon(publish_and_wait, f"awaited {number}")
            await soon()

        tasks.start_soon(bus.drain)
        plugin.fail.set()
        await soon()
        await publish_and_wait("late")

        # Only the publishers that wait for it are concerned.
        await bus.publish(notification("kept 3"))
        titles = ["awaited 0", "awaited 1", "awaited 2", "late"]
        assert outcomes == dict.fromkeys(titles, reason)
        statistics = bus.statistics().plugins["durable"]
        assert (statistics.pending, statistics.dropped) == (4, 4)
        assert bus.statistics().plugins["other"].dropped == 0
        plugin.broken, plugin.fail = False, anyio.Event()

    await bus.drain()
    assert plugin.titles == [f"kept {number}" for number in range(4)]
    await bus.publish_and_wait(notification("again"), "durable")
    dropped = [r.getMessage() for r in caplog.records if " dropped " in r.getMessage()]
    # Drops are logged once a second at most, here before it runs again and the reason is lost.
    assert dropped == [f"plugin 'durable' dropped 4 events (4 so far): {reason}"]
    assert len(other.titles) == 10


# What a stop waits for


class Stubborn(Plugin):
    """Ignores for a time that it is cancelled."""

    @hookimpl
    async def event(self, event: Event) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(32)


async def test_stop_reports_what_it_waits_for_and_ends_the_others_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Slow(Plugin):
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(7)

    plugins = [Stubborn(), Slow(), Stubborn(), Plugin()]
    async with EventBus(drain_timeout=12) as bus:
        for number, plugin in enumerate(plugins):
            await bus.plugins.register_and_wait(plugin, str(number))

        bus.publish_nowait(notification())
        bus.publish_nowait(notification())
        await soon()
        assert caplog.records == []
        began = anyio.current_time()

    assert [round(plugin.ended_at - began) for plugin in plugins] == [32, 12, 32, 12]
    waiting = [r.getMessage() for r in caplog.records if "waits for" in r.getMessage()]
    assert waiting == [
        "the bus is closing, and waits for '0' (2 events), '1' (2 events), '2' (2 events)",
        "the bus is closing, and waits for '0' (2 events), '1' (1 event), '2' (2 events)",
    ]
    stuck = [r.getMessage() for r in caplog.records if "to end" in r.getMessage()]
    assert stuck == [
        f"waiting for '0', '2' to end, cancelled {seconds} seconds ago: what runs there ignores it"
        for seconds in (5, 10, 15)
    ]
