"""The watch over the event loop: hooks that really hold it, so real time."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from lanrage_events import Event, EventBus, Health, Metric, Notification, PeerJoined, hookimpl

pytestmark = pytest.mark.real_clock

LOGGER = "lanrage_events._bus.threads.blocks"
GIVEN_UP_AFTER = 20.0
"""seconds after which what should be reported is not"""


def joined(name: str = "Ann") -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


def hold() -> None:
    """Hold the event loop, long enough for a watch that now and then gets no time of the processor."""
    time.sleep(0.5)


class Lines(logging.Handler):
    """The lines that the watch logs; any thread may wait for one, which holds the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def hold_until(self, word: str) -> None:
        """Hold the thread until a line has a word in it."""
        until = time.monotonic() + GIVEN_UP_AFTER
        while not any(word in text for text in self.texts) and time.monotonic() < until:
            time.sleep(0.01)


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def reported(bus: EventBus, plugin: str, count: int = 1) -> None:
    """Wait until the watch has counted for a plugin."""
    with anyio.fail_after(GIVEN_UP_AFTER):
        while bus.statistics().plugins[plugin].loop_blocks < count:  # noqa: ASYNC110 - it happens in another thread
            await anyio.sleep(0.01)


def watching_threads() -> set[threading.Thread]:
    """Return the threads of all buses, also of those that other tests did not leave."""
    return {t for t in threading.enumerate() if t.name == "lanrage-events loop watch"}


@pytest.mark.slow
async def test_a_hook_is_named_while_it_holds_the_loop_and_counted_afterwards(
    lines: Lines,
) -> None:
    class Plugin:
        @hookimpl
        def peer_joined(self, event: PeerJoined) -> None:
            lines.hold_until("so far")

    async with EventBus() as bus:
        bus.register(Plugin(), name="slow")
        await bus.publish_and_wait(joined())
        await reported(bus, "slow")
        health = bus.health()["slow"]
        statistics = bus.statistics().plugins["slow"]

    line = Lines.hold_until.__code__.co_firstlineno + 4
    place = f"at {re.escape(__file__)}:{line}"
    what = "plugin 'slow': hook 'peer_joined' holds the event loop, for [0-9.]+ s so far, "
    assert len(lines.texts) == 1
    assert re.match(what + place, lines.texts[0])
    assert "threaded=True" in lines.texts[0]
    assert health.status == "degraded"
    assert re.fullmatch(
        f"hook 'peer_joined' held the event loop for [0-9.]+ s {place}", health.detail
    )
    assert statistics.loop_blocks == 1
    assert statistics.loop_blocked_seconds >= 1


class Blocking:
    """Each of its hooks holds the loop."""

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        hold()
        yield
        hold()

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        await anyio.lowlevel.checkpoint()
        hold()

    @hookimpl
    def health(self) -> Health:
        hold()
        return Health()

    @hookimpl
    def metrics(self) -> Iterator[Metric]:
        hold()
        yield from ()

    @hookimpl
    def validate(self, bus: EventBus) -> list[str]:
        hold()
        return []


@pytest.mark.slow
async def test_all_kinds_of_hooks_are_watched(lines: Lines) -> None:
    async with EventBus() as bus:
        bus.register(Blocking(), name="p")
        await reported(bus, "p")
        await bus.publish_and_wait(joined())
        await reported(bus, "p", 2)
        queries: list[Callable[[], object]] = [
            bus.health,
            lambda: bus.query("metrics"),
            bus.plugins.validate,
        ]
        for number, query in enumerate(queries):
            query()
            await reported(bus, "p", 3 + number)

    hooks = ["lifespan start", "peer_joined", "health", "metrics", "validate", "lifespan end"]
    assert [re.findall("hook '(.*?)'", text)[0] for text in lines.texts] == hooks
    assert all(f"{__file__}:" in text for text in lines.texts)


@pytest.mark.slow
async def test_a_transform_is_watched_from_wherever_an_event_is_published(lines: Lines) -> None:
    class Slow:
        @hookimpl
        def transform(self, event: PeerJoined) -> PeerJoined:
            hold()
            return event

    class Publishing:
        @hookimpl
        async def notification(self) -> None:
            await bus.publish(joined())

    async with EventBus() as bus:
        bus.register(Slow(), "slow")
        bus.register(Publishing(), "innocent")
        await bus.publish(joined())
        await reported(bus, "slow")
        await bus.publish(Notification(title="", message=""))
        await reported(bus, "slow", 2)
        assert bus.health()["slow"].status == "degraded"
        assert bus.statistics().plugins["innocent"].loop_blocks == 0

    assert lines.texts[0].startswith("plugin 'slow': hook 'transform' held the event loop for ")
    assert "so it has to return quickly" in lines.texts[0]


