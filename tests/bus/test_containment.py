"""What hooks raise, or do to their task, is their own error: every hook, every kind, both backends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint

from lanrage_events import (
    Event,
    EventBus,
    EventDropped,
    Health,
    PeerJoined,
    PluginLoadError,
    PluginStartError,
    hookimpl,
)
from lanrage_events.abc import HookCall, Instrument

pytestmark = pytest.mark.slow


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


def _leak() -> BaseException:
    caught: list[BaseException] = []

    async def leak() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                caught.append(error)
                raise

    trio.run(leak)
    return caught[0]


LEAKED = _leak()
"""a cancellation of Trio that outlived its scope"""


def cancel_oneself() -> None:
    """Cancel the current task, as often as it likes; on Trio there is nothing like it."""
    if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        task.cancel()
    else:
        raise SystemExit(9)


def cancel_oneself_and_raise() -> None:
    """Cancel the current task and fail besides."""
    try:
        cancel_oneself()
    finally:
        raise OSError("disk on fire")


def raising(error: Callable[[], BaseException]) -> Callable[[], None]:
    """Return a function that raises what another one makes."""

    def misbehave() -> None:
        raise error()

    return misbehave


MISDEEDS: dict[str, Callable[[], None]] = {
    "error": raising(lambda: OSError("disk on fire")),
    "exit": raising(lambda: SystemExit(3)),
    "exit in a group": raising(lambda: BaseExceptionGroup("g", [SystemExit(), OSError()])),
    "generator exit": raising(GeneratorExit),
    "own kind": raising(type("Own", (BaseException,), {})),
    "asyncio's cancellation": raising(asyncio.CancelledError),
    "trio's cancellation": raising(lambda: LEAKED),
    "a group of cancellations": raising(
        lambda: BaseExceptionGroup("g", [asyncio.CancelledError(), asyncio.CancelledError()])
    ),
    "cancels itself": cancel_oneself,
    "cancels itself and raises": cancel_oneself_and_raise,
}


@pytest.fixture(params=MISDEEDS)
def misbehave(request: pytest.FixtureRequest) -> Callable[[], None]:
    """What a hook does."""
    return MISDEEDS[request.param]


async def is_clean() -> bool:
    """Return whether nothing is left of a cancellation of this task."""
    with anyio.CancelScope() as scope:
        for _ in range(3):
            await checkpoint()

    await anyio.sleep(1)
    on_asyncio = anyio.get_cancelled_exc_class() is asyncio.CancelledError
    task = asyncio.current_task() if on_asyncio else None
    return not scope.cancelled_caught and (task is None or not task.cancelling())


class Neighbour:
    """A plugin that works."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    async def event(self, event: Event) -> None:
        self.events.append(event)

    @hookimpl
    def metrics(self) -> tuple[()]:
        return ()


def plugin_with(hook: str, function: Callable[..., Any]) -> object:
    """Make a plugin with one hook."""
    return type("Faulty", (), {hook: hookimpl(function)})()


QUERIES = ["http_pages", "http_routes", "invite_url", "metrics", "outbox", "template_folders"]


