"""Plugins that do what no plugin may, in the installed program: at its start, a reload and its end."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from ._daemons import run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
]

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])

IMPORTS = """
    import asyncio
    import sys
    import threading
    import time
    from contextlib import asynccontextmanager

    import anyio

    from lanrage_events import PeerJoined, hookimpl
"""

# It publishes an event once everything runs, and says which events arrive.
GOOD = """
    class Plugin:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.publish, bus)
                yield
                tasks.cancel_scope.cancel()

        async def publish(self, bus):
            while True:
                await anyio.sleep(0.1)
                await bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))

        @hookimpl
        def event(self, event):
            print("good", file=sys.stderr, flush=True)
"""

LIFESPAN = "@hookimpl\n@asynccontextmanager\nasync def lifespan(bus):\n"
THREAD = "threading.Thread(target=threading.Event().wait, name='forgotten', daemon=False).start()"

# Each with what is said about it when it is to start.
BROKEN = {
    "size": (
        "class Plugin:\n    mailbox_size = 'x'",
        "mailbox_size must be a whole number, not 'x'",
    ),
    "policy": (
        "class Plugin:\n    when_full = 'maybe'",
        "must be one of block, drop_oldest, drop_newest",
    ),
    "timeout": ("class Plugin:\n    hook_timeout = -1", "hook_timeout must be more than 0 seconds"),
    "exits": ("class Plugin:\n    def __init__(self): raise SystemExit(0)", "SystemExit: 0"),
    "interrupts": ("class Plugin:\n    def __init__(self): raise KeyboardInterrupt", "Interrupt"),
    "base": ("class Plugin:\n    def __init__(self): raise BaseException('b')", "BaseException: b"),
    "module_exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "module_interrupts": ("raise KeyboardInterrupt", "it raised KeyboardInterrupt"),
    "module_hangs": ("threading.Event().wait()", "it takes longer than 0.2 seconds"),
    "start_exits": (
        f"{LIFESPAN}    raise SystemExit(0)\n    yield",
        "SystemExit",
    ),
    "start_hangs": (
        f"{LIFESPAN}    await anyio.sleep_forever()\n    yield",
        "did not start within 0.2 seconds",
    ),
}


@pytest.fixture
def backend(anyio_backend_name: str) -> str:
    """Run the daemon on the backend that the test runs on."""
    return anyio_backend_name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine").mkdir()
    write_plugin("good", GOOD, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_plugin(name: str, source: str, folder: Path = Path()) -> None:
    text = f"{dedent(IMPORTS)}\n{dedent(source)}\n"
    if source.startswith("class Plugin") and "@hookimpl" not in source:
        text += "    @hookimpl\n    def event(self, event): ...\n"

    (folder / "mine" / f"{name}.py").write_text(text, "utf-8")


def write_config(*plugins: str, drain_timeout: str = "200ms") -> None:
    sections = {name: {"start_timeout": "200ms"} if name != "good" else {} for name in plugins}
    config = {
        "state_folder": "state",
        "plugins_folder": "mine",
        "drain_timeout": drain_timeout,
        "plugins": sections,
    }
    Path("lanrage.yaml").write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.either_backend
async def test_a_reload_with_it_reports_it_and_everything_else_goes_on(
    backend: str, name: str
) -> None:
    source, message = BROKEN[name]
    write_plugin("broken", source)
    write_config("good")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("good")
        write_config("good", "broken")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for(message)
        daemon.log = ""
        await daemon.wait_for("good")
        write_config("good")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for("reloaded: no plugin changed")
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0

    assert daemon.log.splitlines()[-1].endswith("stopped")


@on_asyncio
@pytest.mark.parametrize("name", BROKEN)
async def test_a_start_with_it_is_an_error(backend: str, name: str) -> None:
    source, message = BROKEN[name]
    write_plugin("broken", source)
    write_config("good", "broken")
    code, output, log = await run("run", "--backend", backend)
    assert (code, output) == (1 if name.startswith("start_") else 78, "")
    assert message in log
    assert "broken" in log


# Leaving

STUBBORN = """
    @hookimpl
    @asynccontextmanager
    async def lifespan(bus):
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()
"""


@pytest.mark.either_backend
async def test_a_plugin_that_does_not_end_is_named_and_the_outboxes_are_closed(
    backend: str, folder: Path
) -> None:
    write_plugin("stubborn", STUBBORN)
    write_plugin(
        "keeper",
        """
        from lanrage_events.outbox import Outbox

        @hookimpl
        @asynccontextmanager
        async def lifespan(bus):
            async with Outbox("kept.outbox") as outbox:
                await outbox.put("lane", "body")
                yield
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
        """,
    )
    write_config("good", "stubborn", "keeper")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("good")
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 1

    last = daemon.log.splitlines()[-1]
    assert "not stopped within 1.2 seconds: still waiting for stubborn, keeper" in last
    assert "its outboxes are closed" in last
    assert json.loads((folder / "kept.outbox.lock").read_text())["closed"]
    assert not (folder / "kept.outbox-wal").exists()


DEAF = """
    async def wait():
        while True:
            try:
                await anyio.sleep(0.05)
            except BaseException:
                pass
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)

    @hookimpl
    @asynccontextmanager
    async def lifespan(bus):
        print("deaf starts", file=sys.stderr, flush=True)
        {}
