"""A bus in a thread: real threads, so real time."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from lanrage_events import (
    BusRunner,
    BusThread,
    EventBus,
    Notification,
    PluginStartError,
    hookimpl,
    run_in_thread,
)

pytestmark = pytest.mark.real_clock

TIMEOUT_SECONDS = 30.0
backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def notification(title: str = "Pizza") -> Notification:
    return Notification(title=title, message="It is upstairs.")


class Recorder:
    def __init__(self) -> None:
        self.titles: list[str] = []
        self.threads: set[int] = set()

    @hookimpl
    async def notification(self, event: Notification) -> None:
        self.titles.append(event.title)
        self.threads.add(threading.get_ident())


class Failing:
    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        raise OSError("no network")
        yield


class Blocking:
    """Holds the event loop until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    @hookimpl
    def notification(self, event: Notification) -> None:
        self.entered.set()
        self.released.wait(TIMEOUT_SECONDS)


def bus_with(plugin: object, drain_timeout: float = TIMEOUT_SECONDS) -> EventBus:
    bus = EventBus(drain_timeout=drain_timeout, blocked_after=None)
    bus.register(plugin, "plugin")
    return bus


@backends
def test_a_program_without_an_event_loop_publishes_and_all_is_delivered(backend: str) -> None:
    recorder = Recorder()
    titles = [str(number) for number in range(100)]
    with run_in_thread(bus_with(recorder), backend=backend) as thread:
        for title in titles:
            thread.publish(notification(title))

    assert recorder.titles == titles
    assert recorder.threads.isdisjoint({threading.get_ident()})
    thread.stop()
    with pytest.raises(anyio.ClosedResourceError, match="the bus is closed"):
        thread.publish(notification())


@backends
def test_a_bus_that_cannot_start_raises_why_in_the_thread_of_the_program(backend: str) -> None:
    with pytest.raises(PluginStartError, match="no network"):
        run_in_thread(bus_with(Failing()), backend=backend)


@pytest.mark.parametrize("run", [run_in_thread, BusRunner])
def test_what_is_no_bus_is_an_error_at_once(run: Callable[[Any], object]) -> None:
    with pytest.raises(
        TypeError, match=r"an EventBus was expected, not the class EventBus: create"
    ):
        run(EventBus)


def test_a_backend_that_does_not_exist_is_an_error_at_once() -> None:
    with pytest.raises(LookupError, match="curio"):
        run_in_thread(EventBus(), backend="curio")


@backends
def test_functions_are_called_in_the_event_loop(backend: str) -> None:
    recorder = Recorder()
    heard: list[str] = []

    def raising(error: BaseException) -> None:
        raise error

    with run_in_thread(bus_with(recorder), backend=backend) as thread:
        thread.call(thread.bus.subscribe, Notification, lambda event: heard.append(event.title))
        thread.publish(notification())
        thread.call(thread.bus.drain)
        assert heard == recorder.titles == ["Pizza"]
        assert thread.call(thread.bus.statistics).plugins["plugin"].handled == 1
        for error in (OSError("no disk"), SystemExit(3), KeyboardInterrupt()):
            with pytest.raises(type(error)):
                thread.call(raising, error)

        thread.publish(notification())  # none of them has ended the bus


@backends
def test_a_call_that_does_not_end_keeps_the_bus_from_nothing(backend: str) -> None:
    entered = threading.Event()
    errors: list[BaseException] = []

    async def forever() -> None:
        entered.set()
        await anyio.sleep_forever()

    def call() -> None:
        try:
            thread.call(forever)
        except Exception as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    thread = run_in_thread(EventBus(), backend=backend)
    caller = threading.Thread(target=call)
    caller.start()
    assert entered.wait(TIMEOUT_SECONDS)
    thread.stop()
    caller.join(TIMEOUT_SECONDS)
    assert isinstance(errors[0], anyio.ClosedResourceError)


def test_its_own_thread_can_neither_publish_by_it_nor_stop_it() -> None:
    errors: list[str] = []

    def handle(event: Notification) -> None:
        for function in (partial(thread.publish, event), thread.stop):
            with pytest.raises(RuntimeError) as caught:
                function()

            errors.append(str(caught.value))

    bus = EventBus()
    bus.subscribe(Notification, handle)
    with run_in_thread(bus) as thread:
        thread.publish(notification())

    assert ["would block" in errors[0], "would wait for itself" in errors[1]] == [True, True]


@backends
def test_a_stop_in_a_hook_in_another_thread_does_not_wait_for_the_hook(backend: str) -> None:
    bus = EventBus(drain_timeout=TIMEOUT_SECONDS)
    stopped = threading.Event()

    def stop(event: Notification) -> None:
        thread.stop()
        stopped.set()

    bus.subscribe(Notification, stop, threaded=True)
    with run_in_thread(bus, backend=backend) as thread:
        thread.publish(notification())
        assert stopped.wait(TIMEOUT_SECONDS / 2)


@pytest.mark.slow
def test_a_stop_does_not_wait_for_ever_for_a_hook_that_holds_the_event_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    blocking = Blocking()
    thread = run_in_thread(bus_with(blocking, drain_timeout=0))
    thread.publish(notification())
    assert blocking.entered.wait(TIMEOUT_SECONDS)
    thread.stop()
    [record] = [r for r in caplog.records if "goes on alone" in r.getMessage()]
    assert record.levelno == logging.ERROR
    assert "threading.py" in record.getMessage()
    blocking.released.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_no_bus() -> None:
    with run_in_thread(EventBus()) as thread:
        child = os.fork()
        if not child:
            os._exit(exit_code_of_child(thread))

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        thread.publish(notification())


def exit_code_of_child(thread: BusThread) -> int:
    signal.alarm(int(TIMEOUT_SECONDS))
    for publish in (thread.publish, thread.bus.publish_from_thread):
        try:
            publish(notification())
        except anyio.ClosedResourceError as error:
            if "forked" not in str(error):
                return 1
        else:
            return 2

    thread.stop()
    return 0


FORGETFUL = """
import sys
from lanrage_events import EventBus, Notification, run_in_thread

async def show(event):
    print(event.title, flush=True)

bus = EventBus(drain_timeout=5, blocked_after=None)
bus.subscribe(Notification, show)
thread = run_in_thread(bus)
for title in "abc":
    thread.publish(Notification(title=title, message="hello"))
"""
STUCK = """
import threading
from lanrage_events import EventBus, Notification, run_in_thread

entered = threading.Event()

def hold(event):
    entered.set()
    threading.Event().wait()

bus = EventBus(drain_timeout=0.1, blocked_after=None)
bus.subscribe(Notification, hold)
thread = run_in_thread(bus)
thread.publish(Notification(title="a", message="hello"))
entered.wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "out", "err"),
    [(FORGETFUL, "a\nb\nc\n", ""), (STUCK, "", "goes on alone in its thread")],
)
def test_a_program_that_does_not_stop_its_bus_exits_and_delivers(
    program: str, out: str, err: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, out)
    assert err in done.stderr
    assert err or not done.stderr
