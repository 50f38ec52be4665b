from __future__ import annotations

import asyncio
import io
import logging
import math
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventBus, Health, PeerJoined, Redactor, hookimpl
from lanrage_events._daemon import Daemon, ExitGuard, LogHandler, StopDeadline, check
from lanrage_events.cli import ExitCode
from lanrage_events.config import ConfigError
from lanrage_events.config._build import make_bus
from lanrage_events.config._load import load_config
from lanrage_events.outbox import Outbox
from lanrage_events_log import LogConfig, LogPlugin

ANN = b'{"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}\n'

Lifespan = Callable[[EventBus], AsyncIterator[None]]


class Recorder:
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    async def event(self, event: Event) -> None:
        self.events.append(event)


class Living(Recorder):
    """A plugin with a lifespan that a test writes."""

    def __init__(self, lifespan: Lifespan) -> None:
        super().__init__()
        self._lifespan = asynccontextmanager(lifespan)

    @hookimpl
    def lifespan(self, bus: EventBus) -> AbstractAsyncContextManager[None]:
        return self._lifespan(bus)


class Stop:
    """Tells the daemon to stop when a test wants it."""

    def __init__(self) -> None:
        self.now = anyio.Event()

    async def __call__(self) -> str:
        await self.now.wait()
        return "SIGTERM"


class Chunks(AsyncIterator[bytes]):
    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._chunks = iter(chunks)
        self._ends = ends

    async def __anext__(self) -> bytes:
        await checkpoint()
        chunk = next(self._chunks, None)
        if chunk is not None:
            return chunk

        if self._ends:
            raise StopAsyncIteration

        await anyio.sleep_forever()
        raise AssertionError


class Run:
    """A daemon in a task of its own."""

    def __init__(
        self,
        *plugins: object,
        lines: AsyncIterable[bytes] | None = None,
        drain_timeout: float = 10.0,
    ) -> None:
        self.bus = EventBus(drain_timeout=math.inf if lines else drain_timeout)
        for number, plugin in enumerate(plugins, 1):
            self.bus.register(plugin, f"plugin{number}")

        self.stop = Stop()
        self.reload = Stop()
        self.code: int | None = None
        self._lines = lines
        # The guard has no thread, so it ends nothing.
        self._deadline = StopDeadline(ExitGuard())
        self._deadline.drain_timeout = drain_timeout

    async def __call__(self) -> int:
        daemon = Daemon(
            self.bus,
            deadline=self._deadline,
            wait_stop=self.stop,
            wait_reload=self.reload,
            lines=self._lines,
            handler=LogHandler(io.StringIO()),
        )
        self.code = await daemon.run()
        return self.code


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