@pytest.mark.slow
@pytest.mark.parametrize("is_lazy", [False, True], ids=["at once", "in a generator"])
@pytest.mark.parametrize("hook", QUERIES)
async def test_queries(
    hook: str, is_lazy: bool, misbehave: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    def at_once(self: object) -> tuple[()]:
        misbehave()
        return ()

    def in_generator(self: object) -> Iterator[None]:
        misbehave()
        yield None

    async with EventBus() as bus:
        bus.register(plugin_with(hook, in_generator if is_lazy else at_once), name="faulty")
        bus.register(Neighbour(), name="neighbour")
        assert "faulty" not in bus.query(hook)
        assert await is_clean()
        assert bus.query("metrics")["neighbour"] == ()

    # One that only cancels its task is found by what it returned.
    assert re.search(f"plugin 'faulty':? hook '{hook}' (failed|must return)", caplog.text)


async def test_health(misbehave: Callable[[], None]) -> None:
    def health(self: object) -> None:
        misbehave()

    async with EventBus() as bus:
        bus.register(plugin_with("health", health), name="faulty")
        bus.register(Neighbour(), name="neighbour")
        found = bus.health()
        assert await is_clean()

    assert found["faulty"].status == "failed"
    assert found["faulty"].detail.startswith("hook 'health' failed: ")
    assert found["neighbour"].status == "ok"


async def test_validate(misbehave: Callable[[], None]) -> None:
    def validate(self: object, bus: EventBus) -> list[str]:
        misbehave()
        return []

    bus = EventBus()
    bus.register(plugin_with("validate", validate), name="faulty")
    [(name, problem)] = bus.plugins.validate()
    assert name == "faulty"
    assert problem.startswith("hook 'validate' failed: ")
    assert await is_clean()


async def test_register_events(misbehave: Callable[[], None]) -> None:
    def register_events(self: object) -> tuple[()]:
        misbehave()
        return ()

    async with EventBus() as bus:
        with pytest.raises(PluginLoadError, match="hook 'register_events' failed"):
            bus.register(plugin_with("register_events", register_events))

        assert await is_clean()
        assert not bus.plugins


async def test_instruments(misbehave: Callable[[], None], caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Instrument):
        def hook_began(self, call: HookCall) -> None:
            misbehave()

        def event_dropped(self, error: EventDropped) -> None:
            misbehave()

        def hook_failed(
            self, plugin: str, hook: str, event: Event | None, error: Exception
        ) -> None:
            misbehave()

    def handler(event: PeerJoined) -> None:
        if event.peer_name == "fails":
            raise OSError("disk on fire")

    async with EventBus(instruments=[Faulty()]) as bus:
        bus.subscribe(PeerJoined, handler, name="s", mailbox_size=1, when_full="drop_newest")
        bus.publish_nowait(joined("fails"))
        bus.publish_nowait(joined("dropped"))
        await bus.drain()
        assert await is_clean()
        statistics = bus.statistics().plugins["s"]
        assert (statistics.failed, statistics.dropped) == (1, 1)
        await bus.publish_and_wait(joined())

    assert "an instrument failed" in caplog.text


def test_ctrl_c_passes() -> None:
    def health(self: object) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with EventBus() as bus:
            bus.register(plugin_with("health", health))
            bus.health()

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main)


# Functions that plugins declare


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_declared_functions(is_async: bool, misbehave: Callable[[], None]) -> None:
    def sync(number: int) -> int:
        misbehave()
        return number

    async def asynchronous(number: int) -> int:
        await checkpoint()
        misbehave()
        return number

    async with EventBus() as bus:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each misdeed has its own
            await bus.call("p", "GET /", asynchronous if is_async else sync, 7)

        assert await is_clean()


async def test_a_declared_function_that_is_well_returns_its_value() -> None:
    async def double(number: int) -> int:
        await checkpoint()
        return 2 * number

    async with EventBus() as bus:
        assert await bus.call("p", "GET /", double, 7) == 14
        assert await bus.call("p", "GET /", str, 7) == "7"


async def test_a_real_cancellation_ends_a_declared_function() -> None:
    began, ended = anyio.Event(), anyio.Event()

    async def wait() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with EventBus() as bus:
        async with anyio.create_task_group() as tg:
            tg.start_soon(bus.call, "p", "GET /", wait)
            await began.wait()
            tg.cancel_scope.cancel()

        assert ended.is_set()
        with anyio.move_on_after(1) as scope:
            await bus.call("p", "GET /", wait)

        assert scope.cancelled_caught
        assert await is_clean()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancellation_ends_a_declared_function() -> None:
    began = anyio.Event()

    async def wait() -> None:
        began.set()
        await anyio.sleep_forever()

    async with EventBus() as bus:
        task = asyncio.create_task(bus.call("p", "GET /", wait))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_ctrl_c_in_a_declared_function_passes() -> None:
    async def press() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with EventBus() as bus:
            await bus.call("p", "GET /", press)

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main)


# Hooks of events


