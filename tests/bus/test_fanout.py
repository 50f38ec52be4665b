from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    GameEnded,
    Notification,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    hookimpl,
)
from lanrage_events.abc import Instrument, PluginStatistics, WhenFull

NUMBERS = count()
LONGEST_RESTART_DELAY = 60.0


def joined() -> PeerJoined:
    return PeerJoined(peer_name=f"Ann {next(NUMBERS)}", party_name="LAN")


def left() -> PeerLeft:
    return PeerLeft(peer_name=f"Ann {next(NUMBERS)}", party_name="LAN")


def notification() -> Notification:
    return Notification(title=f"{next(NUMBERS)}", message="food is here")


MAKE: Sequence[Callable[[], Event]] = (joined, left, notification)


class Witness:
    """Wants every event, and never lets one wait: its order is that in which events enter."""

    mailbox_size = 100_000

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    def event(self, event: Event) -> None:
        self.events.append(event)


class Idle:
    @hookimpl
    def game_ended(self, event: GameEnded) -> None:
        raise AssertionError("nobody publishes it")


class Gated:
    """Handles an event once it has a permit for it, and publishes what is asked of it then."""

    wants: type[Event] = Event

    def __init__(self, before: Gated | None = None) -> None:
        self.events: list[Event] = []
        """those that its hook was called with, also before it replaced another"""
        self.dropped: list[Event] = []
        if before is not None:
            self.events, self.dropped = before.events, before.dropped

        self.permits = 0.0
        self.in_hand = False
        self.starts = True
        self.publish_in_hook: Callable[[], None] | None = None
        self._permitted = anyio.Event()
        self._failing = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        if not self.starts:
            raise OSError("still away")

        self._failing = anyio.Event()
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._fail)
            yield
            tg.cancel_scope.cancel()

    async def _fail(self) -> None:
        await self._failing.wait()
        raise OSError("away")

    def fail(self) -> None:
        self.starts = False
        self._failing.set()

    def permit(self, events: float) -> None:
        self.permits += events
        self._permitted.set()

    async def handle(self, event: Event) -> None:
        self.events.append(event)
        self.in_hand = True
        try:
            while not self.permits:
                self._permitted = anyio.Event()
                await self._permitted.wait()

            self.permits -= 1
            publish, self.publish_in_hook = self.publish_in_hook, None
            if publish is not None:
                publish()
        finally:
            self.in_hand = False


class GatedAll(Gated):
    @hookimpl
    async def event(self, event: Event) -> None:
        await self.handle(event)


class GatedParty(Gated):
    wants = PartyEvent

    @hookimpl
    async def party_event(self, event: PartyEvent) -> None:
        await self.handle(event)


class GatedJoined(Gated):
    wants = PeerJoined

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        await self.handle(event)


class GatedNotification(Gated):
    wants = Notification

    @hookimpl
    async def notification(self, event: Notification) -> None:
        await self.handle(event)


CLASSES: Sequence[type[Gated]] = (GatedAll, GatedParty, GatedJoined, GatedNotification)
POLICIES: Sequence[WhenFull] = ("block", "drop_oldest", "drop_newest")