async def test_it_runs_until_it_has_to_stop(log: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    run = Run(recorder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        assert log.messages == ["ready, with the plugins plugin1"]
        assert run.code is None
        await run.bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
        run.stop.now.set()

    assert run.code == ExitCode.DONE
    assert len(recorder.events) == 1
    assert log.messages[1:] == [
        "stopping within 10 seconds because of SIGTERM; another one stops at once",
        "stopped",
    ]


async def test_it_stops_within_the_drain_timeout_when_a_plugin_hangs() -> None:
    class Hanging:
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    run = Run(Hanging(), drain_timeout=3.0)
    began = math.nan
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        await run.bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
        await wait_all_tasks_blocked()
        began = anyio.current_time()
        run.stop.now.set()

    assert run.code == ExitCode.DONE
    assert anyio.current_time() - began == pytest.approx(3.0)


def seconds_to_next_timer(backend: str) -> float:
    if backend == "trio":
        return trio.lowlevel.current_statistics().seconds_to_next_deadline

    loop: Any = asyncio.get_running_loop()
    times = [timer.when() for timer in loop._scheduled if not timer.cancelled()]
    return min(times, default=math.inf) - float(loop.time())


async def test_there_is_no_timer_while_nothing_happens(anyio_backend_name: str) -> None:
    run = Run(Recorder(), LogPlugin(LogConfig()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        await run.bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))
        await anyio.sleep(100)
        assert seconds_to_next_timer(anyio_backend_name) == math.inf
        run.stop.now.set()


async def test_it_can_be_stopped_while_a_plugin_starts() -> None:
    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        await anyio.sleep_forever()
        yield

    run = Run(Living(lifespan))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        run.stop.now.set()

    assert run.code == ExitCode.DONE


async def test_a_plugin_that_cannot_start_is_reported_with_its_traceback(
    log: pytest.LogCaptureFixture,
) -> None:
    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        raise OSError("no such device")
        yield

    assert await Run(Recorder(), Living(lifespan))() == ExitCode.FAILED
    [record] = log.records
    assert record.getMessage() == "plugin 'plugin2': could not start: OSError: no such device"
    assert record.exc_info is not None


async def test_a_plugin_that_cannot_start_for_a_known_reason_is_reported_without_a_traceback(
    log: pytest.LogCaptureFixture,
) -> None:
    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        raise ConfigError(["path: no such folder"])
        yield

    assert await Run(Living(lifespan))() == ExitCode.FAILED
    [record] = log.records
    assert "path: no such folder" in record.getMessage()
    assert record.exc_info is None


async def test_with_an_input_it_ends_when_everything_is_delivered(
    log: pytest.LogCaptureFixture,
) -> None:
    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        yield
        # Longer than any drain timeout: a plugin sends what it has taken.
        await anyio.sleep(290)

    plugin = Living(lifespan)
    run = Run(plugin, lines=Chunks(ANN, ANN))
    began = anyio.current_time()
    assert await run() == ExitCode.DONE
    assert anyio.current_time() - began == pytest.approx(290)
    assert len(plugin.events) == 2
    assert log.messages[-1] == "2 events read and delivered"


class Slow(Living):
    """Delivers one event every four minutes, and stops at some number."""

    def __init__(self, last: int = 0) -> None:
        super().__init__(self._send)
        self._last = last

    async def _send(self, bus: EventBus) -> AsyncIterator[None]:
        yield
        while len(self.events) > self._last:
            await anyio.sleep(240)
            self.events.pop()

        if self._last:
            await anyio.sleep_forever()

    @hookimpl
    def health(self) -> Health:
        return Health("degraded", "the receiver is down", len(self.events))


@pytest.mark.slow
async def test_after_an_input_it_waits_while_anything_is_delivered() -> None:
    run = Run(Slow(), lines=Chunks(ANN * 20))
    began = anyio.current_time()
    assert await run() == ExitCode.DONE
    assert anyio.current_time() - began == pytest.approx(20 * 240)


async def test_after_an_input_it_gives_up_when_nothing_is_delivered(
    log: pytest.LogCaptureFixture,
) -> None:
    run = Run(Slow(last=2), lines=Chunks(ANN * 3))
    began = anyio.current_time()
    assert await run() == ExitCode.FAILED
    assert anyio.current_time() - began == pytest.approx(240 + 300, abs=3)
    [explained] = [m for m in log.messages if "Ctrl-C" in m]
    assert explained == (
        "still to deliver: plugin1 3 (the receiver is down); this ends with exit code 1 when nothing "
        "is delivered for 300 seconds, or on Ctrl-C, and it is lost then, since no outbox on disk holds it"
    )
    assert "plugin 'plugin1': 2 not delivered: the receiver is down" in log.messages


@pytest.mark.parametrize("reads", [False, True])
async def test_a_plugin_whose_lifespan_does_not_end_is_named_and_fails_it(
    reads: bool, log: pytest.LogCaptureFixture
) -> None:
    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            yield

    run = Run(Recorder(), Living(lifespan), lines=Chunks(ANN) if reads else None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        if not reads:
            run.stop.now.set()

        await anyio.sleep(9)
        assert log.messages[-1] == "the bus is closing, and waits for 'plugin2'"

    assert run.code == ExitCode.FAILED
    [message] = [m for m in log.messages if m.startswith("plugin 'plugin2' did not end in time")]
    assert "cancel them after the yield" in message
    assert any("had to be cancelled" in m and "plugin2" in m for m in log.messages)


async def test_the_progress_is_logged_while_it_waits(log: pytest.LogCaptureFixture) -> None:
    class Sending(Living):
        undelivered = 2

        @hookimpl
        def health(self) -> Health:
            return Health("degraded", "Discord is slow", self.undelivered)

    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        yield
        await anyio.sleep(25)
        plugin.undelivered = 0

    plugin = Sending(lifespan)
    assert await Run(plugin, lines=Chunks(ANN, ANN))() == ExitCode.DONE
    assert [m for m in log.messages if m.startswith("2 events read, still")] == [
        "2 events read, still to deliver: plugin1 2 (Discord is slow)",
        "2 events read, still to deliver: plugin1 2 (Discord is slow)",
    ]
    assert log.messages[-1] == "2 events read and delivered"


async def test_bad_lines_fail_after_everything_else_was_delivered(
    log: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder()
    assert await Run(recorder, lines=Chunks(ANN, b"oops\n", b"oops\n", ANN))() == ExitCode.FAILED
    assert len(recorder.events) == 2
    assert "2 lines of the input could not be read" in log.messages


async def test_events_on_which_a_plugin_failed_fail_it(log: pytest.LogCaptureFixture) -> None:
    class Failing:
        @hookimpl
        def event(self, event: Event) -> None:
            raise ValueError("no")

    assert await Run(Recorder(), Failing(), lines=Chunks(ANN, ANN))() == ExitCode.FAILED
    assert "plugin 'plugin2': 2 failed: the last event failed: ValueError: no" in log.messages


async def test_events_that_a_plugin_dropped_fail_it(log: pytest.LogCaptureFixture) -> None:
    class Slow:
        mailbox_size = 1

        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep(1)

    assert await Run(Slow(), lines=Chunks(ANN * 10))() == ExitCode.FAILED
    assert any(text.startswith("plugin 'plugin1': ") for text in log.messages)
    assert any(" dropped" in text for text in log.messages)


@pytest.mark.parametrize(
    ("health", "message"),
    [
        (Health("ok", "3 lines lost", 3), "plugin 'plugin1': 3 not delivered: 3 lines lost"),
        (Health("failed", "it is broken"), "plugin 'plugin1': failed: it is broken"),
        (Health("failed"), "plugin 'plugin1': failed"),
    ],
)
async def test_what_a_plugin_could_not_deliver_fails_it(
    health: Health, message: str, log: pytest.LogCaptureFixture
) -> None:
    class Sick(Recorder):
        @hookimpl
        def health(self) -> Health:
            return health

    assert await Run(Sick(), lines=Chunks(ANN))() == ExitCode.FAILED
    assert message in log.messages


class Keeping(Recorder):
    """Puts events into an outbox in memory or a file, and delivers none."""

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.path = path

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with Outbox(self.path, inline=True) as self.box:
            yield

    @hookimpl
    async def event(self, event: Event) -> None:
        await self.box.put("pager", event.to_json())

    @hookimpl
    def outbox(self) -> Outbox | None:
        return getattr(self, "box", None)


@pytest.mark.parametrize("file", [None, "outbox"])
async def test_what_an_outbox_still_holds_fails_an_input(
    file: str | None, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    plugin = Keeping(None if file is None else tmp_path / file)
    assert await Run(plugin, lines=Chunks(ANN))() == ExitCode.FAILED
    assert "plugin 'plugin1': 1 not delivered" in log.messages


@pytest.mark.parametrize(("file", "code"), [(None, ExitCode.FAILED), ("outbox", ExitCode.DONE)])
async def test_only_what_an_outbox_in_memory_loses_fails_a_stop(
    file: str | None, code: ExitCode, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    run = Run(Keeping(None if file is None else tmp_path / file))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        await run.bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))
        run.stop.now.set()

    assert run.code == code
    assert any("1 entry is" in text for text in log.messages)


async def test_a_plugin_that_is_only_degraded_does_not_fail_it() -> None:
    class Slow(Recorder):
        @hookimpl
        def health(self) -> Health:
            return Health("degraded", "slow")

    assert await Run(Slow(), lines=Chunks(ANN))() == ExitCode.DONE


async def test_a_signal_ends_the_wait_for_the_rest_within_the_drain_timeout(
    log: pytest.LogCaptureFixture,
) -> None:
    class Sending(Living):
        @hookimpl
        def health(self) -> Health:
            return Health("ok", "", len(self.events))

    async def lifespan(bus: EventBus) -> AsyncIterator[None]:
        yield
        await anyio.sleep_forever()

    run = Run(Sending(lifespan), lines=Chunks(ANN), drain_timeout=3.0)
    began = math.nan
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(60)
        assert run.code is None
        began = anyio.current_time()
        run.stop.now.set()

    assert anyio.current_time() - began == pytest.approx(3.0)
    assert run.code == ExitCode.FAILED
    assert "plugin 'plugin1': 1 not delivered" in log.messages


async def test_a_signal_ends_the_reading_of_an_input_that_goes_on() -> None:
    recorder = Recorder()
    run = Run(recorder, lines=Chunks(ANN, ends=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        run.stop.now.set()

    assert len(recorder.events) == 1
    assert run.code == ExitCode.DONE


@pytest.mark.slow
async def test_a_signal_within_a_line_fails_it(log: pytest.LogCaptureFixture) -> None:
    run = Run(Recorder(), lines=Chunks(ANN, ANN[:10], ends=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await wait_all_tasks_blocked()
        run.stop.now.set()

    assert run.code == ExitCode.FAILED
    assert "stopped in the middle of the input" in log.messages


async def test_systemd_is_notified_when_it_is_ready_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        run = Run(Recorder())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await wait_all_tasks_blocked()
            assert systemd.recv(1000) == b"READY=1\nSTATUS=plugins: plugin1"
            run.stop.now.set()

        assert systemd.recv(1000) == b"STOPPING=1"


async def test_systemd_is_notified_of_the_end_of_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert await Run(Recorder(), lines=Chunks())() == ExitCode.DONE
        assert systemd.recv(1000).startswith(b"READY=1")
        assert systemd.recv(1000) == b"STOPPING=1"


# The bus of a configuration

PLUGINS = {
    "simple": """
        from lanrage_events import hookimpl

        class Plugin:
            @hookimpl
            def event(self, event):
                pass
    """,
    "misspelt": """
        from lanrage_events import hookimpl

        @hookimpl
        def peer_jond(event):
            pass
    """,
    "raising": """
        class Plugin:
            def __init__(self):
                raise ValueError("my token is 0123456789")
    """,
    "conflict": """
        from dataclasses import dataclass
        from lanrage_events import Event, hookimpl

        @dataclass(frozen=True, kw_only=True, slots=True)
        class PeerJoined(Event):
            pass

        @hookimpl
        def register_events():
            return [PeerJoined]
    """,
    "odd": """
        from lanrage_events import hookimpl

        class Plugin:
            mailbox_size = 0

            @hookimpl
            def event(self, event):
                pass
    """,
}


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    from textwrap import dedent

    folder = tmp_path / "plugins"
    folder.mkdir()
    for name, source in PLUGINS.items():
        (folder / f"{name}.py").write_text(dedent(source), encoding="utf-8")

    def write(text: str) -> Path:
        path = tmp_path / "lanrage.yaml"
        path.write_text(f"plugins_folder: ./plugins\n{text}", encoding="utf-8")
        return path

    return write


def test_the_bus_of_a_configuration_has_its_plugins_as_they_are_configured(
    write_config: Callable[[str], Path],
) -> None:
    path = write_config(
        "drain_timeout: 3s\n"
        "state_folder: ./state\n"
        "templates: [./mine]\n"
        "plugins:\n"
        "  simple: {mailbox: {size: 7, when_full: drop_newest}}\n"
        "  other: {use: simple}\n"
    )
    checked = check(path)
    config, bus = checked.draft.config(), checked.bus
    assert [plugin.name for plugin in config.plugins] == ["simple", "other"]
    simple, other = (bus.statistics().plugins[name] for name in ("simple", "other"))
    assert (simple.size, simple.when_full) == (7, "drop_newest")
    assert (other.size, other.when_full) == (1024, "drop_oldest")
    assert bus.plugins.drain_timeout == 3.0
    assert bus.state_folder == path.parent / "state"
    assert bus.template_folders()[0] == path.parent / "mine"


def test_plugins_that_say_nothing_else_wait_for_room_if_events_can_wait(
    write_config: Callable[[str], Path],
) -> None:
    path = write_config(
        "plugins:\n  simple:\n  other: {use: simple, mailbox: {when_full: drop_newest}}\n"
    )
    redactor = Redactor()
    bus = make_bus(load_config(path, redactor=redactor), redactor, batch=True)
    assert bus.statistics().plugins["simple"].when_full == "block"
    assert bus.statistics().plugins["other"].when_full == "drop_newest"
    assert bus.plugins.drain_timeout == math.inf


def test_every_plugin_that_does_not_fit_is_reported_with_its_place(
    write_config: Callable[[str], Path],
) -> None:
    path = write_config("plugins:\n  raising:\n  conflict:\n  odd:\n  simple:\n  misspelt:\n")
    with pytest.raises(ConfigError) as caught:
        check(path).draft.config()

    raising, conflict, odd, misspelt = caught.value.problems
    assert raising.startswith(f"{path}:3:3: plugins.raising: the plugin cannot be made")
    assert conflict.startswith(f"{path}:4:3: plugins.conflict: event type 'peer_joined' ")
    assert odd.startswith(f"{path}:5:3: plugins.odd: the plugin cannot be registered: ValueError")
    assert misspelt == (
        f"{path}:7:3: plugins.misspelt: the plugin implements the unknown hook 'peer_jond', "
        "did you mean 'peer_joined'?"
    )


def test_what_is_reported_about_plugins_holds_no_secret(
    write_config: Callable[[str], Path],
) -> None:
    path = write_config("plugins:\n  raising:\n")
    redactor = Redactor()
    redactor.add("0123456789")
    config = load_config(path, redactor=redactor)
    with pytest.raises(ConfigError) as caught:
        make_bus(config, redactor)

    assert "0123456789" not in str(caught.value)
    assert "my token is ***" in str(caught.value)