def faulty(kind: str, misbehave: Callable[[], None]) -> object:
    """Make a plugin whose hook misbehaves at each event called 'bad'."""

    def sync(self: object, event: Event) -> None:
        if getattr(event, "peer_name", "") == "bad":
            misbehave()

    async def first(self: object, event: Event) -> None:
        sync(self, event)
        await checkpoint()

    async def later(self: object, event: Event) -> None:
        await checkpoint()
        sync(self, event)

    async def then_waits(self: object, event: Event) -> None:
        sync(self, event)
        await anyio.sleep(1)
        await anyio.sleep(1)

    async def batch(self: object, events: list[Event]) -> None:
        for event in events:
            sync(self, event)

        await checkpoint()

    def sync_batch(self: object, events: list[Event]) -> None:
        for event in events:
            sync(self, event)

    hooks = {"first": first, "later": later, "then waits": then_waits, "sync": sync}
    if kind in hooks:
        return plugin_with("peer_joined", hooks[kind])

    return plugin_with("event_batch", batch if kind == "batch" else sync_batch)


KINDS = ["sync", "first", "later", "then waits", "batch", "sync batch"]


@pytest.mark.parametrize("kind", KINDS)
async def test_hooks_of_events(kind: str, misbehave: Callable[[], None]) -> None:
    neighbour = Neighbour()
    async with EventBus() as bus:
        bus.register(faulty(kind, misbehave), name="faulty")
        bus.register(neighbour)
        for _ in range(3):
            with pytest.raises(ExceptionGroup):
                await bus.publish_and_wait(joined("bad"))

            assert bus.health()["faulty"].status == "degraded"
            await bus.publish_and_wait(joined("good"))

        assert await is_clean()
        statistics = bus.statistics().plugins["faulty"]
        assert (statistics.handled, statistics.failed) == (3, 3)
        assert (statistics.state, statistics.restarts) == ("running", 0)
        assert bus.health()["faulty"].status == "ok"

    assert len(neighbour.events) == 6


@pytest.mark.parametrize("kind", KINDS)
async def test_each_event_of_a_burst_is_counted(kind: str, misbehave: Callable[[], None]) -> None:
    async with EventBus() as bus:
        bus.register(faulty(kind, misbehave), name="faulty")
        # The first one may be counted for another event of the same burst.
        await bus.publish(joined("bad"))
        await bus.drain()
        for number in range(20):
            bus.publish_nowait(joined("good" if number % 2 else "bad"))

        await bus.drain()
        statistics = bus.statistics().plugins["faulty"]
        assert statistics.handled + statistics.failed == 21
        # A batch fails as a whole.
        assert statistics.failed == (21 if "batch" in kind else 11)
        assert statistics.state == "running"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("is_threaded", [False, True], ids=["in the loop", "threaded"])
@pytest.mark.real_clock
async def test_handlers_of_subscriptions(
    is_async: bool, is_threaded: bool, misbehave: Callable[[], None]
) -> None:
    if is_threaded and misbehave.__name__.startswith("cancel"):
        misbehave = MISDEEDS["exit"]

    def handler(event: PeerJoined) -> None:
        if event.peer_name == "bad":
            misbehave()

    async def async_handler(event: PeerJoined) -> None:
        handler(event)

    function = async_handler if is_async and not is_threaded else handler
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, function, name="s", threaded=is_threaded)
        with pytest.raises(ExceptionGroup):
            await bus.publish_and_wait(joined("bad"))

        await bus.publish_and_wait(joined("good"))
        statistics = bus.statistics().plugins["s"]
        assert (statistics.handled, statistics.failed) == (1, 1)


async def test_the_next_hook_of_the_same_plugin_is_called(misbehave: Callable[[], None]) -> None:
    calls: list[str] = []

    class Plugin:
        @hookimpl
        async def peer_joined(self, event: PeerJoined) -> None:
            misbehave()

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)
            calls.append("event")

    async with EventBus() as bus:
        bus.register(Plugin(), name="p")
        for _ in range(2):
            with pytest.raises(ExceptionGroup) as info:
                await bus.publish_and_wait(joined())

            assert not [e for e in info.value.exceptions if isinstance(e, EventDropped)]
            assert len(info.value.exceptions) <= 2  # it may have raised and cancelled

    assert calls == ["event", "event"]


async def test_a_hook_that_times_out_and_misbehaves_then(misbehave: Callable[[], None]) -> None:
    async def hang(event: PeerJoined) -> None:
        if event.peer_name == "good":
            return

        try:
            await anyio.sleep_forever()
        finally:
            misbehave()

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, hang, name="s", hook_timeout=1)
        for _ in range(2):
            with pytest.raises(ExceptionGroup, match="was not handled"):
                await bus.publish_and_wait(joined("bad"))

            await bus.publish_and_wait(joined("good"))

        statistics = bus.statistics().plugins["s"]
        assert (statistics.handled, statistics.failed, statistics.restarts) == (2, 2, 0)


