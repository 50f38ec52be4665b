"""Other ways to hand an event to several handlers, each used as its documentation says.

Each opens with plugins, whose method ``peer_joined`` it calls, and yields what publishes events and
returns when all are handled. The loop is in there, so that it costs nobody a call.
"""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import anyio
import anyio.lowlevel
import pluggy

from lanrage_events import EventBus, PeerJoined, hookimpl, hookspecs

from ._parts import BACKENDS, installed_version


class Plugin(Protocol):
    """What is called, a plugin of ours and of pluggy's."""

    handled: int

    @property
    def peer_joined(self) -> Any:
        """The hook, sync or async."""


BUBUS_AT_ONCE = 40
LOOK_SECONDS = 0.001

Publish: TypeAlias = Callable[[Sequence[Any]], Awaitable[None]]


class SyncPlugin:
    """Counts."""

    handled = 0

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        """Count an event."""
        self.handled += 1


class AsyncPlugin:
    """Counts, too."""

    handled = 0

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        """Count an event."""
        self.handled += 1


def is_async(plugins: Sequence[Plugin]) -> bool:
    """Whether plugins have async hooks; they all have, or none."""
    return inspect.iscoroutinefunction(plugins[0].peer_joined)


async def wait_handled(plugins: Sequence[Plugin], count: int) -> None:
    """Wait until all have handled a number of events, where the library has no way to."""
    while any(plugin.handled < count for plugin in plugins):  # noqa: ASYNC110 - they cannot tell
        # Not a checkpoint: it would take half of the time from those who handle.
        await anyio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def ours(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """Our bus."""
    async with EventBus() as bus:
        for number, plugin in enumerate(plugins):
            bus.register(plugin, str(number))

        await bus.drain()

        async def publish(events: Sequence[Any]) -> None:
            for event in events:
                await bus.publish(event)

            await bus.drain()

        yield publish


@asynccontextmanager
async def pm_hook(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """A plain call of pluggy's hook, which stops at the first plugin that raises."""
    manager = pluggy.PluginManager("lanrage_events")
    manager.add_hookspecs(hookspecs)
    for number, plugin in enumerate(plugins):
        manager.register(plugin, str(number))

    async def publish(events: Sequence[Any]) -> None:
        for event in events:
            manager.hook.peer_joined(event=event)

    async def publish_async(events: Sequence[Any]) -> None:
        for event in events:
            for result in manager.hook.peer_joined(event=event):
                await result

    yield publish_async if is_async(plugins) else publish


@asynccontextmanager
async def blinker(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """blinker's signals, which stop at the first receiver that raises."""
    signal = import_module("blinker").Signal()
    for plugin in plugins:
        signal.connect(plugin.peer_joined)

    async def publish(events: Sequence[Any]) -> None:
        for event in events:
            signal.send(event)

    async def publish_async(events: Sequence[Any]) -> None:
        for event in events:
            await signal.send_async(event)

    yield publish_async if is_async(plugins) else publish


@asynccontextmanager
async def psygnal(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """psygnal's signals; coroutines are called one after another in a task of its own."""
    library: Any = import_module("psygnal")
    internals = import_module("psygnal._async")
    signal = library.SignalInstance((object,))

    async def publish(events: Sequence[Any]) -> None:
        for event in events:
            signal.emit(event)

    async def publish_async(events: Sequence[Any]) -> None:
        count = plugins[0].handled + len(events)
        await publish(events)
        await wait_handled(plugins, count)

    if not is_async(plugins):
        for plugin in plugins:
            signal.connect(plugin.peer_joined)

        yield publish
        return

    backend = library.set_async_backend("anyio")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(backend.run)
        await backend.running.wait()
        for plugin in plugins:
            signal.connect(plugin.peer_joined)

        yield publish_async
        tasks.cancel_scope.cancel()

    internals.clear_async_backend()


@asynccontextmanager
async def pyee(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """pyee's emitters, which start a task for each call of a coroutine."""

    def connect(emitter: Any) -> None:
        for plugin in plugins:
            emitter.on("peer_joined", plugin.peer_joined)

    if not is_async(plugins):
        sync_emitter = import_module("pyee").EventEmitter()
        connect(sync_emitter)

        async def publish(events: Sequence[Any]) -> None:
            for event in events:
                sync_emitter.emit("peer_joined", event)

        yield publish
        return

    if is_on_asyncio():
        emitter = import_module("pyee.asyncio").AsyncIOEventEmitter()
        connect(emitter)

        async def publish_on_asyncio(events: Sequence[Any]) -> None:
            for event in events:
                emitter.emit("peer_joined", event)

            await emitter.wait_for_complete()

        yield publish_on_asyncio
        return

    async with import_module("pyee.trio").TrioEventEmitter() as emitter:
        connect(emitter)

        async def publish_on_trio(events: Sequence[Any]) -> None:
            count = plugins[0].handled + len(events)
            for event in events:
                emitter.emit("peer_joined", event)

            await wait_handled(plugins, count)

        yield publish_on_trio


@asynccontextmanager
async def queues(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """What one writes by hand: a bounded asyncio.Queue and a task for each handler."""

    async def consume(queue: Any, handle: Callable[[PeerJoined], Any]) -> None:
        while True:
            event = await queue.get()
            try:
                handle(event)
            except Exception:  # noqa: BLE001 - it is what keeps the other events coming
                errors.append(event)
            finally:
                queue.task_done()

    async def consume_async(queue: Any, handle: Callable[[PeerJoined], Any]) -> None:
        while True:
            event = await queue.get()
            try:
                await handle(event)
            except Exception:  # noqa: BLE001 - it is what keeps the other events coming
                errors.append(event)
            finally:
                queue.task_done()

    errors: list[PeerJoined] = []
    channels = [asyncio.Queue[Any](1024) for _ in plugins]

    async def publish(events: Sequence[Any]) -> None:
        for event in events:
            for queue in channels:
                await queue.put(event)

        for queue in channels:
            await queue.join()

    async with anyio.create_task_group() as tasks:
        for queue, plugin in zip(channels, plugins, strict=True):
            run = consume_async if is_async(plugins) else consume
            tasks.start_soon(run, queue, plugin.peer_joined)

        yield publish
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def aiopubsub(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """aiopubsub's hub, with a queue and a task for each coroutine."""
    library: Any = import_module("aiopubsub")
    hub = library.Hub()
    key = library.Key("party", "joined")
    publisher = library.Publisher(hub, library.Key("party"))
    subscribers = [library.Subscriber(hub, str(number)) for number in range(len(plugins))]
    for subscriber, plugin in zip(subscribers, plugins, strict=True):
        handle: Callable[[PeerJoined], Any] = plugin.peer_joined

        def call(key: Any, event: PeerJoined, handle: Callable[..., Any] = handle) -> Any:
            return handle(event)

        async def call_async(
            key: Any, event: PeerJoined, handle: Callable[..., Any] = handle
        ) -> None:
            await handle(event)

        if is_async(plugins):
            subscriber.add_async_listener(key, call_async)
        else:
            subscriber.add_sync_listener(key, call)

    name = library.Key("joined")

    async def publish(events: Sequence[Any]) -> None:
        count = plugins[0].handled + len(events)
        for event in events:
            publisher.publish(name, event)

        await wait_handled(plugins, count)

    yield publish
    for subscriber in subscribers:
        await subscriber.remove_all_listeners()


@asynccontextmanager
async def bubus(plugins: Sequence[Plugin]) -> AsyncIterator[Publish]:
    """bubus, whose events are models that can be dispatched only once."""
    with warnings.catch_warnings(action="ignore"):  # that several have one name
        bus = import_module("bubus").EventBus(name="bench")
        for plugin in plugins:
            bus.on("peer_joined", plugin.peer_joined)

    async def publish(events: Sequence[Any]) -> None:
        # It refuses to hold more than a hundred.
        for start in range(0, len(events), BUBUS_AT_ONCE):
            for event in events[start : start + BUBUS_AT_ONCE]:
                bus.dispatch(event)

            await bus.wait_until_idle()

    yield publish
    await bus.stop()


def our_events(count: int) -> list[Any]:
    """Return one event many times, which is all the same to everybody else."""
    return [PeerJoined(peer_name="Ann", party_name="Friday LAN")] * count


def bubus_events(count: int) -> list[Any]:
    """Return as many models."""
    model = import_module("bubus").BaseEvent
    return [model(event_type="peer_joined") for _ in range(count)]


def is_on_asyncio() -> bool:
    """Whether asyncio runs, and not Trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False

    return True


@dataclass(frozen=True, slots=True)
class Bus:
    """One of those."""

    name: str
    open: Callable[[Sequence[Plugin]], AbstractAsyncContextManager[Publish]]
    distribution: str | None = None
    """what has to be installed"""
    backends: Sequence[str] = BACKENDS
    make_events: Callable[[int], list[Any]] = our_events
    slowness: int = 1
    """it is given this much fewer events than the others"""


OURS = Bus("lanrage-events", ours)
BUSES = (
    OURS,
    Bus("pm.hook", pm_hook, "pluggy"),
    Bus("blinker", blinker, "blinker"),
    Bus("psygnal", psygnal, "psygnal"),
    Bus("pyee", pyee, "pyee"),
    Bus("asyncio.Queue", queues, None, ("asyncio",)),
    Bus("aiopubsub", aiopubsub, "aiopubsub", ("asyncio",)),
    Bus("bubus", bubus, "bubus", ("asyncio",), bubus_events, 400),
)
DISTRIBUTIONS = [bus.distribution for bus in BUSES if bus.distribution]


def installed() -> list[Bus]:
    """Return those that can be used here."""
    return [bus for bus in BUSES if not bus.distribution or installed_version(bus.distribution)]