class Model(Instrument):
    """Does steps on a bus, and compares what the plugins get with what they must get."""

    def __init__(self, task_group: TaskGroup, plugins: Sequence[tuple[type[Gated], int, WhenFull]]):
        self._task_group = task_group
        self.bus = EventBus(hook_timeout=1e9, drain_timeout=100, instruments=[self])
        self.witness = Witness()
        self.bus.register(self.witness, "witness")
        self.bus.register(Idle(), "idle")
        self.plugins: dict[str, Gated] = {}
        for number, (cls, size, when_full) in enumerate(plugins):
            name = f"plugin {number}"
            self.plugins[name] = cls()
            self.bus.register(self.plugins[name], name, mailbox_size=size, when_full=when_full)

        self.in_order: list[Event] = []
        """published by one call after another, each of which may wait"""
        self.published: list[tuple[Event, anyio.CancelScope]] = []
        """by calls that may wait"""
        self.rejected: set[str] = set()
        """the ids of events that enter no mailbox"""
        self.drops_need_turn = False
        self.problems: list[str] = []

    def plugin(self, number: int) -> tuple[str, Gated]:
        return list(self.plugins.items())[number % len(self.plugins)]

    def statistics(self, name: str) -> PluginStatistics:
        return self.bus.statistics().plugins[name]

    def is_down(self, name: str) -> bool:
        return self.statistics(name).state == "down"

    def full(self, event: Event, times: int = 1) -> list[str]:
        """Return the plugins whose mailboxes have no room, and make publishers wait for it."""
        return [
            name
            for name, plugin in self.plugins.items()
            if isinstance(event, plugin.wants)
            and (statistics := self.statistics(name)).when_full == "block"
            and statistics.state != "down"
            and statistics.pending >= times * statistics.size
        ]

    def event_dropped(self, error: EventDropped) -> None:
        dropped = error
        if dropped.reason.startswith("the plugin ended"):
            return

        plugin, statistics = self.plugins[dropped.plugin], self.statistics(dropped.plugin)
        plugin.dropped.append(dropped.event)
        down = statistics.state == "down"
        # What is raised here would only be logged.
        if statistics.when_full == "block" and not down:
            self.problems.append(f"{dropped.plugin} makes publishers wait, but dropped an event")
        elif statistics.pending < statistics.size - (statistics.when_full != "drop_newest"):
            self.problems.append(f"{dropped.plugin} dropped an event, but was not full")
        elif self.drops_need_turn and not plugin.in_hand and not down:
            self.problems.append(f"{dropped.plugin} dropped an event before it had a turn")

    async def check(self) -> None:
        await wait_all_tasks_blocked()
        assert not self.problems
        place = {event.id: number for number, event in enumerate(self.witness.events)}
        assert self.rejected.isdisjoint(place)
        entered = [place[event.id] for event in self.in_order if event.id in place]
        assert entered == sorted(entered)
        for name, plugin in self.plugins.items():
            statistics = self.statistics(name)
            got = [place[event.id] for event in plugin.events]
            dropped = {event.id for event in plugin.dropped}
            gone = dropped | {event.id for event in plugin.events}
            pending = [
                place[event.id]
                for event in self.witness.events
                if isinstance(event, plugin.wants) and event.id not in gone
            ]
            # In order, and each event is handled, waits, or was dropped and counted.
            assert got + pending == sorted({*got, *pending})
            assert statistics.pending == len(pending)
            assert statistics.dropped == len(dropped) == len(plugin.dropped)
            assert len(gone) == len(got) + len(dropped)
            assert statistics.handled + statistics.failed + plugin.in_hand == len(got)
            # Its consumer does not sleep while something waits for it.
            assert plugin.in_hand or not pending or self.is_down(name)

        gone = self.rejected.union(place)
        self.published = [(event, scope) for event, scope in self.published if event.id not in gone]
        assert self.bus.statistics().waiting == len(self.published)
        assert not self.published or any(self.full(event) for event, _ in self.published)

    # Steps

    async def _publish(self, event: Event, scope: anyio.CancelScope) -> None:
        with scope:
            await self.bus.publish(event)

    async def publish(self, cls: int, times: int) -> None:
        for _ in range(times):
            event, scope = MAKE[cls](), anyio.CancelScope()
            self.in_order.append(event)
            self.published.append((event, scope))
            if self.bus.statistics().waiting or self.full(event):
                self._task_group.start_soon(self._publish, event, scope)
                await wait_all_tasks_blocked()
            else:
                self.drops_need_turn = True
                await self._publish(event, scope)
                self.drops_need_turn = False

    async def publish_at_once(self, cls: int, times: int) -> None:
        for number in range(times):
            event, scope = MAKE[(cls + number) % len(MAKE)](), anyio.CancelScope()
            self.published.append((event, scope))
            self._task_group.start_soon(self._publish, event, scope)

    async def publish_nowait(self, cls: int, times: int) -> None:
        for _ in range(times):
            event = MAKE[cls]()
            if self.bus.statistics().waiting or self.full(event):
                self.rejected.add(event.id)
                with pytest.raises(anyio.WouldBlock):
                    self.bus.publish_nowait(event)
            else:
                self.bus.publish_nowait(event)

    async def cancel(self, number: int, _: int) -> None:
        if self.published:
            event, scope = self.published[number % len(self.published)]
            self.rejected.add(event.id)
            scope.cancel()

    async def permit(self, number: int, times: int) -> None:
        self.plugin(number)[1].permit(times)

    async def permit_all(self, _: int, times: int) -> None:
        for plugin in self.plugins.values():
            plugin.permit(times)

    async def publish_in_hook(self, number: int, times: int) -> None:
        plugin = self.plugin(number)[1]

        def publish() -> None:
            for cls in range(times):
                event = MAKE[cls % len(MAKE)]()
                if self.full(event, times=2):
                    self.rejected.add(event.id)
                    with pytest.raises(anyio.WouldBlock):
                        self.bus.publish_nowait(event)
                else:
                    self.bus.publish_nowait(event)

        if plugin.in_hand:
            plugin.publish_in_hook = publish
            plugin.permit(1)

    async def fail(self, number: int, _: int) -> None:
        """Let a plugin go down; its mailbox drops events until it is restarted."""
        self.plugin(number)[1].fail()

    async def restart(self, *_: int) -> None:
        for plugin in self.plugins.values():
            plugin.starts = True

        await anyio.sleep(LONGEST_RESTART_DELAY)

    async def replace(self, number: int, times: int) -> None:
        """Replace a plugin by one with another mailbox policy, which takes over the mailbox."""
        name, plugin = self.plugin(number)
        if not self.is_down(name):
            plugin.permit(1)
            self.plugins[name] = type(plugin)(plugin)
            await self.bus.plugins.replace(
                name,
                self.plugins[name],
                mailbox_size=times,
                when_full=POLICIES[times % len(POLICIES)],
            )