@pytest.mark.slow
async def test_batches_and_subscriptions_are_watched(lines: Lines) -> None:
    class Plugin:
        @hookimpl
        def event_batch(self, events: Sequence[Event]) -> None:
            hold()

    def handler(event: Event) -> None:
        hold()

    async with EventBus() as bus:
        bus.register(Plugin(), name="p")
        await bus.publish_and_wait(joined())
        await reported(bus, "p")
        await bus.unregister("p")
        bus.subscribe(Event, handler, name="s")
        await bus.publish_and_wait(joined())
        await reported(bus, "s")

    hooks = [re.findall("'(.*?)'", text)[:2] for text in lines.texts]
    assert hooks == [["p", "event_batch"], ["s", "handler"]]


@pytest.mark.slow
async def test_one_hook_is_logged_once_a_minute_and_counted_each_time(lines: Lines) -> None:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: hold(), name="s")
        for number in range(3):
            await bus.publish_and_wait(joined())
            await reported(bus, "s", number + 1)

    assert len(lines.texts) == 1


@pytest.mark.slow
async def test_a_hook_that_works_much_but_lets_others_run_is_not_named(lines: Lines) -> None:
    async def handler(event: Event) -> None:
        for _ in range(40):
            until = time.thread_time() + 0.005
            while time.thread_time() < until:
                pass

            await anyio.lowlevel.checkpoint()

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, handler, name="s")
        await bus.publish_and_wait(joined())

    assert lines.texts == []


@pytest.mark.slow
async def test_code_that_keeps_pythons_lock_is_named_afterwards(lines: Lines) -> None:
    def search(event: Event) -> None:
        began, letters = time.thread_time(), 20
        while time.thread_time() - began < 0.3:
            began, letters = time.thread_time(), letters + 1
            re.match("(a+)+$", "a" * letters + "b")

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, search, name="s")
        await bus.publish_and_wait(joined())
        await reported(bus, "s")

    line = search.__code__.co_firstlineno + 4
    assert "hook 'search' held the event loop for" in lines.texts[-1]
    assert f"{__file__}:{line}:" in lines.texts[-1]


@pytest.mark.slow
async def test_a_collection_of_garbage_meanwhile_is_mentioned(lines: Lines) -> None:
    def handler(event: Event) -> None:
        gc.collect()
        hold()

    async with EventBus() as bus:
        bus.subscribe(PeerJoined, handler, name="s")
        await bus.publish_and_wait(joined())
        await reported(bus, "s")

    assert "collected garbage meanwhile" in lines.texts[0]


async def test_its_thread_sleeps_without_a_timer_while_nothing_happens() -> None:
    others = watching_threads()
    async with EventBus() as bus:
        assert watching_threads() == others
        bus.subscribe(PeerJoined, lambda event: None)
        await bus.publish_and_wait(joined())
        [thread] = watching_threads() - others
        assert thread.daemon
        with anyio.fail_after(GIVEN_UP_AFTER):
            while not (timeouts := waits(thread)) or timeouts != {None}:  # noqa: ASYNC110 - it happens in another thread
                await anyio.sleep(0.01)

        await bus.publish_and_wait(joined())

    thread.join(GIVEN_UP_AFTER)
    assert not thread.is_alive()


def waits(thread: threading.Thread) -> set[object]:
    """Return the timeouts of the waits that a thread is in."""
    frame = sys._current_frames().get(thread.ident or 0)
    timeouts: set[object] = set()
    while frame is not None:
        if frame.f_code.co_name == "wait":
            timeouts.add(frame.f_locals["timeout"])

        frame = frame.f_back

    return timeouts


@pytest.mark.parametrize("blocked_after", [None, float("inf"), 1e300])
async def test_it_can_be_switched_off(blocked_after: float | None, lines: Lines) -> None:
    others = watching_threads()
    async with EventBus(blocked_after=blocked_after) as bus:
        bus.subscribe(PeerJoined, lambda event: time.sleep(0.15), name="s")
        await bus.publish_and_wait(joined())
        assert watching_threads() == others
        assert bus.statistics().plugins["s"].loop_blocks == 0

    assert lines.texts == []


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_the_time_must_be_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="blocked_after must be more than 0 seconds"):
        EventBus(blocked_after=seconds)


@pytest.mark.slow
async def test_each_of_several_loops_is_watched(lines: Lines, anyio_backend_name: str) -> None:
    async def block(name: str) -> None:
        async with EventBus() as bus:
            bus.subscribe(PeerJoined, lambda event: hold(), name=name)
            await bus.publish_and_wait(joined())
            await reported(bus, name)

    def run(name: str) -> None:
        anyio.run(block, name, backend=anyio_backend_name)

    async with anyio.create_task_group() as tg:
        for name in ("one", "two"):
            tg.start_soon(anyio.to_thread.run_sync, run, name)

    assert sorted(re.findall("plugin '(.*?)'", " ".join(lines.texts))) == ["one", "two"]


