"""Any plugins, streams, changes and cancellations at once leave a bus that works and can be left."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, Notification, PluginError, hookimpl
from lanrage_events.testing import virtual_time

DRAIN_TIMEOUT = 3.0
DEAF_SECONDS = 6
"""how long a plugin may ignore that it is cancelled"""
NAMES = ("a", "b", "c")
EXPECTED = (PluginError, LookupError, ValueError, anyio.ClosedResourceError)
"""what an operation may raise, as another one may come first"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass(frozen=True)
class Behaviour:
    """How a plugin starts, runs and ends."""

    start: float
    """seconds or, if it is less than a second, ticks"""
    starts: int
    """how often it starts before it fails to start twice"""
    hook: float
    end: float
    deaf: str
    """where it ignores that it is cancelled"""
    dies: bool
    when_full: Literal["block", "drop_oldest", "drop_newest"]


@dataclass
class World:
    """What runs, and what was seen of it."""

    bus: EventBus
    tasks: TaskGroup
    native: bool
    running: Counter[str] = field(default_factory=Counter)
    operations: list[Operation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    publishers: int = 0


class Plugin:
    """Behaves as it is told, and notes how many run under its name."""

    def __init__(self, world: World, name: str, behaviour: Behaviour) -> None:
        self.world = world
        self.name = name
        self.behaviour = behaviour
        self.when_full = behaviour.when_full
        self.mailbox_size = 2
        self.start_timeout = 4.0
        self.starts = 0
        self.last: dict[str, int] = {}
        """the number of the last event of each publisher"""

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        behaviour, running = self.behaviour, self.world.running
        with self.deaf("start"):
            await pause(behaviour.start)

        await anyio.lowlevel.checkpoint()
        self.starts += 1
        if behaviour.starts < self.starts <= behaviour.starts + 2:
            raise OSError("it does not start")

        running[self.name] += 1
        if running[self.name] > 1:
            self.world.problems.append(f"two plugins run as '{self.name}'")

        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await pause(behaviour.end)
                if behaviour.deaf == "end":
                    await anyio.sleep(DEAF_SECONDS)

                running[self.name] -= 1

    def deaf(self, where: str) -> anyio.CancelScope:
        return anyio.CancelScope(shield=self.behaviour.deaf == where)

    @hookimpl
    async def event(self, event: Notification) -> None:
        number, last = int(event.message), self.last.get(event.title, 0)
        if number <= last:
            self.world.problems.append(f"'{self.name}' got {number} after {last}")

        self.last[event.title] = number
        with self.deaf("hook"):
            await pause(self.behaviour.hook)

        if self.behaviour.dies and number % 5 == 4 and self.world.native:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()


async def pause(amount: float) -> None:
    if amount < 1:
        for _ in range(int(amount * 10)):
            await anyio.lowlevel.checkpoint()
    else:
        await anyio.sleep(amount)


class Operation:
    """Something that is done to the bus in a task of its own, and may be cancelled at any time."""

    def __init__(self, world: World, act: Callable[[], Awaitable[object]]) -> None:
        self.world = world
        self.act = act
        self.scope = anyio.CancelScope()
        self.task: asyncio.Task[None] | None = None
        self.done = anyio.Event()

    def start(self) -> None:
        if self.world.native:
            self.task = asyncio.create_task(self.run())
            # A task that is cancelled before it has begun never runs.
            self.task.add_done_callback(lambda _: self.done.set())
        else:
            self.world.tasks.start_soon(self.run)

    async def run(self) -> None:
        try:
            with self.scope:
                await self.act()
        except EXPECTED:
            pass
        except Exception as error:  # noqa: BLE001 - reported by the test
            self.world.problems.append(f"{error!r}")
        finally:
            self.done.set()

    def cancel(self, times: int) -> None:
        if self.task is None:
            self.scope.cancel()
        else:
            for _ in range(times):
                self.task.cancel()


# The steps of an example


pauses = st.sampled_from([0, 0.1, 0.3, 1, 2.5])
behaviours = st.builds(
    Behaviour,
    start=st.sampled_from([0, 0.1, 0.3, 1, DEAF_SECONDS]),
    starts=st.sampled_from([0, 1, 99, 99]),
    hook=pauses,
    end=st.sampled_from([0, 0.1, 0.3]),
    deaf=st.sampled_from(["", "", "start", "hook", "end"]),
    dies=st.booleans(),
    when_full=st.sampled_from(["block", "drop_oldest", "drop_newest"]),
)
names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("register"), names, behaviours),
    st.tuples(st.just("replace"), names, behaviours),
    st.tuples(st.just("unregister"), names, st.sampled_from([0.0, 2.0, 10.0])),
    st.tuples(st.just("stream"), names, pauses),
    st.tuples(st.just("publish"), st.integers(1, 6), st.none()),
    st.tuples(st.just("drain"), st.none(), st.none()),
    st.tuples(st.just("pause"), pauses, st.none()),
    st.tuples(st.just("cancel"), st.integers(0, 20), st.integers(1, 3)),
)
Step = tuple[str, object, object]


