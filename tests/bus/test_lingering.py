"""Plugins that ignore that they are cancelled: everything else goes on, and the log names them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from lanrage_events import (
    Event,
    EventBus,
    Notification,
    PluginReplaceError,
    PluginStartError,
    hookimpl,
)


class Plugin:
    """Handles events in no time."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.starts = 0
        self.ended_at: float | None = None

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.starts += 1
        yield
        self.ended_at = anyio.current_time()

    @hookimpl
    async def event(self, event: Event) -> None:
        assert isinstance(event, Notification)
        self.titles.append(event.title)


class Stubborn(Plugin):
    """Waits somewhere until it is released, and swallows each cancellation meanwhile."""

    start_timeout = 2.0

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.released = anyio.Event()

    async def wait(self, where: str) -> None:
        while where == self.where and not self.released.is_set():
            try:
                await anyio.sleep(0.5)
            except BaseException:  # noqa: BLE001 - as plugins do
                pass

            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.starts += 1
        await self.wait("start" if self.starts == 1 else "restart")
        try:
            yield
        finally:
            await self.wait("end")

    @hookimpl
    async def event(self, event: Event) -> None:
        await super().event(event)
        await self.wait("hook")


RUNNING = ["end", "hook"]


@pytest.fixture
async def good(bus: EventBus) -> Plugin:
    good = Plugin()
    await bus.plugins.register_and_wait(good, "good")
    return good


@pytest.fixture
async def bus() -> AsyncIterator[EventBus]:
    async with EventBus() as bus:
        yield bus


def publish(bus: EventBus, title: str) -> None:
    bus.publish_nowait(Notification(title=title, message=""))


async def soon() -> None:
    """Return when every other task waits: virtual time moves only then."""
    await anyio.sleep(0.001)