PROGRAM = """
import os, sys, threading, time
import anyio
from lanrage_events import EventBus, PeerJoined

EVENT = PeerJoined(peer_name="Ann", party_name="Friday LAN")

async def compute(event):
    for number in range(1000):
        if number == 100:
            print("ready", flush=True)
        until = time.thread_time() + 0.001
        while time.thread_time() < until:
            pass
        await anyio.sleep(0)

async def stopped():
    # On a busy machine, others may take the processor from a hook for longer than 0.1 s.
    async with EventBus(blocked_after=0.4) as bus:
        bus.subscribe(PeerJoined, compute, name="s")
        await bus.publish_and_wait(EVENT)
        print(bus.statistics().plugins["s"].loop_blocks, flush=True)

async def blocked():
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: time.sleep(0.3), name="s")
        await bus.publish_and_wait(EVENT)
        while not bus.statistics().plugins["s"].loop_blocks:
            await anyio.sleep(0.01)

async def forked():
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: None)
        await bus.publish_and_wait(EVENT)
        child = os.fork()
        if not child:
            thread = threading.Thread(target=anyio.run, args=(blocked,), kwargs={"backend": sys.argv[2]})
            thread.start()
            thread.join(20)
            os._exit(int(thread.is_alive()))
        while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
            await anyio.sleep(0.01)
        print(os.waitstatus_to_exitcode(done[1]), flush=True)
        await blocked()

anyio.run(globals()[sys.argv[1]], backend=sys.argv[2])
"""


@contextmanager
def program(what: str, backend: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, what, backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no SIGSTOP")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_process_that_was_stopped_is_no_hook_that_held_the_loop(backend: str) -> None:
    with program("stopped", backend) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(5):
            process.send_signal(signal.SIGSTOP)
            # What is proven is that this time does not count, wherever the watch is when it begins.
            time.sleep(0.6)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.07)

        assert process.stdout.readline() == "0\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_parent_and_forked_child_are_watched(backend: str) -> None:
    with program("forked", backend) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"

    assert process.returncode == 0


@pytest.mark.slow
async def test_of_two_hooks_in_one_turn_the_one_that_held_the_loop_is_named(lines: Lines) -> None:
    def handler(seconds: float) -> Callable[[Event], None]:
        return lambda event: time.sleep(seconds)

    async with EventBus() as bus:
        # Around each other, since Trio runs them in any order.
        bus.subscribe(PeerJoined, handler(0.04), name="before")
        bus.subscribe(PeerJoined, handler(1.0), name="slow")
        bus.subscribe(PeerJoined, handler(0.04), name="after")
        for count in range(1, 4):
            await bus.publish_and_wait(joined())
            await reported(bus, "slow", count)

        statistics = bus.statistics().plugins

    assert statistics["before"].loop_blocks == statistics["after"].loop_blocks == 0
    assert all("plugin 'slow'" in text for text in lines.texts)


@pytest.mark.slow
async def test_what_the_program_itself_does_after_a_hook_is_not_the_hooks(lines: Lines) -> None:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: time.sleep(0.04), name="short")
        for _ in range(3):
            await bus.publish_and_wait(joined())
            time.sleep(0.5)  # noqa: ASYNC251 - what is proven is that this does not count

        assert bus.statistics().plugins["short"].loop_blocks == 0

    assert lines.texts == []


@pytest.mark.slow
async def test_a_collection_of_garbage_while_a_plugin_waits_for_events_is_not_the_plugins(
    lines: Lines,
) -> None:
    held: list[str] = []

    def collect(phase: str, info: object) -> None:
        frame: FrameType | None = sys._getframe(1)
        names = []
        while frame is not None:
            names.append(f"{Path(frame.f_code.co_filename).name} {frame.f_code.co_name}")
            frame = frame.f_back

        if {"mailbox.py wait", "consumer.py _handle_events"} <= {*names} and len(held) < 2:
            held.append(names[0])
            hold()

    thresholds = gc.get_threshold()
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: None, name="idle")
        for _ in range(3):
            await bus.publish_and_wait(joined())
            await anyio.sleep(0.001)

        gc.callbacks.append(collect)
        gc.set_threshold(1)
        try:
            for _ in range(50):
                await bus.publish_and_wait(joined())
                await anyio.sleep(0.001)
        finally:
            gc.callbacks.remove(collect)
            gc.set_threshold(*thresholds)

        assert len(held) == 2
        assert bus.statistics().plugins["idle"].loop_blocks == 0

    assert lines.texts == []