def operation(world: World, step: Step) -> Callable[[], Awaitable[object]] | None:
    bus = world.bus
    match step:
        case "register", str(name), Behaviour() as behaviour:
            plugin = Plugin(world, name, behaviour)
            return lambda: bus.plugins.register_and_wait(plugin, name)
        case "replace", str(name), Behaviour() as behaviour:
            plugin = Plugin(world, name, behaviour)
            return lambda: bus.plugins.replace(name, plugin, timeout=2)
        case "unregister", str(name), float(timeout):
            return lambda: bus.unregister(name, timeout)
        case "stream", str(name), int() | float() as amount:

            async def listen() -> None:
                async with bus.stream(
                    Notification, name=f"stream {name}", when_full="block", mailbox_size=1
                ) as events:
                    await pause(amount)
                    with anyio.move_on_after(amount):
                        async for _ in events:
                            await pause(amount)

            return listen
        case "publish", int(count), _:
            world.publishers += 1
            return partial(publish, bus, str(world.publishers), count)
        case "drain", _, _:
            return bus.drain

    return None


async def publish(bus: EventBus, publisher: str, count: int) -> None:
    for number in range(1, count + 1):
        await bus.publish(Notification(title=publisher, message=str(number)))


async def play(world: World, example: list[Step]) -> None:
    for step in example:
        act = operation(world, step)
        match step:
            case "pause", int() | float() as amount, _:
                await pause(amount)
            case "cancel", int(index), int(times) if world.operations:
                world.operations[index % len(world.operations)].cancel(times)
            case _ if act is not None:
                world.operations.append(Operation(world, act))
                world.operations[-1].start()


async def check(world: World) -> None:
    """Check what stands when everything that was begun has ended."""
    for begun in world.operations:
        with anyio.fail_after(300):
            await begun.done.wait()

    await anyio.sleep(200)  # the longest restart delays are over
    bus = world.bus
    statistics = bus.statistics()
    assert set(statistics.plugins) == set(bus.plugins)
    assert {s.state for s in statistics.plugins.values()} <= {"running"}
    assert {name for name, count in world.running.items() if count} == set(bus.plugins)
    with anyio.fail_after(60):
        await publish(bus, "last", 3)
        await bus.drain()

    assert statistics.waiting == 0


async def run_example(example: list[Step], native: bool, settles: bool, cancels: int) -> None:
    worlds: list[World] = []
    played = anyio.Event()
    began = left = 0.0

    async def live() -> None:
        nonlocal left
        async with anyio.create_task_group() as tasks:
            try:
                await live_in(tasks)
            finally:
                left = anyio.current_time()

    async def live_in(tasks: TaskGroup) -> None:
        nonlocal began
        async with EventBus(drain_timeout=DRAIN_TIMEOUT) as bus:
            worlds.append(World(bus, tasks, native))
            try:
                await play(worlds[0], example)
                if settles:
                    await check(worlds[0])
            finally:
                began = anyio.current_time()
                played.set()

    if native:
        task = asyncio.create_task(live())
        await played.wait()
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0)

        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    else:
        await live()

    [world] = worlds
    deaf = any(isinstance(how, Behaviour) and how.deaf for _, _, how in example)
    assert left - began < DRAIN_TIMEOUT + 1 + deaf * DEAF_SECONDS
    for begun in world.operations:
        with anyio.fail_after(10):
            await begun.done.wait()

    assert world.problems == []
    assert +world.running == Counter()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "asyncio natively", "trio"])
@settings(max_examples=300)
@given(
    example=st.lists(steps, max_size=25),
    settles=st.booleans(),
    cancels=st.integers(0, 4),
)
def test_bus_survives_anything(
    backend: str, example: list[Step], settles: bool, cancels: int
) -> None:
    library: Literal["asyncio", "trio"] = "trio" if backend == "trio" else "asyncio"
    name, options = virtual_time(library)
    native = backend == "asyncio natively"
    anyio.run(run_example, example, native, settles, cancels, backend=name, backend_options=options)