async def test_start_that_ignores_its_timeout_fails_and_keeps_its_name(
    bus: EventBus, good: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn = Stubborn("start")
    began = anyio.current_time()
    with pytest.raises(PluginStartError, match="start within 2 seconds, and ignores that it was"):
        await bus.plugins.register_and_wait(stubborn, "stubborn")

    assert anyio.current_time() == began + 3
    assert [*bus.plugins] == ["good"]
    assert bus.health()["stubborn"].status == "failed"
    assert bus.statistics().plugins["stubborn"].state == "down"
    await anyio.sleep(10.5)
    reports = [r.getMessage() for r in caplog.records if "waiting for" in r.getMessage()]
    assert reports == [
        f"waiting for 'stubborn' to end, cancelled {seconds} seconds ago: what runs there ignores it"
        for seconds in (6, 11)
    ]
    with pytest.raises(PluginStartError, match="still runs, although it was cancelled 12 seconds"):
        await bus.plugins.register_and_wait(Plugin(), "stubborn")

    with pytest.raises(LookupError):
        await bus.unregister("stubborn")

    publish(bus, "1")
    await bus.drain()
    assert good.titles == ["1"]
    stubborn.released.set()
    await anyio.sleep(1.5)
    assert "stubborn" not in bus.health()
    await bus.plugins.register_and_wait(Plugin(), "stubborn")
    caplog.clear()
    await anyio.sleep(11)
    assert not caplog.records


async def test_late_start_that_ignored_its_timeout_handles_nothing(bus: EventBus) -> None:
    stubborn = Stubborn("start")
    bus.register(stubborn, "stubborn")
    publish(bus, "1")
    await anyio.sleep(2.5)
    stubborn.released.set()
    await anyio.sleep(0.75)
    assert stubborn.titles == []
    await bus.drain()
    assert (stubborn.titles, stubborn.starts) == (["1"], 2)


async def test_start_that_nobody_waits_for_blocks_no_publisher(
    bus: EventBus, good: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn = Stubborn("start")
    bus.register(stubborn, "stubborn", mailbox_size=1, when_full="block")
    publish(bus, "1")
    for title in "23":
        await bus.publish(Notification(title=title, message=""))

    await anyio.sleep(5)
    assert good.titles == ["1", "2", "3"]
    assert bus.health()["stubborn"].status == "failed"
    assert "plugin 'stubborn' still runs although it was cancelled" in caplog.text
    stubborn.released.set()
    await bus.drain()
    assert bus.health()["stubborn"].status == "ok"
    assert stubborn.titles == ["3"]


async def test_restart_that_ignores_its_timeout_is_named_and_tried_again(
    bus: EventBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    stubborn = Stubborn("end")
    await bus.plugins.register_and_wait(stubborn, "stubborn")
    began = anyio.current_time()
    with pytest.raises(PluginReplaceError, match="starts again once it has ended"):
        await bus.plugins.replace("stubborn", Plugin(), timeout=1)

    stubborn.where = "restart"
    await anyio.sleep(7)
    assert (stubborn.starts, bus.health()["stubborn"].status) == (2, "failed")
    assert "did not start within 2 seconds, and ignores that it was cancelled" in caplog.text
    with pytest.raises(PluginReplaceError, match="an earlier plugin of this name still runs"):
        await bus.plugins.replace("stubborn", Plugin())

    stubborn.released.set()
    await anyio.sleep(5)
    assert (stubborn.starts, bus.health()["stubborn"].status) == (3, "ok")
    assert anyio.current_time() < began + 20


async def test_first_start_beside_it_fails_in_time_and_ends_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, stubborn, bus = Plugin(), Stubborn("start"), EventBus()
    bus.register(good, "good")
    bus.register(stubborn, "stubborn")
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:

        @tasks.start_soon
        async def enter() -> None:
            with pytest.raises(PluginStartError, match="ignores that it was cancelled"):
                await bus.__aenter__()

        await anyio.sleep(8.5)
        assert good.ended_at == began + 3
        assert "waiting for 'stubborn' to end, cancelled 6 seconds ago" in caplog.text
        stubborn.released.set()


@pytest.mark.parametrize("where", RUNNING)
async def test_unregistering_ends_a_second_after_its_timeout(
    bus: EventBus, good: Plugin, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn = Stubborn(where)
    await bus.plugins.register_and_wait(stubborn, "stubborn")
    publish(bus, "1")
    publish(bus, "2")
    await soon()
    began = anyio.current_time()
    dropped = await bus.unregister("stubborn", timeout=4)
    assert anyio.current_time() == began + 5
    assert len(dropped) == (where == "hook")
    assert [*bus.plugins] == ["good"]
    await anyio.sleep(6)
    assert "waiting for 'stubborn' to end, cancelled 6 seconds ago" in caplog.text
    with pytest.raises(PluginStartError, match="an earlier plugin of this name still runs"):
        bus.register(Plugin(), "stubborn")

    stubborn.released.set()
    await anyio.sleep(1.5)
    assert stubborn.titles == ["1", "2"][: 2 - len(dropped)]
    bus.register(Plugin(), "stubborn")
    assert good.titles == ["1", "2"]


@pytest.mark.parametrize("where", RUNNING)
async def test_replacing_fails_and_the_old_one_starts_again_once_it_has_ended(
    bus: EventBus, good: Plugin, where: str
) -> None:
    stubborn, new = Stubborn(where), Plugin()
    await bus.plugins.register_and_wait(stubborn, "stubborn", mailbox_size=1, when_full="block")
    publish(bus, "1")
    await soon()
    began = anyio.current_time()
    with pytest.raises(PluginReplaceError, match="starts again once it has ended") as caught:
        await bus.plugins.replace("stubborn", new, timeout=4)

    assert "still runs, although it was cancelled" in str(caught.value.old_error)

    assert anyio.current_time() == began + 5
    with pytest.raises(PluginReplaceError, match="still runs, although it was cancelled 1 seconds"):
        await bus.plugins.replace("stubborn", new, timeout=4)

    assert bus.health()["stubborn"].status == "failed"
    for title in "234":
        await bus.publish(Notification(title=title, message=""))

    await soon()
    assert good.titles == ["1", "2", "3", "4"]
    stubborn.released.set()
    await anyio.sleep(1.5)
    await bus.drain()
    assert (stubborn.titles, stubborn.starts) == (["1", "4"], 2)
    assert bus.health()["stubborn"].status == "ok"
    await bus.plugins.replace("stubborn", new)
    publish(bus, "5")
    await bus.drain()
    assert new.titles == ["5"]


@pytest.mark.parametrize("where", RUNNING)
async def test_unregistering_what_could_not_be_replaced_removes_it_for_good(
    bus: EventBus, where: str
) -> None:
    stubborn = Stubborn(where)
    await bus.plugins.register_and_wait(stubborn, "stubborn")
    publish(bus, "1")
    await soon()
    with pytest.raises(PluginReplaceError):
        await bus.plugins.replace("stubborn", Plugin(), timeout=0)

    await bus.unregister("stubborn", timeout=1)
    assert not bus.plugins
    stubborn.released.set()
    await anyio.sleep(1.5)
    assert not bus.statistics().plugins
    assert stubborn.starts == 1


async def test_old_plugin_runs_again_beside_a_replacement_that_never_started(
    bus: EventBus,
) -> None:
    old, stubborn = Plugin(), Stubborn("start")
    await bus.plugins.register_and_wait(old, "plugin")
    with pytest.raises(PluginReplaceError, match="and ignores .* the old one runs again"):
        await bus.plugins.replace("plugin", stubborn)

    publish(bus, "1")
    await bus.drain()
    assert old.titles == ["1"]
    health = bus.health()["plugin"]
    assert (health.status, bus.statistics().plugins["plugin"].state) == ("degraded", "running")
    assert "an earlier plugin of this name still runs" in health.detail
    with pytest.raises(PluginReplaceError, match="the old one continues unchanged"):
        await bus.plugins.replace("plugin", Plugin())

    stubborn.released.set()
    await anyio.sleep(1.5)
    assert bus.health()["plugin"].status == "ok"
    publish(bus, "2")
    await bus.drain()
    assert (old.titles, stubborn.titles) == (["1", "2"], [])


@pytest.mark.parametrize("change", ["add", "replace by", "replace", "remove"])
async def test_leaving_in_the_middle_of_a_change_ends_the_others_at_once(
    change: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Plugin):
        """Ends only because it is cancelled."""

        @hookimpl
        async def event(self, event: Event) -> None:
            await super().event(event)
            if self.titles[-1] == "last":
                await anyio.sleep_forever()

        @hookimpl
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            try:
                yield
            finally:
                self.ended_at = anyio.current_time()

    good, slow, old = Plugin(), Slow(), Plugin()
    stubborn = Stubborn("start" if change in ("add", "replace by") else "end")
    ended = anyio.Event()

    async def run() -> None:
        async with EventBus(drain_timeout=4) as bus, anyio.create_task_group() as tasks:
            for name, plugin in {"good": good, "slow": slow, "old": old}.items():
                await bus.plugins.register_and_wait(plugin, name)

            if stubborn.where == "end":
                await bus.plugins.register_and_wait(stubborn, "stubborn")

            match change:
                case "add":
                    tasks.start_soon(bus.plugins.register_and_wait, stubborn, "stubborn")
                case "replace by":
                    tasks.start_soon(bus.plugins.replace, "old", stubborn)
                case "replace":
                    tasks.start_soon(bus.plugins.replace, "stubborn", Plugin())
                case _:
                    tasks.start_soon(bus.unregister, "stubborn")

            await anyio.sleep(0.7)
            publish(bus, "last")
            await soon()
            tasks.cancel_scope.cancel()

        ended.set()

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(12)
        assert not ended.is_set()
        assert good.ended_at is not None
        assert slow.ended_at is not None
        assert slow.ended_at - began < 0.8 + 1 + 4 + 0.1
        name = "old" if change == "replace by" else "stubborn"
        last = [r.getMessage() for r in caplog.records if "to end" in r.getMessage()][-1]
        assert last.startswith(f"waiting for '{name}' to end")
        stubborn.released.set()

    assert ended.is_set()