STEPS = (
    "publish",
    "publish",
    "publish",
    "publish_at_once",
    "publish_nowait",
    "publish_nowait",
    "cancel",
    "permit",
    "permit",
    "permit_all",
    "permit_all",
    "publish_in_hook",
    "fail",
    "restart",
    "replace",
)


@pytest.mark.slow
@settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plugins=st.lists(
        st.tuples(st.sampled_from(CLASSES), st.integers(1, 3), st.sampled_from(POLICIES)),
        min_size=1,
        max_size=4,
    ),
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.sampled_from((1, 2, 5, 8))),
        max_size=50,
    ),
)
async def test_whatever_happens_each_event_is_handled_in_order_or_dropped_and_counted(
    plugins: list[tuple[type[Gated], int, WhenFull]], steps: list[tuple[str, int, int]]
) -> None:
    async with anyio.create_task_group() as tg:
        model = Model(tg, plugins)
        async with model.bus:
            await model.check()
            for step, number, times in steps:
                await getattr(model, step)(number, times)
                await model.check()

            await model.restart()
            for plugin in model.plugins.values():
                plugin.permit(1e9)

            await model.check()
            assert not model.published
            assert not any(model.statistics(name).pending for name in model.plugins)


class Counter:
    """Counts the turns that other tasks get."""

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        while True:
            await checkpoint()
            self.turns += 1


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
async def test_full_plugin_that_hangs_takes_turns_of_the_publisher_only_once(
    when_full: WhenFull,
) -> None:
    hung, fast, counter = GatedAll(), Witness(), Counter()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(hung, "hung", mailbox_size=10, when_full=when_full)
        bus.register(fast, "fast")
        tg.start_soon(counter.run)
        for _ in range(1000):
            await bus.publish(joined())

        # An event each would be a thousand, or two.
        assert counter.turns < 100
        await wait_until_handled(bus, "fast", 1000)
        assert bus.statistics().plugins["hung"].dropped == 1000 - 10 - 1
        hung.permit(1e9)
        tg.cancel_scope.cancel()


async def wait_until_handled(bus: EventBus, name: str, events: int) -> None:
    while bus.statistics().plugins[name].handled < events:
        await checkpoint()


async def test_plugin_that_was_stuck_gets_turns_again_before_events_are_dropped() -> None:
    plugin = GatedAll()
    async with EventBus() as bus:
        bus.register(plugin, "plugin", mailbox_size=2)
        for _ in range(10):
            await bus.publish(joined())

        dropped = bus.statistics().plugins["plugin"].dropped
        assert dropped == 10 - 2 - 1
        plugin.permit(1e9)
        await bus.drain()
        for _ in range(100):
            await bus.publish(joined())

        assert bus.statistics().plugins["plugin"].dropped == dropped


async def test_events_that_a_full_plugin_drops_take_room_in_other_mailboxes() -> None:
    full, other = GatedJoined(), GatedAll()
    async with EventBus() as bus:
        bus.register(full, "full", mailbox_size=1)
        bus.register(other, "other", mailbox_size=5, when_full="block")
        bus.publish_nowait(joined())
        await wait_all_tasks_blocked()
        for _ in range(4):
            bus.publish_nowait(joined())

        bus.publish_nowait(notification())
        with pytest.raises(anyio.WouldBlock):
            bus.publish_nowait(notification())

        assert bus.statistics().plugins["full"].dropped == 3
        assert bus.statistics().plugins["other"].pending == 5
        full.permit(1e9)
        other.permit(1e9)


@pytest.mark.parametrize("turns", [1, 3, 10])
async def test_publisher_waits_for_a_hook_that_needs_some_turns(turns: int) -> None:
    handled = []

    async def handler(event: Event) -> None:
        for _ in range(turns):
            await checkpoint()

        handled.append(event)

    async with EventBus() as bus:
        bus.subscribe(Event, handler, name="handler", mailbox_size=4)
        for _ in range(100):
            await bus.publish(joined())

        await bus.drain()

    assert len(handled) == 100


async def test_plugin_that_was_stuck_makes_publishers_wait_after_its_policy_is_block() -> None:
    plugin = GatedAll()
    async with EventBus() as bus, anyio.create_task_group() as tg:
        bus.register(plugin, "plugin", mailbox_size=2)
        for _ in range(10):
            await bus.publish(joined())

        plugin.permit(1e9)
        await bus.drain()
        successor = GatedAll()
        await bus.plugins.replace("plugin", successor, mailbox_size=2, when_full="block")
        dropped = bus.statistics().plugins["plugin"].dropped
        for _ in range(5):
            tg.start_soon(bus.publish, joined())

        await wait_all_tasks_blocked()
        assert bus.statistics().waiting == 2
        assert bus.statistics().plugins["plugin"].dropped == dropped
        successor.permit(1e9)