"""
DEAF_STARTS = DEAF.format("await wait(); yield")
DEAF_ENDS = DEAF.format("yield; await wait()")

# It says whether it ended as it should.
WITNESS = """
    @hookimpl
    @asynccontextmanager
    async def lifespan(bus):
        try:
            yield
        finally:
            print("witness ended", file=sys.stderr, flush=True)
"""


@pytest.mark.either_backend
async def test_a_start_that_ignores_its_timeout_holds_up_neither_a_reload_nor_the_others_at_a_stop(
    backend: str,
) -> None:
    write_plugin("deaf", DEAF_STARTS)
    write_plugin("witness", WITNESS)
    write_plugin("later", WITNESS)
    write_config("good", "witness")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("good")
        write_config("good", "witness", "deaf", "later")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for("'deaf' is not started: could not start: TimeoutError: its lifespan")
        await daemon.wait_for("reloaded in part: later started")
        daemon.log = ""
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for("'deaf' is not started: an earlier plugin of this name still runs")
        write_config("good", "witness")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for("reloaded: later ended")
        await daemon.wait_for("waiting for 'deaf' to end, cancelled 6 seconds ago")
        await daemon.wait_for("witness ended")  # the one that was named later
        daemon.log = ""
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 1

    assert "witness ended" in daemon.log
    assert "not stopped within 1.2 seconds: still waiting for deaf;" in daemon.log


@pytest.mark.parametrize("source", [DEAF_STARTS, DEAF_ENDS], ids=["start", "end"])
@pytest.mark.either_backend
async def test_a_stop_in_the_middle_of_a_reload_that_hangs_ends_the_others(
    backend: str, source: str
) -> None:
    write_plugin("deaf", source)
    write_plugin("witness", WITNESS)
    plugins = ["good", "witness", "deaf"]
    write_config(*plugins[: 2 if source is DEAF_STARTS else 3], drain_timeout="3s")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("good\n")
        write_config(*plugins[: 3 if source is DEAF_STARTS else 2], drain_timeout="3s")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for("deaf starts" if source is DEAF_STARTS else "reloading")
        daemon.log = ""
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 1

    assert "witness ended" in daemon.log
    assert "not stopped within 4 seconds: still waiting for deaf;" in daemon.log


@pytest.mark.either_backend
async def test_a_first_start_that_ignores_its_timeout_ends_the_program_in_time(
    backend: str,
) -> None:
    write_plugin("deaf", DEAF_STARTS)
    write_plugin("witness", WITNESS)
    write_config("witness", "deaf")
    async with running("run", "--backend", backend) as daemon:
        assert await daemon.wait() == 1

    assert "'deaf' still runs although it was cancelled" in daemon.log
    assert "witness ended" in daemon.log
    assert "could not start deaf: waiting for the others" in daemon.log
    assert "still waiting for deaf;" in daemon.log


@pytest.mark.either_backend
async def test_a_start_that_fails_does_not_wait_for_the_others_for_ever(backend: str) -> None:
    write_plugin("stubborn", STUBBORN)
    write_plugin("broken", BROKEN["start_exits"][0])
    write_config("stubborn", "broken")
    async with running("run", "--backend", backend) as daemon:
        assert await daemon.wait() == 1

    assert "still waiting for stubborn" in daemon.log


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    "source",
    [THREAD, f"import atexit\n{THREAD}\natexit.register(threading.Event().wait)"],
    ids=["thread", "thread and exit function"],
)
@on_asyncio
async def test_threads_that_it_left_behind_do_not_keep_the_program_from_ending(
    backend: str, command: str, source: str
) -> None:
    write_plugin("untidy", source)
    write_config("good", "untidy")
    arguments = ["run", "--backend", backend] if command == "run" else ["check"]
    async with running(*arguments) as daemon:
        if command == "run":
            await daemon.wait_for("good")
            daemon.process.send_signal(signal.SIGTERM)

        assert await daemon.wait() == 0

    assert "ends although threads still run: forgotten" in daemon.log


@on_asyncio
async def test_a_thread_of_asyncio_that_hangs_does_not_either(backend: str) -> None:
    source = """
        @hookimpl
        @asynccontextmanager
        async def lifespan(bus):
            asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
            yield
    """
    write_plugin("untidy", source)
    write_config("good", "untidy")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("good")
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0

    assert "stopped" in daemon.log
    assert "the process ends although threads still run: asyncio_0" in daemon.log


# Ending for a reason that nobody asked for

HOOK = "@hookimpl\ndef event(event):\n    "


CTRL_C = """
        import os
        import signal
        os.kill(os.getpid(), signal.SIGINT)
        raise KeyboardInterrupt