# Lifespans


class Lifespan(Neighbour):
    """A plugin whose lifespan misbehaves at some time of its life, once."""

    def __init__(self, when: str, misbehave: Callable[[], None]) -> None:
        super().__init__()
        self.when = when
        self.starts = 0
        self._misbehave = misbehave
        self._end = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.starts += 1
        if self.starts == {"start": 1, "restart": 2}.get(self.when):
            self._misbehave()

        if self.starts == 1 and self.when in ("run", "restart"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._fail_later)
                yield
        else:
            yield

        if self.when == "end":
            self._misbehave()

    async def _fail_later(self) -> None:
        await anyio.sleep(1)
        if self.when == "run":
            self._misbehave()

        raise OSError("lost the connection")


@pytest.mark.parametrize("when", ["start", "run", "restart", "end"])
async def test_lifespans(when: str, misbehave: Callable[[], None], anyio_backend_name: str) -> None:
    if (anyio_backend_name, when, misbehave) == ("asyncio", "run", MISDEEDS["exit"]):
        pytest.skip("a task that raises SystemExit ends the event loop of asyncio")

    neighbour, plugin = Neighbour(), Lifespan(when, misbehave)
    async with EventBus() as bus:
        bus.register(neighbour, name="neighbour")
        bus.register(plugin, name="faulty")
        await anyio.sleep(30)
        assert bus.statistics().plugins["faulty"].state == "running"
        await bus.publish_and_wait(joined())
        assert await bus.unregister("faulty") == ()
        await anyio.sleep(1)
        await bus.publish_and_wait(joined())
        assert bus.health() == {"neighbour": Health()}
        assert await is_clean()

    assert (len(plugin.events), len(neighbour.events)) == (1, 2)
    assert plugin.starts == {"start": 2, "run": 2, "restart": 3, "end": 1}[when]


async def test_lifespans_that_are_waited_for(misbehave: Callable[[], None]) -> None:
    neighbour = Neighbour()
    async with EventBus() as bus:
        bus.register(neighbour, name="neighbour")
        with pytest.raises(PluginStartError):
            await bus.plugins.register_and_wait(Lifespan("start", misbehave), name="faulty")

        assert list(bus.plugins) == ["neighbour"]
        await bus.publish_and_wait(joined())
        assert await is_clean()


async def test_lifespans_of_plugins_that_a_bus_is_entered_with(
    misbehave: Callable[[], None],
) -> None:
    bus = EventBus()
    bus.register(Lifespan("start", misbehave), name="faulty")
    with pytest.raises(PluginStartError, match="faulty"):
        await bus.__aenter__()

    assert await is_clean()


@pytest.mark.slow
async def test_lifespans_that_end_with_the_bus(
    misbehave: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    neighbour = Neighbour()
    async with EventBus() as bus:
        bus.register(Lifespan("end", misbehave), name="faulty")
        bus.register(neighbour, name="neighbour")
        bus.publish_nowait(joined())

    assert len(neighbour.events) == 1
    assert "plugin 'faulty' failed" in caplog.text
    assert await is_clean()


# What must not be contained


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ctrl_c_in_a_hook_of_events_passes(backend: str) -> None:
    def press(event: Event) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with EventBus() as bus:
            bus.subscribe(PeerJoined, press)
            await bus.publish(joined())
            await anyio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as info:
        anyio.run(main, backend=backend)

    assert info.value.subgroup(KeyboardInterrupt) is not None


def test_the_end_of_asyncio_ends_a_bus_that_nobody_leaves() -> None:
    states: list[str] = []

    async def wait(event: Event) -> None:
        states.append("began")
        try:
            await anyio.sleep_forever()
        finally:
            states.append("ended")

    async def main() -> None:
        bus = EventBus()
        await bus.__aenter__()
        bus.subscribe(PeerJoined, wait)
        bus.subscribe(PeerJoined, lambda event: None)
        await bus.publish(joined())
        while not states:
            await checkpoint()

    asyncio.run(main())
    assert states == ["began", "ended"]