"""


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--stdin",), 130)])
@pytest.mark.either_backend
async def test_ctrl_c_that_surfaces_in_a_hook_is_a_stop(
    backend: str, arguments: tuple[str, ...], code: int
) -> None:
    write_plugin("broken", f"{HOOK}if True:{CTRL_C}")
    write_config("good", "broken")
    async with running("run", "--backend", backend, *arguments) as daemon:
        assert await daemon.wait() == code

    assert "stopped by KeyboardInterrupt" in daemon.log.splitlines()[-1]
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("arguments", [(), ("--stdin",)])
@pytest.mark.either_backend
async def test_what_looks_like_ctrl_c_in_a_hook_is_an_error_with_a_reason(
    backend: str, arguments: tuple[str, ...]
) -> None:
    write_plugin("broken", f"{HOOK}raise KeyboardInterrupt")
    write_config("good", "broken")
    async with running("run", "--backend", backend, *arguments) as daemon:
        assert await daemon.wait() == 1

    assert "because a plugin raised KeyboardInterrupt, although no one pressed Ctrl-C" in daemon.log
    assert "broken.py" in daemon.log
    assert "stopped by" not in daemon.log


@pytest.mark.parametrize("line", ["raise SystemExit(0)", "raise BaseException('no')"])
@pytest.mark.either_backend
async def test_a_hook_cannot_end_the_daemon(backend: str, line: str) -> None:
    write_plugin("broken", f"{HOOK}{line}")
    write_config("good", "broken")
    async with running("run", "--backend", backend) as daemon:
        for _ in range(3):
            await daemon.wait_for("good")
            daemon.log = ""

        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0


# What a program reads


def replace_config(text: str) -> None:
    config = Path("lanrage.yaml")
    if text == "pipe":
        Path("pipe").replace(config)
    else:
        config.write_text(text, "utf-8")


@on_asyncio
@pytest.mark.parametrize("text", ["plugins: {log: {path: '${file:pipe}'}}", "pipe"])
async def test_a_pipe_without_a_writer_does_not_hang_a_reload(backend: str, text: str) -> None:
    write_config("good")
    os.mkfifo("pipe")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("good")
        replace_config(text)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.log = ""
        await daemon.wait_for("good")
        await daemon.wait_for("no program wrote to this pipe within 10 seconds")
        await daemon.wait_for("everything continues unchanged")
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0

    if text != "pipe":
        assert "lanrage.yaml:1:23: plugins.log.path: the file " in daemon.log


@on_asyncio
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
async def test_a_device_without_an_end_stops_at_the_limit(backend: str) -> None:
    code, output, _ = await run("check", "/dev/zero")
    assert code == 78
    assert "/dev/zero: cannot be read: larger than 1,000,000 bytes" in output
